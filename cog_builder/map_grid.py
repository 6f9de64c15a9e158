"""The map grids that a scene is drawn on: which CRS, which pixels."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

Floats = NDArray[np.float64]

WEB_MERCATOR = 3857
MERCATOR_HALF_M = 20037508.342789244
"""Half the side of the Web Mercator square, π · 6378137 m."""
TILE_PX = 256
BLOCK_PX = 512
"""Side of a block of `analytic`, `sharp` and `quality`."""
FINE_GSD_M = 4.0
"""Below this, 3-degree zones are used, as CGCS2000 practice has it for large scales."""


@dataclass(frozen=True)
class MapGrid:
    """Square north-up pixels in a projected CRS."""

    epsg: int
    left: float
    """Outer edge of the first column, metres."""
    top: float
    """Outer edge of the first row, metres."""
    pixel_m: float
    width: int
    height: int

    @property
    def transform(self) -> Affine:
        """From (column, row), corners at whole numbers, to (x, y)."""
        return Affine(self.pixel_m, 0, self.left, 0, -self.pixel_m, self.top)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in the grid's CRS."""
        return (
            self.left,
            self.top - self.height * self.pixel_m,
            self.left + self.width * self.pixel_m,
            self.top,
        )

    def to_degrees(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude of positions on the grid, pixel corners at whole numbers.

        CGCS2000 and WGS 84 are taken as equal, as PROJ does (EPSG has only a null transformation).
        """
        x, y = self.left + col * self.pixel_m, self.top - row * self.pixel_m
        if self.epsg == WEB_MERCATOR:  # closed form: this runs for every block of every scene
            radius = MERCATOR_HALF_M / math.pi
            return np.degrees(x / radius), np.degrees(np.arctan(np.sinh(y / radius)))
        return _to_degrees(self.epsg).transform(x, y)


@cache
def _to_degrees(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)  # safe to share: pyproj keeps one context per thread


def choose_crs(longitude: float, latitude: float, gsd_m: float) -> int:
    """EPSG code for a scene: CGCS2000 Gauss-Krüger without zone number in 73.5–136.5 E, UTM elsewhere.

    3-degree zones (EPSG 4534–4554, central meridians 75–135 E) for pixels under 4 m, 6-degree zones
    (EPSG 4502–4512, the same meridians every 6°) for coarser ones.
    """
    if latitude > 0 and 73.5 <= longitude < 136.5:
        if gsd_m < FINE_GSD_M:
            return 4534 + math.floor((longitude - 73.5) / 3)
        return 4502 + min(max(math.floor((longitude - 72) / 6), 0), 10)
    zone = math.floor((longitude + 180) / 6) % 60 + 1
    return (32600 if latitude >= 0 else 32700) + zone


def snapped_grid(epsg: int, longitude: Floats, latitude: Floats, gsd_m: float) -> MapGrid:
    """The smallest grid around points in degrees whose pixel edges are whole multiples of the GSD.

    Scenes of one place and one sensor so share their pixels' places on every date. To the right and below it is
    widened until every overview is exactly half the level before.
    """
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
    left, right = math.floor(min(x) / gsd_m), math.ceil(max(x) / gsd_m)
    bottom, top = math.floor(min(y) / gsd_m), math.ceil(max(y) / gsd_m)
    width, height = right - left, top - bottom
    step = 2 ** overview_count(width, height)
    return MapGrid(epsg, left * gsd_m, top * gsd_m, gsd_m, -(-width // step) * step, -(-height // step) * step)


def overview_count(width: int, height: int) -> int:
    """How many times an image is halved until it fits into one block."""
    return max(0, math.ceil(math.log2(max(width, height) / BLOCK_PX)))


def tile_grid(longitude: Floats, latitude: Floats, gsd_m: float) -> tuple[MapGrid, int]:
    """A Web Mercator grid of whole map tiles at the zoom nearest the GSD, and how many overviews it carries.

    The corner lies on a tile corner of every overview's zoom as well, so that each stored block is one map tile.
    """
    middle = math.radians((min(latitude) + max(latitude)) / 2)
    world_px = 2 * MERCATOR_HALF_M * math.cos(middle) / gsd_m
    zoom = round(math.log2(world_px / TILE_PX))
    x, y = Transformer.from_crs(4326, WEB_MERCATOR, always_xy=True).transform(longitude, latitude)
    tile_m = 2 * MERCATOR_HALF_M / 2**zoom
    first_col, last_col = ((value + MERCATOR_HALF_M) / tile_m for value in (min(x), max(x)))
    first_row, last_row = ((MERCATOR_HALF_M - value) / tile_m for value in (max(y), min(y)))
    overviews = max(0, math.ceil(math.log2(max(last_col - first_col, last_row - first_row, 1))))
    step = 2**overviews
    left, top = math.floor(first_col / step) * step, math.floor(first_row / step) * step
    width = math.ceil(last_col / step) * step - left
    height = math.ceil(last_row / step) * step - top
    grid = MapGrid(
        WEB_MERCATOR,
        left * tile_m - MERCATOR_HALF_M,
        MERCATOR_HALF_M - top * tile_m,
        tile_m / TILE_PX,
        width * TILE_PX,
        height * TILE_PX,
    )
    return grid, overviews
