"""Finding: the items of one selection, in order, from wherever the fewest rows must be looked at."""

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import apsw
import shapely

from catalog.search import Bucket
from catalog.served_item import ServedItem, given_item
from catalog.store.aggregate import count_buckets
from catalog.store.clause import Clause, every, one_of
from catalog.store.database import within_steps
from catalog.store.nearby import among, around, near_keys, read_documents
from catalog.store.selection import FOREVER_US, Selection
from catalog.store.term import Terms, read_terms
from catalog.store.token_book import Position

FEW = 1000
"""So many candidates are all looked at: to put them in order, and to count what is found."""

_WIDE = 1 / 4
"""Of the ground of all collections: a box so wide is searched along the newest items, not through the R*Tree."""

_COUNTING_STEPS, _LOOKING_STEPS = 20_000, 200_000
"""Of SQLite's machine, so that the answer does not depend on how busy this one is; to count, and to look around."""

_CHUNK, _CHUNK_OF_DOCUMENTS = 256, 32
"""So many footprints or documents are compared at a time."""

Row = tuple[Any, ...]
"""key, WKB where the area asks for it, and the position."""


class Finding:
    """What one search finds in one state of the catalogue, behind a position if one is given."""

    def __init__(
        self,
        connection: apsw.Connection,
        selection: Selection,
        check_time: Callable[[], None],
        *,
        behind: Position | None = None,
    ) -> None:
        self._connection = connection
        self._selection = selection
        self._check_time = check_time
        self._behind = behind

    def page(self) -> tuple[list[Row], bool, int | None]:
        """The first rows, whether there are more, and how many on a first page; None where counting takes long."""
        limit, count, found, matched = self._selection.limit, self._behind is None, list[Row](), 0
        counts_on = count and self._few is not None and len(self._few) <= FEW and not self._selection.rest
        for rows in self._matches(at_most=None if counts_on else limit + 1):
            found += rows[: limit + 1 - len(found)]
            matched += len(rows)
            if len(found) > limit and not counts_on:
                return found[:limit], True, self._count() if count else None
        return found[:limit], len(found) > limit, matched if count else None

    def documents(self, rows: Sequence[Row]) -> list[ServedItem]:
        """The items of some rows."""
        return read_documents(self._connection, [row[0] for row in rows])

    def buckets(self, names: Sequence[str]) -> dict[str, list[Bucket]]:
        """Aggregations over everything that is found."""
        return count_buckets(self._connection, self._everything(), names, self._check_time)

    def _matches(self, *, at_most: int | None) -> Iterator[list[Row]]:
        """Rows of what is found, in pieces; not more than so many where SQL decides it all."""
        area, rest = self._selection.area, self._selection.rest
        rows = self._rows(at_most if self._selection.is_exact else None)
        if area is not None:
            shapely.prepare(area)
        while chunk := list(itertools.islice(rows, _CHUNK_OF_DOCUMENTS if rest else _CHUNK)):
            self._check_time()
            if area is not None:
                inside = shapely.intersects(area, shapely.from_wkb([row[1] for row in chunk]))
                chunk = list(itertools.compress(chunk, inside))
            yield self._fulfilling(chunk) if rest else chunk

    def _fulfilling(self, rows: list[Row]) -> list[Row]:
        """Those whose documents fulfil what SQL cannot decide."""
        found = []
        for row, served in zip(rows, self.documents(rows), strict=True):
            self._check_time()
            item = given_item(served)
            if all(conjunct.matches(item) for conjunct in self._selection.rest):
                found.append(row)
        return found

    def _count(self) -> int | None:
        """How many there are, where SQL can tell without much work."""
        selection = self._selection
        if selection.is_counted:
            chosen = every([one_of("id", selection.collections)] if selection.collections else [])
            query = f"SELECT coalesce(sum(items), 0) FROM collection WHERE {chosen.text}"  # noqa: S608
            return int(self._connection.execute(query, chosen.values).get)
        if not selection.is_exact or self._selective_words:
            return None
        condition = every(self._conditions)
        query = f"SELECT count(*) FROM {self._along} WHERE {condition.text}"  # noqa: S608
        counted = within_steps(self._connection, _COUNTING_STEPS, query, condition.values)
        return None if counted is None else int(counted[0][0])

    def _everything(self) -> Clause:
        """A query for the rows of all that is found, from FROM on."""
        if not self._selection.is_exact:
            keys = [row[0] for rows in self._matches(at_most=None) for row in rows]
            source, condition = among(keys), Clause("TRUE")
        else:
            source = Clause(self._along) if self._few is None else among(self._few)
            condition = every(self._conditions)
        return Clause(f"FROM {source.text} WHERE {condition.text}", (*source.values, *condition.values))

    @cached_property
    def _terms(self) -> Terms | None:
        return read_terms(self._connection, self._selection.terms) if self._selection.terms else None

    @cached_property
    def _conditions(self) -> list[Clause]:
        terms = [self._terms.condition] if self._terms else []
        indexed = [Clause(f"item.key IN ({words.text})", words.values)] if (words := self._selective_words) else []
        return [*self._selection.conditions(), *indexed, *terms]

    @cached_property
    def _selective_words(self) -> Clause | None:
        """The query for keys by words, where it leaves out most of the items."""
        words = self._terms.words if self._terms else None
        if words is None or self._few is not None:
            return None
        total = int(self._connection.execute("SELECT coalesce(max(key), 0) FROM item").get)
        counting = f"SELECT count(*) FROM ({words.text} LIMIT ?)"  # noqa: S608
        found = int(self._connection.execute(counting, (*words.values, total // 2)).get)
        return words if found < total // 2 else None

    @cached_property
    def _near(self) -> list[Row] | None:
        """All candidates in order, where it is not far to look for them around the first place."""
        selection = self._selection
        source = around(self._connection, selection.places[0]) if selection.places and not selection.ids else None
        if source is None:
            return None
        conditions = [*selection.conditions(), *([self._terms.condition] if self._terms else []), *self._later]
        return within_steps(self._connection, _LOOKING_STEPS, *self._query(source, conditions, None))

    @cached_property
    def _few(self) -> list[int] | None:
        """The keys of all candidates, where they can be told quickly."""
        selection, found = self._selection, list[int]()
        if selection.ids:
            condition = every([Clause("collection IN (SELECT id FROM collection)"), one_of("id", selection.ids)])
            query = f"SELECT key FROM item INDEXED BY item_id WHERE {condition.text}"  # noqa: S608
            return [key for (key,) in self._connection.execute(query, condition.values)]
        if self._near is not None:
            return [row[0] for row in self._near]
        if selection.places:
            found = near_keys(self._connection, selection.places[0], selection.times, at_most=FEW + 1)
        elif self._terms and self._terms.words:
            query, values = self._terms.words
            found = [key for (key,) in self._connection.execute(f"{query} LIMIT ?", (*values, FEW + 1))]
        else:
            return None
        return found if len(found) <= FEW else None

    @property
    def _later(self) -> list[Clause]:
        return [self._selection.order.behind(self._behind)] if self._behind else []

    def _rows(self, at_most: int | None) -> Iterator[Row]:
        if self._near is not None:
            return iter(self._near)
        selection, behind = self._selection, self._behind
        conditions = [*self._conditions, *self._later]
        if self._few is not None:
            return self._select(among(self._few), conditions, at_most)
        narrow = bool(selection.places) and not self._is_wide
        if not selection.order.is_newest_first:
            near = near_keys(self._connection, selection.places[0], selection.times) if narrow else None
            return self._select(Clause(self._along) if near is None else among(near), conditions, at_most)
        if behind:
            conditions.append(Clause("item.reverse_us >= ?", behind[:1]))
        if narrow:
            return self._through_slabs(conditions)
        if not selection.collections or self._selective_words:
            return self._select(Clause("item INDEXED BY item_newest"), conditions, at_most)
        source = Clause("item INDEXED BY item_newest_of_collection")
        streams = [
            self._select(source, [Clause("item.collection = ?", (name,)), *conditions], at_most)
            for name in selection.collections
        ]
        return heapq.merge(*streams, key=lambda row: row[2:])

    @property
    def _along(self) -> str:
        """The table with the index that narrows it down best."""
        if self._selection.collections:
            return "item INDEXED BY item_newest_of_collection"
        by_time = self._selection.times or self._selection.order.parts[0].column == "reverse_us"
        return f"item {'INDEXED BY item_newest' if by_time else 'NOT INDEXED'}"

    def _select(self, source: Clause, conditions: list[Clause], at_most: int | None) -> Iterator[Row]:
        rows: Iterator[Row] = self._connection.execute(*self._query(source, conditions, at_most))
        return rows

    def _query(self, source: Clause, conditions: list[Clause], at_most: int | None) -> Clause:
        order, condition = self._selection.order, every(conditions)
        geometry = "NULL" if self._selection.area is None else "item.geometry"
        return Clause(
            f"SELECT item.key, {geometry}, {order.columns} FROM {source.text} WHERE {condition.text}"  # noqa: S608
            f" ORDER BY {order.terms}{'' if at_most is None else ' LIMIT ?'}",  # LIMIT -1 would sort more slowly
            (*source.values, *condition.values, *(() if at_most is None else (at_most,))),
        )

    @cached_property
    def _is_wide(self) -> bool:
        """Whether the first place is a good part of the ground that there is."""
        all_around = "(max(east) - min(west)) * (max(north) - min(south))"
        ground = self._connection.execute(f"SELECT coalesce({all_around}, 0) FROM collection").get  # noqa: S608
        boxes = self._selection.places[0]
        return sum((east - west) * (north - south) for west, south, east, north in boxes) > _WIDE * float(ground)

    def _through_slabs(self, conditions: list[Clause]) -> Iterator[Row]:
        """Newest first through the R*Tree, a piece of time after another: as long as a page needs."""
        newest, oldest, total = self._connection.execute(
            "SELECT (SELECT min(reverse_us) FROM item), (SELECT max(reverse_us) FROM item), (SELECT max(key) FROM item)"
        ).get
        first, last = self._selection.times or (-FOREVER_US, FOREVER_US)
        first, last = max(first, newest, *(self._behind[:1] if self._behind else ())), min(last, oldest)
        wanted = self._selection.limit + 1
        width = 1 + (oldest - newest) * wanted // total
        while first <= last:
            slab = first, min(first + width, last)
            keys = near_keys(self._connection, self._selection.places[0], slab)
            timely = Clause("item.reverse_us BETWEEN ? AND ?", slab)
            rows = list(self._select(among(keys), [timely, *conditions], None))
            yield from rows
            first, width = slab[1] + 1, width * min(max(wanted // (len(rows) + 1), 1), 4)
