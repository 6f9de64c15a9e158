"""Footprints of a box: what a tile asks, from one index alone."""

import itertools
from collections.abc import Iterator, Sequence

import apsw
import shapely

from catalog.extent import BoundingBox, Interval
from catalog.geometry import bbox_area, split_bbox
from catalog.search import Footprint
from catalog.store.clause import Clause, either, every, one_of
from catalog.store.nearby import among, around, near_keys
from catalog.store.selection import FOREVER_US, reverse_times, touching
from catalog.timestamp import from_microseconds

_CHUNK = 512
"""So many geometries are compared at a time."""


def find_footprints(
    connection: apsw.Connection, collections: Sequence[str] | None, bbox: BoundingBox, interval: Interval | None
) -> Iterator[Footprint]:
    """Footprints that intersect a box, newest first."""
    times = reverse_times(interval) if interval else (-FOREVER_US, FOREVER_US)
    boxes = split_bbox(bbox)
    near = around(connection, boxes) or among(near_keys(connection, boxes, times if interval else None))
    named = [one_of("item.collection", collections)] if collections is not None else []
    condition = every([Clause("item.reverse_us BETWEEN ? AND ?", times), either(map(touching, boxes)), *named])
    rows = connection.execute(
        "SELECT collection, id, version, reverse_us, gsd_m, cloud_cover, geometry"  # noqa: S608  # fixed texts only
        f" FROM {near.text} WHERE {condition.text} ORDER BY reverse_us, collection, id",
        (*near.values, *condition.values),
    )
    area = bbox_area(bbox)
    shapely.prepare(area)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        geometries = shapely.from_wkb([row[6] for row in chunk])
        inside = shapely.intersects(area, geometries).tolist()
        found = itertools.compress(zip(chunk, geometries.tolist(), strict=True), inside)
        for (name, item_id, version, reverse_us, gsd_m, cloud_cover, _), geometry in found:
            yield Footprint(name, item_id, version, from_microseconds(-reverse_us), geometry, gsd_m, cloud_cover)
