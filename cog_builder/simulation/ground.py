"""The ground a camera looks at: an evenly spaced grid of points and what they reflect."""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject

from cog_builder.errors import CogBuilderError
from cog_builder.simulation.nodes import node_places

Floats = NDArray[np.float64]
Reflectance = NDArray[np.float32]
"""(row, column, band); blue, green, red, nir as 0–1; NaN where nothing is known."""

BANDS = ("blue", "green", "red", "nir")
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class GroundGrid:
    """Ground points at even steps, in any direction."""

    transform: Affine
    """(column, row) of a point, whole numbers, to (longitude, latitude) in degrees."""
    height: int
    width: int

    def degrees(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude of positions on the grid."""
        a, b, c, d, e, f = self.transform[:6]
        return a * col + b * row + c, d * col + e * row + f

    def positions(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        """(column, row) of places in degrees."""
        a, b, c, d, e, f = (~self.transform)[:6]
        return a * longitude + b * latitude + c, d * longitude + e * latitude + f

    def nodes(self, step: int) -> tuple[Floats, Floats]:
        """Longitude and latitude of the centres of `step` × `step` squares, one square beyond each edge too."""
        return self.degrees(*np.meshgrid(node_places(self.width, step), node_places(self.height, step)))

    def window(self, col: int, row: int, width: int, height: int) -> "GroundGrid":
        """The part that starts at (col, row), which may lie outside."""
        return GroundGrid(self.transform @ Affine.translation(col, row), height, width)

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle."""
        longitude, latitude = self.degrees(np.float64((self.width - 1) / 2), np.float64((self.height - 1) / 2))
        return float(longitude), float(latitude)

    @property
    def step_m(self) -> float:
        """Metres between neighbours, the mean of both directions."""
        east = METRES_PER_DEGREE * math.cos(math.radians(self.transform.f))
        return math.sqrt(abs(self.transform.determinant) * east * METRES_PER_DEGREE)


class World(Protocol):
    """What the ground reflects, as a function of place and time."""

    def reflectance(self, grid: GroundGrid, when: datetime) -> Reflectance:
        """Reflectance at the points of a grid; detail finer than the grid's step is averaged out."""


@dataclass(frozen=True)
class RasterWorld:
    """A world that is a picture: a GeoTIFF whose bands are blue, green, red and nir, the same at any time."""

    path: Path
    reflectance_per_unit: float = 1.0
    """Multiplies the stored values; 0.0001 for the usual scaled integers."""

    def reflectance(self, grid: GroundGrid, when: datetime) -> Reflectance:
        """Read and reproject; NaN outside the picture and where it has no data."""
        with rasterio.open(self.path) as picture:
            if picture.crs is None or picture.count < len(BANDS):
                raise CogBuilderError(f"{self.path.name}: a world needs a CRS and the bands {', '.join(BANDS)}")
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
        return np.ascontiguousarray(np.moveaxis(values, 0, -1)) * np.float32(self.reflectance_per_unit)
