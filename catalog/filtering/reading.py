"""What a parsed filter may say, and what it means: every part checked, every literal in one spelling.

Read otherwise than the `cql2` package reads it, since what it makes of them surprises everybody:

- A text that is an RFC 3339 time, beside a property of times, is that instant and no text.
- A date beside a property is the whole UTC day: `datetime <= DATE('2024-03-31')` includes the afternoon.
- BETWEEN with times is two comparisons.
- A box whose west is east of its east crosses the antimeridian; heights mean nothing.
- CASEI and ACCENTI of a literal are done here, so that they may stand in a list.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import cql2
import orjson
import shapely

from catalog.errors import InvalidSearchError
from catalog.filtering.bounds import check_pattern
from catalog.filtering.operator_table import ARITHMETIC, ARRAY, COMPARISONS, SPATIAL, TEMPORAL
from catalog.filtering.time_literal import instant, midnight, read_time
from catalog.geometry import bbox_area, read_bbox, read_geometry
from catalog.queryable import QUERYABLES
from catalog.timestamp import format_datetime

MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

_TIMES = {queryable.name for queryable in QUERYABLES if queryable.kind == "time"}
_NAME = re.compile(r"\w[\w.:/@ -]{0,127}")

Node = Any
"""A part of an expression in CQL2 JSON."""


def read_condition(node: Node) -> Node:
    """Check an expression that is true or false.

    Raises:
        InvalidSearchError: It is not, or a part of it means nothing.
    """
    match node:
        case bool():
            return node
        case {"property": name}:
            return _property(name)
        case {"op": str(operator), "args": list(arguments)}:
            if operator not in _CONDITIONS:
                raise InvalidSearchError(f"{operator!r:.60} is no condition that a filter can have")
            least, most, reader = _CONDITIONS[operator]
            if not least <= len(arguments) <= most:
                raise InvalidSearchError(f"{operator} has {len(arguments)} operands, expected {least}")
            return reader(operator, arguments)
    raise InvalidSearchError(f"expected a condition that is true or false, found {_shown(node)}")


def _connective(operator: str, arguments: list[Node]) -> Node:
    return _operation(operator, *map(read_condition, arguments))


def _comparison(operator: str, arguments: list[Node]) -> Node:
    left, right = map(_scalar, arguments)
    if _is_property(right) and not _is_property(left):
        operator, left, right = MIRRORED[operator], right, left
    if not _is_property(left):
        return _operation(operator, left, right)
    right = _as_time(left["property"], right)
    if not (isinstance(right, dict) and "date" in right):
        return _operation(operator, left, right)
    first, after = ({"timestamp": format_datetime(midnight(right["date"], days=days))} for days in (0, 1))
    if operator in {"=", "<>"}:
        inside = _operation("and", _operation(">=", left, first), _operation("<", left, after))
        return inside if operator == "=" else _operation("not", inside)
    if operator in {"<", ">="}:
        return _operation(operator, left, first)
    return _operation("<" if operator == "<=" else ">=", left, after)


def _between(operator: str, arguments: list[Node]) -> Node:
    tested, low, high = map(_scalar, arguments)
    if _is_property(tested):
        low, high = (_as_time(tested["property"], bound) for bound in (low, high))
        if _is_time(low) and _is_time(high):
            return _operation("and", _comparison(">=", [tested, low]), _comparison("<=", [tested, high]))
    return _operation(operator, tested, low, high)


def _in(operator: str, arguments: list[Node]) -> Node:
    tested, values = arguments
    if not isinstance(values, list) or not values:
        raise InvalidSearchError("IN needs a list of at least one value")
    return _operation(operator, _scalar(tested), [_scalar(value) for value in values])


def _like(operator: str, arguments: list[Node]) -> Node:
    tested, pattern = map(_text, arguments)
    if not isinstance(pattern, str):
        raise InvalidSearchError(f"LIKE needs a text as its pattern, found {_shown(pattern)}")
    check_pattern(pattern)
    return _operation(operator, tested, pattern)


def _is_null(operator: str, arguments: list[Node]) -> Node:
    match arguments[0]:
        case {"property": name}:
            return _operation(operator, _property(name))
    raise InvalidSearchError(f"IS NULL needs a property, found {_shown(arguments[0])}")


def _spatial(operator: str, arguments: list[Node]) -> Node:
    return _operation(operator, *map(_geometry, arguments))


def _temporal(operator: str, arguments: list[Node]) -> Node:
    return _operation(operator, *map(_time, arguments))


def _array(operator: str, arguments: list[Node]) -> Node:
    return _operation(operator, *map(_list, arguments))


_CONDITIONS: dict[str, tuple[int, int, Callable[[str, list[Node]], Node]]] = {
    "and": (2, 400, _connective),
    "or": (2, 400, _connective),
    "not": (1, 1, _connective),
    "between": (3, 3, _between),
    "in": (2, 2, _in),
    "like": (2, 2, _like),
    "isNull": (1, 1, _is_null),
    **dict.fromkeys(COMPARISONS, (2, 2, _comparison)),
    **dict.fromkeys(SPATIAL, (2, 2, _spatial)),
    **dict.fromkeys(TEMPORAL, (2, 2, _temporal)),
    **dict.fromkeys(ARRAY, (2, 2, _array)),
}
"""Fewest and most operands, and what reads them."""


def _scalar(node: Node) -> Node:
    match node:
        case bool():
            return node
        case int() | float():
            return _number(node)
        case {"property": name}:
            return _property(name)
        case {"date": _} | {"timestamp": _}:
            return _time(node)
        case {"op": str(operator), "args": [left, right]} if operator in ARITHMETIC:
            return _operation(operator, _operand(left), _operand(right))
    return _text(node)


def _operand(node: Node) -> Node:
    read = _scalar(node)
    if isinstance(read, bool | str) or _is_time(read):
        raise InvalidSearchError(f"expected a number, found {_shown(node)}")
    return read


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise InvalidSearchError("a number of the filter is not finite")
    return float(value)


def _text(node: Node) -> Node:
    match node:
        case str() if "\0" not in node:
            return node
        case {"property": name}:
            return _property(name)
        case {"op": "casei" | "accenti" as operator, "args": [argument]}:
            folded = _operation(operator, _text(argument))
            return cql2.Expr(folded).reduce().to_json() if isinstance(folded["args"][0], str) else folded
        case {"op": str(operator)}:
            raise InvalidSearchError(f"the function {operator!r:.60} is not known, or has other operands")
    raise InvalidSearchError(f"expected a value or a property, found {_shown(node)}")


def _property(name: Node) -> Node:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidSearchError(f"{_shown(name)} is not the name of a property")
    return {"property": name}


def _time(node: Node) -> Node:
    """A property, instant, day or interval."""
    if _is_property(node):
        return _property(node["property"])
    try:
        read = read_time(node)
    except ValueError as error:
        raise InvalidSearchError(str(error)) from error
    for end in read.get("interval", ()):
        if _is_property(end):
            _property(end["property"])
    return read


def _as_time(name: str, node: Node) -> Node:
    if name.removeprefix("properties.") in _TIMES and isinstance(node, str):
        try:
            return {"timestamp": format_datetime(instant(node))}
        except ValueError:
            return node
    return node


def _geometry(node: Node) -> Node:
    """A property or a two-dimensional, valid geometry."""
    try:
        match node:
            case {"property": name}:
                return _property(name)
            case {"bbox": [*numbers]}:
                bbox = read_bbox(numbers)
                return {"bbox": list(bbox)} if bbox[0] < bbox[2] else _geojson(bbox_area(bbox))
            case {"type": _}:
                if node.keys() - {"type", "coordinates", "geometries", "bbox"}:
                    raise ValueError("a geometry has no other members than its type and coordinates, and is in degrees")
                return _geojson(read_geometry(node))
    except ValueError as error:
        raise InvalidSearchError(str(error)) from error
    raise InvalidSearchError(f"expected a geometry or a property, found {_shown(node)}")


def _geojson(geometry: shapely.Geometry) -> Node:
    return orjson.loads(shapely.to_geojson(shapely.force_2d(geometry)))


def _list(node: Node) -> Node:
    match node:
        case {"property": name}:
            return _property(name)
        case [_, *_]:
            return [_list(value) if isinstance(value, list) else _scalar(value) for value in node]
    raise InvalidSearchError(f"expected a list of at least one value or a property, found {_shown(node)}")


def _is_property(node: Node) -> bool:
    return isinstance(node, dict) and "property" in node


def _is_time(node: Node) -> bool:
    return isinstance(node, Mapping) and ("timestamp" in node or "date" in node)


def _operation(operator: str, *arguments: Node) -> Node:
    return {"op": operator, "args": list(arguments)}


def _shown(node: Node) -> str:
    return f"{node!r:.60}"
