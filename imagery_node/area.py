"""An area on the ground, and what a file holds in it: pixels as they are stored, never resampled.

Pixels are counted on the grid of one file. Files on the same grid, whatever their extent, give their own pixels. Of a
file on another grid the pixel under each centre is taken.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from catalog.geometry import split_bbox
from imagery_node.block import Pixels
from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.cog_window import Window, pick_bands, read_window
from imagery_node.grid import Bounds, between

_DEGREES = "OGC:CRS84"
_MAX_DRIFT = 0.01
"""Pixels by which two grids may differ anywhere in the area and yet be the same."""
_PIECES = 100
"""Sides of the area are straight in degrees: they are cut into about so many pieces before their ends are projected."""
_MARGIN = 0.05
"""Of the ground of a file that the area is looked at around it, so that what is cut off lies outside."""
_STRIP_PIXELS = 1 << 20
"""Projected at a time, where pixels have to be looked up one by one."""


@dataclass(frozen=True)
class AreaGrid:
    """Pixels of a file's grid, at full resolution, around an area; they may lie outside the file."""

    crs: str
    transform: Affine
    """Pixel corner (col, row) → CRS."""
    shape: tuple[int, int]
    """(height, width)."""

    @property
    def pixel_count(self) -> int:
        """All of them, in the area or not."""
        return self.shape[0] * self.shape[1]

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of one, in units of the CRS."""
        return math.hypot(self.transform.a, self.transform.d), math.hypot(self.transform.b, self.transform.e)

    @property
    def bounds(self) -> Bounds:
        """In its CRS."""
        return _bounds_of(self.transform, self.shape)


class Found(NamedTuple):
    """What one file holds of a grid."""

    part: tuple[slice, slice]
    """Rows and columns of the grid."""
    pixels: Pixels
    """(row, column, band), as stored."""
    valid: NDArray[np.bool_]
    """(row, column)."""


@dataclass(frozen=True)
class Area:
    """Where values are asked for."""

    geometry: BaseGeometry
    """Polygon or MultiPolygon, or a Point, which means the pixel it lies in; degrees, longitude first."""

    def grid(self, cog: Cog, others: Iterable[Cog] = ()) -> AreaGrid | None:
        """The grid of one file, wide enough for what that and the others hold of the area; None if they do nothing."""
        crs, transform = cog.georeference.crs, cog.georeference.transform
        windows = [window for each in (cog, *others) if (window := self._window(crs, transform, each)) is not None]
        if not windows:
            return None
        top, left = min(window.top for window in windows), min(window.left for window in windows)
        bottom, right = max(window.bottom for window in windows), max(window.right for window in windows)
        return AreaGrid(crs, transform * Affine.translation(left, top), (bottom - top, right - left))

    def inside(self, grid: AreaGrid) -> NDArray[np.bool_]:
        """The pixels whose centre lies in the area, (row, column)."""
        if self.geometry.geom_type == "Point":
            return np.ones(grid.shape, np.bool_)
        polygons = self._polygons(grid.crs, grid.bounds)
        if not polygons:
            return np.zeros(grid.shape, np.bool_)
        return np.asarray(geometry_mask(polygons, grid.shape, grid.transform, invert=True))

    def _window(self, crs: str, transform: Affine, cog: Cog) -> Window | None:
        """The pixels of a grid around what a file holds of the area."""
        if self.geometry.geom_type == "Point":
            return self._pixel(crs, transform, cog)
        bounds = _bounds_in(crs, cog)
        polygons = self._polygons(crs, bounds)
        if not polygons:
            return None
        left, bottom, right, top = shapely.total_bounds(polygons)
        left, bottom, right, top = (
            *(max(left, bounds[0]), max(bottom, bounds[1])),
            *(min(right, bounds[2]), min(top, bounds[3])),
        )
        if not (left < right and bottom < top):
            return None
        first, last = _extremes(~transform, (left, bottom, right, top))
        col, row = _floor(first)
        col_end, row_end = _ceil(last)
        return Window(row, max(row_end, row + 1), col, max(col_end, col + 1))

    def _pixel(self, crs: str, transform: Affine, cog: Cog) -> Window | None:
        lon, lat = self.geometry.x, self.geometry.y
        col, row = ~cog.georeference.transform * _from_degrees(cog.georeference.crs).transform(lon, lat)
        height, width = cog.levels[0].shape
        if not (0 <= col < width and 0 <= row < height):
            return None
        col, row = map(math.floor, ~transform * _from_degrees(crs).transform(lon, lat))
        return Window(row, row + 1, col, col + 1)

    def _polygons(self, crs: str, bounds: Bounds) -> list[BaseGeometry]:
        """The area around some bounds in a CRS, in that CRS: far from them it may have no place there at all."""
        to_crs = _from_degrees(crs)
        bbox = between(crs, _DEGREES).transform_bounds(*bounds, densify_pts=21)
        polygons = []
        for west, south, east, north in split_bbox(bbox):
            margin = _MARGIN * max(east - west, north - south)
            near = shapely.clip_by_rect(self.geometry, west - margin, south - margin, east + margin, north + margin)
            polygons += [part for part in shapely.get_parts(near) if part.geom_type == "Polygon"]
        if not polygons:
            return []
        west, south, east, north = shapely.total_bounds(polygons)
        pieces = shapely.segmentize(polygons, max(east - west, north - south) / _PIECES)
        return list(shapely.transform(pieces, lambda xy: np.stack(to_crs.transform(*xy.T), axis=-1)))


def read_pixels(cache: CogCache, cog: Cog, bands: tuple[int, ...], grid: AreaGrid) -> Found | None:
    """What a file holds of a grid; None when it lies outside.

    Args:
        cache: Where decoded blocks come from.
        cog: The file, read at full resolution.
        bands: Which, counted from 0.
        grid: Of this file or of another one.

    Raises:
        UnreadableAssetError: A block cannot be read.
    """
    part = _covered(cog, grid)
    if part is None:
        return None
    offset = _offset(cog, grid)
    if offset is None:
        return _looked_up(cache, cog, bands, grid, part)
    rows, cols = part
    window = Window(rows.start + offset[0], rows.stop + offset[0], cols.start + offset[1], cols.stop + offset[1])
    source = read_window(cache, cog, 0, window, bands)
    valid = np.ones(window.shape, np.bool_) if source.valid is None else source.valid
    return Found(part, pick_bands(source.pixels, source.bands), valid)


def covered_pixels(cog: Cog, grid: AreaGrid) -> int:
    """Pixels of a grid for which a file is read."""
    part = _covered(cog, grid)
    return (part[0].stop - part[0].start) * (part[1].stop - part[1].start) if part else 0


def _covered(cog: Cog, grid: AreaGrid) -> tuple[slice, slice] | None:
    """Rows and columns of a grid on which a file may have pixels."""
    first, last = _extremes(~grid.transform, _bounds_in(grid.crs, cog))
    left, top = _floor(first)
    right, bottom = _ceil(last)
    rows = slice(max(top, 0), min(bottom, grid.shape[0]))
    cols = slice(max(left, 0), min(right, grid.shape[1]))
    return (rows, cols) if rows.start < rows.stop and cols.start < cols.stop else None


def _looked_up(cache: CogCache, cog: Cog, bands: tuple[int, ...], grid: AreaGrid, part: tuple[slice, slice]) -> Found:
    """The pixels of a file on another grid that lie under the centres of this one."""
    rows, cols = part
    shape = rows.stop - rows.start, cols.stop - cols.start
    pixels, valid = np.zeros((*shape, len(bands)), cog.dtype), np.zeros(shape, np.bool_)
    for strip in _strips(shape):
        at = np.mgrid[rows.start + strip.start : rows.start + strip.stop, cols.start : cols.stop] + 0.5
        row, col = _source_pixels(cog, grid, at)
        on_image = (row >= 0) & (row < cog.levels[0].shape[0]) & (col >= 0) & (col < cog.levels[0].shape[1])
        if not on_image.any():
            continue
        row, col = row[on_image].astype(int), col[on_image].astype(int)
        window = Window(int(row.min()), int(row.max()) + 1, int(col.min()), int(col.max()) + 1)
        source = read_window(cache, cog, 0, window, bands)
        under = row - window.top, col - window.left
        pixels[strip][on_image] = source.pixels[under][:, list(source.bands)]
        valid[strip][on_image] = True if source.valid is None else source.valid[under]
    return Found(part, pixels, valid)


def _strips(shape: tuple[int, int]) -> Iterator[slice]:
    step = max(1, _STRIP_PIXELS // shape[1])
    return (slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step))


def _source_pixels(
    cog: Cog, grid: AreaGrid, at: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column in a file of positions (row/column, …) of a grid; not finite where there is none."""
    transform = grid.transform
    x, y = (
        transform.a * at[1] + transform.b * at[0] + transform.c,
        transform.d * at[1] + transform.e * at[0] + transform.f,
    )
    if grid.crs != cog.georeference.crs:
        x, y = between(grid.crs, cog.georeference.crs).transform(x, y)
    back = ~cog.georeference.transform
    with np.errstate(invalid="ignore"):
        return np.floor(back.d * x + back.e * y + back.f), np.floor(back.a * x + back.b * y + back.c)


def _offset(cog: Cog, grid: AreaGrid) -> tuple[int, int] | None:
    """Rows and columns from the grid's first pixel to the file's pixel there; None where the file has another grid."""
    if cog.georeference.crs != grid.crs:
        return None
    to_pixel = ~cog.georeference.transform * grid.transform
    height, width = grid.shape
    row, col = round(to_pixel.f), round(to_pixel.c)
    corners = np.array([to_pixel * corner for corner in ((0, 0), (width, 0), (0, height))])
    drift = np.abs(corners - [(col, row), (col + width, row), (col, row + height)]).max()
    return (row, col) if drift < _MAX_DRIFT else None


def _bounds_in(crs: str, cog: Cog) -> Bounds:
    """Bounds of a file in a CRS."""
    bounds = _bounds_of(cog.georeference.transform, cog.levels[0].shape)
    if crs == cog.georeference.crs:
        return bounds
    left, bottom, right, top = between(cog.georeference.crs, crs).transform_bounds(*bounds, densify_pts=21)
    return left, bottom, right, top


def _bounds_of(transform: Affine, shape: tuple[int, int]) -> Bounds:
    (left, bottom), (right, top) = _extremes(transform, (0, 0, shape[1], shape[0]))
    return left, bottom, right, top


def _extremes(transform: Affine, box: Bounds) -> tuple[tuple[float, float], tuple[float, float]]:
    """The least and the greatest (x, y) to which the corners of a box go."""
    left, bottom, right, top = box
    xs, ys = zip(*(transform * xy for xy in ((left, bottom), (left, top), (right, bottom), (right, top))), strict=True)
    return (min(xs), min(ys)), (max(xs), max(ys))


def _floor(xy: tuple[float, float]) -> tuple[int, int]:
    """Whole pixels, of which a sliver is none: bounds on one grid differ by rounding."""
    return math.floor(xy[0] + _MAX_DRIFT), math.floor(xy[1] + _MAX_DRIFT)


def _ceil(xy: tuple[float, float]) -> tuple[int, int]:
    return math.ceil(xy[0] - _MAX_DRIFT), math.ceil(xy[1] - _MAX_DRIFT)


def _from_degrees(crs: str) -> Transformer:
    return between(_DEGREES, crs)
