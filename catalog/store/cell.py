"""Cells: grids of squares, one for each width of ground, in which scenes that lie together are kept together.

A grid of level n divides 360 degrees into 2ⁿ; level and square are one number. An item's ground lies in the finest grid
whose squares are as wide as it is, in the square of its south-west corner: whatever reaches into a box has that corner
inside it or at most one square west or south of it.
"""

import itertools
import math
from collections.abc import Sequence

import apsw

from catalog.extent import BoundingBox

_WIDTH = "max(iif(west > east, east + 360, east) - west, north - south, 0.01)"
_LEVEL = f"CAST(log2(360 / ({_WIDTH})) AS INTEGER)"
CELL = (
    f"({_LEVEL} << 48) | (CAST((south + 90) / 360 * (1 << {_LEVEL}) AS INTEGER) << 24)"
    f" | CAST((west + 180) / 360 * (1 << {_LEVEL}) AS INTEGER)"
)
"""The cell of a row with west, south, east and north, where west > east crosses the antimeridian, in SQL."""

_WIDER = 1 + 1e-9
"""A square reaches so much further than it is wide: logarithms are rounded."""

_LEVELS = """
WITH RECURSIVE held(first) AS (
    SELECT min(cell) FROM item
    UNION ALL SELECT (SELECT min(cell) FROM item WHERE cell >= ((first >> 48) + 1) << 48) FROM held
    WHERE first IS NOT NULL
)
SELECT first >> 48 FROM held WHERE first IS NOT NULL
"""


def cells_around(connection: apsw.Connection, boxes: Sequence[BoundingBox], *, at_most: int) -> list[int] | None:
    """The cells of all items that reach into the boxes, and of others; None where there are more than so many.

    Args:
        connection: Tells which levels are held.
        boxes: None of them crosses the antimeridian.
        at_most: Cells, those of overlapping boxes counted twice.
    """
    squares = [
        (level, _numbers(south + 90, north + 90, level, first=0), _numbers(west + 180, east + 180, level))
        for (level,) in connection.execute(_LEVELS)
        for west, south, east, north in boxes
    ]
    if sum(len(rows) * len(columns) for _, rows, columns in squares) > at_most:
        return None
    found = (
        level << 48 | row << 24 | column % (1 << level)
        for level, rows, columns in squares
        for row, column in itertools.product(rows, columns)
    )
    return list(dict.fromkeys(found))


def _numbers(start: float, end: float, level: int, *, first: int | None = None) -> range:
    """Rows or columns of the corners of items that reach from `start` to `end`, in degrees from the edge."""
    count = 1 << level
    lowest = math.floor((start - 360 / count * _WIDER) / 360 * count)
    return range(lowest if first is None else max(first, lowest), math.floor(end / 360 * count) + 1)
