"""Evaluating something smooth on every n-th point of a grid, and interpolating it to all of them."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def node_places(count: int, step: int) -> Floats:
    """Centres of runs of `step` points along an axis of `count` points, and one run beyond each end."""
    return (np.arange(-1.0, math.ceil(count / step) + 1.0) + 0.5) * step - 0.5


def enlarge(values: Floats, step: int, *, height: int, width: int) -> NDArray[np.float32]:
    """Values at the `node_places` of both axes, linearly interpolated to all points (row, column)."""
    rows, cols = values.shape
    full = cv2.resize(values.astype(np.float32), (cols * step, rows * step), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full[step : step + height, step : step + width], np.float32)
