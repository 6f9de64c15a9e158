"""Rectangles of one level of a Cog, put together from its cached blocks."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery_node.block import Pixels
from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.errors import UnreadableAssetError

MAX_WINDOW_PIXELS = 1 << 26
_FEW = 4
"""Up to this many samples it is cheaper to carry all of them along than to pick some from every pixel."""


@dataclass(frozen=True)
class Window:
    """Pixels of a level, ends exclusive; may reach past the image."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left


@dataclass(frozen=True)
class WindowPixels:
    """What lies in a window; may be a view of a cached block: read only."""

    pixels: Pixels
    valid: NDArray[np.bool_] | None
    """(row, column); None when every pixel is valid. Pixels outside the image are not."""
    bands: tuple[int, ...]
    """Where in the last axis the bands lie that were asked for, in their order."""


def read_window(cache: CogCache, cog: Cog, level: int, window: Window, bands: tuple[int, ...]) -> WindowPixels:
    """Read bands (counted from 0) of a window.

    Raises:
        UnreadableAssetError: A block cannot be read, or so many would be needed that the file lacks overviews.
    """
    image = cog.levels[level]
    if window.shape[0] * window.shape[1] > MAX_WINDOW_PIXELS:
        raise UnreadableAssetError(f"{cog.path.name}: has no overview coarse enough for this picture")
    samples: slice | list[int] = slice(None)
    if image.samples <= _FEW:
        where = bands
    else:
        samples, where = list(bands), tuple(range(len(bands)))

    (block_height, block_width), (height, width) = image.block_shape, image.shape
    top, bottom = max(0, window.top), min(height, window.bottom)
    left, right = max(0, window.left), min(width, window.right)
    inside = (top, bottom, left, right) == (window.top, window.bottom, window.left, window.right)
    block_rows = range(top // block_height, -(-bottom // block_height))
    block_cols = range(left // block_width, -(-right // block_width))
    if inside and len(block_rows) == len(block_cols) == 1:
        block = cache.block(cog, level, block_rows[0], block_cols[0])
        y, x = block_rows[0] * block_height, block_cols[0] * block_width
        part = slice(top - y, bottom - y), slice(left - x, right - x)
        return WindowPixels(block.pixels[*part, samples], _or_none(block.valid, part), where)

    pixels = np.zeros((*window.shape, image.samples if image.samples <= _FEW else len(bands)), cog.dtype)
    valid = np.zeros(window.shape, np.bool_)
    for block_row in block_rows:
        for block_col in block_cols:
            block = cache.block(cog, level, block_row, block_col)
            y, x = block_row * block_height, block_col * block_width
            rows = slice(max(top, y), min(bottom, y + block_height))
            cols = slice(max(left, x), min(right, x + block_width))
            source = slice(rows.start - y, rows.stop - y), slice(cols.start - x, cols.stop - x)
            place = (
                slice(rows.start - window.top, rows.stop - window.top),
                slice(cols.start - window.left, cols.stop - window.left),
            )
            pixels[place] = block.pixels[*source, samples]
            valid[place] = True if block.valid is None else block.valid[source]
    return WindowPixels(pixels, None if inside and valid.all() else valid, where)


def _or_none(valid: NDArray[np.bool_] | None, part: tuple[slice, slice]) -> NDArray[np.bool_] | None:
    return None if valid is None or valid[part].all() else valid[part]


def pick_bands(pixels: Pixels, bands: tuple[int, ...]) -> Pixels:
    """Copy some samples of every pixel; by OpenCV, which is several times faster at it than numpy."""
    if bands == tuple(range(pixels.shape[2] if pixels.ndim == 3 else 1)):
        return with_bands(pixels)
    picked = np.empty((*pixels.shape[:2], len(bands)), pixels.dtype)
    cv2.mixChannels([pixels], [picked], [channel for move in enumerate(bands) for channel in reversed(move)])
    return picked


def with_bands(pixels: Pixels) -> Pixels:
    """OpenCV drops the last axis of single-band images: put it back."""
    return pixels if pixels.ndim == 3 else pixels[..., None]
