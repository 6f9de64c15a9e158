"""Fine noise in bulk: random values on a lattice of ground cells, interpolated to a grid."""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio import Affine

from cog_builder.simulation.ground import METRES_PER_DEGREE, GroundGrid, Reflectance
from cog_builder.simulation.noise import hashed

Floats = NDArray[np.float64]
Layer = NDArray[np.float32]
"""One value per point of a grid, (row, column)."""


@dataclass(frozen=True)
class LocalGrid:
    """A ground grid in metres east and north of a land's origin."""

    grid: GroundGrid
    longitude: float
    """Of the origin, degrees."""
    latitude: float

    @cached_property
    def to_metres(self) -> Affine:
        """(column, row), whole numbers at points, to (x, y) in metres."""
        east = METRES_PER_DEGREE * math.cos(math.radians(self.latitude))
        degrees_to_metres = Affine(
            east, 0, -self.longitude * east, 0, METRES_PER_DEGREE, -self.latitude * METRES_PER_DEGREE
        )
        return degrees_to_metres @ self.grid.transform

    def metres(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        """(x, y) of places in degrees."""
        east = METRES_PER_DEGREE * math.cos(math.radians(self.latitude))
        return (longitude - self.longitude) * east, (latitude - self.latitude) * METRES_PER_DEGREE

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Least and greatest (x, y)."""
        a, b, c, d, e, f = self.to_metres[:6]
        col, row = self.grid.width * np.array([0, 1, 0, 1]), self.grid.height * np.array([0, 0, 1, 1])
        corners = np.stack([a * col + b * row + c, d * col + e * row + f], axis=1)
        return corners.min(axis=0), corners.max(axis=0)

    @cached_property
    def _to_pixels(self) -> tuple[Floats, Floats]:
        a, b, c, d, e, f = (~self.to_metres)[:6]
        return np.array([[a, d], [b, e]]), np.array([c, f])

    def pixels(self, points: Floats) -> Floats:
        """(column, row) of points (point, xy) in metres."""
        turn, shift = self._to_pixels
        return points @ turn + shift

    def grain(self, cell_m: float, seed: int) -> Layer:
        """Smooth random values around 0, about −1 to 1, with cells of this size; all 0 where the grid is too coarse."""
        shape = (self.grid.height, self.grid.width)
        if cell_m < 1.6 * self.grid.step_m:
            return np.zeros(shape, np.float32)
        low, high = (np.floor(bound / cell_m).astype(np.int64) for bound in self.bounds)
        col, row = np.meshgrid(np.arange(low[0] - 2, high[0] + 4), np.arange(low[1] - 2, high[1] + 4))
        cells = (2 * hashed(col, row, seed) - 1).astype(np.float32)
        to_cell = Affine(1 / cell_m, 0, 2.0 - low[0], 0, 1 / cell_m, 2.0 - low[1]) @ self.to_metres
        grains = cv2.warpAffine(
            cells,
            np.array(to_cell[:6]).reshape(2, 3),
            (shape[1], shape[0]),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(grains, np.float32)


@dataclass(frozen=True)
class Texture:
    """Small irregularities of a grid, shared by all that is painted on it; each about −1 to 1."""

    fine: Layer
    """A couple of metres."""
    coarse: Layer
    """Ten metres and more."""
    crowns: Layer
    """Tree crowns: high where one stands."""
    crown_light: Layer
    """Sides of crowns turned to the sun, or away from it where negative."""
    ripples: Layer
    """Small forms of the ground turned to the sun."""

    @classmethod
    def of(cls, local: LocalGrid, sun: tuple[float, float]) -> "Texture":
        """The texture of a grid under the sun (elevation, azimuth in radians)."""
        crowns = local.grain(6.5, 64) + 0.6 * local.grain(3.1, 65)
        swell = local.grain(70, 66) + 0.5 * local.grain(33, 67)
        coarse = local.grain(9, 62) + 0.7 * local.grain(31, 63)
        return cls(
            local.grain(2.2, 61), coarse, crowns, _lit_side(local, crowns, 2.0, sun), _lit_side(local, swell, 15.0, sun)
        )


def as_share(canvas: NDArray[np.uint8]) -> Layer:
    """0–255 as 0–1."""
    return canvas.astype(np.float32) / np.float32(255)


def mix(image: Reflectance, colour: NDArray[np.float32], share: Layer) -> None:
    """Lay a colour over an image, in place; `share` 0–1."""
    if share.any():
        image += share[..., None] * (colour - image)


def _lit_side(local: LocalGrid, surface: Layer, reach_m: float, sun: tuple[float, float]) -> Layer:
    """How much a surface falls towards the sun."""
    reach_px = reach_m / local.grid.step_m
    if reach_px < 1:
        return np.zeros_like(surface)
    towards = reach_m * np.array([[math.sin(sun[1]), math.cos(sun[1])], [0, 0]])
    col, row = np.diff(local.pixels(towards)[::-1], axis=0)[0]
    return surface - np.roll(surface, (-round(row), -round(col)), (0, 1))
