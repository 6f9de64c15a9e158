"""What the node may show right now: layers, the scenes under a tile, and the files of their assets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from catalog.asset_place import asset_place
from catalog.errors import CatalogError, UnknownItemError
from catalog.item import acquired, item_version
from catalog.search import BoundingBox, Footprint, Interval, ItemStore, Search
from catalog.timestamp import format_datetime
from imagery_node.errors import BadRenderingError, NotFoundError, SupersededError, UnreadableAssetError
from imagery_node.http_ranges import HttpRanges
from imagery_node.layer import Layer, make_layers
from imagery_node.source_file import Location, RemoteFile
from imagery_node.when import ALWAYS, When, whole_day

WORLD: BoundingBox = (-180.0, -90.0, 180.0, 90.0)

_ITEMS_KEPT = 4096
_RASTER_SUFFIXES = frozenset({".tif", ".tiff"})


class Scene(NamedTuple):
    """One version of an item."""

    collection: str
    item_id: str
    version: str
    acquired: datetime


class SceneList(NamedTuple):
    """The scenes a picture is made of, topmost first."""

    scenes: tuple[Scene, ...]
    shown_date: date | None
    """The acquisition date that a single instant came to mean here."""
    complete: bool
    """False: more scenes lie here than one tile may draw from."""


@dataclass(frozen=True)
class Places:
    """Where the files of assets may lie, and the way to read remote ones."""

    home: Path
    asset_roots: tuple[Path, ...] = ()
    remote_stores: tuple[str, ...] = ()
    ranges: HttpRanges = field(default_factory=HttpRanges)

    def find(self, item: dict[str, Any], key: str) -> Location:
        """The file of an asset.

        Raises:
            CatalogError: It has no such asset, its file is gone, or its href leads where nothing may be read.
        """
        place = asset_place(item, key, home=self.home, asset_roots=self.asset_roots, remote_stores=self.remote_stores)
        return RemoteFile(place, self.ranges) if isinstance(place, str) else place


class Snapshot:
    """The catalogue at one sequence number; never changes, so that everything may be remembered."""

    def __init__(self, store: ItemStore, sequence: int, places: Places) -> None:
        self.sequence = sequence
        self._store = store
        self._places = places
        self.item: Callable[[str, str], dict[str, Any]] = lru_cache(_ITEMS_KEPT)(store.item)
        self.collection: Callable[[str], dict[str, Any]] = lru_cache(_ITEMS_KEPT)(store.collection)
        self.raster: Callable[[Scene, str], Location | None] = lru_cache(_ITEMS_KEPT)(self._raster)
        self.newest_item: Callable[[str], dict[str, Any] | None] = lru_cache(_ITEMS_KEPT)(self._newest_item)
        self.finest_gsd_m: Callable[[Layer], float | None] = lru_cache(_ITEMS_KEPT)(self._finest_gsd_m)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Every layer by id."""
        return make_layers(self._store.collections())

    def layer(self, layer_id: str) -> Layer:
        """One layer.

        Raises:
            NotFoundError: There is none of that id.
        """
        try:
            return self.layers[layer_id]
        except KeyError as error:
            raise NotFoundError(f"no layer is called {layer_id!r}; /raster/layers lists them") from error

    def footprints(
        self, layer: Layer, bbox: BoundingBox, when: When, *, limit: int
    ) -> tuple[list[Footprint], date | None]:
        """What the layer holds here and then, topmost first, and the date that a single instant came to mean.

        A date on which the layer holds anything at all is that date everywhere, so that neighbouring tiles agree; any
        other means the nearest date of the place. Of more than `limit` the newest.
        """
        if not layer.collections:
            return [], None

        def find(interval: Interval | None, limit: int) -> list[Footprint]:
            return self._store.footprints(layer.collections, bbox, interval, limit=limit)

        day = when.day
        if day is not None and self._store.footprints(layer.collections, WORLD, whole_day(day), limit=1):
            return layer.order(find(whole_day(day), limit)), day
        shown_date = when.search_nearest_date(
            lambda interval: next((found.acquired for found in find(interval, 1)), None)
        )
        interval = when.interval if shown_date is None else whole_day(shown_date)
        return layer.order(find(interval, limit)), shown_date

    def scenes(self, layer: Layer, bbox: BoundingBox, when: When, *, at_most: int) -> SceneList:
        """The scenes to draw here and then."""
        found, shown_date = self.footprints(layer, bbox, when, limit=at_most + 1)
        scenes = [Scene(each.collection, each.item_id, each.version, each.acquired) for each in found[:at_most]]
        return SceneList(tuple(scenes), shown_date, complete=len(found) <= at_most)

    def scene(self, collection: str, item_id: str, when: When = ALWAYS) -> Scene:
        """The listed version of one item.

        Raises:
            UnknownItemError: It is not listed.
            NotFoundError: It was not acquired then.
        """
        item = self.item(collection, item_id)
        scene = Scene(collection, item_id, item_version(item), acquired(item))
        if not when.includes(scene.acquired):
            raise NotFoundError(
                f"item {item_id} was acquired {format_datetime(scene.acquired)}, which is not the datetime asked for"
            )
        return scene

    def document(self, scene: Scene) -> dict[str, Any]:
        """The item of a scene.

        Raises:
            SupersededError: Another version is listed now.
        """
        try:
            item = self.item(scene.collection, scene.item_id)
        except UnknownItemError as error:
            raise SupersededError(f"item {scene.item_id} is not listed any more") from error
        if item_version(item) != scene.version:
            raise SupersededError(f"item {scene.item_id} has another version than {scene.version} now")
        return item

    def _raster(self, scene: Scene, key: str) -> Location | None:
        """The file of a raster asset; None when the scene has no such asset.

        Raises:
            BadRenderingError: The asset is not a raster.
            UnreadableAssetError: Its file is not where it may be read.
            SupersededError: Another version is listed now.
        """
        item = self.document(scene)
        if key not in item["assets"]:
            return None
        try:
            file = self._places.find(item, key)
        except CatalogError as error:
            raise UnreadableAssetError(f"the file of asset {key!r} of item {item['id']} is not here") from error
        if file.suffix.lower() not in _RASTER_SUFFIXES:
            raise BadRenderingError(f"asset {key} of item {scene.item_id} is not a raster")
        return file

    def _newest_item(self, collection: str) -> dict[str, Any] | None:
        """The newest item of a collection; None when it holds none."""
        return next(iter(self._store.search(Search(collections=(collection,), limit=1)).items), None)

    def _finest_gsd_m(self, layer: Layer) -> float | None:
        """Ground sample distance of the finest of each collection's newest scenes."""
        stated = [
            value
            for item in filter(None, map(self.newest_item, layer.collections))
            for value in (item["properties"].get("gsd"), *(asset.get("gsd") for asset in item["assets"].values()))
            if value
        ]
        return min(stated, default=None)


class SceneIndex:
    """Gives the newest snapshot of the catalogue; asking is cheap enough for every tile."""

    def __init__(self, store: ItemStore, places: Places) -> None:
        self.store = store
        self._places = places
        self._newest = self._take(store.sequence())

    def newest(self) -> Snapshot:
        """The catalogue as it is now; a publication by any process is in it."""
        sequence = self.store.sequence()
        snapshot = self._newest
        if snapshot.sequence != sequence:
            snapshot = self._newest = self._take(sequence)
        return snapshot

    def _take(self, sequence: int) -> Snapshot:
        return Snapshot(self.store, sequence, self._places)
