"""Collections as rows: the document, and the extent of the items held.

Every function works inside the caller's transaction.
"""

from typing import Any

import apsw
import orjson

from catalog.errors import UnknownCollectionError
from catalog.search import BoundingBox
from catalog.store.selection import from_microseconds
from catalog.timestamp import format_datetime


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
        "INSERT INTO collection(id, document) VALUES (?1, ?2)"
        " ON CONFLICT(id) DO UPDATE SET document = ?2 WHERE document IS NOT ?2",
        (document["id"], orjson.dumps(document)),
    )
    return connection.changes() > 0


def widen_extent(connection: apsw.Connection, collection: str, bounds: BoundingBox) -> None:
    """Let the collection's extent reach around a new footprint."""
    connection.execute(
        "UPDATE collection SET west = min(coalesce(west, ?1), ?1), south = min(coalesce(south, ?2), ?2),"
        " east = max(coalesce(east, ?3), ?3), north = max(coalesce(north, ?4), ?4) WHERE id = ?5",
        (*bounds, collection),
    )


def measure_extent(connection: apsw.Connection, collection: str) -> None:
    """Set the collection's extent from all its items, after one was taken away or moved."""
    connection.execute(
        "UPDATE collection SET (west, south, east, north) ="
        " (SELECT min(west), min(south), max(east), max(north) FROM item WHERE collection = ?1) WHERE id = ?1",
        (collection,),
    )
