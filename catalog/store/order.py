"""The order of answers as SQL, and where a page goes on in it."""

from dataclasses import dataclass
from typing import Self

from catalog.errors import InvalidSearchError
from catalog.queryable import QUERYABLES
from catalog.search import MAX_SORT_KEYS, SortKey
from catalog.store.clause import Clause, either, every
from catalog.store.token_book import Position

_COLUMNS = {queryable.name: queryable.column for queryable in QUERYABLES}
_ALWAYS_SET = {"reverse_us", "collection", "id"}


@dataclass(frozen=True)
class Part:
    """A column to sort by; rows without a value come last either way."""

    column: str
    descending: bool = False

    @property
    def term(self) -> str:
        """Behind ORDER BY."""
        direction = f"item.{self.column}{' DESC' if self.descending else ''}"
        return direction if self.column in _ALWAYS_SET else f"item.{self.column} IS NULL, {direction}"

    def behind(self, value: str | float | None) -> Clause:
        """Rows that come later by this column."""
        if value is None:
            return Clause("FALSE")
        later = f"item.{self.column} {'<' if self.descending else '>'} ?"
        return Clause(later if self.column in _ALWAYS_SET else f"{later} OR item.{self.column} IS NULL", (value,))


_NEWEST_FIRST = (Part("reverse_us"), Part("collection"), Part("id"))


@dataclass(frozen=True)
class Order:
    """The parts of an order, most important first; the last ones make it total."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, keys: tuple[SortKey, ...]) -> Self:
        """The order by some queryables, then newest first.

        Raises:
            InvalidSearchError: There are too many, or one cannot be sorted by.
        """
        if len(keys) > MAX_SORT_KEYS:
            raise InvalidSearchError(f"a search is sorted by at most {MAX_SORT_KEYS} properties")
        parts: dict[str, Part] = {}
        for part in (*map(_part, keys), *_NEWEST_FIRST):
            parts.setdefault(part.column, part)
        return cls(tuple(parts.values()))

    @property
    def is_newest_first(self) -> bool:
        """Whether it is the order without any sort key."""
        return self.parts == _NEWEST_FIRST

    @property
    def columns(self) -> str:
        """What a row must tell for its position."""
        return ", ".join(f"item.{part.column}" for part in self.parts)

    @property
    def terms(self) -> str:
        """What stands behind ORDER BY."""
        return ", ".join(part.term for part in self.parts)

    def behind(self, position: Position) -> Clause:
        """Rows that come after a position."""
        if self.is_newest_first:
            return Clause("(item.reverse_us, item.collection, item.id) > (?, ?, ?)", position)
        level = [Clause(f"item.{part.column} IS ?", (value,)) for part, value in zip(self.parts, position, strict=True)]
        return either(
            every([*level[:depth], part.behind(value)])
            for depth, (part, value) in enumerate(zip(self.parts, position, strict=True))
        )


def _part(key: SortKey) -> Part:
    if key.name not in _COLUMNS:
        raise InvalidSearchError(f"cannot sort by {key.name!r:.80}; sortable are {', '.join(_COLUMNS)}")
    if key.name == "datetime":
        return Part("reverse_us", not key.descending)
    return Part(_COLUMNS[key.name], key.descending)
