"""Draws an image block by block and averages its overviews, in bounded memory.

The blocks of all levels form a tree: a block of an overview covers four of the level below. Walking the tree depth
first, each worker holds a few blocks at a time, however large the image.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.cog import CogWriter, Pixels

_SUBTREES_PER_WORKER = 4


@dataclass(frozen=True)
class Block:
    """The pixels of one block."""

    pixels: Pixels
    """(row, column, band)."""
    valid: NDArray[np.bool_]
    """(row, column), True where there is an image."""


Reduce = Callable[[Block], Block]
"""Halves a block of twice the size."""

Draw = Callable[[tuple[int, int], tuple[int, int]], Sequence[Block] | None]
"""(rows, columns) of the full image, each [start, stop) → one Block per file; None where there is no image."""


def average(block: Block) -> Block:
    """Mean of the valid pixels of each 2 × 2; valid where any of them is."""
    height, width = block.valid.shape
    half = (width // 2, height // 2)
    if block.valid.all():
        mean = cv2.resize(block.pixels, half, interpolation=cv2.INTER_AREA)
        return Block(mean.reshape(half[1], half[0], -1), np.ones((half[1], half[0]), np.bool_))
    weight = block.valid.astype(np.float32)
    share = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    total = cv2.resize(block.pixels * weight[..., None], half, interpolation=cv2.INTER_AREA)
    mean = total.reshape(half[1], half[0], -1) / np.maximum(share, 0.25)[..., None]
    return Block(np.rint(mean).astype(block.pixels.dtype), share > 0)


def nearest(block: Block) -> Block:
    """Every second pixel: for flags, which have no mean."""
    return Block(block.pixels[::2, ::2].copy(), block.valid[::2, ::2].copy())


@dataclass(frozen=True)
class Pyramid:
    """Several files of one grid that are drawn together."""

    writers: Sequence[CogWriter]
    """All with the same grid, block size and number of overviews."""
    reduces: Sequence[Reduce]
    """How each file's overviews come about."""
    draw: Draw
    on_block: Callable[[], None]
    """Called for every block of the full image that is done, from any thread."""

    def write(self, workers: int) -> None:
        """Draw everything with `workers` threads and finish the files."""
        cv2.setNumThreads(1)  # blocks are what runs in parallel; OpenCV's own threads would only fight for the cores
        try:
            layout = self.writers[0].layout
            split = layout.overviews
            while split > 0 and np.prod(layout.blocks(split)) < _SUBTREES_PER_WORKER * workers:
                split -= 1
            rows, cols = layout.blocks(split)
            places = [(row, col) for row in range(rows) for col in range(cols)]
            with ThreadPoolExecutor(workers) as pool:
                done = dict(zip(places, pool.map(lambda place: self._subtree(split, *place), places), strict=True))
            for level in range(split + 1, layout.overviews + 1):
                rows, cols = layout.blocks(level)
                done = {
                    (row, col): self._join(level, row, col, [done.get(place) for place in _children(row, col)])
                    for row in range(rows)
                    for col in range(cols)
                }
            for writer in self.writers:
                writer.finish()
        finally:
            for writer in self.writers:
                writer.discard()

    def _subtree(self, level: int, row: int, col: int) -> Sequence[Block] | None:
        rows, cols = self.writers[0].layout.blocks(level)
        if row >= rows or col >= cols:
            return None
        if level == 0:
            return self._drawn(row, col)
        return self._join(level, row, col, [self._subtree(level - 1, *place) for place in _children(row, col)])

    def _drawn(self, row: int, col: int) -> Sequence[Block] | None:
        layout = self.writers[0].layout
        height, width = layout.shape(0)
        size = layout.block_px
        top, left = row * size, col * size
        blocks = self.draw((top, min(top + size, height)), (left, min(left + size, width)))
        self.on_block()
        return None if blocks is None else self._put(0, row, col, [_whole(block, size) for block in blocks])

    def _join(
        self, level: int, row: int, col: int, quarters: Sequence[Sequence[Block] | None]
    ) -> Sequence[Block] | None:
        """Make an overview block of its four parts, each halved already."""
        if all(quarter is None for quarter in quarters):
            return None
        joined = []
        for index in range(len(self.writers)):
            parts = [None if quarter is None else quarter[index] for quarter in quarters]
            joined.append(_paste(parts, self.writers[0].layout.block_px))
        return self._put(level, row, col, joined)

    def _put(self, level: int, row: int, col: int, blocks: Sequence[Block]) -> Sequence[Block]:
        """Store blocks; what they are in the next overview is all that is kept of them."""
        for writer, block in zip(self.writers, blocks, strict=True):
            writer.put(level, row, col, block.pixels, block.valid)
        return [reduce(block) for reduce, block in zip(self.reduces, blocks, strict=True)]


def _children(row: int, col: int) -> list[tuple[int, int]]:
    return [(2 * row + down, 2 * col + across) for down in (0, 1) for across in (0, 1)]


def _whole(block: Block, size: int) -> Block:
    """Fill up a block at the right or lower edge."""
    height, width = block.valid.shape
    if (height, width) == (size, size):
        return block
    missing = ((0, size - height), (0, size - width))
    pixels = np.zeros((size, size, block.pixels.shape[2]), block.pixels.dtype)
    pixels[:height, :width] = block.pixels
    return Block(pixels, np.pad(block.valid, missing))


def _paste(parts: Sequence[Block | None], size: int) -> Block:
    some = next(part for part in parts if part is not None)
    pixels: Pixels = np.zeros((size, size, some.pixels.shape[2]), some.pixels.dtype)
    valid = np.zeros((size, size), np.bool_)
    half = size // 2
    for index, part in enumerate(parts):
        if part is not None:
            down, across = divmod(index, 2)
            where = (slice(down * half, (down + 1) * half), slice(across * half, (across + 1) * half))
            pixels[where], valid[where] = part.pixels, part.valid
    return Block(pixels, valid)
