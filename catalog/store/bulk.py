"""Many items in one transaction: written by the thousand, with room in memory for the indexes they go into.

Every function works inside the caller's transaction.
"""

import contextlib
import gc
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import apsw
import orjson

from catalog.checked_item import CheckedItem
from catalog.errors import InvalidItemError, StoreUnavailableError, UnknownCollectionError
from catalog.extent import BoundingBox
from catalog.field_notes import FieldNotes
from catalog.item import check_items
from catalog.store import feed, row
from catalog.store.collection_row import note_added
from catalog.store.database import CACHE_KIB
from catalog.store.listing import put_item
from catalog.store.vocabulary import Wordings, write_fields

_BATCH = 1000
_ROOMY_CACHE_KIB = 256 * 1024


def load_items(connection: apsw.Connection, items: Iterable[dict[str, Any] | CheckedItem]) -> int:
    """List many items, but keep those recalled that are recalled; returns how many are listed.

    Raises:
        InvalidItemError: One that comes unchecked breaks a rule.
        UnknownCollectionError: One is of a collection that there is not.
        StoreUnavailableError: Not as many are there as were written.
    """
    collections = {name for (name,) in connection.execute("SELECT id FROM collection")}
    recalled = set(connection.execute("SELECT collection, id FROM tombstone"))
    wordings, fields, batches = Wordings(connection), FieldNotes(), _checked(items)
    listed, added, before = 0, 0, _count(connection)
    with _roomy_cache(connection), _no_collector(), _indexes_last(connection, anew=not before):
        for batch in batches:
            _check_collections(batch, collections)
            for noted in {id(item.fields): item.fields for item in batch}.values():
                fields.merge(noted)
            shown = [item for item in batch if (item.collection, item.item_id) not in recalled] if recalled else batch
            if len(shown) < len(batch):
                _keep_recalled(connection, batch)
            listed += len(shown)
            added += _list(connection, shown, wordings)
    write_fields(connection, fields)
    if _count(connection) != before + added:
        raise StoreUnavailableError(f"{added} items were added to {before}, but there are {_count(connection)}")
    return listed


def _checked(items: Iterable[dict[str, Any] | CheckedItem]) -> Iterator[list[CheckedItem]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        checked = iter(check_items([item for item in batch if not isinstance(item, CheckedItem)]))
        yield [item if isinstance(item, CheckedItem) else _good(next(checked)) for item in batch]


def _good(item: CheckedItem | InvalidItemError) -> CheckedItem:
    if isinstance(item, InvalidItemError):
        raise item
    return item


def _check_collections(items: list[CheckedItem], known: set[str]) -> None:
    if not {item.collection for item in items} <= known:
        item = next(item for item in items if item.collection not in known)
        raise UnknownCollectionError(f"item {item.item_id}: there is no collection {item.collection!r}")


def _keep_recalled(connection: apsw.Connection, items: list[CheckedItem]) -> None:
    """Of items that may be recalled, keep the document behind the tombstone."""
    connection.executemany(
        "UPDATE tombstone SET document = ? WHERE collection = ? AND id = ?",
        [(item.document, item.collection, item.item_id) for item in items],
    )


def _list(connection: apsw.Connection, batch: list[CheckedItem], wordings: Wordings) -> int:
    """List items, also in place of others; returns how many were not there before."""
    names = {(item.collection, item.item_id) for item in batch}
    listed = _count_listed(connection, names)
    if listed or len(names) < len(batch):
        for item in batch:
            put_item(connection, item, wordings)
        return len(names) - listed
    first = row.next_key(connection)
    row.insert_items(connection, [(key, wordings.key(item), item) for key, item in enumerate(batch, first)])
    feed.record_published(connection, batch, datetime.now(UTC))
    for collection, (count, around) in _tally(batch).items():
        note_added(connection, collection, around, count=count)
    return len(batch)


def _count_listed(connection: apsw.Connection, names: set[tuple[str, str]]) -> int:
    query = (
        "SELECT count(*) FROM json_each(?) AS name CROSS JOIN item"
        " ON item.collection = name.value ->> 0 AND item.id = name.value ->> 1"
    )
    return int(connection.execute(query, (orjson.dumps(list(names)).decode(),)).get)


def _tally(items: list[CheckedItem]) -> dict[str, tuple[int, BoundingBox]]:
    """How many items there are of each collection, and the box around them."""
    boxes: dict[str, list[BoundingBox]] = {}
    for item in items:
        boxes.setdefault(item.collection, []).append(item.bounds)
    return {name: (len(of_items), _around(of_items)) for name, of_items in boxes.items()}


def _around(boxes: list[BoundingBox]) -> BoundingBox:
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return min(wests), min(souths), max(easts), max(norths)


def _count(connection: apsw.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM item").get)


@contextlib.contextmanager
def _roomy_cache(connection: apsw.Connection) -> Iterator[None]:
    connection.pragma("cache_size", -_ROOMY_CACHE_KIB)
    try:
        yield
    finally:
        connection.pragma("cache_size", -CACHE_KIB)


@contextlib.contextmanager
def _indexes_last(connection: apsw.Connection, *, anew: bool) -> Iterator[None]:
    """Put an archive that comes at once in order at the end.

    What lies together in an index then lies together in the file, and no page of it is written twice. The index of ids
    stays, as the archive may name one twice.
    """
    query = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'item' AND name <> 'item_id'"
    indexes = connection.execute(query).fetchall() if anew else []
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, statement in indexes:
        connection.execute(str(statement))


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Items have no cycles; to look for them among so many takes a twelfth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
