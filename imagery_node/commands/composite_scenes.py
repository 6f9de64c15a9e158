"""Which scenes a composite is made of, and what it becomes by them."""

import contextlib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.asset_key import QUALITY
from catalog.collection import COMPOSITE_OF, composite_collection
from catalog.errors import UnknownCollectionError
from catalog.geometry import read_bbox
from catalog.reference_system import MAP_CODES, read_map_code
from catalog.search import BoundingBox
from cog_builder.calibration import REFLECTANCE_SCALE
from cog_builder.composite import MAX_SCENES, CompositeRule, Observation
from cog_builder.composite_product import Composite, composite_grid
from cog_builder.errors import BadMetadataError
from imagery_node.errors import BadParameterError, UnreadableAssetError
from imagery_node.mosaic_rule import find_rule
from imagery_node.scene_index import Scene, Snapshot
from imagery_node.when import parse_when


@dataclass(frozen=True)
class Order:
    """A composite as it was asked for."""

    layer: str
    period: str
    bbox: str
    rule: CompositeRule
    asset: str
    """`analytic`, or `sharp`."""
    resolution_m: float | None
    crs: str | None


@dataclass(frozen=True)
class Chosen:
    """What a composite is made of."""

    composite: Composite
    observations: list[Observation]
    ndvi_bands: tuple[int, int]
    """Positions of near infrared and red; anything where the rule does not need them."""
    left_out: int
    """Scenes there without calibrated reflectance in the bands of the others."""


def choose_scenes(order: Order, snapshot: Snapshot) -> Chosen:
    """Find the scenes of an order, those with the least cloud first.

    Raises:
        BadParameterError: A parameter is malformed, or there is no scene, too many, or those of several collections.
        NotFoundError: There is no such layer.
        BadMetadataError: No scene has the reflectance that is needed.
        UnreadableAssetError: A file is missing or lies on another machine.
        UnreadableImageError: A file cannot be opened.
        GeolocationError: The ground is too large, or does not lie in the CRS asked for.
    """
    bbox = _read_bbox(order.bbox)
    documents = [snapshot.document(scene) for scene in _scenes(order, snapshot, bbox)]
    fitting = [item for item in documents if _reflectance_bands(item, order.asset)]
    if not fitting:
        raise BadMetadataError(f"none of {len(documents)} scenes has calibrated reflectance in the asset {order.asset}")
    bands = fitting[0]["assets"][order.asset]["bands"]
    names = _names(bands)
    taken = [item for item in fitting if _names(item["assets"][order.asset]["bands"]) == names]
    collection = _collection(snapshot, taken[0]["collection"])
    gsd_m = order.resolution_m or min(float(item["assets"][order.asset]["gsd"]) for item in taken)
    grid = composite_grid(bbox, gsd_m, _epsg(order, taken))
    period = re.sub(r"[^A-Za-z0-9-]+", "-", order.period).strip("-")
    told = repr((bbox, order.asset, grid.epsg, gsd_m))
    digest = hashlib.blake2b(told.encode(), digest_size=4).hexdigest()
    composite = Composite(
        item_id=f"{collection['id'].removesuffix('-composite')}_{order.rule}_{period}_{digest}",
        title=f"{taken[0]['collection']} {order.rule} {order.period}",
        collection=collection,
        rule=order.rule,
        period=order.period,
        scenes=taken,
        bands=bands,
        bbox=bbox,
        grid=grid,
        gsd_m=gsd_m,
    )
    observations = [_observation(snapshot, item, order.asset) for item in taken]
    return Chosen(composite, observations, _ndvi_bands(bands, order.rule), len(documents) - len(taken))


def _read_bbox(text: str) -> BoundingBox:
    try:
        west, south, east, north = read_bbox([float(part) for part in text.split(",")])
    except ValueError as error:
        raise BadParameterError(f"bbox is {text!r:.80}, expected west,south,east,north: {error}") from error
    if west > east:
        raise BadParameterError("bbox crosses the antimeridian: make two composites")
    return west, south, east, north


def _scenes(order: Order, snapshot: Snapshot, bbox: BoundingBox) -> list[Scene]:
    layer, when = snapshot.layer(order.layer), parse_when(order.period)
    if when.interval is None:
        raise BadParameterError(f"datetime is {order.period!r}, expected a period such as 2024Q3 or an interval a/b")
    found, _ = snapshot.footprints(layer, bbox, when, limit=MAX_SCENES + 1, rule=find_rule("clearest"))
    sources = [each for each in found if COMPOSITE_OF not in snapshot.collection(each.collection)]
    collections = sorted({each.collection for each in sources})
    if not sources:
        raise BadParameterError(f"layer {order.layer} holds no scene there and then")
    if len(collections) > 1:
        raise BadParameterError(f"the scenes there are of {', '.join(collections)}: name one of these collections")
    if len(found) > MAX_SCENES:
        raise BadParameterError(f"more than {MAX_SCENES} scenes lie there: ask for less ground or a shorter time")
    return [Scene(each.collection, each.item_id, each.version, each.acquired) for each in sources]


def _reflectance_bands(item: dict[str, Any], key: str) -> bool:
    """Whether the asset holds reflectance at our scale: values of uncalibrated scenes must not enter."""
    bands = item["assets"].get(key, {}).get("bands")
    return bool(bands) and all(band.get("raster:scale") == REFLECTANCE_SCALE for band in bands)


def _names(bands: Sequence[dict[str, Any]]) -> list[str]:
    return [str(band.get("name")) for band in bands]


def _collection(snapshot: Snapshot, source: str) -> dict[str, Any]:
    """The document of the composites' collection.

    Raises:
        BadMetadataError: Nothing says how the picture is to look.
    """
    document = composite_collection(snapshot.collection(source))
    with contextlib.suppress(UnknownCollectionError):  # it may have been described otherwise
        document = snapshot.collection(document["id"])
    if "imagery_node:stretch" not in document:
        raise BadMetadataError(f"collection {source} has no imagery_node:stretch, which the picture is drawn with")
    return document


def _epsg(order: Order, items: Sequence[dict[str, Any]]) -> int | None:
    """The CRS asked for, else the one that all scenes share."""
    if order.crs:
        try:
            return read_map_code(order.crs)
        except ValueError as error:
            raise BadParameterError(f"crs: {error}") from error
    codes = {str(item["assets"][order.asset].get("proj:code")) for item in items}
    code = int(codes.pop().removeprefix("EPSG:")) if len(codes) == 1 and "EPSG:" in next(iter(codes)) else None
    return code if code in MAP_CODES else None


def _ndvi_bands(bands: Sequence[dict[str, Any]], rule: CompositeRule) -> tuple[int, int]:
    common = [band.get("eo:common_name") for band in bands]
    if rule == "max-ndvi" and not {"nir", "red"} <= set(common):
        raise BadParameterError(f"max-ndvi needs the bands nir and red, there are {', '.join(map(str, common))}")
    return (common.index("nir"), common.index("red")) if {"nir", "red"} <= set(common) else (0, 0)


def _observation(snapshot: Snapshot, item: dict[str, Any], key: str) -> Observation:
    scene = snapshot.scene(item["collection"], item["id"])
    places = {key: snapshot.raster(scene, key) for key in (key, QUALITY)}
    for name, place in places.items():
        if place is not None and not isinstance(place, Path):
            raise UnreadableAssetError(f"item {item['id']}: asset {name} lies on another machine; get the file first")
    return Observation.of_item(item, str(places[key]), str(places[QUALITY]) if places[QUALITY] else None)
