"""The store beyond one machine: a pgSTAC database on PostgreSQL. Needs the extra `[pgstac]`."""
