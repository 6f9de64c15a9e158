"""Connections to `catalog.db`: schema, durability, one connection per thread, damage."""

import contextlib
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

from catalog.errors import DiskFullError, SlowSearchError, StoreUnavailableError
from catalog.store.cell import CELL
from catalog.store.column import VALUE_COLUMNS

DATABASE_FILE = "catalog.db"
SCHEMA_VERSION = 4
BUSY_TIMEOUT_MS = 10_000
CACHE_KIB = 16 * 1024

_PAGE_BYTES = 16_384
"""An item as served has some three thousand bytes: one would fill a page of 4096, two leave 8192 a fifth empty."""

_STEPS_BETWEEN_CHECKS = 1000
"""Of SQLite's machine: some ten microseconds."""

_DAMAGE = (apsw.CorruptError, apsw.NotADBError)

_TYPES = {"number": "REAL", "text": "TEXT", "time": "INTEGER"}
_VALUES = ", ".join(f"{queryable.column} {_TYPES[queryable.kind]}" for queryable in VALUE_COLUMNS)

# `reverse_us` is minus the acquisition time in microseconds: ascending is newest first, which lets one row-value
# comparison continue a page. Other times are microseconds. `west` > `east` crosses the antimeridian.
# An item has the row 2 * key in `place`; across the antimeridian also 2 * key + 1.
# `document` holds the parts of a `ServedItem`. `item_footprint` has all that a tile asks for (cell.py).
# `words` finds trigrams in id and title; `wording` holds what many items have in common.
_SCHEMA = f"""
CREATE TABLE fact(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE collection(
    id TEXT PRIMARY KEY, document BLOB NOT NULL, wording TEXT NOT NULL, items INTEGER NOT NULL DEFAULT 0,
    west REAL, south REAL, east REAL, north REAL
) WITHOUT ROWID;
CREATE TABLE item(
    key INTEGER PRIMARY KEY, wording INTEGER NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL,
    version TEXT NOT NULL, reverse_us INTEGER NOT NULL, gsd_m REAL NOT NULL,
    west REAL NOT NULL, south REAL NOT NULL, east REAL NOT NULL, north REAL NOT NULL,
    {_VALUES}, geometry BLOB NOT NULL, datetime INTEGER AS (-reverse_us), cell INTEGER AS ({CELL}) STORED
);
CREATE UNIQUE INDEX item_id ON item(collection, id);
CREATE INDEX item_newest ON item(reverse_us, collection, id);
CREATE INDEX item_newest_of_collection ON item(collection, reverse_us, id);
CREATE INDEX item_footprint ON item(
    cell, reverse_us, west, south, east, north, collection, id, version, gsd_m, cloud_cover, geometry
);
CREATE TABLE document(key INTEGER PRIMARY KEY, document BLOB NOT NULL, given BLOB NOT NULL);
CREATE VIRTUAL TABLE place USING rtree(box, west, east, south, north, first, last);
CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'trigram', content = '', detail = 'none', columnsize = 0);
CREATE TABLE wording(
    key INTEGER PRIMARY KEY, collection TEXT NOT NULL, text TEXT NOT NULL, UNIQUE(collection, text)
);
CREATE TABLE field(
    collection TEXT NOT NULL, name TEXT NOT NULL, types TEXT NOT NULL, texts TEXT, PRIMARY KEY(collection, name)
) WITHOUT ROWID;
CREATE TABLE tombstone(
    collection TEXT NOT NULL, id TEXT NOT NULL, sequence INTEGER NOT NULL, document BLOB NOT NULL,
    PRIMARY KEY(collection, id)
) WITHOUT ROWID;
CREATE TABLE change(
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL,
    version TEXT NOT NULL, changed TEXT NOT NULL, reason TEXT,
    west REAL NOT NULL, south REAL NOT NULL, east REAL NOT NULL, north REAL NOT NULL
);
CREATE TABLE loaded(file TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE claim(scene TEXT PRIMARY KEY, fence INTEGER NOT NULL, lock TEXT, heartbeat REAL NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION};
"""


class DamagedDatabaseError(StoreUnavailableError):
    """The file is not a sound database of this program."""


class Database:
    """The database file and each thread's connection to it."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._read_only = read_only
        self._thread = threading.local()
        self._connections: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._lock = threading.Lock()

    def connection(self) -> apsw.Connection:
        """This thread's connection, opened anew when the file was replaced by a rebuilt one."""
        try:
            status = os.stat(self.path)  # noqa: PTH116  # asked for every tile; Path.stat costs twice as much
        except FileNotFoundError as error:
            raise StoreUnavailableError(
                f"{self.path} is missing; `catalog rebuild` makes it from the scenes"
            ) from error
        opened = getattr(self._thread, "opened", None)
        if opened is None or opened[0] != status.st_ino:
            opened = status.st_ino, self._connect(create=False)
            self._thread.opened = opened
        connection: apsw.Connection = opened[1]
        return connection

    def create(self, *, first_sequence: int = 0) -> None:
        """Make the file with its schema unless it is there; its change feed goes on behind `first_sequence`."""
        with translated():
            connection = self._connect(create=True)
            connection.pragma("page_size", _PAGE_BYTES)
            connection.pragma("journal_mode", "wal")
            with immediate(connection):
                if connection.pragma("user_version") == 0:
                    connection.execute(_SCHEMA)
                    connection.execute("INSERT INTO fact VALUES ('token_key', ?)", (secrets.token_bytes(32),))
                    connection.execute("INSERT INTO sqlite_sequence VALUES ('change', ?)", (first_sequence,))
            connection.close()

    def check(self, *, thorough: bool) -> None:
        """See that the file is a sound database of this schema.

        Raises:
            DamagedDatabaseError: It is not, or belongs to an older program; it can be rebuilt.
            StoreUnavailableError: It belongs to a newer program.
        """
        with translated():
            connection = self.connection()
            version = connection.pragma("user_version")
            if version != SCHEMA_VERSION:
                older = version < SCHEMA_VERSION
                raise (DamagedDatabaseError if older else StoreUnavailableError)(
                    f"{self.path} has schema {version}, this program knows {SCHEMA_VERSION}"
                )
            if thorough and (found := connection.execute("PRAGMA quick_check(1)").get) != "ok":
                raise DamagedDatabaseError(f"{self.path} is damaged: {found}")

    def move_aside(self) -> Path:
        """Keep the damaged files under another name; readers turn to the new file by themselves."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        for file in self._files():
            file.rename(aside.with_name(file.name.replace(self.path.name, aside.name)))
        return aside

    def discard(self) -> None:
        """Delete the files, if there are any."""
        for file in self._files():
            file.unlink()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in list(self._connections):
                connection.close()
            self._connections.clear()
        self._thread = threading.local()

    def _files(self) -> list[Path]:
        names = [self.path.with_name(self.path.name + suffix) for suffix in ("-wal", "-shm", "")]
        return [path for path in names if path.exists()]

    def _connect(self, *, create: bool) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
        with translated():
            connection = apsw.Connection(str(self.path), flags=flags)
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            connection.pragma("synchronous", "full")
            connection.pragma("cache_size", -CACHE_KIB)
            connection.pragma("query_only", self._read_only and not create)
        with self._lock:
            self._connections.add(connection)
        return connection


@contextlib.contextmanager
def immediate(connection: apsw.Connection) -> Iterator[None]:
    """One write transaction: all of the block or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def deadline(connection: apsw.Connection, limit_s: float, advice: str) -> Iterator[Callable[[], None]]:
    """Interrupt a statement that still runs after so many seconds; gives what to call between statements.

    Raises:
        SlowSearchError: The time is over; it ends with `advice`.
    """
    end_s = time.monotonic() + limit_s
    refusal = SlowSearchError(f"the search takes too long: it was given up after {limit_s:g} s; {advice}")

    def check() -> None:
        if time.monotonic() > end_s:
            raise refusal

    connection.set_progress_handler(lambda: time.monotonic() > end_s, _STEPS_BETWEEN_CHECKS)
    try:
        check()
        yield check
    except apsw.InterruptError as error:
        raise refusal from error
    finally:
        connection.set_progress_handler(None)


def within_steps(
    connection: apsw.Connection, steps: int, query: str, values: Sequence[object]
) -> list[tuple[Any, ...]] | None:
    """The rows that a query gives, or None when it takes more steps of SQLite's machine."""
    left = iter(range(steps // _STEPS_BETWEEN_CHECKS))
    connection.set_progress_handler(lambda: next(left, None) is None, _STEPS_BETWEEN_CHECKS, id=within_steps)
    try:
        return connection.execute(query, values).fetchall()
    except apsw.InterruptError:
        return None
    finally:
        connection.set_progress_handler(None, id=within_steps)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except _DAMAGE as error:
        raise DamagedDatabaseError(
            f"the catalogue is damaged: {error}; it is rebuilt when it is next opened"
        ) from error
    except apsw.FullError as error:
        raise DiskFullError("the disk is full: the catalogue was not changed") from error
    except apsw.Error as error:
        raise StoreUnavailableError(f"the catalogue cannot answer: {error}") from error
