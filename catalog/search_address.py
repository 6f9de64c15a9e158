"""Searches as they stand in an address: the parameters of each GET route, and how their text becomes JSON."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from stac_fastapi.types.search import APIRequest

from catalog.errors import InvalidSearchError
from catalog.field_selection import MAX_FIELDS, MAX_PATH_LENGTH
from catalog.item import MAX_ID_LENGTH
from catalog.request_limits import MAX_REQUEST_LINE_BYTES, strict_json
from catalog.search import MAX_COLLECTIONS, MAX_IDS, MAX_LIMIT, MAX_SORT_KEYS, MAX_TERMS, MAX_TOKEN_LENGTH
from catalog.search_request import (
    BBOX,
    CRS84,
    DATETIME,
    DEFAULT_LIMIT,
    FIELDS,
    FILTER,
    FILTER_CRS,
    FREE_TEXT,
    LIMIT,
    MAX_FREE_TEXT_LENGTH,
    MAX_NAME_LENGTH,
    QUERY,
    SORTBY,
    TOKEN,
    Crs,
)
from catalog.timestamp import MAX_TEXT_LENGTH

MAX_FILTER_LENGTH = 2048
"""L24."""

Body = TypeVar("Body", bound=BaseModel)

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

CollectionId = Annotated[str, Path(description="Collection id")]
Collections = Annotated[
    str | None, Query(max_length=MAX_REQUEST_LINE_BYTES, description=f"Up to {MAX_COLLECTIONS} ids, comma between")
]
SameCollection = Annotated[
    str | None, Query(max_length=MAX_ID_LENGTH, description="The same collection again, as pystac-client sends it")
]
Ids = Annotated[str | None, Query(max_length=MAX_REQUEST_LINE_BYTES, description=f"Up to {MAX_IDS} ids, comma between")]
Geometry = Annotated[
    str | None, Query(max_length=MAX_REQUEST_LINE_BYTES, description="A GeoJSON geometry in degrees; not with bbox")
]
Aggregations = Annotated[str | None, Query(max_length=512, description="Names of `/aggregations`, comma between")]
Bbox = Annotated[str | None, Query(max_length=512, description=BBOX)]
Datetime = Annotated[str | None, Query(max_length=MAX_TEXT_LENGTH, description=DATETIME)]
Limit = Annotated[int, Query(ge=1, description=LIMIT, json_schema_extra={"maximum": MAX_LIMIT})]
Token = Annotated[str | None, Query(max_length=MAX_TOKEN_LENGTH, description=TOKEN)]
FilterText = Annotated[str | None, Query(max_length=MAX_FILTER_LENGTH, description=FILTER)]
FilterLanguage = Annotated[Literal["cql2-text", "cql2-json"], Query(alias="filter-lang")]
FilterCrs = Annotated[Crs, Query(alias="filter-crs", description=FILTER_CRS)]
QueryText = Annotated[str | None, Query(max_length=MAX_REQUEST_LINE_BYTES, description=f"{QUERY}; a JSON object")]
FreeText = Annotated[str | None, Query(max_length=MAX_FREE_TEXT_LENGTH + MAX_TERMS, description=FREE_TEXT)]
SortText = Annotated[
    str | None,
    Query(max_length=MAX_SORT_KEYS * (MAX_NAME_LENGTH + 12), description=f"{SORTBY}, `-` before one descends"),
]
FieldsText = Annotated[
    str | None, Query(max_length=MAX_FIELDS * (MAX_PATH_LENGTH + 2), description=f"{FIELDS}, `-` before those")
]


@dataclass(kw_only=True)
class _Conditions(APIRequest):
    bbox: Bbox = None
    datetime: Datetime = None
    filter: FilterText = None
    filter_lang: FilterLanguage = "cql2-text"
    filter_crs: FilterCrs = CRS84
    q: FreeText = None


@dataclass(kw_only=True)
class _ItemConditions(_Conditions):
    ids: Ids = None
    intersects: Geometry = None
    query: QueryText = None


@dataclass(kw_only=True)
class _Page(APIRequest):
    limit: Limit = DEFAULT_LIMIT
    token: Token = None
    sortby: SortText = None
    fields: FieldsText = None


@dataclass(kw_only=True)
class SearchQuery(_ItemConditions, _Page):
    """One item search."""

    collections: Collections = None


@dataclass(kw_only=True)
class ItemsQuery(_Conditions, _Page):
    """The items of one collection."""

    collection_id: CollectionId
    collections: SameCollection = None
    query: QueryText = None


@dataclass(kw_only=True)
class CollectionsQuery(_Conditions, _Page):
    """One search among the collections."""

    limit: Limit = MAX_LIMIT


@dataclass(kw_only=True)
class AggregateQuery(_ItemConditions):
    """What to count of which items."""

    collections: Collections = None
    aggregations: Aggregations = None


@dataclass(kw_only=True)
class CollectionAggregateQuery(_ItemConditions):
    """What to count of which items of one collection."""

    collection_id: CollectionId
    aggregations: Aggregations = None


def body_of_query(kind: type[Body], given: Mapping[str, str | int | None]) -> Body:
    """The parameters of an address with their lists, numbers and JSON read out of the text.

    Raises:
        RequestValidationError: One is out of its bounds.
        InvalidSearchError: `bbox` is not made of numbers.
        RefusedRequestError: `intersects`, `query` or a filter is not JSON.
    """
    values: dict[str, Any] = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
    if values.get("filter-lang") == "cql2-json":
        values["filter"] = strict_json(values["filter"].encode()) if "filter" in values else None
    for name in values.keys() & _READERS.keys():
        values[name] = _READERS[name](values[name])
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        mistakes = [{**mistake, "loc": ("query", *mistake["loc"])} for mistake in error.errors()]
        raise RequestValidationError(mistakes) from error


def _numbers(text: str) -> list[float]:
    return [_number(part) for part in text.split(",")]


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise InvalidSearchError(f"bbox: {text[:40]!r} is not a number")
    return float(text)


def _json(text: str) -> Any:
    return strict_json(text.encode())


def _list(text: str) -> list[str]:
    return text.split(",")


def _sort_keys(text: str) -> list[dict[str, str]]:
    """`+` before a name may have become a space on its way."""
    return [
        {"field": part.lstrip("+- "), "direction": "desc" if part.startswith("-") else "asc"}
        for part in text.split(",")
    ]


def _fields(text: str) -> dict[str, list[str]]:
    parts = [part for part in text.split(",") if part]
    return {
        "include": [part.lstrip("+ ") for part in parts if not part.startswith("-")],
        "exclude": [part[1:] for part in parts if part.startswith("-")],
    }


_READERS: Mapping[str, Callable[[str], Any]] = {
    "collections": _list,
    "ids": _list,
    "q": _list,
    "aggregations": _list,
    "bbox": _numbers,
    "intersects": _json,
    "query": _json,
    "sortby": _sort_keys,
    "fields": _fields,
}
