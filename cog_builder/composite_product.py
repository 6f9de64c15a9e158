"""A composite as files and Item: the same assets as a scene, and `count`, how many scenes are clear at each pixel."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from catalog.asset_key import ANALYTIC, QUALITY, VISUAL
from catalog.item import STAC_VERSION, acquired, item_version
from catalog.timestamp import format_datetime
from cog_builder.calibration import REFLECTANCE_SCALE
from cog_builder.check import flag_percent
from cog_builder.cog import CogWriter
from cog_builder.cog_layout import BandInfo, CogLayout
from cog_builder.composite import CompositeBlock, CompositeRule
from cog_builder.drawing import Range
from cog_builder.errors import GeolocationError
from cog_builder.footprint import as_geojson, valid_footprint
from cog_builder.map_grid import BLOCK_PX, TILE_PX, MapGrid, choose_crs, overview_count, snapped_grid, tile_grid
from cog_builder.product import Product
from cog_builder.pyramid import Block, Pyramid, average, nearest
from cog_builder.quality import FILL, FLAGS_TEXT
from cog_builder.settings import CogBuilderSettings
from cog_builder.stac_item import cog_asset, file_asset, write_item
from cog_builder.stretch import Stretch
from cog_builder.thumbnail import write_thumbnail

COUNT = "count"
MAX_SIDE_PX = 200_000

_EXTENSIONS = {
    "eo": "v1.1.0",
    "file": "v2.1.0",
    "processing": "v1.2.0",
    "projection": "v2.0.0",
    "raster": "v2.0.0",
    "version": "v1.2.0",
}
_EDGE_POINTS = 21
_COLOURS = ("red", "green", "blue")

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True)
class Composite:
    """What is to be made."""

    item_id: str
    title: str
    collection: dict[str, Any]
    """The document of the composite's collection: its stretch and providers."""
    rule: CompositeRule
    period: str
    """As it was asked for."""
    scenes: Sequence[dict[str, Any]]
    """The Items it is made of."""
    bands: Sequence[dict[str, Any]]
    """Of their reflectance, as their Items describe them."""
    bbox: Bbox
    """The ground to be covered, degrees."""
    grid: MapGrid
    """Of `analytic`, `quality` and `count`."""
    gsd_m: float


def composite_grid(bbox: Bbox, gsd_m: float, epsg: int | None) -> MapGrid:
    """The grid around a box in degrees: that of a scene there, unless another CRS is named.

    Raises:
        GeolocationError: The CRS does not reach there, or there would be more pixels than are read in one file.
    """
    longitude, latitude = _outline(bbox)
    epsg = epsg or choose_crs(float(longitude.mean()), float(latitude.mean()), gsd_m)
    grid = snapped_grid(epsg, longitude, latitude, gsd_m)
    if max(grid.width, grid.height) > MAX_SIDE_PX:
        raise GeolocationError(
            f"the composite would have {grid.width} × {grid.height} pixels, at most {MAX_SIDE_PX} a side are written: "
            f"ask for less ground or coarser pixels"
        )
    return grid


def build_composite(
    composite: Composite,
    folder: Path,
    draw: Callable[[MapGrid], CompositeBlock],
    *,
    settings: CogBuilderSettings,
    progress: Callable[[str, float], None],
) -> dict[str, Any]:
    """Write the files of a composite and its Item into an empty folder, block by block.

    Args:
        composite: What is to be made.
        folder: Where it goes.
        draw: Gives the pixels of a part of the ground; called from many threads.
        settings: How files are written.
        progress: Told how far it is.

    Returns:
        The Item, as written to `item.json`.

    Raises:
        UnreadableImageError: A scene cannot be read, or none has a pixel there.
    """
    products = [_values(composite, draw, settings), _picture(composite, draw, settings)]
    total, done = sum(product.block_count for product in products), itertools.count(1)
    for product in products:
        writers = [CogWriter(folder / f"{key}.tif", layout) for key, layout in product.layouts.items()]
        advance = lambda: progress(composite.title, next(done) / total)  # noqa: E731
        Pyramid(writers, product.reduces, product.draw, advance).write(settings.threads)
    footprint = valid_footprint(folder / f"{QUALITY}.tif")
    write_thumbnail(folder / f"{VISUAL}.tif", folder / "thumbnail.webp")
    item = _item(composite, folder, footprint)
    percent = flag_percent(folder, item)
    item["properties"] |= {"eo:cloud_cover": percent["cloud"], "imagery_node:flagged_percent": percent}
    write_item(item, folder)
    return item


def _values(composite: Composite, draw: Callable[[MapGrid], CompositeBlock], settings: CogBuilderSettings) -> Product:
    """`analytic`, `quality` and `count`."""
    grid, compression, tags = composite.grid, settings.lossless, _tags(composite)
    overviews = overview_count(grid.width, grid.height)
    bands = tuple(
        BandInfo(" ".join(filter(None, (band["name"], band.get("eo:common_name")))), REFLECTANCE_SCALE)
        for band in composite.bands
    )
    flags, counts = (BandInfo(f"bit flags: {FLAGS_TEXT}"),), (BandInfo("clear observations"),)
    layouts = {
        ANALYTIC: CogLayout(grid, bands, "uint16", compression, BLOCK_PX, overviews, 0, tags),
        QUALITY: CogLayout(grid, flags, "uint8", compression, BLOCK_PX, overviews, FILL, tags),
        COUNT: CogLayout(grid, counts, "uint8", compression, BLOCK_PX, overviews, None, tags),
    }

    def blocks(rows: Range, cols: Range) -> list[Block] | None:
        drawn = draw(_part(grid, rows, cols))
        valid = drawn.flags != FILL
        if not valid.any():
            return None
        return [Block(pixels, valid) for pixels in (drawn.values, drawn.flags[..., None], drawn.count[..., None])]

    return Product(layouts, [average, nearest, nearest], blocks)


def _picture(composite: Composite, draw: Callable[[MapGrid], CompositeBlock], settings: CogBuilderSettings) -> Product:
    """`visual`: with the stretch of the collection, each block a map tile."""
    grid, overviews = tile_grid(*_outline(composite.bbox), composite.gsd_m)
    stretch = Stretch.of_collection(composite.collection)
    names = [band["name"] for band in composite.bands]
    bands = tuple(BandInfo(colour, color=colour) for colour in _COLOURS)
    layout = CogLayout(grid, bands, "uint8", settings.lossy, TILE_PX, overviews, tags=_tags(composite))

    def blocks(rows: Range, cols: Range) -> list[Block] | None:
        drawn = draw(_part(grid, rows, cols))
        valid = drawn.flags != FILL
        if not valid.any():
            return None
        return [Block(stretch.picture(drawn.values * np.float32(REFLECTANCE_SCALE), names), valid)]

    return Product({VISUAL: layout}, [average], blocks)


def _part(grid: MapGrid, rows: Range, cols: Range) -> MapGrid:
    left, top = grid.left + cols[0] * grid.pixel, grid.top - rows[0] * grid.pixel
    return MapGrid(grid.epsg, left, top, grid.pixel, cols[1] - cols[0], rows[1] - rows[0])


def _outline(bbox: Bbox) -> tuple[Any, Any]:
    """Longitudes and latitudes of points along the edges of a box."""
    west, south, east, north = bbox
    longitude, latitude = np.meshgrid(np.linspace(west, east, _EDGE_POINTS), np.linspace(south, north, _EDGE_POINTS))
    return longitude.ravel(), latitude.ravel()


def _tags(composite: Composite) -> dict[str, str]:
    return {"TITLE": composite.title, "COMPOSITE_RULE": composite.rule, "COMPOSITE_PERIOD": composite.period}


def _item(composite: Composite, folder: Path, footprint: Any) -> dict[str, Any]:
    assets = _assets(composite, folder)
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [
            f"https://stac-extensions.github.io/{name}/{release}/schema.json" for name, release in _EXTENSIONS.items()
        ],
        "id": composite.item_id,
        "collection": composite.collection["id"],
        "geometry": as_geojson(footprint),
        "bbox": [round(value, 7) for value in footprint.bounds],
        "properties": _properties(composite, assets[ANALYTIC]),
        "links": [_source_link(scene) for scene in composite.scenes],
        "assets": assets,
    }


def _source_link(scene: dict[str, Any]) -> dict[str, Any]:
    """To the document of a scene, as both lie in a node's folder."""
    place = f"../../../{scene['collection']}/{scene['id']}/{item_version(scene)}/item.json"
    return {"rel": "derived_from", "href": place, "type": "application/geo+json"}


def _properties(composite: Composite, analytic: dict[str, Any]) -> dict[str, Any]:
    """`datetime` is the middle of the acquisitions, which `start_datetime` and `end_datetime` enclose."""
    times = [acquired(scene) for scene in composite.scenes]
    first, last = min(times), max(times)
    middle = first + timedelta(seconds=math.floor((last - first).total_seconds() / 2))
    now = format_datetime(datetime.now(UTC).replace(microsecond=0))
    facts = [scene["properties"] for scene in composite.scenes]
    return {
        "title": composite.title,
        "datetime": format_datetime(middle),
        "start_datetime": format_datetime(first),
        "end_datetime": format_datetime(last),
        "created": now,
        "updated": now,
        "platform": ", ".join(_each(fact["platform"] for fact in facts if fact.get("platform"))),
        "constellation": ", ".join(_each(fact["constellation"] for fact in facts if fact.get("constellation"))),
        "instruments": _each(name for fact in facts for name in fact.get("instruments", ())),
        "gsd": composite.gsd_m,
        "license": "other",
        "providers": composite.collection.get("providers", []),
        "version": "1",
        **{field: analytic[field] for field in ("proj:code", "proj:shape", "proj:transform")},
        "processing:level": "L3",
        "processing:software": {name: version(name) for name in ("imagery-node", "odc-stac", "xarray")},
        "processing:lineage": (
            f"{composite.rule} of the clear pixels of {len(facts)} scenes of {composite.period}; of all pixels where "
            f"none is clear, which are flagged as cloud"
        ),
        "imagery_node:composite": {
            "rule": composite.rule,
            "period": composite.period,
            "bbox": list(composite.bbox),
            "scenes": len(facts),
        },
    }


def _each(values: Any) -> list[str]:
    return sorted(set(values))


def _assets(composite: Composite, folder: Path) -> dict[str, Any]:
    spectral = [{"name": band["name"]} | _fields(band) for band in composite.bands]
    values = {"data_type": "uint16", "nodata": 0, "raster:scale": REFLECTANCE_SCALE, "raster:offset": 0}
    reflectance = {
        "bands": [
            {"name": band["name"], **{f"eo:{key}": value for key, value in _fields(band).items()}, **values}
            for band in composite.bands
        ],
        "eo:bands": spectral,
    }
    colours = {"bands": [{"name": name, "eo:common_name": name, "data_type": "uint8"} for name in _COLOURS]}
    flags = {"bands": [{"name": "quality", "data_type": "uint8", "nodata": FILL}]}
    counts = {"bands": [{"name": "count", "data_type": "uint8"}]}
    roles = ["data-mask", "cloud"]
    told: list[tuple[str, str, list[str], dict[str, Any]]] = [
        (VISUAL, "Picture", ["visual", "overview"], colours),
        (ANALYTIC, "Top-of-atmosphere reflectance", ["data", "reflectance"], reflectance),
        (QUALITY, f"Bit flags: {FLAGS_TEXT}; cloud: no scene was clear", roles, flags),
        (COUNT, "How many scenes were clear", ["data", "metadata"], counts),
    ]
    assets = {
        key: cog_asset(folder / f"{key}.tif", title, roles, composite.gsd_m, bands) for key, title, roles, bands in told
    }
    thumbnail = {"type": "image/webp", "title": "Thumbnail", "roles": ["thumbnail"]}
    return assets | {"thumbnail": {**file_asset(folder / "thumbnail.webp"), **thumbnail}}


def _fields(band: dict[str, Any]) -> dict[str, Any]:
    """What a band says of its spectrum, as `eo:bands` names it."""
    return {key.removeprefix("eo:"): value for key, value in band.items() if key.startswith("eo:")}
