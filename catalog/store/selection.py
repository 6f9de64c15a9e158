"""Selection: a checked search as SQL, and what SQL cannot decide."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from catalog.errors import InvalidSearchError
from catalog.extent import BoundingBox, Interval
from catalog.filtering import Conjunct
from catalog.geometry import bbox_area, read_bbox, read_geometry, split_bbox
from catalog.search import MAX_COLLECTIONS, MAX_IDS, MAX_LIMIT, MAX_TERMS, Search
from catalog.store.clause import Clause, either, every, one_of
from catalog.store.filter_clause import filter_clause
from catalog.store.order import Order
from catalog.timestamp import microseconds

FOREVER_US = 1 << 62
MAX_TERM_LENGTH = 256

Times = tuple[int, int]
"""First and last reverse_us."""


@dataclass(frozen=True)
class Selection:
    """A checked search, ready to run."""

    collections: tuple[str, ...]
    ids: tuple[str, ...]
    area: BaseGeometry | None
    """What footprints must touch."""
    places: tuple[tuple[BoundingBox, ...], ...]
    """Of each, an item must touch one of the boxes; necessary, not enough."""
    times: Times | None
    filters: tuple[Clause, ...]
    rest: tuple[Conjunct, ...]
    """What is to be evaluated on documents."""
    terms: tuple[str, ...]
    order: Order
    limit: int

    @property
    def is_exact(self) -> bool:
        """Whether SQL decides it all."""
        return self.area is None and not self.rest

    @property
    def is_counted(self) -> bool:
        """Whether it asks for collections or for everything: the counters of collections tell how much there is."""
        return self.is_exact and not (self.ids or self.times or self.filters or self.terms)

    @property
    def advice(self) -> str:
        """What would make it a shorter way."""
        missing = {"a bbox": self.places, "a datetime": self.times, "collections": self.collections}
        named = [name for name, given in missing.items() if not given] or ["a smaller bbox", "a shorter datetime"]
        told = f"narrow it by {' or '.join(named)}"
        return f"{told}, or filter by properties that are sortable, which are faster" if self.rest else told

    def conditions(self) -> list[Clause]:
        """What rows of `item` must fulfil, terms left out."""
        first, last = self.times or (-FOREVER_US, FOREVER_US)
        found = [Clause("item.reverse_us BETWEEN ? AND ?", (first, last))] if self.times else []
        found += [one_of("item.collection", self.collections)] if self.collections else []
        found += [one_of("item.id", self.ids)] if self.ids else []
        return [*found, *(either(map(touching, boxes)) for boxes in self.places), *self.filters]


def check_search(search: Search, filter_clause: Callable[[Conjunct], Clause | None] = filter_clause) -> Selection:
    """Bring a search within its bounds (L09, L10, L21, L22).

    Raises:
        InvalidSearchError: It is outside; only a limit that is too high is lowered instead.
    """
    if search.limit < 1:
        raise InvalidSearchError(f"limit is {search.limit}, expected 1–{MAX_LIMIT}")
    if len(search.ids) > MAX_IDS or len(search.collections) > MAX_COLLECTIONS:
        raise InvalidSearchError(f"a search names at most {MAX_IDS} ids and {MAX_COLLECTIONS} collections")
    _check_terms(search.terms)
    area, boxes = _read_area(search)
    conjuncts = search.filter.conjuncts if search.filter else ()
    compiled = [(conjunct, filter_clause(conjunct)) for conjunct in conjuncts]
    around = [(conjunct.area.bounds,) for conjunct in conjuncts if conjunct.area is not None]
    return Selection(
        collections=tuple(dict.fromkeys(search.collections)),
        ids=tuple(dict.fromkeys(search.ids)),
        area=area,
        places=((boxes, *around) if boxes else tuple(around)),
        times=_narrowest([search.interval, *(conjunct.interval for conjunct in conjuncts)]),
        filters=tuple(clause for _, clause in compiled if clause is not None),
        rest=tuple(conjunct for conjunct, clause in compiled if clause is None),
        terms=search.terms,
        order=Order.of(search.sort),
        limit=min(search.limit, MAX_LIMIT),
    )


def reverse_times(interval: Interval) -> Times:
    """First and last reverse_us inside an interval."""
    start, end = interval
    return (-FOREVER_US if end is None else -microseconds(end), FOREVER_US if start is None else -microseconds(start))


def _check_terms(terms: tuple[str, ...]) -> None:
    if len(terms) > MAX_TERMS:
        raise InvalidSearchError(f"a search has at most {MAX_TERMS} terms")
    for term in terms:
        if not term.strip() or len(term) > MAX_TERM_LENGTH:
            raise InvalidSearchError(f"a term has 1–{MAX_TERM_LENGTH} characters, found {term[:40]!r}")
        try:
            term.encode()
        except UnicodeEncodeError as error:
            raise InvalidSearchError(f"the term {term[:40]!r} is not text") from error


def _read_area(search: Search) -> tuple[BaseGeometry | None, tuple[BoundingBox, ...]]:
    if search.bbox is not None and search.intersects is not None:
        raise InvalidSearchError("a search has bbox or intersects, not both")
    try:
        if search.bbox is not None:
            bbox = read_bbox(search.bbox)
            return bbox_area(bbox), tuple(split_bbox(bbox))
        if search.intersects is not None:
            area = read_geometry(search.intersects)
            return area, (area.bounds,)
    except ValueError as error:
        raise InvalidSearchError(str(error)) from error
    return None, ()


def _narrowest(intervals: Iterable[Interval | None]) -> Times | None:
    times = [reverse_times(interval) for interval in intervals if interval is not None]
    return (max(first for first, _ in times), min(last for _, last in times)) if times else None


def touching(box: BoundingBox) -> Clause:
    """The ground of a row reaches into a box that does not cross the antimeridian."""
    west, south, east, north = box
    along = Clause(
        "iif(item.west <= item.east, item.west <= ? AND item.east >= ?, item.west <= ? OR item.east >= ?)",
        (east, west, east, west),
    )
    return every([along, Clause("item.south <= ? AND item.north >= ?", (north, south))])
