"""The `query` of a search, written as CQL2 so that there is one kind of filter."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from catalog.errors import InvalidSearchError
from catalog.filtering.filter import Filter, read_filter

_COMPARISONS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_PATTERNS: dict[str, Callable[[str], str]] = {
    "startsWith": "{}%".format,
    "endsWith": "%{}".format,
    "contains": "%{}%".format,
}
OPERATORS = (*_COMPARISONS, *_PATTERNS, "in")


def read_query(query: Mapping[str, Mapping[str, Any]]) -> Filter:
    """Read conditions such as `{"eo:cloud_cover": {"lt": 10}}`, which must all hold.

    Raises:
        InvalidSearchError: It is out of bounds, or an operator is not known.
    """
    conditions = [
        _condition({"property": name}, operator, value)
        for name, operators in query.items()
        for operator, value in operators.items()
    ]
    if not conditions:
        raise InvalidSearchError("a query needs at least one condition")
    return read_filter(conditions[0] if len(conditions) == 1 else {"op": "and", "args": conditions}, "cql2-json")


def _condition(tested: dict[str, str], operator: str, value: Any) -> dict[str, Any]:
    if operator == "in":
        return {"op": "in", "args": [tested, value]}
    if operator in _COMPARISONS:
        return {"op": _COMPARISONS[operator], "args": [tested, value]}
    if operator not in _PATTERNS:
        raise InvalidSearchError(f"{operator!r:.60} is not an operator of a query, expected {', '.join(OPERATORS)}")
    if not isinstance(value, str):
        raise InvalidSearchError(f"{operator} compares texts, found {value!r:.60}")
    pattern = _PATTERNS[operator](re.sub(r"([\\%_])", r"\\\1", value))
    return {"op": "like", "args": [tested, pattern]}
