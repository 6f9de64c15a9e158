"""One Cog's pixels on a Web Mercator pixel grid: the right overview, positions, one interpolation.

The kernel is bilinear over the source pixels; where the target is coarser it is widened to the target's pixel, as
GDAL's warper does. Level, kernel and positions depend on the Cog and on the global pixel grid only, never on
the tile, so neighbouring tiles meet without a seam.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from imagery_node.block import Pixels
from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.cog_window import Window, WindowPixels, pick_bands, read_window, with_bands
from imagery_node.grid import WEB_MERCATOR, PixelGrid
from imagery_node.position import NODE_STEP, source_positions

_MAX_PASTE_ERROR = 0.01
"""Source pixels a grid may be off over the whole target to be copied instead of interpolated."""
_TOLERATED_ENLARGEMENT = 1.1
"""An overview this much too coarse is still better than a twice as fine one reduced."""
_NEGLIGIBLE_TAP = 0.02
_EXACT_BAND_COUNTS = (1, 3, 4)
_HALF = 0.5
_TINY = 1e-6

Warped = tuple[Pixels, NDArray[np.bool_]]
"""Values (row, column, band), in the file's type or as float32 where they had to be weighed, and where they are
valid: the source pixel under the target pixel's centre is."""


@dataclass(frozen=True)
class _Resolution:
    """Which pixels of the file serve a target."""

    level: int
    averaged: tuple[int, int]
    """Columns and rows of level pixels made one before use; 1 unless overviews are missing."""
    reductions: tuple[float, float]
    """Such columns and rows that one target pixel spans; below 1 when enlarging."""


def touched(cog: Cog, target: PixelGrid) -> tuple[slice, slice] | None:
    """Rows and columns of the target that the file's bounds touch, widened to whole nodes of positions."""
    left, bottom, right, top = cog.web_bounds
    first_col, last_col = ((x - target.left) / target.pixel_width for x in (left, right))
    first_row, last_row = ((target.top - y) / target.pixel_height for y in (top, bottom))
    rows = _whole_nodes(first_row - 1, last_row + 1, target.shape[0])
    cols = _whole_nodes(first_col - 1, last_col + 1, target.shape[1])
    return (rows, cols) if rows.start < rows.stop and cols.start < cols.stop else None


def warp(cog: Cog, bands: tuple[int, ...], target: PixelGrid, cache: CogCache) -> Warped | None:
    """Draw bands of one file onto a target grid.

    Args:
        cog: The source.
        bands: Which, counted from 0.
        target: On EPSG:3857.
        cache: Where decoded blocks come from.

    Returns:
        None when no valid source pixel lies under the target. Nodata never enters a valid value.

    Raises:
        UnreadableAssetError: A block cannot be read.
    """
    resolution = _resolution(cog, target)
    return _paste(cog, bands, target, resolution, cache) or _interpolate(cog, bands, target, resolution, cache)


def pick(cog: Cog, bands: tuple[int, ...], target: PixelGrid, cache: CogCache) -> Warped | None:
    """As `warp`, but each target pixel has the value of the source pixel under its centre: for flags and classes."""
    resolution = replace(_resolution(cog, target), averaged=(1, 1))
    placed = _window_under(cog, target, resolution)
    if placed is None:
        return None
    window, positions = placed
    source = read_window(cache, cog, resolution.level, window, bands)
    known = np.ones(window.shape, np.uint8) if source.valid is None else source.valid.view(np.uint8)
    values, valid = (
        cv2.remap(np.ascontiguousarray(each), positions, None, cv2.INTER_NEAREST) for each in (source.pixels, known)
    )
    return pick_bands(with_bands(values), source.bands), valid.view(np.bool_)


def _whole_nodes(first: float, last: float, length: int) -> slice:
    return slice(
        max(0, math.floor(first / NODE_STEP) * NODE_STEP), min(length, math.ceil(last / NODE_STEP) * NODE_STEP)
    )


def _resolution(cog: Cog, target: PixelGrid) -> _Resolution:
    """The coarsest level that is not much coarser than the target."""
    spans = cog.pixels_per_metre[0] * target.pixel_width, cog.pixels_per_metre[1] * target.pixel_height
    width = cog.levels[0].shape[1]
    scales = [width / level.shape[1] for level in cog.levels]
    index = max(i for i, scale in enumerate(scales) if i == 0 or scale <= _TOLERATED_ENLARGEMENT * min(spans))
    fx, fy = (_power_of_two(span / scales[index] / _TOLERATED_ENLARGEMENT) for span in spans)
    return _Resolution(index, (fx, fy), (spans[0] / scales[index] / fx, spans[1] / scales[index] / fy))


def _power_of_two(at_most: float) -> int:
    return 1 << max(0, math.floor(math.log2(at_most)))


def _paste(
    cog: Cog, bands: tuple[int, ...], target: PixelGrid, resolution: _Resolution, cache: CogCache
) -> Warped | None:
    """Copy the pixels where a level of the file has the very grid of the target."""
    if cog.georeference.crs != WEB_MERCATOR or resolution.averaged != (1, 1):
        return None
    height, width = target.shape
    to_pixel = ~cog.level_transform(resolution.level)
    right, bottom = target.left + width * target.pixel_width, target.top - height * target.pixel_height
    corners = (*(to_pixel * (target.left, target.top)), *(to_pixel * (right, bottom)))
    col, row = round(corners[0]), round(corners[1])
    if np.abs(np.subtract(corners, (col, row, col + width, row + height))).max() > _MAX_PASTE_ERROR:
        return None
    source = read_window(cache, cog, resolution.level, Window(row, row + height, col, col + width), bands)
    valid = np.ones(target.shape, np.bool_) if source.valid is None else source.valid
    return pick_bands(source.pixels, source.bands), valid


def _interpolate(
    cog: Cog, bands: tuple[int, ...], target: PixelGrid, resolution: _Resolution, cache: CogCache
) -> Warped | None:
    """Resample the pixels under the target."""
    placed = _window_under(cog, target, resolution)
    if placed is None:
        return None
    window, positions = placed
    kernels = [_kernel(reduction) for reduction in resolution.reductions]
    if resolution.averaged == (1, 1):
        source = read_window(cache, cog, resolution.level, window, bands)
        if source.valid is None:
            values = _bilinear(_blur(source.pixels, kernels), positions)
            return pick_bands(values, source.bands), np.ones(target.shape, np.bool_)
        weighed = _weighed(source) if source.valid.any() else None
    else:
        weighed = _averages(cog, bands, window, resolution, cache)
    if weighed is None:
        return None
    covered = (weighed[..., -1] >= _HALF).view(np.uint8)
    valid = cv2.remap(covered, positions, None, cv2.INTER_NEAREST).view(np.bool_)
    *sums, weight = cv2.split(_bilinear(_blur(weighed, kernels), positions))
    weight = np.maximum(weight, np.float32(_TINY))
    return with_bands(cv2.merge([cv2.divide(band, weight) for band in sums])), valid


def _averages(
    cog: Cog, bands: tuple[int, ...], window: Window, resolution: _Resolution, cache: CogCache
) -> NDArray[np.float32] | None:
    """As `_weighed`, of averaged pixels; only those on the image are read. None when nothing there can be valid."""
    fx, fy = resolution.averaged
    rows, cols = cog.levels[resolution.level].shape
    top, bottom = max(0, window.top), min(-(-rows // fy), window.bottom)
    left, right = max(0, window.left), min(-(-cols // fx), window.right)
    if top >= bottom or left >= right or fy > 2 * rows or fx > 2 * cols:  # or less than half of one is image
        return None
    source = read_window(cache, cog, resolution.level, Window(top * fy, bottom * fy, left * fx, right * fx), bands)
    weighed = cv2.resize(_weighed(source), (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    around = (top - window.top, window.bottom - bottom, left - window.left, window.right - right)
    return np.asarray(cv2.copyMakeBorder(weighed, *around, cv2.BORDER_CONSTANT))


def _window_under(cog: Cog, target: PixelGrid, resolution: _Resolution) -> tuple[Window, NDArray[np.float32]] | None:
    """The window of (averaged) source pixels a target needs, and the positions of its pixels in that window.

    None when the target lies off the image altogether.
    """
    fx, fy = resolution.averaged
    to_pixel = Affine.scale(1 / fx, 1 / fy) * ~cog.level_transform(resolution.level)
    placed = source_positions(cog.georeference.crs, to_pixel, target)
    if placed is None:
        return None
    positions, origin = placed
    low, high = (cv2.reduce(positions, 0, kind)[0] for kind in (cv2.REDUCE_MIN, cv2.REDUCE_MAX))
    rows, cols = cog.levels[resolution.level].shape
    left, right = _span(origin[0], low[:, 0], high[:, 0], -(-cols // fx))
    top, bottom = _span(origin[1], low[:, 1], high[:, 1], -(-rows // fy))
    if left >= right or top >= bottom:
        return None
    cv2.add(positions, (origin[0] - left, origin[1] - top, 0, 0), dst=positions)
    return Window(top, bottom, left, right), positions


def _span(origin: int, low: NDArray[np.float32], high: NDArray[np.float32], length: int) -> tuple[int, int]:
    """First and last pixel: one more for the bilinear kernel, one for its widening, and no others off the image."""
    return max(-2, origin + math.floor(low.min()) - 1), min(length + 2, origin + math.ceil(high.max()) + 2)


def _kernel(reduction: float) -> NDArray[np.float32]:
    """Three taps that widen the bilinear kernel to the target's pixel: its variance grows from 1/6 to r²/6."""
    side = max(0.0, (reduction**2 - 1) / 12)
    return np.array([side, 1 - 2 * side, side], np.float32)


def _bilinear(pixels: Pixels, positions: NDArray[np.float32]) -> Pixels:
    """Values at the positions, which OpenCV 5 rounds to 1/32 pixel for 2 or over 4 bands and for signed integers."""
    if pixels.dtype == np.int16:
        pixels = pixels.astype(np.float32)
    if pixels.shape[2] in _EXACT_BAND_COUNTS:
        return with_bands(cv2.remap(pixels, positions, None, cv2.INTER_LINEAR))
    return np.asarray(cv2.merge([cv2.remap(band, positions, None, cv2.INTER_LINEAR) for band in cv2.split(pixels)]))


def _blur(pixels: Pixels, kernels: list[NDArray[np.float32]]) -> Pixels:
    if max(kernel[0] for kernel in kernels) < _NEGLIGIBLE_TAP:
        return pixels
    # OpenCV filters 16-bit integers several times slower than floats.
    source = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32, copy=False)
    return with_bands(cv2.sepFilter2D(source, -1, kernels[0], kernels[1], borderType=cv2.BORDER_REPLICATE))


def _weighed(source: WindowPixels) -> NDArray[np.float32]:
    """The bands times their weight (1 valid, 0 not), with the weight as last sample."""
    pixels, dtype, count = source.pixels, source.pixels.dtype, len(source.bands)
    weight = np.ones(pixels.shape[:2], dtype)
    if source.valid is not None:
        weight = source.valid.astype(dtype)
        pixels = with_bands(cv2.copyTo(pixels, source.valid.view(np.uint8)))
    out = np.empty((*weight.shape, count + 1), dtype)
    moves = [*zip(source.bands, range(count), strict=True), (pixels.shape[2], count)]
    cv2.mixChannels([pixels, weight], [out], [channel for move in moves for channel in move])
    return out.astype(np.float32)
