"""The map grids that a scene is drawn on: which CRS, which pixels."""

import math
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from catalog.reference_system import CGCS2000, GEOGRAPHIC, MAP_CODES, WEB_MERCATOR
from cog_builder.degrees import EARTH_RADIUS_M, METRES_PER_DEGREE, from_degrees, to_degrees
from cog_builder.errors import GeolocationError

Floats = NDArray[np.float64]

MERCATOR_HALF_M = math.pi * EARTH_RADIUS_M
"""Half the side of the Web Mercator square."""
TILE_PX = 256
BLOCK_PX = 512
"""Side of a block of `analytic`, `sharp` and `quality`."""
FINE_GSD_M = 4.0
"""Below this, 3-degree zones are used, as CGCS2000 practice has it for large scales."""


@dataclass(frozen=True)
class MapGrid:
    """North-up pixels, square in the units of their CRS."""

    epsg: int
    left: float
    """Outer edge of the first column: an easting in metres or a longitude in degrees."""
    top: float
    """Outer edge of the first row: a northing in metres or a latitude in degrees."""
    pixel: float
    """Side of a pixel in the CRS's unit."""
    width: int
    height: int

    @property
    def transform(self) -> Affine:
        """From (column, row), corners at whole numbers, to (x, y)."""
        return Affine(self.pixel, 0, self.left, 0, -self.pixel, self.top)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in the grid's CRS."""
        return (
            self.left,
            self.top - self.height * self.pixel,
            self.left + self.width * self.pixel,
            self.top,
        )

    def to_degrees(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude of positions on the grid, pixel corners at whole numbers.

        CGCS2000 and WGS 84 are taken as equal, as PROJ does (EPSG has only a null transformation).
        """
        x, y = self.left + col * self.pixel, self.top - row * self.pixel
        if self.epsg in GEOGRAPHIC:
            return x, y
        if self.epsg == WEB_MERCATOR:  # closed form: this runs for every block of every scene
            return np.degrees(x / EARTH_RADIUS_M), np.degrees(np.arctan(np.sinh(y / EARTH_RADIUS_M)))
        return to_degrees(self.epsg, x, y)

    def pixel_m(self, row: float) -> tuple[float, float]:
        """Width and height on the ground of the pixels of a row, metres."""
        if self.epsg not in GEOGRAPHIC | {WEB_MERCATOR}:
            return self.pixel, self.pixel
        _, latitude = self.to_degrees(np.zeros(1), np.array([row]))
        shrink = math.cos(math.radians(float(latitude[0])))
        if self.epsg == WEB_MERCATOR:
            return self.pixel * shrink, self.pixel * shrink
        return self.pixel * METRES_PER_DEGREE * shrink, self.pixel * METRES_PER_DEGREE


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
    """The smallest grid around points in degrees whose pixel edges are whole multiples of its pixel.

    Scenes of one place and one sensor so share their pixels' places on every date. The pixel is the GSD; in a CRS of
    degrees, what that is on the equator. To the right and below the grid is widened until every overview is exactly
    half the level before.

    Raises:
        GeolocationError: The CRS does not reach there.
    """
    pixel = gsd_m / METRES_PER_DEGREE if epsg in GEOGRAPHIC else gsd_m
    x, y = from_degrees(epsg).transform(longitude, latitude)
    if not np.isfinite((x, y)).all():
        raise GeolocationError(
            f"EPSG:{epsg} does not reach longitude {longitude.mean():.2f}, latitude {latitude.mean():.2f}; "
            f"expected the CRS of a zone near the scene"
        )
    left, right = math.floor(min(x) / pixel), math.ceil(max(x) / pixel)
    bottom, top = math.floor(min(y) / pixel), math.ceil(max(y) / pixel)
    return _widened(epsg, left * pixel, top * pixel, pixel, right - left, top - bottom)


def delivered_grid(epsg: int, transform: Affine, width: int, height: int) -> MapGrid:
    """The grid of an image that was delivered on a map: its own pixels, widened like `snapped_grid`.

    Args:
        epsg: CRS of the image.
        transform: From (column, row), corners at whole numbers, to (x, y); square pixels, north up.
        width: Columns of the image.
        height: Rows of the image.

    Raises:
        GeolocationError: Its CRS is none that scenes are built in.
    """
    if epsg not in MAP_CODES:
        raise GeolocationError(
            f"the delivered image lies in EPSG:{epsg}, expected a CRS that scenes are built in; "
            f"name another CRS as target to have it drawn anew"
        )
    return _widened(epsg, transform.c, transform.f, transform.a, width, height)


def _widened(epsg: int, left: float, top: float, pixel: float, width: int, height: int) -> MapGrid:
    step = 2 ** overview_count(width, height)
    return MapGrid(epsg, left, top, pixel, -(-width // step) * step, -(-height // step) * step)


def overview_count(width: int, height: int) -> int:
    """How many times an image is halved until it fits into one block."""
    return max(0, math.ceil(math.log2(max(width, height) / BLOCK_PX)))


def tile_grid(longitude: Floats, latitude: Floats, gsd_m: float) -> tuple[MapGrid, int]:
    """A Web Mercator grid of whole map tiles at the zoom nearest the GSD, and how many overviews it carries.

    The corner lies on a tile corner of every overview's zoom as well, so that each stored block is one map tile.
    """
    shrink = math.cos(math.radians((min(latitude) + max(latitude)) / 2))
    zoom = round(math.log2(2 * MERCATOR_HALF_M * shrink / gsd_m / TILE_PX))
    x, y = from_degrees(WEB_MERCATOR).transform(longitude, latitude)
    corner = -MERCATOR_HALF_M, MERCATOR_HALF_M
    return _whole_tiles(WEB_MERCATOR, corner, 2 * MERCATOR_HALF_M / 2**zoom, x, y)


def cgcs2000_tile_grid(longitude: Floats, latitude: Floats, gsd_m: float) -> tuple[MapGrid, int]:
    """The same on the national tile grid `c`: EPSG:4490, rows from 90° north, columns from 180° west.

    Level z has tiles of 360° / 2^z, at the equator as large as those of Web Mercator. The level is the one nearest the
    GSD there, as national practice has it: at every latitude it keeps all detail from north to south.
    Source: the capabilities of the national service's `c` matrix sets, levels 1–18.
    """
    level = round(math.log2(2 * MERCATOR_HALF_M / gsd_m / TILE_PX))
    return _whole_tiles(CGCS2000, (-180.0, 90.0), 360 / 2**level, longitude, latitude)


def _whole_tiles(epsg: int, corner: tuple[float, float], tile: float, x: Floats, y: Floats) -> tuple[MapGrid, int]:
    """Tiles around points, and how often four of them become one until at most 2 × 2 are left.

    Args:
        epsg: CRS of everything here.
        corner: Upper left one of the world.
        tile: Side of a tile.
        x: Of the points.
        y: Of the points.
    """
    first_col, last_col = ((value - corner[0]) / tile for value in (min(x), max(x)))
    first_row, last_row = ((corner[1] - value) / tile for value in (max(y), min(y)))
    overviews = max(0, math.ceil(math.log2(max(last_col - first_col, last_row - first_row, 1))))
    step = 2**overviews
    left, top = math.floor(first_col / step) * step, math.floor(first_row / step) * step
    width = math.ceil(last_col / step) * step - left
    height = math.ceil(last_row / step) * step - top
    grid = MapGrid(
        epsg, corner[0] + left * tile, corner[1] - top * tile, tile / TILE_PX, width * TILE_PX, height * TILE_PX
    )
    return grid, overviews
