"""open_store: the catalogue of a home; indexed from the files when it is missing or damaged (P26, P29)."""

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from catalog import lock
from catalog.errors import UnusableStoreError
from catalog.search import ItemStore
from catalog.sidecar import loaded_files, refill
from catalog.store.claim import LEASE_S
from catalog.store.database import DATABASE_FILE, DamagedDatabaseError, Database
from catalog.store.sqlite import SqliteStore

logger = logging.getLogger(__name__)


def open_store(
    home: Path, *, database: SecretStr | None = None, read_only: bool = False, lease_s: float = LEASE_S
) -> ItemStore:
    """Open the catalogue of `home`: in SQLite under it, or in a pgSTAC database.

    Args:
        home: The node's folder; it is made when it is missing.
        database: Address of the pgSTAC database, `postgresql://…`; None means SQLite.
        read_only: Refuse every write; and look at the file's head only, where a writer checks all of it first.
        lease_s: How long a publisher may stand still before another may take its scene over.

    Raises:
        StoreUnavailableError: It cannot be opened, or belongs to a newer program.
        UnusableStoreError: The database is not one for this program and home, or its extra is not installed.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    if database is not None:
        return _open_pgstac(home, database, read_only=read_only, lease_s=lease_s)
    file = Database(home / DATABASE_FILE, read_only=read_only)
    if not _is_sound(file, thorough=not read_only):
        _make(home)
    return SqliteStore(file, claims_folder(home), lease_s=lease_s)


def claims_folder(home: Path) -> Path:
    """Lock files of publishers lie among the staging jobs, so that one sweep finds all dead owners."""
    return home / "staging"


def migrate_database(address: SecretStr) -> str:
    """Bring a PostgreSQL database to this program's version; gives pgSTAC's version.

    Raises:
        StoreUnavailableError: It cannot be reached, or the role may not.
        UnusableStoreError: A newer program made it, or the extra is not installed.
    """
    with _needing_the_extra():
        from catalog.pgstac.migration import migrate
    return migrate(address)


def _open_pgstac(home: Path, address: SecretStr, *, read_only: bool, lease_s: float) -> ItemStore:
    with _needing_the_extra():
        from catalog.pgstac.opening import open_pgstac
    return open_pgstac(home, address, read_only=read_only, lease_s=lease_s)


@contextlib.contextmanager
def _needing_the_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise UnusableStoreError(f"{error.name} is not installed: pip install 'imagery-node[pgstac]'") from error


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
        is_anew = (home / "scenes").exists() or (home / "loaded").exists()
        fresh.create(first_sequence=time.time_ns() // 1_000 if is_anew else 0)
        count = refill(SqliteStore(fresh, claims_folder(home)), home, loaded_files(home))
        fresh.close()
        if current.path.exists():
            logger.warning("the catalogue that could not be used is kept as %s", current.move_aside().name)
        fresh.path.rename(current.path)
        logger.info("made the catalogue of %s with %s items", home, count)
