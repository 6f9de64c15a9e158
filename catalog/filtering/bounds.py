"""L24: how large and how deep a filter may be, counted in one pass before a parser or validator sees it (T06).

The coordinates of geometries are counted as L10 counts them, apart from everything else: a county's outline is no
longer a question than a box.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from catalog.errors import InvalidSearchError
from catalog.filtering.operator_table import ARITHMETIC
from catalog.geometry import MAX_VERTICES

MAX_LENGTH = 2048
"""Characters, without those of geometries."""
MAX_TOTAL_LENGTH = 1 << 19
"""Characters, with everything."""
MAX_NESTING = 10
"""Brackets in text, operators inside operators in JSON."""
MAX_NEGATIONS = 2
"""`NOT` directly behind `NOT`."""
MAX_PREDICATES = 50
MAX_ARITHMETIC = 50
MAX_LIST_VALUES = 200
MAX_PATTERN_LENGTH = 64
MAX_WILDCARDS = 3

MAX_WORK = 100_000
"""Tokens, each counted as often as the parser may read it: twice for every bracket around it that is no call's."""

_MAX_GEOMETRY_NESTING = 4
_MAX_CONTAINERS = 2 * MAX_NESTING + 4
"""Each operator is an object with a list; below the last there may be an interval's property."""

_NUMBER = r"[+-]?\d{1,20}(?:\.\d{0,20})?(?:[eE][+-]?\d{1,4})?"
_POSITION = rf"{_NUMBER}(?:\s+{_NUMBER}){{1,3}}"
_WKT = r"(?:GEOMETRYCOLLECTION|(?:MULTI)?(?:POINT|LINESTRING|POLYGON))\s{0,9}(?:ZM|Z|M)?\s{0,9}(?=\()"

_TOKEN = re.compile(
    rf"""\s*(?:(?P<geometry>{_WKT}) | (?P<string>'(?:[^']|'')*') | (?P<word>"(?:[^"]|"")*"|[^\W\d][\w.:]*)
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?) | (?P<comparison><>|!=|<=|>=|[=<>])
    | (?P<arithmetic>[-+*/%^]) | (?P<opened>\() | (?P<closed>\)) | (?P<comma>,) | (?P<quote>['"]) | (?P<other>.|\Z))""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_GEOMETRY_TOKEN = re.compile(
    rf"\s*(?:(?P<positions>{_POSITION}(?:\s*,\s*{_POSITION})*)|(?P<opened>\()|(?P<closed>\))|,|{_WKT})", re.IGNORECASE
)
_CONNECTIVES = {"and", "or", "not", "in", "like", "between", "is", "div"}
"""Words that a bracket can follow without being called."""
_PREDICATE_WORDS = {"in", "like", "between", "is"}
_NO_PREDICATES = {"and", "or", "not", "casei", "accenti", "date", "timestamp", "interval", "bbox", *ARITHMETIC}


@dataclass
class _Tally:
    """What has been counted so far."""

    length: int = 0
    vertices: int = 0
    predicates: int = 0
    arithmetic: int = 0
    work: int = 0

    def check(self) -> None:
        _limit(self.length, MAX_LENGTH, "characters besides its geometries")
        _limit(self.vertices, MAX_VERTICES, "vertices")
        _limit(self.predicates, MAX_PREDICATES, "predicates")
        _limit(self.arithmetic, MAX_ARITHMETIC, "arithmetic operators")
        if self.work > MAX_WORK:
            raise InvalidSearchError("a filter is either long or deeply nested, not both")


def check_text(text: str) -> None:
    """Count a filter in CQL2 text.

    Raises:
        InvalidSearchError: It is too large.
    """
    _limit(len(text), MAX_TOTAL_LENGTH, "characters")
    tally = _Tally()
    values, readings = [1], [1]
    """Of each open bracket: its values, and how often the parser may read them."""
    negations, before, word = 0, "opened", ""
    for kind, token, length in _tokens(text, tally):
        called = before == "word" and word not in _CONNECTIVES
        if kind == "opened":
            values.append(1)
            readings.append(readings[-1] * (1 if called else 2))
            _limit(len(values) - 1, MAX_NESTING, "brackets inside one another")
            tally.predicates += called and word not in _NO_PREDICATES
        elif kind == "closed" and len(values) > 1:
            values.pop()
            readings.pop()
        elif kind == "comma":
            values[-1] += 1
            _limit(values[-1], MAX_LIST_VALUES, "values in one list")
        elif kind in {"closed", "quote"}:
            raise InvalidSearchError(f"the filter has a {token} without its partner")
        word = token.lower() if kind == "word" else ""
        negations = negations + (word == "not") if word == "not" or kind == "opened" else 0
        _limit(negations, MAX_NEGATIONS, "NOT one behind another")
        tally.predicates += kind == "comparison" or word in _PREDICATE_WORDS
        sign = token in {"+", "-"} and before in {"opened", "comma", "comparison"}
        tally.arithmetic += (kind == "arithmetic" and not sign) or word == "div"
        tally.length += length
        tally.work += readings[-1]
        tally.check()
        before = kind
    if len(values) > 1:
        raise InvalidSearchError("the filter has a ( without its partner")


def _tokens(text: str, tally: _Tally) -> Iterator[tuple[str, str, int]]:
    """Kind, text and length of each token, with the space before it; geometries are counted and left out."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise InvalidSearchError("the filter is not text")
        kind, token = match.lastgroup, match[match.lastgroup]
        if kind == "geometry":
            position = _skip_geometry(text, match.end(), tally)
            yield "geometry", "", len(token)
        else:
            yield kind, token, match.end() - position
            position = match.end()


def _skip_geometry(text: str, position: int, tally: _Tally) -> int:
    """Where a geometry in well-known text ends."""
    nesting = 0
    while match := _GEOMETRY_TOKEN.match(text, position):
        position = match.end()
        if match["positions"]:
            tally.vertices += match["positions"].count(",") + 1
            tally.check()
        nesting += bool(match["opened"]) - bool(match["closed"])
        if nesting > _MAX_GEOMETRY_NESTING:
            break
        if nesting == 0 and match["closed"]:
            return position
    raise InvalidSearchError("a geometry of the filter is not well-known text")


def check_document(document: object) -> None:
    """Count a filter in CQL2 JSON.

    Raises:
        InvalidSearchError: It is too large.
    """
    tally = _Tally()
    stack: list[tuple[object, int, int, int]] = [(document, 0, 0, 0)]
    """Value, operators around it, containers around it, NOTs directly around it."""
    while stack:
        value, nesting, containers, negations = stack.pop()
        _limit(containers, _MAX_CONTAINERS, "containers inside one another")
        if isinstance(value, Mapping):
            if isinstance(operator := value.get("op"), str):
                operator = operator.lower()
                nesting += 1
                negations = negations + 1 if operator == "not" else 0
                tally.predicates += operator not in _NO_PREDICATES
                tally.arithmetic += operator in ARITHMETIC
            tally.length += 1
            for key, part in value.items():
                tally.length += len(str(key)) + 4
                if key == "coordinates":
                    tally.vertices += _count_positions(part)
                else:
                    stack.append((part, nesting, containers + 1, negations))
        elif isinstance(value, list | tuple):
            _limit(len(value), MAX_LIST_VALUES, "values in one list")
            tally.length += len(value) + 1
            stack.extend((part, nesting, containers + 1, negations) for part in value)
        else:
            tally.length += len(value) + 2 if isinstance(value, str) else len(repr(value))
        _limit(nesting, MAX_NESTING, "operators inside one another")
        _limit(negations, MAX_NEGATIONS, "NOT one behind another")
        tally.check()


def _count_positions(coordinates: object) -> int:
    count = 0
    stack = [(coordinates, 1)]
    while stack:
        part, nesting = stack.pop()
        if not isinstance(part, list | tuple) or nesting > _MAX_GEOMETRY_NESTING:
            raise InvalidSearchError("the coordinates of a geometry of the filter are not nested as GeoJSON says")
        if any(isinstance(value, list | tuple) for value in part):
            _limit(len(part), MAX_VERTICES, "vertices")
            stack.extend((value, nesting + 1) for value in part)
        else:
            _limit(len(part), 4, "numbers in a position")
            count += 1
            _limit(count, MAX_VERTICES, "vertices")
    return count


def check_pattern(pattern: str) -> None:
    """See that a LIKE pattern is within its bounds.

    Raises:
        InvalidSearchError: It is too long, has too many wildcards or ends within an escape.
    """
    _limit(len(pattern), MAX_PATTERN_LENGTH, "characters in a LIKE pattern")
    unescaped = re.sub(r"\\.", "", pattern, flags=re.DOTALL)
    _limit(unescaped.count("%") + unescaped.count("_"), MAX_WILDCARDS, "wildcards in a LIKE pattern")
    if "\\" in unescaped:
        raise InvalidSearchError("a LIKE pattern ends in a backslash")


def _limit(count: int, most: int, what: str) -> None:
    if count > most:
        raise InvalidSearchError(f"a filter has at most {most} {what}, found {count}")
