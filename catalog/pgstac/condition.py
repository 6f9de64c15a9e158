"""What a search asks, as SQL over the narrow rows; its values alone come from outside (T13)."""

from collections.abc import Iterable
from dataclasses import dataclass

import shapely

from catalog.extent import BoundingBox
from catalog.filtering import Conjunct
from catalog.filtering.sql import compile_conjunct, postgresql_dialect
from catalog.geometry import split_bbox
from catalog.item import is_id
from catalog.pgstac.database import Session
from catalog.search import Search
from catalog.store.clause import Clause, either, every
from catalog.store.order import Order, Part
from catalog.store.selection import Selection, check_search
from catalog.store.token_book import Position
from catalog.wording import mentions, spellings

_DIALECT = postgresql_dialect(lambda queryable: f"item.{queryable.column}")
_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\%_"})


@dataclass(frozen=True)
class Condition:
    """A checked search in one state of the catalogue."""

    near: Clause
    """What indexes decide; all that is found is among these rows."""
    exact: Clause
    """What is decided by looking at a row."""
    selection: Selection

    @property
    def decided(self) -> Clause:
        """Everything but `selection.rest`."""
        return every([self.near, self.exact])


def read_condition(connection: Session, search: Search) -> Condition:
    """Check a search and put it into SQL.

    Raises:
        InvalidSearchError: It is out of its bounds.
    """
    selection = check_search(search, filter_clause)
    near = [either(map(_touching, boxes)) for boxes in selection.places]
    exact = list(selection.filters)
    if selection.collections:
        near.append(Clause("item.collection = ANY(?)", (_ids(selection.collections),)))
    if selection.ids:
        near.append(Clause("item.id = ANY(?)", (_ids(selection.ids),)))
    if selection.times:
        near.append(Clause("item.reverse_us BETWEEN ?::bigint AND ?::bigint", selection.times))
    if selection.area is not None:
        area = shapely.to_wkb(selection.area)
        exact.append(Clause("ST_Intersects(item.geometry, ST_GeomFromWKB(?))", (area,)))
    if selection.terms:
        near.append(_mentions(connection, selection.terms))
    return Condition(every(near), every(exact), selection)


def behind(order: Order, position: Position) -> Clause:
    """Rows that come after a position."""
    if order.is_newest_first:
        return Clause("(item.reverse_us, item.collection, item.id) > (?::bigint, ?, ?)", position)
    pairs = list(zip(order.parts, position, strict=True))
    level = [Clause(f"item.{part.column} IS NOT DISTINCT FROM ?", (value,)) for part, value in pairs]
    return either(every([*level[:depth], part.behind(value)]) for depth, (part, value) in enumerate(pairs))


def order_terms(order: Order) -> str:
    """What stands behind ORDER BY: rows without a value come last."""
    return ", ".join(map(_order_term, order.parts))


def statement(text: str) -> bytes:
    """SQL made of fixed texts as psycopg wants it."""
    return text.replace("%", "%%").replace("?", "%s").encode()


def _order_term(part: Part) -> str:
    always_set = part.column in {"reverse_us", "collection", "id"}
    return f"item.{part.column}{' DESC' if part.descending else ''}{'' if always_set else ' NULLS LAST'}"


def _touching(box: BoundingBox) -> Clause:
    parts = [Clause("item.geometry && ST_MakeEnvelope(?, ?, ?, ?)", part) for part in split_bbox(box)]
    return either(parts)


def _ids(names: Iterable[str]) -> list[str]:
    """Without those that nothing is called, which may be no text for the database."""
    return [name for name in names if is_id(name)]


def _mentions(connection: Session, terms: tuple[str, ...]) -> Clause:
    """Whether an item or its collection mentions any of the terms."""
    collections = [
        name
        for name, wording in connection.execute("SELECT id, wording FROM collection")
        if any(mentions(wording, term) for term in terms)
    ]
    written = [spelling for term in terms for spelling in spellings(term) if "\0" not in spelling]
    patterns = [f"%{spelling.translate(_ESCAPED)}%" for spelling in written]
    in_words = Clause("item.words LIKE ANY(?)", (patterns,))
    return either([Clause("item.collection = ANY(?)", (collections,)), in_words]) if collections else in_words


def filter_clause(conjunct: Conjunct) -> Clause | None:
    """The condition that holds for the same items; None where only their documents can tell."""
    compiled = compile_conjunct(conjunct, _DIALECT)
    return Clause(compiled[0].replace("%s", "?"), compiled[1]) if compiled else None
