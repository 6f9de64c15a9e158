"""Clause: a piece of SQL and the values of its question marks."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import apsw
import orjson

Value = float | str | bytes | list[str] | list[int] | None


class Clause(NamedTuple):
    """A piece of SQL made of fixed texts, and the values of its question marks (T13)."""

    text: str
    values: "tuple[Value | apsw.CArrayBinding, ...]" = ()  # a name that is not there when the program runs


def every(clauses: Iterable[Clause]) -> Clause:
    """All of the conditions."""
    return _joined(clauses, " AND ") or Clause("TRUE")


def either(clauses: Iterable[Clause]) -> Clause:
    """Any of the conditions."""
    return _joined(clauses, " OR ") or Clause("FALSE")


def one_of(column: str, values: Sequence[str | int]) -> Clause:
    """The column has one of these values."""
    return Clause(f"{column} IN (SELECT value FROM json_each(?))", (orjson.dumps(values).decode(),))  # noqa: S608


def _joined(clauses: Iterable[Clause], between: str) -> Clause | None:
    clauses = list(clauses)
    text = between.join(f"({clause.text})" for clause in clauses)
    return Clause(text, tuple(chain.from_iterable(clause.values for clause in clauses))) if clauses else None
