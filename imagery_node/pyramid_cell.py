"""Cells of a pyramid: their numbers, and a cell's pixels out of its four children's.

A cell is a tile of the grid with 256 × 256 pixels. Its number counts zooms, rows and columns together: that of the
whole world is 1, the children of cell n are 4n (north-west), 4n + 1 (north-east), 4n + 2 and 4n + 3.
"""

import math
import zlib
from collections.abc import Sequence

import cv2
import imagecodecs
import numpy as np
from morecantile import Tile
from numpy.typing import NDArray

from catalog.geometry import split_bbox
from catalog.search import BoundingBox
from imagery_node.errors import UnreadableAssetError
from imagery_node.grid import TILE_SIDE

CellPixels = NDArray[np.uint8]
"""(row, column, red/green/blue/alpha). Alpha is the share of the ground that was imaged, never 0 where anything was;
colours are those of the imaged ground, not mixed with anything else."""

MAX_CELLS = 1 << 16
"""That one change of the catalogue may touch on the base zoom."""

_OPAQUE = 255
_TOUCH = 1e-9
"""Share of the world: a box that ends on a cell's edge touches the cell behind it too."""
_LEVEL = 20
_CHECKSUM_BYTES = 4


def cell_number(tile: Tile) -> int:
    """The number of a tile's cell."""
    return int(_interleave(np.array([tile.x]), np.array([tile.y]), tile.z)[0])


def cell_tile(number: int) -> Tile:
    """The tile of a cell."""
    zoom = (number.bit_length() - 1) // 2
    x = sum((number >> 2 * bit & 1) << bit for bit in range(zoom))
    y = sum((number >> 2 * bit + 1 & 1) << bit for bit in range(zoom))
    return Tile(x=x, y=y, z=zoom)


def children(number: int) -> list[int]:
    """The four cells of the next zoom: north-west, north-east, south-west, south-east."""
    return [4 * number + i for i in range(4)]


def count_cells(bbox: BoundingBox, zoom: int) -> int:
    """How many cells of a zoom a box in degrees touches."""
    return sum(
        (right - left + 1) * (bottom - top + 1)
        for left, top, right, bottom in (_span(part, zoom) for part in split_bbox(bbox))
    )


def cells_touched(bbox: BoundingBox, zoom: int) -> set[int]:
    """The cells of a zoom that a box in degrees touches, and all cells above them."""
    touched: set[int] = set()
    for part in split_bbox(bbox):
        for level in range(zoom + 1):
            left, top, right, bottom = _span(part, level)
            cols, rows = np.meshgrid(np.arange(left, right + 1), np.arange(top, bottom + 1))
            touched.update(_interleave(cols.ravel(), rows.ravel(), level).tolist())
    return touched


def with_ancestors(number: int) -> list[int]:
    """A cell and all cells above it."""
    return [number >> 2 * up for up in range(cell_tile(number).z + 1)]


def join(parts: Sequence[CellPixels | None]) -> CellPixels:
    """Four cells (None where nothing is) as one picture of twice their side."""
    whole = np.zeros((2 * TILE_SIDE, 2 * TILE_SIDE, 4), np.uint8)
    for index, part in enumerate(parts):
        if part is not None:
            row, col = TILE_SIDE * (index // 2), TILE_SIDE * (index % 2)
            whole[row : row + TILE_SIDE, col : col + TILE_SIDE] = part
    return whole


def shrink(parts: Sequence[CellPixels | None]) -> CellPixels:
    """The cell above four cells: 2 × 2 pixels become one, each weighing as much as it was imaged."""
    whole = join(parts)
    if (whole[..., 3] == _OPAQUE).all():
        return np.asarray(cv2.resize(whole, (TILE_SIDE, TILE_SIDE), interpolation=cv2.INTER_AREA))
    weight = whole[..., 3:].astype(np.float32)
    weighed = np.dstack((whole[..., :3] * weight, weight))
    mean = cv2.resize(weighed, (TILE_SIDE, TILE_SIDE), interpolation=cv2.INTER_AREA)
    colours = np.rint(mean[..., :3] / np.maximum(mean[..., 3:], 1e-6))
    return np.dstack((colours, np.ceil(mean[..., 3]))).astype(np.uint8)


def encode_cell(pixels: CellPixels) -> bytes:
    """A lossless WebP with a checksum behind it, which readers of WebP pass over."""
    body = bytes(imagecodecs.webp_encode(pixels, lossless=True, method=0, level=_LEVEL))
    return body + zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "big")


def decode_cell(content: bytes) -> CellPixels:
    """The pixels of a stored cell.

    Raises:
        UnreadableAssetError: They are not what was written.
    """
    body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if not body or zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
        raise UnreadableAssetError(f"a stored cell of {len(content)} bytes does not match its checksum")
    return np.asarray(imagecodecs.webp_decode(body, hasalpha=True))


def _span(bbox: BoundingBox, zoom: int) -> tuple[int, int, int, int]:
    """First column and row, last column and row."""
    west, south, east, north = bbox
    last = (1 << zoom) - 1
    left, right = (longitude / 360 + 0.5 for longitude in (west, east))
    top, bottom = (
        0.5 - math.asinh(math.tan(math.radians(max(-89.9, min(89.9, lat))))) / math.tau for lat in (north, south)
    )
    first_col, first_row = (min(last, max(0, math.floor((share - _TOUCH) * (last + 1)))) for share in (left, top))
    last_col, last_row = (min(last, max(0, math.floor((share + _TOUCH) * (last + 1)))) for share in (right, bottom))
    return first_col, first_row, last_col, last_row


def _interleave(cols: NDArray[np.int64], rows: NDArray[np.int64], zoom: int) -> NDArray[np.int64]:
    numbers = np.full(cols.shape, 1 << 2 * zoom, np.int64)
    for bit in range(zoom):
        numbers |= (cols >> bit & 1) << 2 * bit | (rows >> bit & 1) << 2 * bit + 1
    return numbers
