"""Searches among the collections. They are few: every search looks at each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely

from catalog.errors import InvalidSearchError
from catalog.extent import BoundingBox, Interval
from catalog.filtering import Filter
from catalog.geometry import bbox_area, split_bbox
from catalog.search import SortKey
from catalog.timestamp import parse_datetime
from catalog.wording import mentions, wording_of

Document = dict[str, Any]

QUERYABLES = {
    "id": ("标识", "Id"),
    "title": ("标题", "Title"),
    "description": ("说明", "Description"),
    "license": ("许可", "Licence"),
    "keywords": ("关键词", "Keywords"),
}
"""Names of what a filter may speak of besides the geometry, in Chinese and English."""

SORTABLES = ("id", "title", "license")


@dataclass(frozen=True)
class CollectionSearch:
    """What is asked; every field that is set must hold."""

    bbox: BoundingBox | None = None
    interval: Interval | None = None
    terms: tuple[str, ...] = ()
    """A collection that has any of them is found."""
    filter: Filter | None = None
    sort: tuple[SortKey, ...] = ()
    """Before the id."""
    limit: int = 1000
    token: str | None = None
    """The id of the last collection of the page before."""

    def __post_init__(self) -> None:
        """See that the filter speaks of what collections have.

        Raises:
            InvalidSearchError: Naming the property.
        """
        if self.filter and (unknown := self.filter.names - QUERYABLES.keys() - {"geometry"}):
            raise InvalidSearchError(
                f"collections have no property {min(unknown)!r:.140}; there are {', '.join(QUERYABLES)}"
            )


@dataclass(frozen=True)
class CollectionPage:
    """One page of the answer."""

    documents: list[Document]
    next_token: str | None
    matched: int


def search_collections(documents: Sequence[Document], search: CollectionSearch) -> CollectionPage:
    """One page of the collections that match.

    Raises:
        InvalidSearchError: The token does not belong to this search.
    """
    found = [document for document in documents if _matches(document, search)]
    found.sort(key=lambda document: str(document["id"]))
    for key in reversed(search.sort):
        found.sort(key=lambda document: str(document.get(key.name, "")), reverse=key.descending)
        found.sort(key=lambda document: key.name not in document)
    start = 0
    if search.token is not None:
        ids = [document["id"] for document in found]
        if search.token not in ids:
            raise InvalidSearchError("the token does not belong to this search; start again without it")
        start = ids.index(search.token) + 1
    page = found[start : start + search.limit]
    more = start + len(page) < len(found)
    return CollectionPage(page, page[-1]["id"] if more else None, len(found))


def _matches(document: Document, search: CollectionSearch) -> bool:
    if search.bbox is not None and not _is_near(document, search.bbox):
        return False
    if search.interval is not None and not any(
        _overlap(search.interval, interval) for interval in document["extent"]["temporal"]["interval"]
    ):
        return False
    if search.terms:
        wording = wording_of(document)
        if not any(mentions(wording, term) for term in search.terms):
            return False
    return search.filter is None or all(conjunct.matches(_as_item(document)) for conjunct in search.filter.conjuncts)


def _is_near(document: Document, bbox: BoundingBox) -> bool:
    """Whether it touches one of the boxes; the first one of several only sums the others up."""
    boxes = document["extent"]["spatial"]["bbox"]
    return any(
        west <= other_east and other_west <= east and south <= other_north and other_south <= north
        for values in boxes[1:] or boxes
        for west, south, east, north in split_bbox(_flat(values))
        for other_west, other_south, other_east, other_north in split_bbox(bbox)
    )


def _flat(values: Sequence[float]) -> BoundingBox:
    half = len(values) // 2
    return values[0], values[1], values[half], values[half + 1]


def _overlap(asked: Interval, held: Sequence[str | None]) -> bool:
    start, end = (None if text is None else parse_datetime(text) for text in held)
    return _in_order(start, asked[1]) and _in_order(asked[0], end)


def _in_order(first: datetime | None, second: datetime | None) -> bool:
    return first is None or second is None or first <= second


def _as_item(document: Document) -> Document:
    """A filter is about items; this one has the collection's fields as its properties."""
    boxes = document["extent"]["spatial"]["bbox"]
    area = shapely.union_all([bbox_area(_flat(values)) for values in boxes[1:] or boxes])
    return {
        "type": "Feature",
        "id": document["id"],
        "geometry": shapely.geometry.mapping(area),
        "properties": {name: document[name] for name in QUERYABLES if name in document},
    }
