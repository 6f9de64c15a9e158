"""The change feed as rows: what happened to items, and the sequence number that every change raises.

Every function works inside the caller's transaction.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import apsw

from catalog.checked_item import CheckedItem
from catalog.search import Change
from catalog.store.row import ground
from catalog.timestamp import format_datetime, parse_datetime

_COLUMNS = "sequence, action, change.collection, change.id, version, changed, reason, west, south, east, north"
_INSERT = (
    "INSERT INTO change(action, collection, id, version, changed, reason, west, south, east, north)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def record(connection: apsw.Connection, change: Change) -> Change:
    """Add an entry; the same with its sequence number."""
    connection.execute(_INSERT, _values(change))
    return replace(change, sequence=connection.last_insert_rowid())


def record_published(connection: apsw.Connection, items: Iterable[CheckedItem], when: datetime) -> None:
    """Add an entry for each of many new items."""
    changed = format_datetime(when)
    connection.executemany(
        _INSERT,
        [("publish", item.collection, item.item_id, item.version, changed, None, *ground(item)) for item in items],
    )


def read_changes(connection: apsw.Connection, since: int, limit: int) -> list[Change]:
    """The entries after a sequence number, oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM change WHERE sequence > ? ORDER BY sequence LIMIT ?",  # noqa: S608
        (since, limit),
    )
    return [_change(values) for values in rows]


def read_tombstones(connection: apsw.Connection) -> list[Change]:
    """The entries by which items are recalled now."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM tombstone JOIN change USING (sequence)"  # noqa: S608
        " ORDER BY change.collection, change.id"
    )
    return [_change(values) for values in rows]


def read_sequence(connection: apsw.Connection) -> int:
    """The number of the newest change, whether it has an entry or not."""
    return int(connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'change'").get)


def raise_sequence(connection: apsw.Connection) -> None:
    """Say that something changed which the feed does not tell."""
    connection.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'change'")


def _values(change: Change) -> tuple[Any, ...]:
    when = format_datetime(change.changed)
    return (change.action, change.collection, change.item_id, change.version, when, change.reason, *change.bbox)


def _change(values: tuple[Any, ...]) -> Change:
    sequence, action, collection, item_id, version, changed, reason, *bbox = values
    return Change(sequence, action, collection, item_id, version, parse_datetime(changed), reason, tuple(bbox))
