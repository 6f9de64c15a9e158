"""Footprints for tiles: narrow rows near a box, newest first."""

from collections.abc import Sequence

import shapely

from catalog.extent import BoundingBox, Interval
from catalog.geometry import bbox_area
from catalog.pgstac.database import Session
from catalog.search import Footprint
from catalog.store.selection import FOREVER_US, reverse_times
from catalog.timestamp import from_microseconds

_QUERY = """
SELECT collection, id, version, reverse_us, ST_AsBinary(geometry), gsd_m, cloud_cover FROM item
WHERE ST_Intersects(geometry, ST_GeomFromWKB(%s)) AND reverse_us BETWEEN %s::bigint AND %s::bigint
    AND (%s::text[] IS NULL OR collection = ANY(%s))
ORDER BY reverse_us, collection, id LIMIT %s
"""


def find_footprints(
    connection: Session,
    collections: Sequence[str] | None,
    bbox: BoundingBox,
    interval: Interval | None,
    limit: int | None,
) -> list[Footprint]:
    """Footprints that intersect a box, newest first."""
    names = None if collections is None else list(collections)
    area = shapely.to_wkb(bbox_area(bbox))
    times = reverse_times(interval) if interval else (-FOREVER_US, FOREVER_US)
    values = (area, *times, names, names, limit)
    rows = connection.execute(_QUERY, values).fetchall()
    geometries = shapely.from_wkb([row[4] for row in rows])
    return [
        Footprint(collection, item_id, version, from_microseconds(-reverse_us), geometry, gsd_m, cloud_cover)
        for (collection, item_id, version, reverse_us, _, gsd_m, cloud_cover), geometry in zip(
            rows, geometries, strict=True
        )
    ]
