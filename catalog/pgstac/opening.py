"""Opening the store on PostgreSQL: versions are checked, not changed; a new one is filled from the files (P26)."""

import contextlib
import logging
import time
import uuid
from pathlib import Path

from pydantic import SecretStr

from catalog import lock
from catalog.durable import write_file
from catalog.errors import UnusableStoreError
from catalog.pgstac.database import Database, check_address
from catalog.pgstac.migration import check_versions
from catalog.pgstac.store import PgStacStore
from catalog.sidecar import loaded_files, refill

logger = logging.getLogger(__name__)

MARK = "catalog.pgstac"
"""File of a home with the name that its database knows it by."""


def open_pgstac(home: Path, address: SecretStr, *, read_only: bool, lease_s: float) -> PgStacStore:
    """Open the catalogue of `home` in a database that was migrated.

    Raises:
        UnusableStoreError: The address cannot be read, the database was not migrated to this program's version, or
            it holds the catalogue of another home.
        StoreUnavailableError: It cannot be reached.
    """
    check_address(address)
    database = Database(address, read_only=read_only)
    with contextlib.ExitStack() as undo:
        undo.callback(database.close)
        with database.connection() as connection:
            check_versions(connection)
        store = PgStacStore(database, lease_s=lease_s)
        undo.callback(store.close)
        if not read_only:
            with lock.exclusive(home / f"{MARK}.lock"):
                _settle(home, database, store)
        undo.pop_all()
        return store


def _settle(home: Path, database: Database, store: PgStacStore) -> None:
    """Let database and home know each other: a sweep of the wrong home would take its files for leftovers."""
    mark = home / MARK
    ours = mark.read_text().strip() if mark.exists() else None
    with database.connection() as connection:
        found = connection.execute("SELECT convert_from(value, 'UTF8') FROM fact WHERE name = 'home'").fetchone()
    if found is not None:
        if found[0] != ours:
            raise UnusableStoreError(
                f"the database holds the catalogue of another home than {home}; if they do belong together, write"
                f" {found[0]} into {mark}"
            )
        return
    if ours is None:
        ours = uuid.uuid4().hex
        write_file(mark, ours.encode())
    # Followers of an earlier database must never see its numbers go back.
    if (home / "scenes").exists() or (home / "loaded").exists():
        with database.transaction() as connection:
            connection.execute("UPDATE feed SET sequence = greatest(sequence, %s)", (time.time_ns() // 1_000,))
    count = refill(store, home, loaded_files(home))
    with database.transaction() as connection:
        connection.execute("INSERT INTO fact VALUES ('home', %s)", (ours.encode(),))
    logger.info("filled the database with %s items of %s", count, home)
