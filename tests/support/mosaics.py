"""Scenes that overlap at random, and their mosaics drawn the plain way: every scene warped whole by rasterio."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import rasterio
import shapely
from pyproj import Transformer
from rasterio.transform import from_bounds, from_origin
from rasterio.warp import Resampling, reproject

from catalog.item import item_folder
from tests.support.rasters import BEIJING_UTM, GAUSS_KRUGER_117E, UTM_50N, write_cog
from tests.support.stac import some_collection

COLLECTIONS = ("gf1-pms", "gf2-pms")
CLOUD, CLOUD_SHADOW, FILL = 4, 8, 1
SPREAD_M = 3000
"""The south-western corners of the scenes lie so far from each other at most."""
_SIDE_PX = (260, 420)
_MARGIN_PX = 40
"""More than any feather."""


@dataclass
class SceneFile:
    """What a plain reading needs of one scene."""

    item: dict
    acquired: datetime
    gsd: float
    cloud: float | None
    off_nadir: float
    visual: str
    quality: str
    ground: shapely.Geometry = field(repr=False)
    """Valid pixels, degrees."""

    @property
    def name(self):
        return self.item["id"]


def publish_overlapping(store, home, count, seed=3):
    """Publish scenes of random place, shape, size, date, cloud and system of coordinates; gives their SceneFiles."""
    for collection in COLLECTIONS:
        store.put_collection(some_collection(collection))
    rng = np.random.default_rng(seed)
    return [_publish(store, home, f"S{number:02d}", rng) for number in range(count)]


def plain_mosaic(scenes, bounds, shape, *, clear_first=False, feather_px=0):
    """Lay scenes (topmost first) over each other, whole, in floats: pixels and validity of the middle.

    Args:
        scenes: All of them are looked at.
        bounds: Of the picture, EPSG:3857.
        shape: Of the picture.
        clear_first: Clear pixels of all scenes come before cloudy ones.
        feather_px: Over which scenes fade.
    """
    side = (bounds[2] - bounds[0]) / shape[1]
    wide = (bounds[0] - _MARGIN_PX * side, bounds[1] - _MARGIN_PX * side,
            bounds[2] + _MARGIN_PX * side, bounds[3] + _MARGIN_PX * side)  # fmt: skip
    whole = shape[0] + 2 * _MARGIN_PX, shape[1] + 2 * _MARGIN_PX
    sums, left = np.zeros((*whole, 3)), np.ones(whole)
    cloudy_pixels, cloudy = np.zeros((*whole, 3)), np.zeros(whole, bool)
    for scene in scenes:
        values = warp_plainly(scene.visual, wide, whole, Resampling.bilinear)
        valid = np.isfinite(values).all(axis=2)
        values[~valid] = 0
        clear = valid
        if clear_first:
            flags = np.nan_to_num(warp_plainly(scene.quality, wide, whole, Resampling.nearest)[..., 0], nan=FILL)
            clear = valid & (flags.astype(int) & (CLOUD | CLOUD_SHADOW) == 0)
        weight = left * (np.minimum(_distance_to_edge(clear) / (feather_px + 1), 1) if feather_px else clear)
        sums += weight[..., None] * values
        left -= weight
        first_cloud = valid & ~clear & ~cloudy
        cloudy_pixels[first_cloud] = values[first_cloud]
        cloudy |= first_cloud
    drawn = left < 1
    pixels = np.where(drawn[..., None], sums / np.where(drawn, 1 - left, 1)[..., None], cloudy_pixels)
    middle = slice(_MARGIN_PX, -_MARGIN_PX), slice(_MARGIN_PX, -_MARGIN_PX)
    return pixels[middle], (drawn | cloudy)[middle]


def warp_plainly(path, bounds, shape, resampling):
    """A whole file on a grid of EPSG:3857 by GDAL's warper: (row, column, band), NaN where nothing is valid."""
    with rasterio.open(path) as dataset:
        source = dataset.read().astype(np.float32)
        source[:, dataset.dataset_mask() == 0] = np.nan
        out = np.full((dataset.count, *shape), np.nan, np.float32)
        reproject(
            source, out, src_transform=dataset.transform, src_crs=dataset.crs, src_nodata=np.nan,
            dst_transform=from_bounds(*bounds, *shape[::-1]), dst_crs="EPSG:3857", dst_nodata=np.nan,
            resampling=resampling, tolerance=0.01,
        )  # fmt: skip
    return np.moveaxis(out, 0, -1)


def _distance_to_edge(inside):
    """Pixels from each pixel inside to the nearest one outside, up to the margin: along rows, then down columns."""
    reach = range(-_MARGIN_PX, _MARGIN_PX + 1)
    far = 2.0 * _MARGIN_PX**2
    along = np.min([np.where(_moved(inside, 0, dx), far, dx * dx) for dx in reach], axis=0)
    return np.sqrt(np.min([_moved(along, dy, 0, far) + dy * dy for dy in reach], axis=0))


def _moved(values, rows, cols, beyond=True):
    """The values so many rows down and columns right of each place."""
    padded = np.pad(values, _MARGIN_PX, constant_values=beyond)
    (height, width), (top, left) = values.shape, (_MARGIN_PX + rows, _MARGIN_PX + cols)
    return padded[top : top + height, left : left + width]


def _publish(store, home, name, rng):
    crs = [UTM_50N, GAUSS_KRUGER_117E][rng.integers(2)]
    gsd = float(rng.choice([8.0, 10.0, 16.0]))
    height, width = rng.integers(*_SIDE_PX, 2)
    west, south = np.array(BEIJING_UTM) + rng.integers(0, SPREAD_M, 2)
    west, south = Transformer.from_crs(UTM_50N, crs, always_xy=True).transform(west, south)
    transform = from_origin(west + 0.3, south + height * gsd + 0.7, gsd, gsd)
    corners = _turned(rng, width, height)
    row, col = np.mgrid[0:height, 0:width]
    valid = shapely.contains_xy(shapely.Polygon(corners), col + 0.5, row + 0.5)
    acquired = datetime(2024, 1, 1, 3, tzinfo=UTC) + timedelta(days=int(rng.integers(0, 300)))
    cloud = None if rng.random() < 0.2 else float(rng.integers(0, 90))
    collection = COLLECTIONS[rng.integers(2)]
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "collection": collection, "links": [],
        "geometry": None, "bbox": None,
        "properties": {
            "datetime": acquired.strftime("%Y-%m-%dT%H:%M:%SZ"), "version": "1", "title": name,
            "platform": "gaofen-2", "instruments": ["pms1"], "gsd": gsd,
            "view:off_nadir": int(rng.integers(0, 30)), **({} if cloud is None else {"eo:cloud_cover": cloud}),
        },
        "assets": {key: {"href": f"./{key}.tif", "type": "image/tiff; application=geotiff"}
                   for key in ("visual", "quality")},
    }  # fmt: skip
    to_degrees = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    outline = shapely.Polygon(corners).buffer(1).segmentize(40)  # a pixel around, as a traced footprint may have
    ground = shapely.transform(outline, lambda xy: np.column_stack(to_degrees.transform(*(transform * xy.T))))
    item["geometry"], item["bbox"] = json.loads(shapely.to_geojson(ground)), list(ground.bounds)
    folder = item_folder(home, item)
    folder.mkdir(parents=True)
    pixels, flags = _ground_and_clouds(rng, valid)
    layout = {"crs": crs, "transform": transform, "COMPRESS": "DEFLATE", "BLOCKSIZE": "128"}
    write_cog(folder / "visual.tif", pixels, mask=valid, **layout)
    write_cog(folder / "quality.tif", flags[None], nodata=FILL, OVERVIEW_RESAMPLING="NEAREST", **layout)
    store.register(item)
    files = str(folder / "visual.tif"), str(folder / "quality.tif")
    return SceneFile(item, acquired, gsd, cloud, item["properties"]["view:off_nadir"], *files, ground)


def _turned(rng, width, height):
    """The corners of an image that lies aslant in its file, in pixels."""
    cut_x, cut_y = (rng.integers(10, side // 4) for side in (width, height))
    corners = [(cut_x, 0), (width, cut_y), (width - cut_x, height), (0, height - cut_y)]
    return corners if rng.random() < 0.5 else [(width - x, y) for x, y in corners]


def _ground_and_clouds(rng, valid):
    """A picture around a colour of its own, smooth enough to compare, and flags of round clouds with shadows."""
    height, width = valid.shape
    row, col = np.mgrid[0:height, 0:width]
    waves = np.sin(row / rng.uniform(8, 20)) * np.cos(col / rng.uniform(8, 20)) * 12
    pixels = rng.integers(40, 215, 3)[:, None, None] + waves
    flags = np.where(valid, 0, FILL).astype(np.uint8)
    for _ in range(int(rng.integers(0, 4))):
        y, x, radius = rng.integers(0, height), rng.integers(0, width), rng.integers(20, 60)
        for flag, east in ((CLOUD_SHADOW, radius // 2), (CLOUD, 0)):
            flags[valid & ((row - y) ** 2 + (col - x - east) ** 2 < radius**2)] = flag
    return np.clip(pixels, 1, 255).astype(np.uint8), flags
