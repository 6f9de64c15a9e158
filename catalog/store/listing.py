"""Listing and recalling items: rows, counters, words and the change feed together.

Every function works inside the caller's transaction.
"""

from datetime import UTC, datetime
from typing import Any

import apsw
import orjson

from catalog.checked_item import CheckedItem
from catalog.errors import UnknownCollectionError
from catalog.extent import cover
from catalog.search import Action, Change
from catalog.served_item import given_item
from catalog.store import feed, row
from catalog.store.collection_row import note_added, note_removed
from catalog.store.vocabulary import Wordings, write_fields


def list_item(connection: apsw.Connection, item: CheckedItem, action: Action | None = None) -> Change:
    """List an item in place of its earlier version; without an action it is published or replaced."""
    known = connection.execute("SELECT 1 FROM collection WHERE id = ?", (item.collection,)).get
    if known is None:
        raise UnknownCollectionError(f"item {item.item_id}: there is no collection {item.collection!r}")
    write_fields(connection, item.fields)
    return put_item(connection, item, Wordings(connection), action)


def recall_item(
    connection: apsw.Connection, collection: str, item_id: str, reason: str | None, when: datetime
) -> Change:
    """Take an item out of every answer and keep a tombstone.

    Raises:
        UnknownItemError: It is not listed.
    """
    key, served = row.read_item(connection, collection, item_id)
    version, *box = connection.execute("SELECT version, west, south, east, north FROM item WHERE key = ?", (key,)).get
    ground = tuple(box)
    row.remove_item(connection, key)
    note_removed(connection, collection, ground)
    change = feed.record(connection, Change(0, "recall", collection, item_id, version, when, reason, ground))
    document = orjson.dumps(given_item(served), option=orjson.OPT_SORT_KEYS)
    connection.execute("INSERT INTO tombstone VALUES (?, ?, ?, ?)", (collection, item_id, change.sequence, document))
    return change


def restored_item(connection: apsw.Connection, collection: str, item_id: str) -> dict[str, Any] | None:
    """Take a tombstone away; the item it was of."""
    found: Any = connection.execute(
        "DELETE FROM tombstone WHERE collection = ? AND id = ? RETURNING document", (collection, item_id)
    ).fetchall()
    return orjson.loads(found[0][0]) if found else None


def put_item(
    connection: apsw.Connection, item: CheckedItem, wordings: Wordings, action: Action | None = None
) -> Change:
    """List an item of a collection there is."""
    ground = touched = row.ground(item)
    earlier = row.find_item(connection, item.collection, item.item_id)
    key = row.next_key(connection)
    if earlier is not None:
        key, before = earlier
        touched = cover(ground, before)
        row.remove_item(connection, key)
    row.insert_items(connection, [(key, wordings.key(item), item)])
    note_added(connection, item.collection, ground)
    if earlier is not None:
        note_removed(connection, item.collection, before)
    told = action or ("publish" if earlier is None else "replace")
    change = Change(0, told, item.collection, item.item_id, item.version, datetime.now(UTC), None, touched)
    return feed.record(connection, change)
