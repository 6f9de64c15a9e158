"""Items as rows: the narrow row, its boxes in the R*Tree, and the document.

Every function works inside the caller's transaction.
"""

from typing import Any

import apsw
import orjson
import shapely

from catalog.errors import UnknownItemError
from catalog.geometry import split_footprint
from catalog.search import Footprint
from catalog.store.selection import YEAR_US, microseconds


def put_item(connection: apsw.Connection, item: dict[str, Any], footprint: Footprint) -> bool:
    """List an item; True when an earlier version made way for it."""
    key = find_key(connection, footprint.collection, footprint.item_id)
    replaced = key is not None
    if key is not None:
        connection.execute("DELETE FROM place WHERE box IN (?, ?)", (2 * key, 2 * key + 1))
    us, bounds = microseconds(footprint.acquired), footprint.geometry.bounds
    connection.execute(
        "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            footprint.collection,
            footprint.item_id,
            footprint.version,
            -us,
            footprint.gsd_m,
            footprint.cloud_cover,
            *bounds,
            shapely.to_wkb(footprint.geometry),
        ),
    )
    key = connection.last_insert_rowid()
    connection.execute("INSERT OR REPLACE INTO document VALUES (?, ?)", (key, orjson.dumps(item)))
    sides = [bounds]
    if bounds[2] - bounds[0] > 180:  # it may lie on both sides of the antimeridian
        sides = [side.bounds for side in split_footprint(footprint.geometry, item["bbox"])]
    for part, (west, south, east, north) in enumerate(sides):
        connection.execute(
            "INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?)",
            (2 * key + part, west, east, south, north, us / YEAR_US, us / YEAR_US),
        )
    return replaced


def remove_item(connection: apsw.Connection, key: int) -> None:
    """Take an item out of every answer."""
    connection.execute("DELETE FROM place WHERE box IN (?, ?)", (2 * key, 2 * key + 1))
    connection.execute("DELETE FROM document WHERE key = ?", (key,))
    connection.execute("DELETE FROM item WHERE key = ?", (key,))


def find_key(connection: apsw.Connection, collection: str, item_id: str) -> int | None:
    """The key of a listed item."""
    found = connection.execute("SELECT key FROM item WHERE collection = ? AND id = ?", (collection, item_id)).get
    return None if found is None else int(found)


def read_document(connection: apsw.Connection, collection: str, item_id: str) -> tuple[int, bytes]:
    """Key and document of a listed item.

    Raises:
        UnknownItemError: It is not listed.
    """
    found = connection.execute(
        "SELECT key, document FROM item JOIN document USING (key) WHERE collection = ? AND id = ?",
        (collection, item_id),
    ).fetchone()
    if found is None:
        raise UnknownItemError(f"there is no item {item_id!r:.140} in collection {collection!r:.140}")
    return found[0], found[1]
