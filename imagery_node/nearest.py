"""Which pixels of which resolution GDAL takes when it reads a window in fewer or more pixels, by nearest neighbour.

Source: GDAL 3.10, `GDALBandGetBestOverviewLevel2` and `GDALRasterBand::IRasterIO` (gcore/rasterio.cpp) for images,
`VRTWarpedDataset::GetOverviewSize` (frmts/vrt/vrtwarped.cpp) for warped ones. The tests hold both equal to GDAL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int]
"""(height, width)."""

_TOLERATED_ENLARGEMENT, _TOLERANCE = 1.2, 0.1
_ROUNDING = 1e-10


@dataclass(frozen=True)
class ImageWindow:
    """A part of the finest image in its pixels, which need not be whole."""

    top: float
    left: float
    height: float
    width: float

    def is_inside(self, image: Shape) -> bool:
        """Whether it does not reach past an image."""
        bottom, right = self.top + self.height, self.left + self.width
        return self.top >= 0 and self.left >= 0 and bottom <= image[0] and right <= image[1]


class Taken(NamedTuple):
    """Pixels of one level, each as the crossing of a row and a column."""

    level: int
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]


def taken(window: ImageWindow, out_shape: Shape, levels: Sequence[Shape]) -> Taken:
    """The pixels that are read.

    Args:
        window: Which part of the image; inside it.
        out_shape: Rows and columns to make of it.
        levels: Shapes of the image and of its overviews, finest first.
    """
    level = _level(window, out_shape, levels)
    (height, width), (rows, cols) = levels[0], levels[level]
    return Taken(
        level,
        _positions(window.top * rows / height, window.height * rows / height, out_shape[0], rows),
        _positions(window.left * cols / width, window.width * cols / width, out_shape[1], cols),
    )


def warped_level(image: Shape, out_shape: Shape, levels: Sequence[Shape]) -> int:
    """The level that is warped to a whole picture.

    Args:
        image: Shape of the picture in pixels as fine as the file's, or finer where more are asked for.
        out_shape: Rows and columns asked for.
        levels: Shapes of the file's image and of its overviews, finest first.
    """
    ratios = [levels[0][1] / width for _, width in levels]
    shapes = [(int(image[0] / ratio + 0.5), int(image[1] / ratio + 0.5)) for ratio in ratios[1:]]
    offered = [image, *(shape for shape in shapes if min(shape) > 0)]
    return _level(ImageWindow(0, 0, *image), out_shape, offered)


def _level(window: ImageWindow, out_shape: Shape, levels: Sequence[Shape]) -> int:
    """The coarsest overview that is hardly coarser than what is asked for."""
    height, width = max(1, int(window.height)), max(1, int(window.width))
    if height <= out_shape[0] and width <= out_shape[1]:
        return 0
    by_row, by_col = height / out_shape[0], width / out_shape[1]
    wanted = by_col if by_col < by_row or out_shape[0] == 1 else by_row
    best, best_factor = 0, 0.0
    for index, shape in enumerate(levels[1:], 1):
        factor = min(levels[0][0] / shape[0], levels[0][1] / shape[1])
        if best_factor < factor < wanted * _TOLERATED_ENLARGEMENT + _TOLERANCE:
            best, best_factor = index, factor
    return best


def _positions(start: float, length: float, count: int, limit: int) -> NDArray[np.int64]:
    """Pixels under the centres of `count` equal parts of a span."""
    at = (np.arange(count) + 0.5) * (length / count) + start + _ROUNDING
    return np.asarray(np.clip(at, 0, limit - 1).astype(np.int64))
