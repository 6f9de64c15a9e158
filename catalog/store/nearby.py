"""Keys of items: those around a place, and rows of `item` by their keys."""

from array import array
from collections.abc import Iterable, Sequence

import apsw

from catalog.extent import BoundingBox
from catalog.store.clause import Clause
from catalog.store.column import YEAR_US
from catalog.store.selection import Times

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


def among(keys: Sequence[int]) -> Clause:
    """The rows of `item` with these keys, to stand behind FROM."""
    some, values = ("carray(?)", (apsw.carray(array("q", keys)),)) if keys else (_NOTHING, ())
    return Clause(f"{some} AS near CROSS JOIN item ON item.key = near.value", values)


def read_documents(connection: apsw.Connection, keys: Sequence[int]) -> dict[int, bytes]:
    """Documents by key."""
    if not keys:
        return {}
    wanted = (apsw.carray(array("q", keys)),)
    return dict(
        connection.execute("SELECT key, document FROM carray(?) CROSS JOIN document ON document.key = value", wanted)
    )
