"""The change feed as rows: what happened to items, and the sequence number that every change raises.

The number is a row: who raises it holds it until the commit, so that numbers become visible in their order and a
follower never misses a lower one that comes later. Every function works inside the caller's transaction.
"""

from datetime import datetime
from typing import Any

from catalog.pgstac.database import Session
from catalog.search import Action, BoundingBox, Change

CHANNEL = "imagery_node"
"""On which a commit tells the new number."""

_COLUMNS = "sequence, action, collection, id, version, changed, reason, west, south, east, north"
_STAGED = """
INSERT INTO change
SELECT %s + row_number() OVER (ORDER BY key),
    coalesce(%s, CASE WHEN old.key IS NULL THEN 'publish' ELSE 'replace' END), collection, id, version, now(), NULL,
    coalesce(moved.west, incoming.west), coalesce(moved.south, incoming.south),
    coalesce(moved.east, incoming.east), coalesce(moved.north, incoming.north)
FROM touched JOIN incoming USING (key) LEFT JOIN old USING (key) LEFT JOIN moved USING (key)
"""


def record_staged(connection: Session, action: Action | None) -> range:
    """Add an entry for each item that is being listed, in the order they were given; gives their numbers."""
    (count,) = connection.execute("SELECT count(*) FROM touched").fetchone() or (0,)
    if not count:
        return range(0)
    last = raise_sequence(connection, count)
    connection.execute(_STAGED, (last - count, action))
    return range(last - count + 1, last + 1)


def record_recall(
    connection: Session, named: tuple[str, str, str], ground: BoundingBox, when: datetime, reason: str | None
) -> Change:
    """Add the entry of a recall; `named` is collection, id and version."""
    values = (raise_sequence(connection, 1), "recall", *named, when, reason, *ground)
    connection.execute("INSERT INTO change VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", values)
    return _change(values)


def raise_sequence(connection: Session, count: int) -> int:
    """Raise the number, and tell those who listen once it is committed."""
    (number,) = connection.execute(
        "UPDATE feed SET sequence = sequence + %s RETURNING sequence", (count,)
    ).fetchone() or (0,)
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(number)))
    return int(number)


def read_sequence(connection: Session) -> int:
    """The number of the newest change, whether it has an entry or not."""
    found = connection.execute("SELECT sequence FROM feed").fetchone()
    return int(found[0]) if found else 0


def read_changes(connection: Session, since: int, limit: int) -> list[Change]:
    """The entries after a sequence number, oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM change WHERE sequence > %s ORDER BY sequence LIMIT %s",  # noqa: S608
        (since, limit),
    )
    return [_change(row) for row in rows]


def read_tombstones(connection: Session) -> list[Change]:
    """The entries by which items are recalled now."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM change WHERE sequence IN (SELECT sequence FROM tombstone)"  # noqa: S608
        ' ORDER BY collection COLLATE "C", id COLLATE "C"'
    )
    return [_change(row) for row in rows]


def _change(row: tuple[Any, ...]) -> Change:
    sequence, action, collection, item_id, version, changed, reason, *bbox = row
    return Change(sequence, action, collection, item_id, version, changed, reason, tuple(bbox))
