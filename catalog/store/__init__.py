"""The embedded store: SQLite through apsw, one file under the node's home."""

from catalog.store.opening import migrate_database, open_store
from catalog.store.sqlite import SqliteStore

__all__ = ["SqliteStore", "migrate_database", "open_store"]
