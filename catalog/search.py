"""What can be asked of the catalogue, and the ItemStore protocol that every store answers."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

from shapely.geometry.base import BaseGeometry

from catalog.checked_item import CheckedItem
from catalog.extent import BoundingBox as BoundingBox
from catalog.extent import Interval as Interval
from catalog.filtering import Filter
from catalog.served_item import ServedItem, given_item

MAX_LIMIT = 1000
MAX_IDS = 250
MAX_COLLECTIONS = 50
MAX_TOKEN_LENGTH = 1024
"""The bounds of one search (L21–L23); a higher limit is lowered, everything else refused."""

MAX_TERMS = 16
MAX_SORT_KEYS = 4
"""L22."""

Action = Literal["publish", "replace", "recall", "restore"]


@dataclass(frozen=True)
class SortKey:
    """One part of an order: a name of `catalog.queryable`; items without the property come last either way."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class Search:
    """One item search; every field that is set must hold."""

    collections: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    bbox: BoundingBox | None = None
    intersects: dict[str, Any] | None = None
    """GeoJSON geometry."""
    interval: Interval | None = None
    limit: int = 10
    token: str | None = None
    """Opaque keyset token of a Page; bound to the rest of the search."""
    filter: Filter | None = None
    """A CQL2 expression."""
    terms: tuple[str, ...] = ()
    """Free text; an item that has any of them is found."""
    sort: tuple[SortKey, ...] = ()
    """Before the order that always holds: datetime descending, then collection and id."""


@dataclass(frozen=True)
class Page:
    """One page of a search, newest first (datetime descending, then collection and id)."""

    served: list[ServedItem]
    next_token: str | None
    matched: int | None
    """How many items the whole search finds, counted on its first page; None where counting would take long."""

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """The items as they were given."""
        return [given_item(served) for served in self.served]


class Footprint(NamedTuple):
    """What a tile needs to know of an item: a narrow row, no document."""

    collection: str
    item_id: str
    version: str
    acquired: datetime
    geometry: BaseGeometry
    """Valid-pixel footprint, degrees, longitude first."""
    gsd_m: float
    cloud_cover: float | None
    """Percent; None when unknown."""


@dataclass(frozen=True)
class Change:
    """One entry of the change feed."""

    sequence: int
    action: Action
    collection: str
    item_id: str
    version: str
    changed: datetime
    reason: str | None
    """Why an item was recalled."""
    bbox: BoundingBox
    """The ground on which anything may look different now: the item's, and that of the version it replaced."""


@dataclass(frozen=True)
class Bucket:
    """One part of an aggregation."""

    key: str
    count: int


@dataclass(frozen=True)
class Field:
    """A property that items have, as `queryables` describes it."""

    name: str
    types: tuple[str, ...]
    """JSON types of its values: `string`, `number`, `boolean`, `array`, `object`."""
    values: tuple[str, ...] = ()
    """All its values, where they are texts and few."""


class ItemStore(Protocol):
    """The catalogue's index. Every implementation passes `tests/catalog/item_store_contract.py`."""

    def collections(self) -> list[dict[str, Any]]:
        """All collection documents, by id, with extents of the items they hold."""

    def collection(self, collection: str) -> dict[str, Any]:
        """One collection document.

        Raises:
            UnknownCollectionError: There is none of that id.
        """

    def put_collection(self, document: dict[str, Any]) -> None:
        """Add or replace a collection document."""

    def remove_collection(self, collection: str) -> None:
        """Remove a collection without items, and forget what is recalled of it.

        Raises:
            UnknownCollectionError: There is none of that id.
            ItemExistsError: It holds items.
        """

    def item(self, collection: str, item_id: str) -> dict[str, Any]:
        """The listed version of an item.

        Raises:
            UnknownItemError: It is not listed: never published, or recalled.
        """

    def search(self, search: Search) -> Page:
        """One page of items.

        Raises:
            InvalidSearchError: The token does not belong to this search.
            StoreUnavailableError: It takes too long.
        """

    def aggregate(self, search: Search, names: Sequence[str]) -> dict[str, list[Bucket]]:
        """Counts over everything a search finds, whatever its limit; `names` are of `catalog.aggregation`.

        Raises:
            InvalidSearchError: An aggregation of that name is not known.
            StoreUnavailableError: It takes too long.
        """

    def fields(self, collections: Sequence[str] = ()) -> list[Field]:
        """The properties of the items held, of some collections or of all, by name."""

    def footprints(
        self,
        collections: Sequence[str] | None,
        bbox: BoundingBox,
        interval: Interval | None,
        limit: int | None = None,
    ) -> list[Footprint]:
        """Footprints that intersect the box, the newest first and at most `limit`; None means every collection."""

    def claim(self, scene_id: str) -> AbstractContextManager[int]:
        """Hold the exclusive right to publish a scene; gives the fencing number checked at `register`.

        Raises:
            ItemExistsError: Another live publisher holds it.
        """

    def check_fence(self, scene_id: str, fence: int) -> None:
        """See that no later claim of the scene was made.

        Raises:
            ItemExistsError: The fencing number is no longer the newest.
        """

    def register(self, item: dict[str, Any], *, fence: int | None = None) -> Change:
        """List an item (in place of its earlier version) in one transaction; its commit is the publication.

        Raises:
            UnknownCollectionError: Its collection does not exist.
            InvalidItemError: It breaks the item rules.
            ItemExistsError: The fencing number is no longer the newest.
        """

    def load(
        self,
        items: Iterable[dict[str, Any] | CheckedItem],
        *,
        collections: Iterable[dict[str, Any]] = (),
        file: str | None = None,
    ) -> int:
        """Add collections and register many items in one transaction; returns how many items are listed by it.

        Those that are not a `CheckedItem` are checked. The collections come first, so that every item has one.
        What is recalled stays recalled. `file` is the name under which the documents are kept, recorded with them.
        """

    def loaded_files(self) -> set[str]:
        """Names of the files whose loading was committed."""

    def refill(
        self,
        collections: Iterable[dict[str, Any]],
        items: Iterable[dict[str, Any] | CheckedItem],
        recalled: Iterable[Change],
        *,
        loaded: Iterable[str] = (),
    ) -> int:
        """Replace everything held by this content in one transaction; returns how many items are listed.

        `items` includes those that are recalled; of `recalled`, the names, reason and time are kept. `loaded` are the
        names of the loaded files that some of the content is from.
        """

    def recall(self, collection: str, item_id: str, *, reason: str) -> Change:
        """Take an item out of every answer and keep a tombstone.

        Raises:
            UnknownItemError: It is not listed.
        """

    def restore(self, collection: str, item_id: str) -> Change:
        """List a recalled item again.

        Raises:
            UnknownItemError: No tombstone of that id.
        """

    def tombstones(self) -> list[Change]:
        """What is recalled now."""

    def all_items(self) -> Iterator[dict[str, Any]]:
        """Every listed item, by collection and id."""

    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        """The change feed after a sequence number, oldest first."""

    def sequence(self) -> int:
        """A number that every change of what is held raises; cheap enough to ask for every tile.

        It is that of the newest entry of the change feed, or higher: the feed does not tell of collections.
        """

    def check(self) -> None:
        """See that questions can be answered now, without waiting for it.

        Raises:
            StoreUnavailableError: They cannot.
        """

    def close(self) -> None:
        """Give back files and connections."""
