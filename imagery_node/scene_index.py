"""What the node may show right now: layers, the scenes under a tile, and the files of their assets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from catalog.asset_place import asset_place
from catalog.errors import CatalogError, UnknownItemError
from catalog.item import acquired, item_version
from catalog.search import BoundingBox, Footprint, Interval, ItemStore, Search
from catalog.settings import CatalogSettings
from catalog.timestamp import format_datetime, parse_datetime
from imagery_node.errors import BadRenderingError, NotFoundError, SupersededError, UnreadableAssetError
from imagery_node.http_ranges import HttpRanges
from imagery_node.layer import Layer, make_layers
from imagery_node.mosaic_rule import MosaicRule, is_clear
from imagery_node.object_store import ObjectStore
from imagery_node.source_file import Location, RemoteFile
from imagery_node.when import ALWAYS, When, overlap, whole_day

WORLD: BoundingBox = (-180.0, -90.0, 180.0, 90.0)

_ITEMS_KEPT = 4096
_SCENES_SCANNED = 1000
"""Scenes of a tile that a rule may order (L19); where more lie, the newest of them."""
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
    rest_beneath: bool = False
    """Those left out lie beneath these: a picture that these fill does not miss them."""


@dataclass(frozen=True)
class Places:
    """Where the files of assets may lie, and the way to read remote ones."""

    home: Path
    asset_roots: tuple[Path, ...] = ()
    remote_stores: tuple[str, ...] = ()
    ranges: HttpRanges = field(default_factory=HttpRanges)

    @classmethod
    def of(cls, home: Path, settings: CatalogSettings) -> Self:
        """Where the settings allow it."""
        ranges = HttpRanges(ObjectStore.of(settings).url)
        return cls(home, settings.asset_roots, settings.remote_stores, ranges)

    def find(self, item: dict[str, Any], key: str) -> Location:
        """The file of an asset.

        Raises:
            CatalogError: It has no such asset, its file is gone, or its href leads where nothing may be read.
        """
        place = asset_place(item, key, home=self.home, asset_roots=self.asset_roots, remote_stores=self.remote_stores)
        return RemoteFile(place, self.ranges) if isinstance(place, str) else place


class Snapshot:
    """The catalogue at one sequence number; never changes, so that everything may be remembered."""

    def __init__(self, store: ItemStore, sequence: int, places: Places, defined: Iterable[Layer] = ()) -> None:
        self.sequence = sequence
        self._defined = defined
        self._store = store
        self._places = places
        self.item: Callable[[str, str], dict[str, Any]] = lru_cache(_ITEMS_KEPT)(store.item)
        self.collection: Callable[[str], dict[str, Any]] = lru_cache(_ITEMS_KEPT)(store.collection)
        self.raster: Callable[[Scene, str], Location | None] = lru_cache(_ITEMS_KEPT)(self._raster)
        self.newest_item: Callable[[str], dict[str, Any] | None] = lru_cache(_ITEMS_KEPT)(self._newest_item)
        self.finest_gsd_m: Callable[[Layer], float | None] = lru_cache(_ITEMS_KEPT)(self._finest_gsd_m)
        self.span: Callable[[Layer], tuple[datetime, datetime] | None] = lru_cache(_ITEMS_KEPT)(self._span)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Every layer by id."""
        return make_layers(self._store.collections(), self._defined)

    def layer(self, layer_id: str) -> Layer:
        """One layer.

        Raises:
            NotFoundError: There is none of that id.
        """
        base, _, period = layer_id.rpartition("_")
        layer = self.layers.get(layer_id) or (self.layers[base].dated(period) if base in self.layers else None)
        if layer is None:
            raise NotFoundError(f"no layer is called {layer_id!r}; /raster/layers lists them")
        return layer

    def footprints(
        self, layer: Layer, bbox: BoundingBox, when: When, *, limit: int, rule: MosaicRule | None = None
    ) -> tuple[list[Footprint], date | None]:
        """What the layer holds here and then, topmost first, and the date that a single instant came to mean.

        A date on which the layer holds anything at all is that date everywhere, so that neighbouring tiles agree; any
        other means the nearest date of the place. A rule that orders by the distance from an instant shows all dates.
        Of more than `limit` the newest.
        """
        if not layer.collections:
            return [], None
        rule, when = rule or layer.rule, layer.at(when)

        def find(interval: Interval | None, limit: int, where: BoundingBox = bbox) -> list[Footprint]:
            interval = overlap(when.interval, interval)
            return self._store.footprints(layer.collections, where, interval, limit=limit)

        def order(found: list[Footprint]) -> list[Footprint]:
            return layer.order(found, rule, nearest_to=when.instant, off_nadir=self._off_nadir)

        if when.nearest is None or (rule.order == "nearest" and when.instant):
            return order(find(None, limit)), None
        if when.clear_only:
            clear_date = _newest_clear_date(partial(find, limit=limit), limit)
            on_it = find(whole_day(clear_date), limit) if clear_date else []
            return order([scene for scene in on_it if is_clear(scene)]), clear_date
        day = when.day
        if day is not None and find(whole_day(day), 1, WORLD):
            return order(find(whole_day(day), limit)), day
        shown_date = when.search_nearest_date(
            lambda interval: next((found.acquired for found in find(interval, 1)), None)
        )
        return (order(find(whole_day(shown_date), limit)) if shown_date else []), shown_date

    def scenes(
        self, layer: Layer, bbox: BoundingBox, when: When, *, at_most: int, rule: MosaicRule | None = None
    ) -> SceneList:
        """The scenes to draw here and then, out of the newest thousand."""
        scanned = max(at_most, _SCENES_SCANNED)
        found, shown_date = self.footprints(layer, bbox, when, limit=scanned + 1, rule=rule)
        scenes = [Scene(each.collection, each.item_id, each.version, each.acquired) for each in found[:at_most]]
        in_order = len(found) <= scanned or ((rule or layer.rule).order == "newest" and not layer.beneath)
        return SceneList(tuple(scenes), shown_date, complete=len(found) <= at_most, rest_beneath=in_order)

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

    def _off_nadir(self, footprint: Footprint) -> float:
        """View angle of a scene in degrees; 0 where its item does not tell."""
        scene = Scene(footprint.collection, footprint.item_id, footprint.version, footprint.acquired)
        angle = self.document(scene)["properties"].get("view:off_nadir")
        return float(angle) if isinstance(angle, int | float) else 0.0

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

    def _span(self, layer: Layer) -> tuple[datetime, datetime] | None:
        """First and last acquisition of the scenes a layer's collections hold; None when they hold none."""
        held = filter(self.newest_item, layer.collections)
        intervals = [self.collection(collection)["extent"]["temporal"]["interval"][0] for collection in held]
        times = [parse_datetime(text) for interval in intervals for text in interval]
        return (min(times), max(times)) if times else None

    def _finest_gsd_m(self, layer: Layer) -> float | None:
        """Ground sample distance of the finest of each collection's newest scenes."""
        stated = [
            value
            for item in filter(None, map(self.newest_item, layer.collections))
            for value in (item["properties"].get("gsd"), *(asset.get("gsd") for asset in item["assets"].values()))
            if value
        ]
        return min(stated, default=None)


def _newest_clear_date(find: Callable[[Interval | None], list[Footprint]], limit: int) -> date | None:
    """The newest date with a clear scene; `find` gives the `limit` newest scenes of an interval."""
    interval: Interval | None = None
    while True:
        found = find(interval)
        clear = next((scene.acquired.date() for scene in found if is_clear(scene)), None)
        if clear or len(found) < limit:
            return clear
        interval = None, found[-1].acquired - timedelta(microseconds=1)


class SceneIndex:
    """Gives the newest snapshot of the catalogue; asking is cheap enough for every tile."""

    def __init__(self, store: ItemStore, places: Places, defined: Iterable[Layer] = ()) -> None:
        self.store = store
        self._places = places
        self._defined = tuple(defined)
        self._newest = self._take(store.sequence())

    def newest(self) -> Snapshot:
        """The catalogue as it is now; a publication by any process is in it."""
        sequence = self.store.sequence()
        snapshot = self._newest
        if snapshot.sequence != sequence:
            snapshot = self._newest = self._take(sequence)
        return snapshot

    def _take(self, sequence: int) -> Snapshot:
        return Snapshot(self.store, sequence, self._places, self._defined)
