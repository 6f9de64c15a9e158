"""Worlds and terrains as files: a GeoTIFF of reflectance to simulate from, and writing an invented land as one."""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.windows import Window

from cog_builder.elevation import Elevation
from cog_builder.errors import CogBuilderError
from cog_builder.simulation.ground import BANDS, METRES_PER_DEGREE, GroundGrid, Reflectance, World

BoundingBox = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

_UNITS_PER_REFLECTANCE = 10_000
_BLOCK_PX = 1024


@dataclass(frozen=True)
class RasterWorld:
    """A world that is a picture: a GeoTIFF whose bands are blue, green, red and nir, the same at any time.

    Stored values become reflectance by the scale that the file states for its first band.
    """

    path: Path

    def reflectance(self, grid: GroundGrid, when: datetime) -> Reflectance:
        """Read and reproject; NaN outside the picture and where it has no data."""
        with rasterio.open(self.path) as picture:
            if picture.crs is None or picture.count < len(BANDS):
                raise CogBuilderError(f"{self.path.name}: a world needs a CRS and the bands {', '.join(BANDS)}")
            scale = np.float32(picture.scales[0])
            pixel_m = abs(picture.transform.determinant) ** 0.5
            pixel_m *= METRES_PER_DEGREE if picture.crs.is_geographic else 1.0
            values = np.full((len(BANDS), grid.height, grid.width), np.nan, dtype=np.float32)
            reproject(
                rasterio.band(picture, [1, 2, 3, 4]),
                values,
                src_nodata=picture.nodata,
                dst_transform=grid.transform @ Affine.translation(-0.5, -0.5),
                dst_crs="EPSG:4326",
                dst_nodata=np.nan,
                resampling=Resampling.average if grid.step_m > 2 * pixel_m else Resampling.cubic,
            )
        return np.ascontiguousarray(np.moveaxis(values, 0, -1)) * scale


def write_world(world: World, path: Path, bbox: BoundingBox, when: datetime, *, pixel_m: float) -> Path:
    """Write what a world reflects as an EPSG:4326 GeoTIFF: uint16, reflectance × 10000, nodata 0."""
    grid = _north_up(bbox, pixel_m)
    profile = {"count": len(BANDS), "dtype": "uint16", "nodata": 0, "predictor": 2, "interleave": "pixel"}
    with rasterio.open(path, "w", **_profile(grid), **profile) as picture:
        picture.scales = (1 / _UNITS_PER_REFLECTANCE,) * len(BANDS)
        picture.descriptions = BANDS
        for row in range(0, grid.height, _BLOCK_PX):
            for col in range(0, grid.width, _BLOCK_PX):
                width, height = min(_BLOCK_PX, grid.width - col), min(_BLOCK_PX, grid.height - row)
                values = world.reflectance(grid.window(col, row, width, height), when) * _UNITS_PER_REFLECTANCE
                stored = np.where(np.isfinite(values), np.clip(np.rint(values), 1, 65_535), 0).astype(np.uint16)
                picture.write(np.moveaxis(stored, -1, 0), window=Window(col, row, width, height))
    return path


def write_dem(elevation: Elevation, path: Path, bbox: BoundingBox, *, cell_m: float = 30.0) -> Path:
    """Write heights as an EPSG:4326 GeoTIFF: float32, metres above the WGS 84 ellipsoid, nodata −9999."""
    grid = _north_up(bbox, cell_m)
    profile = {"count": 1, "dtype": "float32", "nodata": -9999, "predictor": 3}
    with rasterio.open(path, "w", **_profile(grid), **profile) as dem:
        for row in range(0, grid.height, _BLOCK_PX):
            height = min(_BLOCK_PX, grid.height - row)
            part = grid.window(0, row, grid.width, height)
            cols, rows = np.meshgrid(np.arange(grid.width, dtype=float), np.arange(height, dtype=float))
            heights = elevation.heights_m(*part.degrees(cols, rows))
            dem.write(
                np.nan_to_num(heights, nan=-9999).astype(np.float32), 1, window=Window(0, row, grid.width, height)
            )
    return path


def _north_up(bbox: BoundingBox, pixel_m: float) -> GroundGrid:
    """Square pixels, on the ground, over a box."""
    west, south, east, north = bbox
    tall = pixel_m / METRES_PER_DEGREE
    wide = tall / math.cos(math.radians((south + north) / 2))
    to_degrees = Affine(wide, 0, west + wide / 2, 0, -tall, north - tall / 2)
    return GroundGrid(to_degrees, math.ceil((north - south) / tall), math.ceil((east - west) / wide))


def _profile(grid: GroundGrid) -> dict[str, object]:
    """What all files here share; a file's transform counts from pixel corners."""
    return {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "crs": "EPSG:4326",
        "transform": grid.transform @ Affine.translation(-0.5, -0.5),
        "compress": "deflate",
        "tiled": True,
    }
