"""The change feed as rows: what happened to items, and the sequence number that every change raises.

Every function works inside the caller's transaction.
"""

from datetime import datetime
from typing import Any

import apsw

from catalog.search import Action, Change, Footprint
from catalog.timestamp import format_datetime, parse_datetime

_COLUMNS = "sequence, action, change.collection, change.id, version, changed, reason"


def record(
    connection: apsw.Connection, action: Action, footprint: Footprint, when: datetime, reason: str | None = None
) -> Change:
    """Add an entry."""
    values = (action, footprint.collection, footprint.item_id, footprint.version, format_datetime(when), reason)
    connection.execute(
        "INSERT INTO change(action, collection, id, version, changed, reason) VALUES (?, ?, ?, ?, ?, ?)", values
    )
    return _change((connection.last_insert_rowid(), *values))


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


def _change(values: tuple[Any, ...]) -> Change:
    sequence, action, collection, item_id, version, changed, reason = values
    return Change(sequence, action, collection, item_id, version, parse_datetime(changed), reason)
