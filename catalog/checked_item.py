"""CheckedItem: an Item that keeps the rules, as plain values for a store to write or a process to send."""

import functools
import math
from types import NoneType
from typing import Any, NamedTuple

from catalog.extent import BoundingBox
from catalog.field_notes import FieldNotes
from catalog.geometry import is_number
from catalog.queryable import QUERYABLES
from catalog.served_item import ServedItem
from catalog.timestamp import microseconds, parse_datetime

Value = str | float | int | None
"""Of a queryable; a time is in microseconds since 1970."""

_DATETIME = [queryable.name for queryable in QUERYABLES].index("datetime")
_KINDS = {"number": "a finite number", "text": "text", "time": "a time such as 2024-10-12T03:22:47Z"}
_TYPES: dict[str, set[type]] = {"number": {int, float, NoneType}, "text": {str, NoneType}, "time": {str, NoneType}}
_PROPERTIES = tuple(queryable.name for queryable in QUERYABLES if queryable.name not in {"id", "collection"})
_NUMBERS = tuple(index for index, queryable in enumerate(QUERYABLES) if queryable.kind == "number")
_TIMES = tuple(index for index, queryable in enumerate(QUERYABLES) if queryable.kind == "time")


class CheckedItem(NamedTuple):
    """What `catalog.item.check_items` says of a good Item."""

    collection: str
    item_id: str
    version: str
    gsd_m: float
    cloud_cover: float | None
    values: tuple[Value, ...]
    """One for each of `QUERYABLES`, in their order."""
    instruments: tuple[str, ...]
    document: bytes
    """JSON with sorted keys."""
    served: ServedItem
    """The same as it is served."""
    geometry: bytes
    """Valid-pixel footprint as WKB, degrees, longitude first."""
    bounds: BoundingBox
    """Of the footprint; from −180 to 180 when it crosses the antimeridian."""
    sides: tuple[BoundingBox, ...]
    """The same, one for each side of the antimeridian that it lies on."""
    fields: FieldNotes
    """The properties of all good items that were checked together with this one."""

    @property
    def acquired_us(self) -> int:
        """Microseconds since 1970."""
        return self.values[_DATETIME]  # type: ignore[return-value]  # every good Item has one


def read_values(item: dict[str, Any]) -> tuple[Value, ...]:
    """The value of each queryable.

    Raises:
        ValueError: One is of another kind; it tells the property, what was found and what is expected.
    """
    values = [item["id"], item["collection"], *map(item["properties"].get, _PROPERTIES)]
    if not _are_types_good(tuple(map(type, values))):
        raise _refusal(values)
    for index in _NUMBERS:
        if values[index] is not None and not -math.inf < values[index] < math.inf:
            raise _refusal(values)
    for index in _TIMES:
        if values[index] is not None:
            values[index] = _instant(values[index], QUERYABLES[index].name)
    return tuple(values)


def read_gsd_m(item: dict[str, Any]) -> float:
    """Ground sample distance of the item or its finest asset; infinite (coarsest of all) when nothing says.

    Raises:
        ValueError: It is not a number from 0 up.
    """
    stated = _number(item["properties"].get("gsd"), "gsd")
    of_assets = [_number(asset["gsd"], "gsd") for asset in item["assets"].values() if "gsd" in asset]
    return stated if stated is not None else min((gsd for gsd in of_assets if gsd is not None), default=math.inf)


def read_cloud_cover(item: dict[str, Any]) -> float | None:
    """Percent; None when unknown.

    Raises:
        ValueError: It is not a number from 0 up.
    """
    return _number(item["properties"].get("eo:cloud_cover"), "eo:cloud_cover")


@functools.lru_cache(1024)  # scenes of one pass, and what is created and updated at once, share times
def _instant(text: str, name: str) -> int:
    try:
        return microseconds(parse_datetime(text))
    except ValueError as error:
        raise ValueError(f"{name} is {error}") from error


@functools.lru_cache(1024)  # most items have the same
def _are_types_good(types: tuple[type, ...]) -> bool:
    """Whether each queryable may have a value of such a type."""
    return all(found in _TYPES[queryable.kind] for queryable, found in zip(QUERYABLES, types, strict=True))


def _refusal(values: list[Any]) -> ValueError:
    """Of the first value that is of the wrong kind."""
    queryable, value = next(
        (queryable, value)
        for queryable, value in zip(QUERYABLES, values, strict=True)
        if type(value) not in _TYPES[queryable.kind] or (type(value) is float and not is_number(value))
    )
    return ValueError(f"{queryable.name} is {value!r:.80}, expected {_KINDS[queryable.kind]}")


def _number(value: object, field: str) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise ValueError(f"{field} is {value!r:.40}, expected a finite number from 0 up")
    return float(value)
