"""Finding: one page of a search, and how much the whole search finds."""

import time
from collections.abc import Iterator
from typing import Any

import orjson

from catalog.errors import SlowSearchError
from catalog.item import siblings
from catalog.pgstac.condition import Condition, behind, order_terms, read_condition, statement
from catalog.pgstac.database import Session
from catalog.search import Page, Search
from catalog.served_item import ServedItem, served_item
from catalog.store.clause import Clause, every
from catalog.store.token_book import Position, TokenBook

SEARCH_DEADLINE_S = 10.0
"""L03, for evaluating documents; the role ends a statement that takes so long."""

COUNTED = 20_000
"""So many rows near what is asked for are looked at to count; documents a tenth as many."""

_CHUNK = 500
"""Documents that are evaluated at a time."""

Row = tuple[Any, ...]
"""key, document, version, and the position."""


def find_page(connection: Session, search: Search, tokens: TokenBook) -> Page:
    """One page of items.

    Raises:
        InvalidSearchError: The search is out of its bounds, or the token is not of it.
        SlowSearchError: Too many documents must be looked at.
    """
    condition = read_condition(connection, search)
    position, matched = tokens.read(search, search.token) if search.token is not None else (None, None)
    if position is None:
        matched = _count(connection, condition)
    limit = condition.selection.limit
    found: list[Row] = []
    for row in _fulfilling(connection, condition, position, at_least=limit + 1):
        found.append(row)
        if len(found) > limit:
            break
    shown = found[:limit]
    token = tokens.write(search, shown[-1][3:], matched) if len(found) > limit else None
    return Page([_served(document, version) for _, document, version, *_ in shown], token, matched)


def fulfilling_keys(connection: Session, condition: Condition) -> list[int]:
    """Keys of everything that is found, where documents must be evaluated for it."""
    return [key for key, *_ in _fulfilling(connection, condition, None, at_least=_CHUNK)]


def _fulfilling(
    connection: Session, condition: Condition, position: Position | None, *, at_least: int
) -> Iterator[Row]:
    """Rows behind a position, in order; those asked for at once are no more than are needed, or a chunk."""
    rest, end_s = condition.selection.rest, time.monotonic() + SEARCH_DEADLINE_S
    count = max(at_least, _CHUNK) if rest else at_least
    while rows := _rows(connection, condition, position, count):
        for row in rows:
            if not rest or all(conjunct.matches(orjson.loads(row[1])) for conjunct in rest):
                yield row
        if len(rows) < count:
            return
        position = rows[-1][3:]
        if time.monotonic() > end_s:
            raise SlowSearchError("the search takes too long; ask for less at once")


def _rows(connection: Session, condition: Condition, position: Position | None, count: int) -> list[Row]:
    order = condition.selection.order
    where = condition.decided
    if position is not None:
        where = every([where, behind(order, position)])
    query = (
        f"WITH page AS (SELECT item.* FROM item WHERE {where.text} ORDER BY {order_terms(order)} LIMIT ?)"  # noqa: S608
        f" SELECT item.key, document, version, {order.columns} FROM page AS item JOIN document USING (key)"
        f" ORDER BY {order_terms(order)}"
    )
    return connection.execute(statement(query), (*where.values, count)).fetchall()


def _served(document: bytes, version: str) -> ServedItem:
    item = orjson.loads(document)
    return served_item(item, version, siblings(item))


def _count(connection: Session, condition: Condition) -> int | None:
    """How much there is, unless too many rows are near; the bound is rows, so that a busy machine tells the same."""
    selection = condition.selection
    if selection.is_counted:
        names = list(selection.collections)
        query = "SELECT coalesce(sum(items), 0)::bigint FROM collection WHERE id = ANY(%s) OR %s"
        return _number(connection, Clause(query, (names, not names)))
    near = f"(SELECT item.* FROM item WHERE {condition.near.text} LIMIT {COUNTED + 1}) AS item"  # noqa: S608
    if _number(connection, _counting(near, condition.near)) > COUNTED:
        return None
    exact = Clause(condition.exact.text, (*condition.near.values, *condition.exact.values))
    found = _number(connection, _counting(f"{near} WHERE {exact.text}", exact))
    if not selection.rest:
        return found
    return len(fulfilling_keys(connection, condition)) if found <= COUNTED // 10 else None


def _counting(source: str, values: Clause) -> Clause:
    return Clause(statement(f"SELECT count(*) FROM {source}").decode(), values.values)  # noqa: S608


def _number(connection: Session, query: Clause) -> int:
    (number,) = connection.execute(query.text.encode(), query.values).fetchone() or (0,)
    return int(number)
