"""The ground a camera looks at: an evenly spaced grid of points and what they reflect."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine

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
        longitude, latitude = self.degrees(np.array((self.width - 1) / 2), np.array((self.height - 1) / 2))
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
