"""Listing items: staged first, then put into place by one transaction that can be tried again (P19).

Staging checks and copies the items into a table of the session's own and needs no lock. Putting them into place locks
their collections, in the order of their ids, so that our writers wait for each other instead of dying of each other;
only then come our rows, pgSTAC's items, and at last the change feed, whose one row keeps its numbers in the order of
the commits.
"""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Any, NamedTuple

import orjson
from psycopg import sql

from catalog.checked_item import CheckedItem
from catalog.errors import InvalidItemError, StoreUnavailableError, UnknownCollectionError, UnknownItemError
from catalog.extent import BoundingBox, cover
from catalog.field_notes import FieldNotes
from catalog.item import check_items, is_id
from catalog.pgstac import feed
from catalog.pgstac.collection_row import note_listed, note_removed
from catalog.pgstac.database import Session
from catalog.pgstac.field_row import write_fields
from catalog.pgstac.mirror import mirror_listed
from catalog.queryable import QUERYABLES
from catalog.search import Action, Change
from catalog.store.row import ground
from catalog.wording import join_pieces, sensor_wording

_CHUNK = 500
"""Items that are checked together."""

_PLATFORM, _TITLE = ([queryable.name for queryable in QUERYABLES].index(name) for name in ("platform", "title"))
_COLUMNS = (
    *(queryable.column for queryable in QUERYABLES),
    *("version", "reverse_us", "gsd_m", "words", "geometry", "west", "south", "east", "north"),
)
_NAMES = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
_COPY = sql.SQL("COPY incoming (key, {}, document) FROM STDIN").format(_NAMES)

# Of items that come twice only the last is listed. What is recalled stays so, with the newer document.
_SETTLE = """
CREATE TEMP TABLE touched ON COMMIT DROP AS
SELECT DISTINCT ON (collection, id) key FROM incoming
WHERE NOT EXISTS (SELECT FROM tombstone WHERE (collection, id) = (incoming.collection, incoming.id))
ORDER BY collection, id, key DESC;
UPDATE tombstone SET document = incoming.document FROM (
    SELECT DISTINCT ON (collection, id) collection, id, document FROM incoming ORDER BY collection, id, key DESC
) AS incoming WHERE (tombstone.collection, tombstone.id) = (incoming.collection, incoming.id);
"""
# Earlier versions of what is listed anew, and the ground that a change touches where that is not just the new one's.
_OLD = """
CREATE TEMP TABLE old ON COMMIT DROP AS
SELECT incoming.key, item.west, item.south, item.east, item.north
FROM touched JOIN incoming USING (key) JOIN item USING (collection, id);
CREATE TEMP TABLE moved(
    key bigint, west double precision, south double precision, east double precision, north double precision
) ON COMMIT DROP
"""
_MOVED = """
SELECT key, old.west, old.south, old.east, old.north, incoming.west, incoming.south, incoming.east, incoming.north
FROM old JOIN incoming USING (key) WHERE (old.west, old.south, old.east, old.north)
    <> (incoming.west, incoming.south, incoming.east, incoming.north)
"""
_ITEMS = sql.SQL(
    "INSERT INTO item ({names}) SELECT {names} FROM touched JOIN incoming USING (key) ORDER BY collection, id"
    " ON CONFLICT (id, collection) DO UPDATE SET {changes}"
).format(
    names=_NAMES,
    changes=sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in _COLUMNS),
)
_DOCUMENTS = """
INSERT INTO document SELECT item.key, incoming.document
FROM touched JOIN incoming USING (key) JOIN item USING (collection, id)
ON CONFLICT (key) DO UPDATE SET document = EXCLUDED.document
"""
_READ_BACK = """
SELECT count(*), count(item.key) FROM touched JOIN incoming USING (key)
LEFT JOIN item ON (item.collection, item.id, item.version) = (incoming.collection, incoming.id, incoming.version)
"""


@contextlib.contextmanager
def staged(connection: Session, items: Iterable[dict[str, Any] | CheckedItem]) -> Iterator[FieldNotes]:
    """Check items and hold them in a table of this session while the block runs; gives what fields they have.

    Raises:
        InvalidItemError: One breaks the item rules.
    """
    notes = FieldNotes()
    try:
        connection.execute("CREATE TEMP TABLE incoming (LIKE item, document bytea NOT NULL)")
        with connection.cursor().copy(_COPY) as copy:
            for number, item in enumerate(_checked(items, notes)):
                copy.write_row((number, *_row(item)))
        connection.execute("CREATE INDEX ON incoming (collection, id)")
        connection.execute("ANALYZE incoming")
        yield notes
    finally:
        if not connection.closed:
            connection.execute("DROP TABLE IF EXISTS incoming")


def list_staged(connection: Session, notes: FieldNotes, *, action: Action | None = None) -> range:
    """List everything that is staged, inside the caller's transaction; what is recalled stays recalled.

    Args:
        connection: The session that staged.
        notes: What `staged` gave.
        action: What the change feed calls it; without one, publish or replace as it comes.

    Returns:
        The numbers of their entries in the change feed.

    Raises:
        UnknownCollectionError: A collection does not exist.
    """
    _lock_collections(connection)
    connection.execute(_SETTLE)
    connection.execute(_OLD)
    moved = [(row[0], *cover(row[1:5], row[5:])) for row in connection.execute(_MOVED)]
    connection.cursor().executemany("INSERT INTO moved VALUES (%s, %s, %s, %s, %s)", moved)
    connection.execute(_ITEMS)
    connection.execute(_DOCUMENTS)
    mirror_listed(connection)
    _read_back(connection)
    note_listed(connection)
    write_fields(connection, notes)
    return feed.record_staged(connection, action)


class Listed(NamedTuple):
    """What is held of a listed item."""

    key: int
    version: str
    ground: BoundingBox
    document: bytes


def find_item(connection: Session, collection: str, item_id: str) -> Listed | None:
    """A listed item."""
    if not (is_id(collection) and is_id(item_id)):
        return None
    found = connection.execute(
        "SELECT key, version, document, west, south, east, north FROM item JOIN document USING (key)"
        " WHERE (collection, id) = (%s, %s)",
        (collection, item_id),
    ).fetchone()
    return Listed(found[0], found[1], found[3:], found[2]) if found else None


def read_item(connection: Session, collection: str, item_id: str) -> Listed:
    """A listed item.

    Raises:
        UnknownItemError: It is not listed.
    """
    found = find_item(connection, collection, item_id)
    if found is None:
        raise UnknownItemError(f"there is no item {item_id!r:.140} in collection {collection!r:.140}")
    return found


def recall(connection: Session, collection: str, item_id: str, reason: str | None, when: datetime) -> Change:
    """Take an item out of every answer and keep a tombstone, inside the caller's transaction.

    Raises:
        UnknownItemError: It is not listed.
    """
    lock_collection(connection, collection)
    item = read_item(connection, collection, item_id)
    connection.execute("DELETE FROM item WHERE key = %s", (item.key,))
    connection.execute("DELETE FROM pgstac.items WHERE (collection, id) = (%s, %s)", (collection, item_id))
    note_removed(connection, collection, item.ground)
    change = feed.record_recall(connection, (collection, item_id, item.version), item.ground, when, reason)
    values = (collection, item_id, change.sequence, item.document)
    connection.execute("INSERT INTO tombstone VALUES (%s, %s, %s, %s)", values)
    return change


def read_tombstone(connection: Session, collection: str, item_id: str) -> dict[str, Any]:
    """The item that a tombstone is of.

    Raises:
        UnknownItemError: There is none.
    """
    found = connection.execute(
        "SELECT document FROM tombstone WHERE (collection, id) = (%s, %s)", (collection, item_id)
    ).fetchone()
    if found is None:
        raise UnknownItemError(f"item {item_id!r:.140} of {collection!r:.140} is not recalled")
    item: dict[str, Any] = orjson.loads(found[0])
    return item


def take_tombstone(connection: Session, collection: str, item_id: str) -> bool:
    """Take a tombstone away; whether there was one."""
    gone = connection.execute("DELETE FROM tombstone WHERE (collection, id) = (%s, %s)", (collection, item_id))
    return bool(gone.rowcount)


def clear(connection: Session) -> None:
    """Let go of everything held; the change feed and the claims stay."""
    if connection.execute("SELECT FROM collection ORDER BY id FOR UPDATE").rowcount:
        feed.raise_sequence(connection, 1)
    for table in ("item", "tombstone", "field", "loaded", "collection", "pgstac.items", "pgstac.collections"):
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(*table.split("."))))


def lock_collection(connection: Session, collection: str) -> None:
    """Wait for, then be, the one that writes to a collection."""
    connection.execute("SELECT FROM collection WHERE id = %s FOR NO KEY UPDATE", (collection,))


def _checked(items: Iterable[dict[str, Any] | CheckedItem], notes: FieldNotes) -> Iterator[CheckedItem]:
    remaining = iter(items)
    while chunk := list(islice(remaining, _CHUNK)):
        checked = iter(check_items([item for item in chunk if isinstance(item, dict)]))
        found = [next(checked) if isinstance(item, dict) else item for item in chunk]
        for item in found:
            if isinstance(item, InvalidItemError):
                raise item
            yield item
        for fields in {id(item.fields): item.fields for item in found if isinstance(item, CheckedItem)}.values():
            notes.merge(fields)


def _row(item: CheckedItem) -> tuple[object, ...]:
    platforms = [str(value) for value in [item.values[_PLATFORM]] if value]
    words = join_pieces(item.item_id, item.values[_TITLE], sensor_wording(platforms, list(item.instruments)))
    facts = (item.version, -item.acquired_us, item.gsd_m, words)
    return (*item.values, *facts, item.geometry.hex(), *ground(item), item.document)


def _lock_collections(connection: Session) -> None:
    wanted = {name for (name,) in connection.execute("SELECT DISTINCT collection FROM incoming")}
    held = connection.execute(
        "SELECT id FROM collection WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", (list(wanted),)
    )
    missing = wanted - set(chain.from_iterable(held))
    if missing:
        raise UnknownCollectionError(f"there is no collection {min(missing)!r}")


def _read_back(connection: Session) -> None:
    """Never a silent partial load (P19)."""
    given, found = connection.execute(_READ_BACK).fetchone() or (0, 0)
    if given != found:
        raise StoreUnavailableError(f"of {given} items {found} were listed")
