"""A piece of the earth and a piece of time."""

from datetime import datetime

BoundingBox = tuple[float, float, float, float]
"""West, south, east, north in degrees; west > east crosses the antimeridian."""

WHOLE_EARTH: BoundingBox = (-180.0, -90.0, 180.0, 90.0)

Interval = tuple[datetime | None, datetime | None]
"""Start and end, UTC, both inclusive; None is open."""


def cover(one: BoundingBox, other: BoundingBox) -> BoundingBox:
    """The narrowest box around two."""
    south, north = min(one[1], other[1]), max(one[3], other[3])
    one_east, other_east = (box[2] + 360 * (box[0] > box[2]) for box in (one, other))
    west, east = min(
        ((min(one[0], other[0] + turn), max(one_east, other_east + turn)) for turn in (-360, 0, 360)),
        key=lambda span: (span[1] - span[0], abs(span[0])),
    )
    if east - west >= 360:
        return -180.0, south, 180.0, north
    west, east = ((degrees + 180) % 360 - 180 if not -180 <= degrees <= 180 else degrees for degrees in (west, east))
    return west, south, east, north
