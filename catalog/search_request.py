"""Item searches as JSON, and what they ask of the store.

Here values get their types and lists their bounds (L21, L22); what a box, a geometry, a filter or a token may be is
the catalogue's to say, the same for every caller. A search in an address becomes one of these
(`catalog.search_address`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from catalog import collection_search
from catalog.aggregation import AGGREGATIONS
from catalog.collection_search import CollectionSearch
from catalog.errors import InvalidSearchError
from catalog.extent import BoundingBox, Interval
from catalog.field_selection import (
    COLLECTION_DEFAULTS,
    COLLECTION_IDENTITY,
    ITEM_DEFAULTS,
    ITEM_IDENTITY,
    MAX_FIELDS,
    MAX_PATH_LENGTH,
    FieldSelection,
)
from catalog.filtering import Filter, read_filter
from catalog.filtering.query import read_query
from catalog.geometry import read_bbox
from catalog.item import ID_PATTERN, MAX_ID_LENGTH
from catalog.queryable import QUERYABLES
from catalog.search import (
    MAX_COLLECTIONS,
    MAX_IDS,
    MAX_LIMIT,
    MAX_SORT_KEYS,
    MAX_TERMS,
    MAX_TOKEN_LENGTH,
    Search,
    SortKey,
)
from catalog.timestamp import MAX_TEXT_LENGTH, parse_interval

DEFAULT_LIMIT = 10
MAX_FREE_TEXT_LENGTH = 256
MAX_NAME_LENGTH = 128
Crs = Literal["http://www.opengis.net/def/crs/OGC/1.3/CRS84"]
CRS84: Crs = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"

BBOX = "west,south,east,north in degrees, or with heights in third and sixth place; west > east crosses 180°"
DATETIME = "An RFC 3339 instant, or an interval start/end where one end may be open: `..`"
LIMIT = f"How many on a page; more than {MAX_LIMIT} is lowered to it"
TOKEN = "Continues a search: from the `next` link of its last page"  # noqa: S105
FILTER = "A CQL2 expression over the properties that `/queryables` lists"
FILTER_CRS = "Of the coordinates in the filter; only this one is known"
SORTBY = f"Up to {MAX_SORT_KEYS} names of `/sortables`"
FIELDS = f"Up to {MAX_FIELDS} fields to give besides those that must be, and fields to leave out"
QUERY = "Conditions by property and operator, all of which must hold"
FREE_TEXT = f"Up to {MAX_TERMS} words or phrases, {MAX_FREE_TEXT_LENGTH} characters in all; any of them is enough"

_SORTABLE = frozenset(queryable.name for queryable in QUERYABLES)


def _listed(value: object) -> object:
    """A list as an address has it, which some clients write in a body too."""
    return value.split(",") if isinstance(value, str) else value


def _bounded(terms: list[str]) -> list[str]:
    if sum(map(len, terms)) > MAX_FREE_TEXT_LENGTH:
        raise ValueError(f"more than {MAX_FREE_TEXT_LENGTH} characters")
    return terms


_List = BeforeValidator(_listed)
Id = Annotated[str, Field(pattern=ID_PATTERN, max_length=MAX_ID_LENGTH)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
Term = Annotated[str, Field(min_length=1, max_length=MAX_FREE_TEXT_LENGTH)]
Given = TypeVar("Given")
Value = TypeVar("Value")
Terms = Annotated[list[Term], Field(min_length=1, max_length=MAX_TERMS), AfterValidator(_bounded), _List]
Path = Annotated[str, Field(min_length=1, max_length=MAX_PATH_LENGTH)]


class Part(BaseModel):
    """A JSON object of a request: known members only, and nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class SortBy(Part):
    """One part of an order."""

    field: Name
    direction: Literal["asc", "desc"] = "asc"

    def key(self, sortable: frozenset[str]) -> SortKey:
        """As the store knows it.

        Raises:
            InvalidSearchError: There is no sorting by that field.
        """
        name = self.field.removeprefix("properties.")
        if name not in sortable:
            raise InvalidSearchError(f"sortby: {name!r} is not among the sortables: {', '.join(sorted(sortable))}")
        return SortKey(name, descending=self.direction == "desc")


class Fields(Part):
    """Which fields of each document are wanted; nested ones as `properties.gsd`."""

    include: list[Path] | None = Field(None, max_length=MAX_FIELDS)
    exclude: list[Path] | None = Field(None, max_length=MAX_FIELDS)

    def selection(self, *, identity: Sequence[str], defaults: Sequence[str]) -> FieldSelection:
        """As answers are cut by it: `identity` comes with what is included, `defaults` where nothing is.

        Only where something is excluded and `include` is not there, not even null or empty, is everything else meant.
        """
        include, exclude = self.include or (), self.exclude or ()
        everything = exclude and "include" not in self.model_fields_set
        return FieldSelection.of(include, exclude, besides=identity if include else () if everything else defaults)


class Conditions(Part):
    """Which documents are meant."""

    bbox: list[float] | None = Field(None, min_length=4, max_length=6, description=BBOX)
    datetime: str | None = Field(None, max_length=MAX_TEXT_LENGTH, description=DATETIME)
    filter: dict[str, Any] | str | None = Field(None, description=FILTER)
    filter_lang: Literal["cql2-text", "cql2-json"] = Field("cql2-json", alias="filter-lang")
    filter_crs: Crs = Field(CRS84, alias="filter-crs", description=FILTER_CRS)
    q: Terms | None = Field(None, description=FREE_TEXT)

    def box(self) -> BoundingBox | None:
        """The box, checked."""
        return None if self.bbox is None else _checked("bbox", read_bbox, self.bbox)

    def interval(self) -> Interval | None:
        """The time, checked."""
        return None if self.datetime is None else _checked("datetime", parse_interval, self.datetime)

    def condition(self) -> Filter | None:
        """The filter, checked."""
        return None if self.filter is None else read_filter(self.filter, self.filter_lang)


class Page(Part):
    """How much of what is found is given, in which order, and what of each document."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, description=LIMIT, json_schema_extra={"maximum": MAX_LIMIT})
    token: str | None = Field(None, max_length=MAX_TOKEN_LENGTH, description=TOKEN)
    sortby: list[SortBy] | None = Field(None, max_length=MAX_SORT_KEYS, description=SORTBY)
    fields: Fields = Field(None, description=FIELDS)  # type: ignore[assignment]  # absent, but never null


class ItemConditions(Conditions):
    """Which items are meant."""

    collections: Annotated[list[Id] | None, _List] = Field(None, min_length=1, max_length=MAX_COLLECTIONS)
    ids: Annotated[list[Id] | None, _List] = Field(None, min_length=1, max_length=MAX_IDS)
    intersects: dict[str, Any] | None = None
    """A GeoJSON geometry in degrees; not together with bbox."""
    query: dict[str, dict[str, Any]] | None = Field(None, description=QUERY)

    def condition(self) -> Filter | None:
        """The filter and the query, both of which must hold."""
        conditions = [*filter(None, [super().condition(), read_query(self.query) if self.query else None])]
        if len(conditions) < 2:
            return conditions[0] if conditions else None
        return Filter(
            expression={"op": "and", "args": [condition.expression for condition in conditions]},
            conjuncts=conditions[0].conjuncts + conditions[1].conjuncts,
            names=conditions[0].names | conditions[1].names,
        )

    def search(self) -> Search:
        """The search to put to the store.

        Raises:
            InvalidSearchError: A box, time, filter, query or order means nothing.
        """
        return Search(
            collections=tuple(self.collections or ()),
            ids=tuple(self.ids or ()),
            bbox=self.box(),
            intersects=self.intersects,
            interval=self.interval(),
            filter=self.condition(),
            terms=tuple(self.q or ()),
        )


class SearchBody(ItemConditions, Page):
    """One item search."""

    def search(self) -> Search:
        """See `ItemConditions.search`."""
        return replace(
            super().search(),
            limit=min(self.limit, MAX_LIMIT),
            token=self.token,
            sort=tuple(part.key(_SORTABLE) for part in self.sortby or ()),
        )

    def selection(self) -> FieldSelection | None:
        """What of each item is to be served; None is all of it."""
        return self.fields.selection(identity=ITEM_IDENTITY, defaults=ITEM_DEFAULTS) if self.fields else None


class CollectionSearchBody(Conditions, Page):
    """One search among the collections."""

    limit: int = Field(MAX_LIMIT, ge=1, description=LIMIT, json_schema_extra={"maximum": MAX_LIMIT})

    def search(self) -> CollectionSearch:
        """The search to make.

        Raises:
            InvalidSearchError: A box, time, filter or order means nothing.
        """
        return CollectionSearch(
            bbox=self.box(),
            interval=self.interval(),
            terms=tuple(self.q or ()),
            filter=self.condition(),
            sort=tuple(part.key(frozenset(collection_search.SORTABLES)) for part in self.sortby or ()),
            limit=min(self.limit, MAX_LIMIT),
            token=self.token,
        )

    def selection(self) -> FieldSelection | None:
        """What of each collection is to be served; None is all of it."""
        if not self.fields:
            return None
        return self.fields.selection(identity=COLLECTION_IDENTITY, defaults=COLLECTION_DEFAULTS)


class AggregateBody(ItemConditions):
    """What to count of which items."""

    aggregations: list[Name] = Field(["total_count"], min_length=1, max_length=len(AGGREGATIONS))
    """Names of `/aggregations`."""


def _checked(name: str, read: Callable[[Given], Value], value: Given) -> Value:
    try:
        return read(value)
    except ValueError as error:
        raise InvalidSearchError(f"{name}: {error}") from error
