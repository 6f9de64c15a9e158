"""Filter: a CQL2 expression from outside, bounded before any parser sees it (L24, T06)."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

import cql2
import orjson
from shapely.geometry.base import BaseGeometry

from catalog.errors import InvalidSearchError
from catalog.extent import Interval
from catalog.filtering.bounds import check_document, check_text
from catalog.filtering.necessity import necessary_area, necessary_interval
from catalog.filtering.reading import read_condition

_PLACE = re.compile(r" --> (\d+:\d+)")
_BELOW = "properties."

T = TypeVar("T")


@dataclass(frozen=True)
class Conjunct:
    """One of the conditions that must all hold."""

    expression: Mapping[str, Any] | bool
    """CQL2 JSON."""
    area: BaseGeometry | None
    """Only items that intersect it can match, unless they cross the antimeridian; None where place does not matter."""
    interval: Interval | None
    """Only items of this time can match; None where time does not matter."""

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Whether it holds for an item; what cannot be decided, such as a missing property, does not."""
        try:
            return _undisturbed(lambda: self._evaluator.matches(self._part(item)))
        except ValueError:
            return False

    @cached_property
    def _evaluator(self) -> cql2.Expr:
        return cql2.Expr(self.expression)  # type: ignore[arg-type]  # a mapping is enough, and so is a truth value

    @cached_property
    def _members(self) -> frozenset[str]:
        return frozenset(name.split(".")[0] for name in _names(self.expression))

    def _part(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """What it speaks of; to hand over the whole document takes longer than to evaluate it."""
        part = {name: item[name] for name in self._members if name in item}
        if "properties" not in part:
            properties = item.get("properties", {})
            part["properties"] = {name: properties[name] for name in self._members if name in properties}
        return part


@dataclass(frozen=True)
class Filter:
    """A CQL2 expression."""

    expression: Mapping[str, Any] | bool
    """CQL2 JSON; two filters that are written alike are equal."""
    conjuncts: tuple[Conjunct, ...]
    names: frozenset[str]
    """The properties it speaks of, without a leading `properties.`."""


def read_filter(expression: str | Mapping[str, Any], language: Literal["cql2-text", "cql2-json"]) -> Filter:
    """Read a filter.

    Raises:
        InvalidSearchError: It is out of bounds or not CQL2.
    """
    try:
        condition = read_condition(_parse(expression, language))
        _undisturbed(lambda: cql2.Expr(condition))
    except ValueError as error:
        raise InvalidSearchError(f"the filter is not {language}{error}") from error
    conjuncts = [Conjunct(part, necessary_area(part), necessary_interval(part)) for part in _conjuncts(condition)]
    return Filter(condition, tuple(conjuncts), frozenset(name.removeprefix(_BELOW) for name in _names(condition)))


def _parse(expression: str | Mapping[str, Any], language: str) -> Any:
    """The expression as CQL2 JSON, with one spelling of every operator."""
    if language == "cql2-text":
        if not isinstance(expression, str):
            raise ValueError(": it is not a text")
        check_text(expression)
        return _undisturbed(lambda: cql2.parse_text(expression).to_json())
    try:
        document = orjson.loads(expression) if isinstance(expression, str) else expression
    except orjson.JSONDecodeError as error:
        raise ValueError(": it is not JSON; filter-lang names the other language") from error
    check_document(document)
    return _undisturbed(lambda: cql2.parse_json(orjson.dumps(document).decode()).to_json())


def _undisturbed(call: Callable[[], T]) -> T:
    """Call `cql2`, whose panics are no `Exception`.

    Raises:
        ValueError: Anything went wrong; it says where, if that is known, and nothing of the parser's inside.
    """
    try:
        return call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        place = _PLACE.search(str(error))
        raise ValueError(f" at line:column {place[1]}" if place else "") from error


def _conjuncts(condition: Any) -> Iterator[Any]:
    match condition:
        case {"op": "and", "args": parts}:
            for part in parts:
                yield from _conjuncts(part)
        case _:
            yield condition


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "property" in value:
            yield value["property"]
        for part in value.values():
            yield from _names(part)
    elif isinstance(value, list):
        for part in value:
            yield from _names(part)
