"""Collections as rows, beside pgSTAC's own: the document as it was given, and the extent of the items held.

Every function works inside the caller's transaction.
"""

from collections.abc import Iterable
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from catalog.errors import UnknownCollectionError
from catalog.item import is_id
from catalog.pgstac.database import Session
from catalog.search import BoundingBox
from catalog.timestamp import format_datetime, from_microseconds
from catalog.wording import wording_of

_READ = """
SELECT document, west, south, east, north,
    (SELECT max(reverse_us) FROM item WHERE collection = collection.id),
    (SELECT min(reverse_us) FROM item WHERE collection = collection.id)
FROM collection WHERE id = %s OR %s::text IS NULL ORDER BY id
"""
_WIDEN = """
UPDATE collection SET items = items + new.added,
    west = least(collection.west, new.west), south = least(collection.south, new.south),
    east = greatest(collection.east, new.east), north = greatest(collection.north, new.north)
FROM (
    SELECT collection AS id, count(*) - count(old.key) AS added,
        min(CASE WHEN incoming.west > incoming.east THEN -180 ELSE incoming.west END) AS west,
        min(incoming.south) AS south,
        max(CASE WHEN incoming.west > incoming.east THEN 180 ELSE incoming.east END) AS east,
        max(incoming.north) AS north
    FROM touched JOIN incoming USING (key) LEFT JOIN old USING (key) GROUP BY collection
) AS new WHERE collection.id = new.id
"""
_MEASURE = """
UPDATE collection SET (west, south, east, north) =
    (SELECT min(CASE WHEN west > east THEN -180 ELSE west END), min(south),
        max(CASE WHEN west > east THEN 180 ELSE east END), max(north)
    FROM item WHERE item.collection = collection.id)
WHERE id = ANY(%s)
"""
_SHRUNK = """
SELECT DISTINCT collection.id FROM old JOIN incoming USING (key) JOIN collection ON collection.id = incoming.collection
WHERE old.west > old.east OR old.west <= collection.west OR old.south <= collection.south
    OR old.east >= collection.east OR old.north >= collection.north
"""


def read_collections(connection: Session, collection: str | None = None) -> list[dict[str, Any]]:
    """All documents, or one, each with the extent of the items held.

    Raises:
        UnknownCollectionError: There is none of that id.
    """
    known = collection is None or is_id(collection)
    found = [_read(row) for row in connection.execute(_READ, (collection, collection))] if known else []
    if collection is not None and not found:
        raise UnknownCollectionError(f"there is no collection {collection!r:.140}")
    return found


def put_collections(connection: Session, documents: Iterable[dict[str, Any]]) -> bool:
    """Add or replace documents here and in pgSTAC; True when that changed anything."""
    changed = False
    for document in sorted(documents, key=lambda document: str(document["id"])):
        cursor = connection.execute(
            "INSERT INTO collection(id, document, wording) VALUES (%s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET document = EXCLUDED.document, wording = EXCLUDED.wording"
            " WHERE collection.document <> EXCLUDED.document",
            (document["id"], orjson.dumps(document), wording_of(document)),
        )
        if cursor.rowcount:
            connection.execute("SELECT pgstac.upsert_collection(%s)", (Jsonb(document),))
            changed = True
    return changed


def note_listed(connection: Session) -> None:
    """Count what is being listed; let the extents reach around it, anew where an earlier version lay at the edge."""
    connection.execute(_WIDEN)
    shrunk = [name for (name,) in connection.execute(_SHRUNK)]
    if shrunk:
        connection.execute(_MEASURE, (shrunk,))


def note_removed(connection: Session, collection: str, gone: BoundingBox) -> None:
    """An item was taken away: one less, and another extent if it lay at the edge."""
    connection.execute("UPDATE collection SET items = items - 1 WHERE id = %s", (collection,))
    at_edge = connection.execute(
        "SELECT id FROM collection WHERE id = %s AND (west >= %s OR south >= %s OR east <= %s OR north <= %s)",
        (collection, *gone),
    )
    if gone[0] > gone[2] or at_edge.fetchone() is not None:
        connection.execute(_MEASURE, ([collection],))


def _read(row: tuple[Any, ...]) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(row[0])
    if row[5] is not None:
        times = [format_datetime(from_microseconds(-reverse_us)) for reverse_us in row[5:]]
        document["extent"] = {"spatial": {"bbox": [list(row[1:5])]}, "temporal": {"interval": [times]}}
    return document
