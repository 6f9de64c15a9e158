"""Keys of items: those around a place, and rows of `item` by their keys."""

from array import array
from collections.abc import Iterable, Sequence

import apsw

from catalog.extent import BoundingBox
from catalog.served_item import ServedItem
from catalog.store.cell import cells_around
from catalog.store.clause import Clause
from catalog.store.column import YEAR_US
from catalog.store.selection import Times

_MOST_CELLS = 500
"""Over scenes of all widths some six degrees each way: tiles down to zoom 6."""

_NOTHING = "(SELECT NULL AS value WHERE FALSE)"


def near_keys(
    connection: apsw.Connection, boxes: Iterable[BoundingBox], times: Times | None, *, at_most: int = -1
) -> list[int]:
    """Keys of items around the boxes, and of a few more: the R*Tree's numbers are rounded outwards."""
    keys: set[int] = set()
    for west, south, east, north in boxes:
        condition = "west <= ? AND east >= ? AND south <= ? AND north >= ?"
        values: tuple[float, ...] = (east, west, north, south)
        if times is not None:
            condition += " AND first <= ? AND last >= ?"
            values += (-times[0] / YEAR_US, -times[1] / YEAR_US)
        rows = connection.execute(f"SELECT box >> 1 FROM place WHERE {condition} LIMIT ?", (*values, at_most))  # noqa: S608
        keys.update(key for (key,) in rows)
    return sorted(keys)


def around(connection: apsw.Connection, boxes: Sequence[BoundingBox]) -> Clause | None:
    """The rows of `item` around the boxes, and more, to stand behind FROM; None where the boxes are wide.

    They come from the index of footprints, where they lie together; the R*Tree leads to rows that lie anywhere.
    """
    cells = cells_around(connection, boxes, at_most=_MOST_CELLS)
    return None if cells is None else _matching(cells, "INDEXED BY item_footprint ON item.cell")


def among(keys: Sequence[int]) -> Clause:
    """The rows of `item` with these keys, to stand behind FROM."""
    return _matching(keys, "ON item.key")


def read_documents(connection: apsw.Connection, keys: Sequence[int]) -> list[ServedItem]:
    """Documents in the order of their keys."""
    if not keys:
        return []
    query = "SELECT document, given FROM carray(?) CROSS JOIN document ON document.key = value"
    return [ServedItem(*row) for row in connection.execute(query, (apsw.carray(array("q", keys)),))]


def _matching(numbers: Sequence[int], joined: str) -> Clause:
    some, values = ("carray(?)", (apsw.carray(array("q", numbers)),)) if numbers else (_NOTHING, ())
    return Clause(f"{some} AS near CROSS JOIN item {joined} = near.value", values)
