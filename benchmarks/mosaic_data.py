"""Overlapping scenes of several dates for the mosaic benchmark: unaligned 8-bit COGs by GDAL, and their Items.

The ground is one random picture, the same for every date but for its brightness, so that a scene that is missing or
lies in the wrong order changes the numbers. Valid pixels are a tilted rectangle in a square raster.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.warp import transform_geom
from rio_tiler.errors import EmptyMosaicError, TileOutsideBounds
from rio_tiler.io import Reader
from rio_tiler.models import ImageData
from rio_tiler.mosaic import mosaic_reader

_UTM = "EPSG:32650"
_LEFT, _TOP = 440_000.0, 4_425_000.0
_FIRST = datetime(2024, 1, 15, 2, 57, tzinfo=UTC)
_STEP = 0.72
"""Of a scene's side between neighbours: their valid rectangles overlap."""
_OCTAVES = (16, 64, 256, 1024)
"""Cells along a side of the ground picture."""


@dataclass(frozen=True)
class MosaicPlan:
    """One collection of scenes in columns and rows, each place imaged on several dates."""

    collection: str
    columns: int
    rows: int
    dates: int
    pixels: int
    gsd_m: float

    @property
    def interval(self) -> str:
        """From before the first scene to after the last."""
        return f"{_stamp(_FIRST)}/{_stamp(_FIRST + timedelta(days=91 * self.dates))}"


NATIVE = MosaicPlan("overlapping", columns=3, rows=2, dates=4, pixels=2048, gsd_m=2.0)
"""24 scenes of 6 places."""
WIDE = MosaicPlan("wide", columns=16, rows=16, dates=1, pixels=512, gsd_m=16.0)
"""256 scenes over a degree."""


def mosaic_items(plan: MosaicPlan, folder: Path) -> list[dict[str, Any]]:
    """The Items, newest first; the files are made when missing."""
    listing = folder / f"{plan.collection}.ndjson"
    if not listing.exists():
        (folder / plan.collection).mkdir(parents=True, exist_ok=True)
        listing.write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in _make(plan, folder / plan.collection)))
    items = [orjson.loads(line) for line in listing.read_bytes().splitlines()]
    return sorted(items, key=lambda item: str(item["properties"]["datetime"]), reverse=True)


def collection_document(plan: MosaicPlan) -> dict[str, Any]:
    """A Collection that both catalogues take."""
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": plan.collection,
        "description": f"{plan.columns * plan.rows} places on {plan.dates} dates",
        "license": "CC0-1.0",
        "links": [],
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
    }


def _make(plan: MosaicPlan, folder: Path) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(plan.pixels)
    step = round(plan.pixels * _STEP)
    side = step * max(plan.columns, plan.rows) + plan.pixels
    ground = _ground(random, side)
    for date in range(plan.dates):
        light = (0.7, 1.0, 0.85, 0.6)[date % 4]
        for place in range(plan.columns * plan.rows):
            row, col = divmod(place, plan.columns)
            top, left = row * step, col * step
            picture = ground[top : top + plan.pixels, left : left + plan.pixels]
            valid = _tilted_rectangle(plan.pixels, math.radians(8 + 5 * random.random()))
            transform = Affine(plan.gsd_m, 0, _LEFT + left * plan.gsd_m, 0, -plan.gsd_m, _TOP - top * plan.gsd_m)
            name = f"{plan.collection}-{date}-{place:03}"
            colours = np.clip(picture * light, 1, 255).astype(np.uint8) * valid[..., None]
            _write(folder / f"{name}.tif", np.dstack((colours, valid * np.uint8(255))), transform)
            when = _FIRST + timedelta(days=91 * date, seconds=17 * place)
            yield _item(plan, name, folder / f"{name}.tif", when, valid, transform)


def _ground(random: np.random.Generator, side: int) -> NDArray[np.float32]:
    """(row, column, band) in 0–255, from landscape to roofs."""
    picture = np.full((side, side, 3), 100, np.float32)
    for octave, cells in enumerate(_OCTAVES):
        table = random.normal(0, 40 / (octave + 1), (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(table, (side, side), interpolation=cv2.INTER_LINEAR)
    return picture


def _tilted_rectangle(side: int, angle: float) -> NDArray[np.bool_]:
    centred = np.arange(side) + 0.5 - side / 2
    across, along = np.meshgrid(centred, centred)
    half = side / 2 / (math.cos(angle) + math.sin(angle))
    turned = across * math.cos(angle) + along * math.sin(angle), along * math.cos(angle) - across * math.sin(angle)
    return np.asarray((np.abs(turned[0]) <= half) & (np.abs(turned[1]) <= half))


def _write(path: Path, pixels: NDArray[np.uint8], transform: Affine) -> None:
    height, width, count = pixels.shape
    with MemoryFile() as memory:
        options = {"crs": _UTM, "transform": transform, "width": width, "height": height, "count": count}
        with memory.open(driver="GTiff", dtype="uint8", **options) as plain:
            plain.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
            plain.write(np.moveaxis(pixels, -1, 0))
        with memory.open() as plain:
            copy_raster(
                plain,
                path,
                driver="COG",
                compress="DEFLATE",
                predictor="2",
                blocksize=512,
                overview_resampling="average",
            )


def _item(
    plan: MosaicPlan, name: str, file: Path, when: datetime, valid: NDArray[np.bool_], transform: Affine
) -> dict[str, Any]:
    outline, _ = cv2.findContours(valid.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = cv2.boxPoints(cv2.minAreaRect(outline[0]))
    ring = [transform * (float(x) + 0.5, float(y) + 0.5) for x, y in (*corners, corners[0])]
    geometry = transform_geom(_UTM, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7)
    lons, lats = zip(*geometry["coordinates"][0], strict=True)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": plan.collection,
        "geometry": geometry,
        "bbox": [min(lons), min(lats), max(lons), max(lats)],
        "properties": {"datetime": _stamp(when), "gsd": plan.gsd_m, "platform": "gaofen-1", "eo:cloud_cover": 5.0},
        "links": [],
        "assets": {"visual": {"href": str(file), "type": "image/tiff; application=geotiff; profile=cloud-optimized"}},
    }


def _stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def draw_reference(items: list[dict[str, Any]], tile: tuple[int, int, int]) -> bytes | None:
    """The mosaic tile (x, y, z) as rio-tiler draws it, newest on top, as PNG; None where it shows nothing."""

    def read(item: dict[str, Any], x: int, y: int, z: int) -> ImageData:
        with (
            rasterio.open(item["assets"]["visual"]["href"], driver="GTiff") as dataset,
            Reader(None, dataset=dataset) as reader,
        ):
            return reader.tile(x, y, z, indexes=(1, 2, 3))

    try:
        image, _ = mosaic_reader(items, read, *tile, threads=0, allowed_exceptions=(TileOutsideBounds,))
    except EmptyMosaicError:
        return None
    return image.render(img_format="PNG")
