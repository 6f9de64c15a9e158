"""Rectangles of one level of a Cog, put together from its cached blocks."""

from dataclasses import dataclass
from typing import NamedTuple

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
    where, count = bands, image.samples
    if image.samples > _FEW:
        samples, where, count = list(bands), tuple(range(len(bands))), len(bands)

    rows = _parts(window.top, window.bottom, image.shape[0], image.block_shape[0])
    cols = _parts(window.left, window.right, image.shape[1], image.block_shape[1])
    inside = window.top >= 0 and window.left >= 0 and window.bottom <= image.shape[0] and window.right <= image.shape[1]
    if inside and len(rows) == len(cols) == 1:
        block = cache.block(cog, level, rows[0].block, cols[0].block)
        part = rows[0].source, cols[0].source
        return WindowPixels(block.pixels[*part, samples], _or_none(block.valid, part), where)

    pixels = np.zeros((*window.shape, count), cog.dtype)
    valid = np.zeros(window.shape, np.bool_)
    for row in rows:
        for col in cols:
            block = cache.block(cog, level, row.block, col.block)
            pixels[row.place, col.place] = block.pixels[row.source, col.source, samples]
            valid[row.place, col.place] = True if block.valid is None else block.valid[row.source, col.source]
    return WindowPixels(pixels, None if inside and valid.all() else valid, where)


class _Part(NamedTuple):
    """What one row or column of blocks gives to a window."""

    block: int
    source: slice
    """Within the block."""
    place: slice
    """Within the window."""


def _parts(start: int, stop: int, length: int, block_length: int) -> list[_Part]:
    """Cut the pixels from start to stop of an image's side into blocks; what lies outside is left out."""
    first, last = max(0, start), min(length, stop)
    parts = []
    for block in range(first // block_length, -(-last // block_length)):
        at = block * block_length
        low, high = max(first, at), min(last, at + block_length)
        parts.append(_Part(block, slice(low - at, high - at), slice(low - start, high - start)))
    return parts


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
