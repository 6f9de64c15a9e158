"""open_store: the catalogue of a home; indexed from the files when it is missing or damaged (P26, P29)."""

import logging
import time
from pathlib import Path

from catalog import lock
from catalog.sidecar import loaded_files, refill
from catalog.store.claim import LEASE_S
from catalog.store.database import DATABASE_FILE, DamagedDatabaseError, Database
from catalog.store.sqlite import SqliteStore

logger = logging.getLogger(__name__)


def open_store(home: Path, *, read_only: bool = False, lease_s: float = LEASE_S) -> SqliteStore:
    """Open the catalogue under `home`.

    Args:
        home: The node's folder; it is made when it is missing.
        read_only: Refuse every write; and look at the file's head only, where a writer checks all of it first.
        lease_s: How long a publisher may stand still before another may take its scene over.

    Raises:
        StoreUnavailableError: The file cannot be opened, or belongs to a newer program.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    database = Database(home / DATABASE_FILE, read_only=read_only)
    if not _is_sound(database, thorough=not read_only):
        _make(home)
    return SqliteStore(database, claims_folder(home), lease_s=lease_s)


def claims_folder(home: Path) -> Path:
    """Lock files of publishers lie among the staging jobs, so that one sweep finds all dead owners."""
    return home / "staging"


def _is_sound(database: Database, *, thorough: bool) -> bool:
    if not database.path.exists():
        return False
    try:
        database.check(thorough=thorough)
    except DamagedDatabaseError as error:
        logger.error("%s", error)
        return False
    return True


def _make(home: Path) -> None:
    """Index the files into a new database and only then give it its name; a second process finds it done."""
    with lock.exclusive(home / f"{DATABASE_FILE}.lock"):
        current = Database(home / DATABASE_FILE, read_only=False)
        if _is_sound(current, thorough=True):
            current.close()
            return
        current.close()
        fresh = Database(home / f"{DATABASE_FILE}.new", read_only=False)
        fresh.discard()
        # Followers of the change feed must never see its numbers go back, and the old numbers may be lost.
        fresh.create(first_sequence=time.time_ns() // 1_000_000 if (home / "scenes").exists() else 0)
        count = refill(SqliteStore(fresh, claims_folder(home)), home, loaded_files(home))
        fresh.close()
        if current.path.exists():
            logger.warning("the catalogue that could not be used is kept as %s", current.move_aside().name)
        fresh.path.rename(current.path)
        logger.info("made the catalogue of %s with %s items", home, count)
