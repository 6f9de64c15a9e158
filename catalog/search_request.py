"""Item searches as they come over HTTP, in an address or as JSON, and what they ask of the store.

Here values get their types and lists their bounds (L21, L22); what a box, a geometry or a token may be is
the store's to say, the same for every caller.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from stac_fastapi.types.search import APIRequest

from catalog.errors import InvalidSearchError
from catalog.geometry import read_bbox
from catalog.item import ID_PATTERN, MAX_ID_LENGTH
from catalog.request_limits import strict_json
from catalog.search import MAX_COLLECTIONS, MAX_IDS, MAX_LIMIT, MAX_TOKEN_LENGTH, Search
from catalog.timestamp import MAX_TEXT_LENGTH, parse_interval

DEFAULT_LIMIT = 10

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

_BBOX = "west,south,east,north in degrees, or with heights in third and sixth place; west > east crosses 180°"
_DATETIME = "An RFC 3339 instant, or an interval start/end where one end may be open: `..`"
_LIMIT = f"Items per page; more than {MAX_LIMIT} is lowered to it"
_TOKEN = "Continues a search: from the `next` link of its last page"  # noqa: S105

Id = Annotated[str, Field(pattern=ID_PATTERN, max_length=MAX_ID_LENGTH)]
Limit = Annotated[int, Query(ge=1, description=_LIMIT, json_schema_extra={"maximum": MAX_LIMIT})]
Datetime = Annotated[str | None, Query(max_length=MAX_TEXT_LENGTH, description=_DATETIME)]
Token = Annotated[str | None, Query(max_length=MAX_TOKEN_LENGTH, description=_TOKEN)]
Bbox = Annotated[str | None, Query(max_length=512, description=_BBOX)]
CollectionId = Annotated[str, Path(description="Collection id")]


class SearchBody(BaseModel):
    """One item search as JSON; also what a search in an address becomes."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    collections: list[Id] | None = Field(None, min_length=1, max_length=MAX_COLLECTIONS)
    ids: list[Id] | None = Field(None, min_length=1, max_length=MAX_IDS)
    bbox: list[float] | None = Field(None, min_length=4, max_length=6, description=_BBOX)
    intersects: dict[str, Any] | None = None
    """A GeoJSON geometry in degrees; not together with bbox."""
    datetime: str | None = Field(None, max_length=MAX_TEXT_LENGTH, description=_DATETIME)
    limit: int = Field(DEFAULT_LIMIT, ge=1, description=_LIMIT, json_schema_extra={"maximum": MAX_LIMIT})
    token: str | None = Field(None, max_length=MAX_TOKEN_LENGTH, description=_TOKEN)

    def search(self) -> Search:
        """The search to put to the store.

        Raises:
            InvalidSearchError: `bbox` or `datetime` means nothing.
        """
        try:
            return Search(
                collections=tuple(self.collections or ()),
                ids=tuple(self.ids or ()),
                bbox=None if self.bbox is None else read_bbox(self.bbox),
                intersects=self.intersects,
                interval=None if self.datetime is None else parse_interval(self.datetime),
                limit=min(self.limit, MAX_LIMIT),
                token=self.token,
            )
        except ValueError as error:
            raise InvalidSearchError(str(error)) from error


@dataclass
class SearchQuery(APIRequest):
    """One item search in an address."""

    collections: Annotated[str | None, Query(description=f"Up to {MAX_COLLECTIONS} ids, comma between")] = None
    ids: Annotated[str | None, Query(description=f"Up to {MAX_IDS} ids, comma between")] = None
    bbox: Bbox = None
    intersects: Annotated[str | None, Query(description="A GeoJSON geometry in degrees; not with bbox")] = None
    datetime: Datetime = None
    limit: Limit = DEFAULT_LIMIT
    token: Token = None


@dataclass
class ItemsQuery(APIRequest):
    """The items of one collection."""

    collection_id: CollectionId
    collections: Annotated[str | None, Query(description="The same collection again, as pystac-client sends it")] = None
    bbox: Bbox = None
    datetime: Datetime = None
    limit: Limit = DEFAULT_LIMIT
    token: Token = None


def body_of_query(**given: str | int | None) -> SearchBody:
    """The parameters of an address with their lists, numbers and geometry read out of the text.

    Raises:
        RequestValidationError: One is out of its bounds.
        InvalidSearchError: `bbox` is not made of numbers.
        RefusedRequestError: `intersects` is not JSON.
    """
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in values.keys() & {"collections", "ids"}:
        values[name] = values[name].split(",")
    if "bbox" in values:
        values["bbox"] = [_number(text) for text in values["bbox"].split(",")]
    if "intersects" in values:
        values["intersects"] = strict_json(values["intersects"].encode())
    try:
        return SearchBody.model_validate(values)
    except ValidationError as error:
        mistakes = [{**mistake, "loc": ("query", *mistake["loc"])} for mistake in error.errors()]
        raise RequestValidationError(mistakes) from error


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise InvalidSearchError(f"bbox: {text[:40]!r} is not a number")
    return float(text)
