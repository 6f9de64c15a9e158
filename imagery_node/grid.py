"""The tile grids the node serves, and plain numbers about their tiles."""

import math
from dataclasses import dataclass
from functools import lru_cache

import morecantile
from morecantile import Tile
from pyproj import Transformer

from catalog.search import BoundingBox
from imagery_node.errors import TileOutsideGridError, UnknownGridError

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in the CRS stated beside."""

WEB_MERCATOR = "EPSG:3857"
WEB_MERCATOR_QUAD = "WebMercatorQuad"
GRID_NAMES = (WEB_MERCATOR_QUAD,)
MAX_ZOOM = 24
TILE_SIDE = 256

_EARTH_RADIUS_M = 6_378_137.0


@dataclass(frozen=True)
class PixelGrid:
    """Square or oblong pixels to be drawn, north up."""

    left: float
    top: float
    pixel_width: float
    pixel_height: float
    shape: tuple[int, int]
    """(height, width)."""
    crs: str = WEB_MERCATOR
    """`EPSG:<code>` or WKT; x is always east or longitude."""

    @classmethod
    def over(cls, bounds: Bounds, shape: tuple[int, int], crs: str = WEB_MERCATOR) -> "PixelGrid":
        """The grid that fills bounds with that many pixels."""
        left, bottom, right, top = bounds
        return cls(left, top, (right - left) / shape[1], (top - bottom) / shape[0], shape, crs)

    def part(self, rows: slice, cols: slice) -> "PixelGrid":
        """Some of its rows and columns."""
        return PixelGrid(
            self.left + cols.start * self.pixel_width,
            self.top - rows.start * self.pixel_height,
            self.pixel_width,
            self.pixel_height,
            (rows.stop - rows.start, cols.stop - cols.start),
            self.crs,
        )


@dataclass(frozen=True)
class Grid:
    """One TileMatrixSet with what a tile needs ready at hand."""

    name: str
    crs: str
    left: float
    top: float
    pixel_sides: tuple[float, ...]
    """Side of a pixel in CRS units, per zoom."""
    matrix_shapes: tuple[tuple[int, int], ...]
    """Rows and columns of tiles, per zoom."""

    @property
    def max_zoom(self) -> int:
        """The finest zoom served."""
        return len(self.pixel_sides) - 1

    def check(self, tile: Tile) -> None:
        """Refuse a tile the grid does not have.

        Raises:
            TileOutsideGridError: Its zoom, column or row is out of range.
        """
        if not 0 <= tile.z <= self.max_zoom:
            raise TileOutsideGridError(f"{self.name}: zoom {tile.z}, expected 0–{self.max_zoom}")
        rows, cols = self.matrix_shapes[tile.z]
        if not (0 <= tile.x < cols and 0 <= tile.y < rows):
            raise TileOutsideGridError(
                f"{self.name}: tile {tile.z}/{tile.x}/{tile.y}, expected x 0–{cols - 1} and y 0–{rows - 1}"
            )

    def bounds(self, tile: Tile) -> Bounds:
        """Bounds of a tile of the grid, in its CRS."""
        side = self.pixel_sides[tile.z] * TILE_SIDE
        return (
            self.left + tile.x * side,
            self.top - (tile.y + 1) * side,
            self.left + (tile.x + 1) * side,
            self.top - tile.y * side,
        )

    def bbox(self, tile: Tile) -> BoundingBox:
        """Bounds of a tile in degrees."""
        left, bottom, right, top = self.bounds(tile)
        west, east = (math.degrees(x / _EARTH_RADIUS_M) for x in (left, right))
        south, north = (math.degrees(math.atan(math.sinh(y / _EARTH_RADIUS_M))) for y in (bottom, top))
        return west, south, min(east, 180.0), north

    def pixel_at(self, lon: float, lat: float, zoom: int) -> tuple[Tile, int, int]:
        """The tile of a place in degrees, and the row and column of the tile's pixel there.

        Raises:
            TileOutsideGridError: The grid does not reach there, or has no such zoom.
        """
        if not 0 <= zoom <= self.max_zoom or abs(lat) >= 90:
            raise TileOutsideGridError(f"{self.name}: there is no pixel at {lon:g},{lat:g} of zoom {zoom}")
        x, y = math.radians(lon) * _EARTH_RADIUS_M, math.asinh(math.tan(math.radians(lat))) * _EARTH_RADIUS_M
        side = self.pixel_sides[zoom]
        col, row = math.floor((x - self.left) / side), math.floor((self.top - y) / side)
        col = min(col, self.matrix_shapes[zoom][1] * TILE_SIDE - 1)  # 180 degrees east are still on the map
        tile = Tile(x=col // TILE_SIDE, y=row // TILE_SIDE, z=zoom)
        self.check(tile)
        return tile, row % TILE_SIDE, col % TILE_SIDE


@lru_cache
def get_grid(name: str) -> Grid:
    """The grid of that name.

    Raises:
        UnknownGridError: It is not served.
    """
    if name not in GRID_NAMES:
        raise UnknownGridError(f"no grid {name!r}, expected one of: {', '.join(GRID_NAMES)}")
    tms = morecantile.tms.get(name)
    matrices = tms.tileMatrices[: MAX_ZOOM + 1]
    left, top = matrices[0].pointOfOrigin
    return Grid(
        name=name,
        crs=f"EPSG:{tms.crs.to_epsg()}",
        left=left,
        top=top,
        pixel_sides=tuple(matrix.cellSize for matrix in matrices),
        matrix_shapes=tuple((matrix.matrixHeight, matrix.matrixWidth) for matrix in matrices),
    )


@lru_cache
def to_web_mercator(crs: str) -> Transformer:
    """From a CRS (x east) to EPSG:3857; one object serves all threads, each through a context of its own."""
    return Transformer.from_crs(crs, WEB_MERCATOR, always_xy=True)


@lru_cache
def between(source: str, target: str) -> Transformer:
    """From one CRS to another, x east in both; for all threads, as `to_web_mercator`."""
    return Transformer.from_crs(source, target, always_xy=True)
