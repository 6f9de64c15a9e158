"""PyramidBook: which cells the pyramids of a home have, and which are to be made anew; a file of SQLite.

One process at a time builds; all read. Whatever the book says can be made again from the catalogue, so that a damaged
one is begun anew.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from imagery_node.pyramid_cell import with_ancestors

logger = logging.getLogger(__name__)

_FILE = "book-1.db"
"""The number is that of the schema."""
_BUSY_TIMEOUT_MS = 10_000
_MARK = "INSERT OR IGNORE INTO dirty VALUES (?, ?)"

_Values = Sequence[int | float | str | bool]

# `followed`: every change up to this number of the catalogue's feed is in `dirty` or drawn; `built`: drawn.
# `retired`: objects that some cell had, and until when.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pyramid(
    key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, definition TEXT NOT NULL, base_zoom INTEGER NOT NULL,
    followed INTEGER NOT NULL DEFAULT 0, built INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS cell(
    pyramid INTEGER NOT NULL, number INTEGER NOT NULL, tag TEXT NOT NULL, empty INTEGER NOT NULL,
    complete INTEGER NOT NULL, PRIMARY KEY(pyramid, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cell_tag ON cell(tag);
CREATE INDEX IF NOT EXISTS cell_incomplete ON cell(pyramid, number) WHERE NOT complete;
CREATE TABLE IF NOT EXISTS dirty(
    pyramid INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(pyramid, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS retired(tag TEXT PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wish(name TEXT PRIMARY KEY, asked REAL NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class PyramidRow:
    """One pyramid."""

    key: int
    name: str
    definition: str
    """What its pictures depend on beside the scenes."""
    base_zoom: int
    followed: int
    built: int


class CellRow(NamedTuple):
    """One cell that scenes lie on."""

    tag: str
    """Another one for other pixels; the name of its object."""
    empty: bool
    """No scene has a valid pixel there: no object."""
    complete: bool
    """False: a scene could not be read."""


class State(NamedTuple):
    """What the book says of some cells at one moment."""

    pyramid: PyramidRow
    cells: dict[int, CellRow]
    dirty: frozenset[int]
    """Those of them that are to be made anew."""
    is_built: bool
    """Nothing of the pyramid is to be made anew."""


class PyramidBook:
    """The book of a folder; for any thread."""

    def __init__(self, folder: Path) -> None:
        """Open it, or begin it.

        Raises:
            OSError: The folder cannot be made.
            apsw.Error: It is damaged or cannot be written.
        """
        self._path = folder / _FILE
        self._locks = {name: threading.Lock() for name in ("watch", "read", "write")}
        folder.mkdir(parents=True, exist_ok=True)
        self._open()

    def generation(self) -> tuple[int, int]:
        """Another one after every change that another process or this one's builder made; asks no disk."""
        with self._locks["watch"]:
            inode = os.stat(self._path).st_ino  # noqa: PTH116  # for every tile; Path.stat costs twice as much
            if inode != self._inode:
                self._open()
            return inode, int(self._watcher.pragma("data_version"))

    def state(self, name: str, numbers: Sequence[int]) -> State | None:
        """What it says of a pyramid and some of its cells; None when there is no such pyramid."""
        with self._locks["read"], _transaction(self._reader, "BEGIN"):
            found = self._read_held("SELECT * FROM pyramid WHERE name = ?", (name,))
            if not found:
                return None
            pyramid = PyramidRow(*found[0])
            cells = self._read_held(*_among("cell", pyramid.key, numbers))
            dirty = self._read_held(*_among("dirty", pyramid.key, numbers))
            waiting = self._read_held("SELECT 1 FROM dirty WHERE pyramid = ? LIMIT 1", (pyramid.key,))
        return State(pyramid, _by_number(cells), frozenset(number for _, number in dirty), is_built=not waiting)

    def pyramids(self) -> dict[str, PyramidRow]:
        """Every pyramid by name."""
        return {row[1]: PyramidRow(*row) for row in self._read("SELECT * FROM pyramid")}

    def cells(self, key: int, numbers: Sequence[int]) -> dict[int, CellRow]:
        """Those of these cells that are there."""
        return _by_number(self._read(*_among("cell", key, numbers)))

    def all_cells(self, key: int) -> dict[int, CellRow]:
        """Every cell of a pyramid."""
        return _by_number(self._read("SELECT * FROM cell WHERE pyramid = ?", (key,)))

    def next_dirty(self, key: int, limit: int) -> list[int]:
        """Cells to make anew, those of the deepest zoom; cells of the zooms above wait for them."""
        rows = self._read("SELECT number FROM dirty WHERE pyramid = ? ORDER BY number DESC LIMIT ?", (key, limit))
        return [number for (number,) in rows if number.bit_length() == rows[0][0].bit_length()]

    def create(self, name: str, definition: str, base_zoom: int) -> PyramidRow:
        """Begin a pyramid, in place of the one of that name."""
        with self._writing() as connection:
            _drop(connection, name)
            values = name, definition, base_zoom
            connection.execute("INSERT INTO pyramid(name, definition, base_zoom) VALUES (?, ?, ?)", values)
        return self.pyramids()[name]

    def drop(self, name: str) -> None:
        """Forget a pyramid."""
        with self._writing() as connection:
            _drop(connection, name)

    def define(self, key: int, definition: str) -> None:
        """Note what the pyramid depends on now."""
        self._write("UPDATE pyramid SET definition = ? WHERE key = ?", [(definition, key)])

    def mark(self, key: int, numbers: Collection[int]) -> None:
        """Have cells made anew; all cells above them must be among them."""
        self._write(_MARK, ((key, number) for number in numbers))

    def follow(self, key: int, followed: int) -> None:
        """Note that what changed up to a number of the feed is marked."""
        self._write("UPDATE pyramid SET followed = ? WHERE key = ?", [(followed, key)])

    def mark_all(self, key: int) -> None:
        """Have every cell looked at again."""
        self._write("INSERT OR IGNORE INTO dirty SELECT pyramid, number FROM cell WHERE pyramid = ?", [(key,)])

    def mark_incomplete(self, key: int) -> None:
        """Have the cells made anew in which something could not be read."""
        some = "INSERT OR IGNORE INTO dirty SELECT pyramid, number FROM cell WHERE pyramid = ? AND NOT complete"
        self._write(some, [(key,)])

    def lose(self, key: int, number: int) -> None:
        """Forget a cell whose object is gone or damaged, and have it made anew."""
        with self._writing() as connection:
            connection.execute("DELETE FROM cell WHERE pyramid = ? AND number = ?", (key, number))
            connection.executemany(_MARK, ((key, each) for each in with_ancestors(number)))

    def commit(self, key: int, made: Mapping[int, CellRow | None]) -> None:
        """List cells as they are now, None for those no scene lies on any more; they are dirty no more."""
        numbers = [(key, number) for number in made]
        rows = [(key, number, *row) for number, row in made.items() if row is not None]
        with self._writing() as connection:
            _retire(connection, "pyramid = ? AND number = ?", numbers)
            for table in ("cell", "dirty"):
                connection.executemany(f"DELETE FROM {table} WHERE pyramid = ? AND number = ?", numbers)  # noqa: S608
            connection.executemany("INSERT INTO cell VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany("DELETE FROM retired WHERE tag = ?", ((tag,) for _, _, tag, _, _ in rows))

    def finish(self, key: int, followed: int) -> None:
        """Note that everything up to a number of the feed is drawn."""
        self._write("UPDATE pyramid SET followed = ?1, built = ?1 WHERE key = ?2", [(followed, key)])

    def expired(self, before: float) -> list[str]:
        """Objects that no cell has had since a time."""
        unnamed = "NOT EXISTS (SELECT 1 FROM cell WHERE cell.tag = retired.tag)"
        return [tag for (tag,) in self._read(f"SELECT tag FROM retired WHERE since < ? AND {unnamed}", (before,))]  # noqa: S608

    def forget(self, tags: Iterable[str]) -> None:
        """Note that objects are deleted."""
        self._write("DELETE FROM retired WHERE tag = ?", ((tag,) for tag in tags))

    def retire_unknown(self, tags: Iterable[str]) -> None:
        """Retire what is stored and no cell has."""
        unknown = "INSERT OR IGNORE INTO retired SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM cell WHERE tag = ?1)"
        self._write(unknown, ((tag, time.time()) for tag in tags))

    def wish(self, name: str) -> None:
        """Note that someone asked for a pyramid."""
        self._write("INSERT OR REPLACE INTO wish VALUES (?, ?)", [(name, time.time())])

    def wishes(self, limit: int) -> list[str]:
        """The pyramids last asked for."""
        return [name for (name,) in self._read("SELECT name FROM wish ORDER BY asked DESC LIMIT ?", (limit,))]

    def forget_wishes(self, but: int) -> None:
        """Forget all but those last asked for."""
        self._write("DELETE FROM wish WHERE name NOT IN (SELECT name FROM wish ORDER BY asked DESC LIMIT ?)", [(but,)])

    def discard_if_damaged(self) -> None:
        """Begin the book anew unless it is sound; only the builder may, before it works."""
        ((found,),) = self._read("PRAGMA quick_check(1)", ())
        if found != "ok":
            logger.error("%s is damaged, the pyramids are built anew: %s", self._path, found)
            for suffix in ("-wal", "-shm", ""):
                self._path.with_name(f"{_FILE}{suffix}").unlink(missing_ok=True)
            self._open()

    def close(self) -> None:
        """Close the file."""
        for connection in (self._watcher, self._reader, self._writer):
            connection.close()

    def _open(self) -> None:
        with self._locks["read"], self._locks["write"]:
            self._watcher, self._reader, self._writer = (_connect(self._path) for _ in range(3))
            self._writer.execute(_SCHEMA)
            self._inode = self._path.stat().st_ino

    @contextlib.contextmanager
    def _writing(self) -> Iterator[apsw.Connection]:
        with self._locks["write"], _transaction(self._writer, "BEGIN IMMEDIATE"):
            yield self._writer

    def _write(self, statement: str, values: Iterable[_Values]) -> None:
        with self._writing() as connection:
            connection.executemany(statement, values)

    def _read(self, query: str, values: _Values = ()) -> list[tuple[Any, ...]]:
        with self._locks["read"]:
            return self._read_held(query, values)

    def _read_held(self, query: str, values: _Values) -> list[tuple[Any, ...]]:
        rows: list[Any] = self._reader.execute(query, values).fetchall()
        return rows


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "normal")  # the last cells may be lost with the power: they are made again
    return connection


@contextlib.contextmanager
def _transaction(connection: apsw.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _among(table: str, key: int, numbers: Sequence[int]) -> tuple[str, _Values]:
    marks = ", ".join("?" * len(numbers))
    return f"SELECT * FROM {table} WHERE pyramid = ? AND number IN ({marks})", (key, *numbers)  # noqa: S608


def _by_number(rows: Iterable[tuple[Any, ...]]) -> dict[int, CellRow]:
    return {number: CellRow(tag, bool(empty), bool(complete)) for _, number, tag, empty, complete in rows}


def _drop(connection: apsw.Connection, name: str) -> None:
    found: list[Any] = connection.execute("SELECT key FROM pyramid WHERE name = ?", (name,)).fetchall()
    for (key,) in found:
        _retire(connection, "pyramid = ?", [(key,)])
        for table, column in (("cell", "pyramid"), ("dirty", "pyramid"), ("pyramid", "key")):
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))  # noqa: S608


def _retire(connection: apsw.Connection, condition: str, values: Iterable[_Values]) -> None:
    """Note the objects of cells that are about to go."""
    some = f"INSERT OR REPLACE INTO retired SELECT tag, ? FROM cell WHERE {condition} AND NOT empty"  # noqa: S608
    connection.executemany(some, ((time.time(), *each) for each in values))
