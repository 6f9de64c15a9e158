"""Band arithmetic a caller may write: parsed and evaluated here, within the limits L14, never by `eval`.

block       := comparison                      blocks are separated by `;`, one per output band
comparison  := sum [(< | <= | > | >= | == | !=) sum]        1 where it holds, else 0
sum         := product ((+ | -) product)*
product     := factor ((* | /) factor)*
factor      := - factor | power
power       := atom [** exponent]              exponent: a literal from -4 to 4
atom        := number | band | function ( comparison, … ) | ( comparison )
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from imagery_node.errors import BadRenderingError

MAX_LENGTH = 512
MAX_BLOCKS = 4
MAX_NODES = 100
MAX_DEPTH = 20
MAX_NUMBER = 1e12
MAX_EXPONENT = 4

Values = NDArray[np.float32]
_Function = Callable[..., Values]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d{1,2})?|\.\d+(?:[eE][+-]?\d{1,2})?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*|<=|>=|==|!=|[-+*/()<>,]))",
    re.ASCII,
)


def _where(test: Values, then: Values, otherwise: Values) -> Values:
    return np.where(test != 0, then, otherwise).astype(np.float32)


def _clip(values: Values, low: Values, high: Values) -> Values:
    return np.minimum(np.maximum(values, low), high)


def _folded(function: _Function) -> _Function:
    """The function of two as one of many."""
    return lambda *arguments: reduce(function, arguments)


def _as_number(compare: Callable[..., NDArray[np.bool_]]) -> _Function:
    return lambda left, right: compare(left, right).astype(np.float32)


_COMPARISONS: dict[str, _Function] = {
    "<": _as_number(np.less), "<=": _as_number(np.less_equal), ">": _as_number(np.greater),
    ">=": _as_number(np.greater_equal), "==": _as_number(np.equal), "!=": _as_number(np.not_equal),
}  # fmt: skip
_SUMS: dict[str, _Function] = {"+": np.add, "-": np.subtract}
_PRODUCTS: dict[str, _Function] = {"*": np.multiply, "/": np.divide}
_FUNCTIONS: dict[str, tuple[_Function, int, int]] = {
    "abs": (np.abs, 1, 1), "sqrt": (np.sqrt, 1, 1), "exp": (np.exp, 1, 1), "log": (np.log, 1, 1),
    "log10": (np.log10, 1, 1), "floor": (np.floor, 1, 1), "ceil": (np.ceil, 1, 1), "round": (np.rint, 1, 1),
    "min": (_folded(np.minimum), 2, 8), "max": (_folded(np.maximum), 2, 8), "clip": (_clip, 3, 3),
    "where": (_where, 3, 3),
}  # fmt: skip
"""Name → function and the least and the largest number of its arguments."""


@dataclass(frozen=True)
class _Number:
    value: float


@dataclass(frozen=True)
class _Band:
    name: str


@dataclass(frozen=True)
class _Call:
    function: _Function
    arguments: tuple["_Node", ...]


_Node = _Number | _Band | _Call


@dataclass(frozen=True)
class Expression:
    """A parsed expression."""

    blocks: tuple[_Node, ...]
    names: tuple[str, ...]
    """The bands it needs, each once."""

    def evaluate(self, bands: Mapping[str, Values]) -> list[Values]:
        """One array per block; not finite where the arithmetic has no answer."""
        with np.errstate(all="ignore"):
            return [np.asarray(_evaluate(block, bands), np.float32) for block in self.blocks]


@lru_cache(maxsize=256)
def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Raises:
        BadRenderingError: It is malformed or beyond a limit.
    """
    if len(text) > MAX_LENGTH:
        raise BadRenderingError(f"expression has {len(text)} characters, at most {MAX_LENGTH} are allowed")
    texts = text.split(";")
    if len(texts) > MAX_BLOCKS:
        raise BadRenderingError(f"expression has {len(texts)} blocks, at most {MAX_BLOCKS} are allowed")
    parsers = [_Parser(block) for block in texts]
    blocks = tuple(parser.parse() for parser in parsers)
    if sum(parser.node_count for parser in parsers) > MAX_NODES:
        raise BadRenderingError(f"expression has more than {MAX_NODES} parts")
    return Expression(blocks, tuple(dict.fromkeys(name for parser in parsers for name in parser.names)))


class _Parser:
    """Recursive descent over one block; its depth is bounded, so is the recursion."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0
        self.node_count = 0
        self.names: list[str] = []

    def parse(self) -> _Node:
        node = self._comparison()
        if self._at < len(self._tokens):
            raise BadRenderingError(f"expression: unexpected {self._tokens[self._at][1]!r}")
        if not _depends_on_bands(node):
            raise BadRenderingError("expression: a block uses no band")
        return node

    def _comparison(self) -> _Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadRenderingError(f"expression is nested deeper than {MAX_DEPTH}")
        left = self._left_to_right(_SUMS, lambda: self._left_to_right(_PRODUCTS, self._factor))
        if operator := self._take(*_COMPARISONS):
            right = self._left_to_right(_SUMS, lambda: self._left_to_right(_PRODUCTS, self._factor))
            left = self._call(_COMPARISONS[operator], left, right)
        self._depth -= 1
        return left

    def _left_to_right(self, operators: Mapping[str, _Function], operand: Callable[[], _Node]) -> _Node:
        left = operand()
        while operator := self._take(*operators):
            left = self._call(operators[operator], left, operand())
        return left

    def _factor(self) -> _Node:
        negative = False
        while self._take("-"):
            negative = not negative
        node = self._power()
        if not negative:
            return node
        return _Number(-node.value) if isinstance(node, _Number) else self._call(np.negative, node)

    def _power(self) -> _Node:
        base = self._atom()
        if not self._take("**"):
            return base
        sign = -1 if self._take("-") else 1
        exponent = self._atom()
        if not isinstance(exponent, _Number) or exponent.value > MAX_EXPONENT:
            raise BadRenderingError(f"expression: an exponent must be a number from -{MAX_EXPONENT} to {MAX_EXPONENT}")
        return self._call(np.power, base, _Number(sign * exponent.value))

    def _atom(self) -> _Node:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "its end")
        self._at += 1
        self._count()
        if kind == "number":
            return _number(text)
        if kind == "name" and self._take("("):
            return self._function(text)
        if kind == "name":
            self.names.append(text)
            return _Band(text)
        if text == "(":
            node = self._comparison()
            self._expect(")")
            return node
        raise BadRenderingError(f"expression: unexpected {text!r}")

    def _function(self, name: str) -> _Node:
        if name not in _FUNCTIONS:
            raise BadRenderingError(f"expression: no function {name!r}, expected one of: {', '.join(_FUNCTIONS)}")
        function, least, most = _FUNCTIONS[name]
        arguments = [self._comparison()]
        while self._take(","):
            arguments.append(self._comparison())
        self._expect(")")
        if not least <= len(arguments) <= most:
            expected = f"{least}–{most}" if least < most else least
            raise BadRenderingError(f"expression: {name} has {len(arguments)} arguments, expected {expected}")
        return self._call(function, *arguments)

    def _call(self, function: _Function, *arguments: _Node) -> _Call:
        call = _Call(function, arguments)
        self._count()
        if not _depends_on_bands(call):
            raise BadRenderingError("expression: write a constant as one number, not as arithmetic")
        return call

    def _count(self) -> None:
        self.node_count += 1
        if self.node_count > MAX_NODES:
            raise BadRenderingError(f"expression has more than {MAX_NODES} parts")

    def _take(self, *operators: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at] in [("operator", o) for o in operators]:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def _expect(self, operator: str) -> None:
        if not self._take(operator):
            raise BadRenderingError(f"expression: {operator!r} is missing")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadRenderingError(f"expression: cannot read {text[at : at + 10]!r}")
        at = match.end()
        yield str(match.lastgroup), match[str(match.lastgroup)]


def _number(text: str) -> _Number:
    value = float(text)
    if value > MAX_NUMBER:
        raise BadRenderingError(f"expression: {text} is larger than {MAX_NUMBER:g}")
    return _Number(value)


def _depends_on_bands(node: _Node) -> bool:
    """Whether a node varies; a call is made only of such, so its arguments need no deeper look."""
    return isinstance(node, _Band) or (
        isinstance(node, _Call) and any(not isinstance(argument, _Number) for argument in node.arguments)
    )


def _evaluate(node: _Node, bands: Mapping[str, Values]) -> Values | float:
    if isinstance(node, _Number):
        return node.value
    if isinstance(node, _Band):
        return bands[node.name]
    return node.function(*(_evaluate(argument, bands) for argument in node.arguments))


def used_bands(expression: Expression, names: Sequence[str]) -> list[int]:
    """Positions (from 0) of the bands an expression needs: by a word of their name, or b1, b2, … by position.

    Raises:
        BadRenderingError: A name is not a band.
    """
    known = {f"b{number}": number - 1 for number in range(1, len(names) + 1)}
    known |= {word: position for position, name in enumerate(names) for word in name.split()}
    unknown = [name for name in expression.names if name not in known]
    if unknown:
        raise BadRenderingError(f"expression: no band {unknown[0]!r}, expected one of: {', '.join(known)}")
    return [known[name] for name in expression.names]
