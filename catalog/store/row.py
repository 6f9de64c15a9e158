"""Items as rows: the narrow row, its boxes in the R*Tree, its words, and the document.

Every function works inside the caller's transaction.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import apsw

from catalog.checked_item import CheckedItem
from catalog.errors import UnknownItemError
from catalog.extent import BoundingBox
from catalog.queryable import QUERYABLES
from catalog.served_item import ServedItem
from catalog.store.column import VALUE_COLUMNS, YEAR_US
from catalog.wording import fold

_own_values = itemgetter(*(QUERYABLES.index(queryable) for queryable in VALUE_COLUMNS))
_TITLE = [queryable.name for queryable in QUERYABLES].index("title")
_INSERT_ITEM = f"INSERT INTO item VALUES ({', '.join('?' * (len(VALUE_COLUMNS) + 12))})"  # noqa: S608
_FORGET_WORDS = (
    "INSERT INTO words(words, rowid, text)"
    " SELECT 'delete', key, lower(iif(title IS NULL, id, id || char(10) || title)) FROM item WHERE key = ?"
)


def insert_items(connection: apsw.Connection, rows: Iterable[tuple[int, int, CheckedItem]]) -> None:
    """List items that are not listed: (key, wording, item) each, of keys that are not taken."""
    rows = list(rows)
    connection.executemany(_INSERT_ITEM, [_narrow_row(*row) for row in rows])
    connection.executemany("INSERT INTO document VALUES (?, ?, ?)", [(key, *item.served) for key, _, item in rows])
    connection.executemany(
        "INSERT INTO words(rowid, text) VALUES (?, ?)",
        [(key, _words(item)) for key, _, item in rows],
    )
    connection.executemany(
        "INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (2 * key + part, west, east, south, north, item.acquired_us / YEAR_US, item.acquired_us / YEAR_US)
            for key, _, item in rows
            for part, (west, south, east, north) in enumerate(item.sides)
        ],
    )


def ground(item: CheckedItem) -> BoundingBox:
    """The box around an item's footprint; west > east where it crosses the antimeridian."""
    if len(item.sides) == 1:
        return item.bounds
    (west, *_), (_, _, east, _) = item.sides
    return west, item.bounds[1], east, item.bounds[3]


def remove_item(connection: apsw.Connection, key: int) -> None:
    """Take an item out of every answer."""
    connection.execute("DELETE FROM place WHERE box IN (?, ?)", (2 * key, 2 * key + 1))
    connection.execute(_FORGET_WORDS, (key,))
    connection.execute("DELETE FROM document WHERE key = ?", (key,))
    connection.execute("DELETE FROM item WHERE key = ?", (key,))


def find_item(connection: apsw.Connection, collection: str, item_id: str) -> tuple[int, BoundingBox] | None:
    """Key and ground of a listed item."""
    found: Any = connection.execute(
        "SELECT key, west, south, east, north FROM item WHERE collection = ? AND id = ?", (collection, item_id)
    ).fetchone()
    return None if found is None else (found[0], found[1:])


def next_key(connection: apsw.Connection) -> int:
    """The first of the keys that are not taken."""
    return 1 + int(connection.execute("SELECT coalesce(max(key), 0) FROM item").get)


def read_item(connection: apsw.Connection, collection: str, item_id: str) -> tuple[int, ServedItem]:
    """Key and document of a listed item.

    Raises:
        UnknownItemError: It is not listed.
    """
    found = connection.execute(
        "SELECT key, document, given FROM item JOIN document USING (key) WHERE collection = ? AND id = ?",
        (collection, item_id),
    ).fetchone()
    if found is None:
        raise UnknownItemError(f"there is no item {item_id!r:.140} in collection {collection!r:.140}")
    key, *served = found
    return key, ServedItem(*served)


def _words(item: CheckedItem) -> str:
    """As `wording.join_pieces`, faster."""
    title = item.values[_TITLE]
    return fold(item.item_id if title is None else f"{item.item_id}\n{title}")


def _narrow_row(key: int, wording: int, item: CheckedItem) -> tuple[Any, ...]:
    return (
        key,
        wording,
        item.collection,
        item.item_id,
        item.version,
        -item.acquired_us,
        item.gsd_m,
        *ground(item),
        *_own_values(item.values),
        item.geometry,
    )
