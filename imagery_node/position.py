"""Where the pixels of a target grid lie in a source: projected on a coarse grid of nodes, interpolated between."""

import math

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from imagery_node.grid import PixelGrid, between

NODE_STEP = 32
"""Target pixels between nodes, where that is precise enough; otherwise a half, a quarter … of it."""
MAX_ERROR = 0.05
"""Of a target pixel, between nodes."""

_FAR_AWAY = -1e6


def source_positions(
    crs: str, to_pixel: Affine, target: PixelGrid
) -> tuple[NDArray[np.float32], tuple[int, int]] | None:
    """Positions of the target's pixel centres among the source's pixels.

    Args:
        crs: Of the source.
        to_pixel: (x, y) in it → pixel corner (col, row).
        target: In any CRS.

    Returns:
        (row, column, x/y) in source pixels, whole numbers at pixel centres, counted from the pixel (x, y) that comes
        with them, since float32 is precise near zero only. None where nothing can be projected.
    """
    nodes, step = _nodes(crs, target)
    a, b, c, d, e, f = to_pixel[:6]
    with np.errstate(invalid="ignore"):  # where PROJ has no answer it gives infinity
        xs = a * nodes[0] + b * nodes[1] + (c - 0.5)
        ys = d * nodes[0] + e * nodes[1] + (f - 0.5)
    known = np.isfinite(xs) & np.isfinite(ys)
    if not known.any():
        return None
    origin = math.floor(xs[known].min()), math.floor(ys[known].min())
    relative = np.where(known[..., None], np.stack((xs, ys), -1) - origin, _FAR_AWAY).astype(np.float32)
    full = relative.shape[1] * step, relative.shape[0] * step
    height, width = target.shape
    dense = cv2.resize(relative, full, interpolation=cv2.INTER_LINEAR)
    return dense[step : step + height, step : step + width], origin


def _nodes(crs: str, target: PixelGrid) -> tuple[NDArray[np.float64], int]:
    """Projected nodes (x/y, row, column) and the target pixels between two of them.

    Node (i, j) lies at pixel (i - ½, j - ½) · step: enlarged by `step` and without the first `step` pixels, that
    gives pixel centres. Between nodes, linear interpolation errs by an eighth of the second difference.
    """
    height, width = target.shape
    transformer = between(target.crs, crs)
    step = NODE_STEP
    while True:
        cols = (np.arange(-(-width // step) + 2) - 0.5) * step
        rows = (np.arange(-(-height // step) + 2) - 0.5) * step
        grid = np.meshgrid(target.left + cols * target.pixel_width, target.top - rows * target.pixel_height)
        nodes = np.stack(transformer.transform(*grid))
        if step == 1 or _is_smooth(nodes, step):
            return nodes, step
        step //= 2


def _is_smooth(nodes: NDArray[np.float64], step: int) -> bool:
    if not np.isfinite(nodes).all():
        return False
    error = sum(float(np.abs(np.diff(nodes, 2, axis=axis)).max()) / 8 for axis in (1, 2))
    pixel = min(float(np.hypot(*np.diff(nodes, axis=axis)).min()) / step for axis in (1, 2))
    return error <= MAX_ERROR * pixel
