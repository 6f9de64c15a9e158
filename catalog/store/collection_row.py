"""Collections as rows: the document, and the extent of the items held.

Every function works inside the caller's transaction.
"""

from typing import Any

import apsw
import orjson

from catalog.errors import UnknownCollectionError
from catalog.extent import BoundingBox
from catalog.timestamp import format_datetime, from_microseconds
from catalog.wording import wording_of


def read_collection(connection: apsw.Connection, collection: str) -> dict[str, Any]:
    """A document with the extent of the items held.

    Raises:
        UnknownCollectionError: There is none of that id.
    """
    found = connection.execute(
        "SELECT document, west, south, east, north,"
        " (SELECT max(reverse_us) FROM item WHERE collection = ?1),"
        " (SELECT min(reverse_us) FROM item WHERE collection = ?1) FROM collection WHERE id = ?1",
        (collection,),
    ).fetchone()
    if found is None:
        raise UnknownCollectionError(f"there is no collection {collection!r:.140}")
    document: dict[str, Any] = orjson.loads(found[0])
    if found[5] is not None:
        times = [format_datetime(from_microseconds(-reverse_us)) for reverse_us in found[5:]]
        document["extent"] = {"spatial": {"bbox": [list(found[1:5])]}, "temporal": {"interval": [times]}}
    return document


def put_collection(connection: apsw.Connection, document: dict[str, Any]) -> bool:
    """Add or replace a document; True when that changed anything."""
    connection.execute(
        "INSERT INTO collection(id, document, wording) VALUES (?1, ?2, ?3)"
        " ON CONFLICT(id) DO UPDATE SET document = ?2, wording = ?3 WHERE document IS NOT ?2",
        (document["id"], orjson.dumps(document), wording_of(document)),
    )
    return connection.changes() > 0


def note_added(connection: apsw.Connection, collection: str, around: BoundingBox, *, count: int = 1) -> None:
    """So many items came to a collection, inside the box `around`."""
    west, south, east, north = _unrolled(around)
    connection.execute(
        "UPDATE collection SET items = items + ?, west = min(coalesce(west, ?2), ?2),"
        " south = min(coalesce(south, ?3), ?3), east = max(coalesce(east, ?4), ?4),"
        " north = max(coalesce(north, ?5), ?5) WHERE id = ?6",
        (count, west, south, east, north, collection),
    )


def note_removed(connection: apsw.Connection, collection: str, around: BoundingBox, *, count: int = 1) -> None:
    """So many items left a collection, whose boxes lay inside `around`: its extent may have become smaller."""
    west, south, east, north = _unrolled(around)
    connection.execute("UPDATE collection SET items = items - ? WHERE id = ?", (count, collection))
    connection.execute(
        "UPDATE collection SET (west, south, east, north) = (SELECT min(iif(west > east, -180, west)), min(south),"
        " max(iif(west > east, 180, east)), max(north) FROM item WHERE collection = ?1)"
        " WHERE id = ?1 AND (west >= ?2 OR south >= ?3 OR east <= ?4 OR north <= ?5)",
        (collection, west, south, east, north),
    )


def _unrolled(box: BoundingBox) -> BoundingBox:
    """Without crossing the antimeridian: all around the earth instead."""
    west, south, east, north = box
    return box if west <= east else (-180.0, south, 180.0, north)
