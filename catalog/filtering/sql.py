"""Conditions as SQL over the typed columns, only where that equals `Conjunct.matches` on every item.

What cannot be decided is NULL: both `cql2` and SQL then follow the same three-valued logic, and a row is found only
where the whole is true. Names of properties reach the text of a statement through the table of columns alone,
everything else is a parameter (T13).
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from catalog.filtering.filter import Conjunct
from catalog.filtering.operator_table import COMPARISONS, TEMPORAL
from catalog.filtering.time_literal import time_range
from catalog.queryable import QUERYABLES, Queryable

Clause = tuple[str, tuple[float | str, ...]]
"""A piece of SQL and the values of its placeholders."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ATOM = re.compile(r"\\(.)|(.)", re.DOTALL)
_COLUMNS = {queryable.name: queryable for queryable in QUERYABLES} | {
    f"properties.{queryable.name}": queryable for queryable in QUERYABLES if queryable.name not in {"id", "collection"}
}
_ORDERED = {"<", ">", "<=", ">="}


@dataclass(frozen=True)
class Dialect:
    """What differs between databases."""

    column: Callable[[Queryable], str]
    """SQL of a property: a double for a number, text, or for a time whole microseconds since 1970; else NULL."""
    placeholder: str
    collation: str
    """Written behind a text so that it is compared by code points."""
    glob: bool
    """Whether patterns are matched by GLOB, since LIKE would ignore case."""
    infinite: bool
    """Whether arithmetic that leaves the range of a double is infinite and no error."""


def sqlite_dialect(column: Callable[[Queryable], str]) -> Dialect:
    """SQL for SQLite; number columns must have the affinity REAL."""
    return Dialect(column, placeholder="?", collation="", glob=True, infinite=True)


def postgresql_dialect(column: Callable[[Queryable], str]) -> Dialect:
    """SQL for PostgreSQL as psycopg takes it; number columns must be double precision."""
    return Dialect(column, placeholder="%s", collation=' COLLATE "C"', glob=False, infinite=False)


def compile_conjunct(conjunct: Conjunct, dialect: Dialect) -> Clause | None:
    """The condition in SQL, None where `matches` must be asked."""
    try:
        return _Compiler(dialect).condition(conjunct.expression)
    except _NotInSQLError:
        return None


class _NotInSQLError(Exception):
    """A condition means something that SQL cannot say exactly."""


@dataclass(frozen=True)
class _Number:
    """An arithmetic expression; `state` says what is known of its value, so that none is ever "not a number"."""

    sql: str
    values: tuple[float | str, ...]
    state: str
    """`zero` or `literal` (another), `column` (finite), `derived` (perhaps infinite)."""


@dataclass(frozen=True)
class _Compiler:
    dialect: Dialect

    def condition(self, node: Any) -> Clause:
        match node:
            case {"op": "and" | "or" as operator, "args": parts}:
                clauses = [self.condition(part) for part in parts]
                text = f" {operator.upper()} ".join(text for text, _ in clauses)
                return f"({text})", tuple(value for _, values in clauses for value in values)
            case {"op": "not", "args": [part]}:
                text, values = self.condition(part)
                return f"(NOT {text})", values
            case {"op": "isNull", "args": [tested]}:
                return f"({self.dialect.column(_queryable(tested))} IS NULL)", ()
            case {"op": "like", "args": [tested, str(pattern)]}:
                return self._like(tested, pattern)
            case {"op": "in", "args": [tested, values]}:
                return self._in(tested, values)
            case {"op": "between", "args": [tested, low, high]} if not {type(low), type(high)} - {float, str}:
                (left, first), (right, last) = self._comparison(">=", tested, low), self._comparison("<=", tested, high)
                return f"({left} AND {right})", first + last
            case {"op": operator, "args": [left, right]} if operator in COMPARISONS:
                return self._comparison(operator, left, right)
            case {"op": operator, "args": [left, right]} if operator in TEMPORAL:
                return self._relation(operator, left, right)
        raise _NotInSQLError

    def _comparison(self, operator: str, left: Any, right: Any) -> Clause:
        kinds = {_kind(left), _kind(right)}
        if kinds == {"text"}:
            ordered = operator in _ORDERED
            if ordered and (_is_folded(left) or _is_folded(right)):
                raise _NotInSQLError
            (one, first), (other, last) = self._text(left, right), self._text(right, left)
            collation = self.dialect.collation if ordered else ""
            return f"({one}{collation} {operator} {other})", first + last
        if kinds == {"number"}:
            numbers = self._number(left), self._number(right)
            return f"({numbers[0].sql} {operator} {numbers[1].sql})", numbers[0].values + numbers[1].values
        match left, right:
            case {"property": _}, {"timestamp": _}:
                instant, _ = time_range(right)
                return f"({self._time(left)} {operator} {self.dialect.placeholder})", (_microseconds(instant),)
        raise _NotInSQLError

    def _in(self, tested: Any, values: list[Any]) -> Clause:
        kind = _kind(tested)
        written = {"text": str, "number": float}.get(kind)
        fitting: list[Any] = [value for value in values if type(value) is written]
        # Numbers are compared as they are written there, and minus zero is written otherwise.
        if not fitting or 0.0 in fitting or any(isinstance(value, dict) for value in values):
            raise _NotInSQLError
        if kind == "text":
            sql, parameters = self._text(tested, *fitting)
        else:
            sql, parameters = self.dialect.column(_queryable(tested)), ()
        places = ", ".join([self.dialect.placeholder] * len(fitting))
        return f"({sql} IN ({places}))", (*parameters, *fitting)

    def _like(self, tested: Any, pattern: str) -> Clause:
        atoms = [(escaped or plain, bool(escaped)) for escaped, plain in _ATOM.findall(pattern)]
        sql, values = self._text(tested, "".join(atom for atom, literal in atoms if literal or atom not in {"%", "_"}))
        if self.dialect.glob:
            written = "".join(_glob_atom(*atom) for atom in atoms)
            return f"({sql} GLOB {self.dialect.placeholder})", (*values, written)
        written = "".join(f"\\{atom}" if literal or atom == "\\" else atom for atom, literal in atoms)
        return f"({sql} LIKE {self.dialect.placeholder})", (*values, written)

    def _relation(self, operator: str, left: Any, right: Any) -> Clause:
        if _kind(left) != "time":
            mirrored = {"t_after": "t_before", "t_before": "t_after", "t_contains": "t_during"}
            operator, left, right = mirrored.get(operator, operator if operator in _SYMMETRIC else ""), right, left
        try:
            start, end = time_range(right)
        except ValueError as error:
            raise _NotInSQLError from error
        conditions = {
            "t_after": ((">", end),),
            "t_before": (("<", start),),
            "t_during": ((">", start), ("<=" if "date" in right else "<", end)),
            "t_equals": (("=", start), ("=", end)),
            "t_intersects": ((">=", start), ("<=", end)),
            "t_disjoint": ((">=", start), ("<=", end)),
        }.get(operator, ())
        bounds = [(sign, bound) for sign, bound in conditions if bound is not None]
        if not bounds or (operator == "t_equals" and "timestamp" not in right):
            raise _NotInSQLError
        text = " AND ".join(f"{self._time(left)} {sign} {self.dialect.placeholder}" for sign, _ in bounds)
        values = tuple(_microseconds(bound) for _, bound in bounds)
        return f"(NOT ({text}))" if operator == "t_disjoint" else f"({text})", values

    def _text(self, node: Any, *others: Any) -> Clause:
        """A text that is to be compared with others."""
        match node:
            case str():
                return self.dialect.placeholder, (node,)
            case {"property": _}:
                return self.dialect.column(_queryable(node, "text")), ()
            case {"op": "casei", "args": [{"property": _} as inner]} if all(map(_is_caseless, others)):
                return self._lower(self.dialect.column(_queryable(inner, "text"))), ()
        raise _NotInSQLError

    def _lower(self, text: str) -> str:
        """Lower case of the ASCII letters and of the two others that become such."""
        kelvin, dotted = (f"replace({{}}, '{upper}', '{upper.lower()}')" for upper in ("\u212a", "\u0130"))
        return f"lower({dotted.format(kelvin.format(text))}{self.dialect.collation})"

    def _time(self, node: Any) -> str:
        return self.dialect.column(_queryable(node, "time"))

    def _number(self, node: Any) -> _Number:
        match node:
            case float():
                return _Number(self.dialect.placeholder, (node,), "literal" if node else "zero")
            case {"property": _}:
                return _Number(self.dialect.column(_queryable(node, "number")), (), "column")
            case {"op": "+" | "-" | "*" | "/" as operator, "args": [left, right]} if self.dialect.infinite:
                one, other = self._number(left), self._number(right)
                if not _is_defined(operator, one.state, other.state):
                    raise _NotInSQLError
                return _Number(f"({one.sql} {operator} {other.sql})", one.values + other.values, "derived")
        raise _NotInSQLError


_SYMMETRIC = {"t_equals", "t_intersects", "t_disjoint"}


def _is_defined(operator: str, left: str, right: str) -> bool:
    """Whether no values lead to "not a number": infinity less infinity, times zero, or a division by zero."""
    if operator == "/":
        return right == "literal"
    if operator == "*":
        return "derived" not in {left, right} or "literal" in {left, right}
    return (left, right) != ("derived", "derived")


def _kind(node: Any) -> str:
    match node:
        case str() | {"op": "casei"}:
            return "text"
        case float() | {"op": "+" | "-" | "*" | "/"}:
            return "number"
        case {"property": _}:
            return _queryable(node).kind
    return ""


def _queryable(node: Any, kind: str = "") -> Queryable:
    queryable = _COLUMNS.get(node["property"]) if isinstance(node, dict) and "property" in node else None
    if queryable is None or kind not in {"", queryable.kind}:
        raise _NotInSQLError
    return queryable


def _is_folded(node: Any) -> bool:
    return isinstance(node, dict) and node.get("op") == "casei"


def _is_caseless(node: Any) -> bool:
    """Whether a text has no letters but ASCII's that another case could become, Chinese for one."""
    return isinstance(node, str) and all(
        character.isascii() or unicodedata.category(character) in {"Lo", "Nd", "Po", "Ps", "Pe", "Pd"}
        for character in node
    )


def _glob_atom(atom: str, literal: bool) -> str:
    if not literal and atom in {"%", "_"}:
        return {"%": "*", "_": "?"}[atom]
    return f"[{atom}]" if atom in {"*", "?", "["} else atom


def _microseconds(when: datetime | None) -> int:
    if when is None:
        raise _NotInSQLError
    return (when - _EPOCH) // timedelta(microseconds=1)
