"""Where and when an item must be for a condition to hold: what an index can use, never less than the truth."""

import re
from datetime import timedelta
from typing import Any

from shapely.geometry.base import BaseGeometry

from catalog.extent import Interval
from catalog.filtering.operator_table import SPATIAL, TEMPORAL
from catalog.filtering.reading import MIRRORED
from catalog.filtering.time_literal import time_range
from catalog.geometry import bbox_area, read_geometry
from catalog.timestamp import parse_datetime

_GEOMETRY = {"property": "geometry"}
_TIME = ({"property": "datetime"}, {"property": "properties.datetime"})
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ANY_OFFSET = timedelta(days=1)


def necessary_area(condition: Any) -> BaseGeometry | None:
    """What the footprint must intersect, planar; None where place does not matter."""
    match condition:
        case {"op": operator, "args": [left, right]} if operator in SPATIAL and operator != "s_disjoint":
            literal = right if left == _GEOMETRY else left
            if _GEOMETRY in (left, right) and "property" not in literal:
                return bbox_area(tuple(literal["bbox"])) if "bbox" in literal else read_geometry(literal)
    return None


def necessary_interval(condition: Any) -> Interval | None:
    """When the item must have been taken; None where time does not matter."""
    match condition:
        case {"op": "t_disjoint"}:
            return None
        case {"op": operator, "args": [left, right]} if operator in TEMPORAL and (left in _TIME or right in _TIME):
            if right in _TIME:
                operator, right = {"t_after": "t_before", "t_before": "t_after"}.get(operator, operator), left
            return _of_relation(operator, right)
        case {"op": operator, "args": [left, right]} if operator in MIRRORED and left in _TIME:
            return _of_comparison(operator, right)
        case {"op": "between", "args": [tested, str(low), str(high)]} if tested in _TIME:
            return _closed(_of_comparison(">=", low), _of_comparison("<=", high))
    return None


def _of_relation(operator: str, other: Any) -> Interval | None:
    try:
        start, end = time_range(other)
    except ValueError:
        return None
    return _closed((start if operator != "t_before" else None, end if operator != "t_after" else None))


def _of_comparison(operator: str, other: Any) -> Interval | None:
    match other:
        case {"timestamp": text}:
            first = last = parse_datetime(text)
        case str() if day := _DAY.match(other):
            # Texts are compared as they are written, whatever their offset.
            try:
                midnight = parse_datetime(f"{day[0]}T00:00:00Z")
                first, last = midnight - _ANY_OFFSET, midnight + 2 * _ANY_OFFSET
            except (ValueError, OverflowError):
                return None
        case _:
            return None
    return _closed((None if "<" in operator else first, None if ">" in operator else last))


def _closed(*intervals: Interval | None) -> Interval | None:
    """What all of them share, None when nothing bounds it."""
    starts = [interval[0] for interval in intervals if interval and interval[0]]
    ends = [interval[1] for interval in intervals if interval and interval[1]]
    return (max(starts, default=None), min(ends, default=None)) if starts or ends else None
