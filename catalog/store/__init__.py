"""The embedded store: SQLite through apsw, one file under the node's home."""

from catalog.store.opening import open_store
from catalog.store.sqlite import SqliteStore

__all__ = ["SqliteStore", "open_store"]
