"""Pixels of a Cog by nearest neighbour: some of its own rows and columns, or those under the pixels of another grid."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery_node.block import Pixels
from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.cog_window import Window, WindowPixels, pick_bands, read_window
from imagery_node.grid import PixelGrid
from imagery_node.nearest import Shape, Taken
from imagery_node.position import source_positions

Picked = tuple[Pixels, NDArray[np.bool_]]
"""Values (row, column, band) in the file's type, and where they are valid."""

_PIECE_PX = 1024
"""Rows and columns that are read at once, which bounds memory; whole steps between nodes of positions."""


def cut(cog: Cog, chosen: Taken, bands: tuple[int, ...], cache: CogCache) -> Picked:
    """The crossings of some growing rows and columns of a level; values that are not valid are as stored.

    Raises:
        UnreadableAssetError: A block cannot be read.
    """

    def read(part_rows: slice, part_cols: slice) -> Picked:
        rows, cols = chosen.rows[part_rows], chosen.cols[part_cols]
        window = Window(int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1)
        source = read_window(cache, cog, chosen.level, window, bands)
        places = np.ix_(rows - window.top, cols - window.left)
        return pick_bands(source.pixels[places], source.bands), _valid(source)[places]

    shape = len(chosen.rows), len(chosen.cols)
    return _assembled(cog, shape, len(bands), _pieces(chosen.rows, chosen.cols), read)


def under(cog: Cog, level: int, grid: PixelGrid, bands: tuple[int, ...], cache: CogCache) -> Picked:
    """The pixel of a level under the centre of each pixel of a grid; nodata or zero where that is not valid.

    Raises:
        UnreadableAssetError: A block cannot be read.
    """

    def read(rows: slice, cols: slice) -> Picked:
        return _under(cog, level, grid.part(rows, cols), bands, cache)

    pieces = _pieces(*map(np.arange, grid.shape))
    return _assembled(cog, grid.shape, len(bands), pieces, read)


def _assembled(
    cog: Cog,
    shape: Shape,
    count: int,
    pieces: Iterator[tuple[slice, slice]],
    read: Callable[[slice, slice], Picked],
) -> Picked:
    pixels, valid = np.empty((*shape, count), cog.dtype), np.empty(shape, np.bool_)
    for piece in pieces:
        pixels[piece], valid[piece] = read(*piece)
    return pixels, valid


def _under(cog: Cog, level: int, grid: PixelGrid, bands: tuple[int, ...], cache: CogCache) -> Picked:
    pixels, valid = np.full((*grid.shape, len(bands)), cog.nodata or 0, cog.dtype), np.zeros(grid.shape, np.bool_)
    placed = source_positions(cog.georeference.crs, ~cog.level_transform(level), grid)
    if placed is None:
        return pixels, valid
    positions, (left, top) = placed
    at = np.floor(positions + np.float32(0.5)).astype(np.intp)
    rows, cols = at[..., 1] + top, at[..., 0] + left
    height, width = cog.levels[level].shape
    valid = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    if not valid.any():
        return pixels, valid
    np.clip(rows, 0, height - 1, out=rows)
    np.clip(cols, 0, width - 1, out=cols)
    window = Window(int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1)
    source = read_window(cache, cog, level, window, bands)
    places = rows - window.top, cols - window.left
    if source.valid is not None:
        valid &= source.valid[places]
    cv2.copyTo(pick_bands(source.pixels[places], source.bands), valid.view(np.uint8), pixels)
    return pixels, valid


def _pieces(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Which rows and columns of an answer lie together in one square of the source."""
    for part in _runs(rows):
        for other in _runs(cols):
            yield part, other


def _runs(positions: NDArray[np.int64]) -> Iterator[slice]:
    ends = np.flatnonzero(np.diff(positions // _PIECE_PX)) + 1
    yield from map(slice, (0, *ends), (*ends, len(positions)))


def _valid(source: WindowPixels) -> NDArray[np.bool_]:
    return np.ones(source.pixels.shape[:2], np.bool_) if source.valid is None else source.valid
