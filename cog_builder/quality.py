"""Flags of each pixel: fill, saturated, cloud, cloud shadow."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.cloud_detector import CloudDetector, CloudView
from cog_builder.drawing import ImageDrawing, Range
from cog_builder.map_grid import MapGrid
from cog_builder.scene import Scene

FILL, SATURATED, CLOUD, CLOUD_SHADOW = 1, 2, 4, 8
FLAGS_TEXT = "1 fill, 2 saturated, 4 cloud, 8 cloud shadow (low confidence)"

Flags = NDArray[np.uint8]


@dataclass(frozen=True)
class CloudSearch:
    """One detector looking at one scene, block by block, at the detector's own pixel."""

    detector: CloudDetector
    scene: Scene
    image: ImageDrawing
    """The main image."""
    grid: MapGrid
    """Of the flags."""

    def flags(self, rows: Range, cols: Range) -> Flags:
        """`CLOUD` and `CLOUD_SHADOW` of a block; nothing for a scene without calibration."""
        shape = rows[1] - rows[0], cols[1] - cols[0]
        if self.image.image.gains is None:
            return np.zeros(shape, np.uint8)
        step, reach = self._step, self.detector.reach_px
        near_rows, near_cols = ((start // step - reach, -(-stop // step) + reach) for start, stop in (rows, cols))
        view = self._view(near_rows, near_cols)
        if view is None:
            return np.zeros(shape, np.uint8)
        cloudy, shadowed = self.detector(view)
        found = np.where(cloudy, np.uint8(CLOUD), shadowed * np.uint8(CLOUD_SHADOW))
        row, col = ((np.arange(*span) // step - near[0]) for span, near in ((rows, near_rows), (cols, near_cols)))
        return found[row[:, None], col]

    @property
    def _step(self) -> int:
        """How many pixels of the grid are one of the detector's: a power of two."""
        finer = self.detector.pixel_m / self.image.image.gsd_m
        return 1 << max(0, math.floor(math.log2(finer))) if finer > 0 else 1

    def _view(self, rows: Range, cols: Range) -> CloudView | None:
        step, grid, source = self._step, self.grid, self.image.image
        thin = replace(grid, pixel=grid.pixel * step, width=-(-grid.width // step), height=-(-grid.height // step))
        drawn = self.image.thinned(step).draw(thin, rows, cols, cv2.INTER_LINEAR)
        if drawn is None:
            return None
        full = np.full((1, 1, len(source.bands)), source.saturated_dn, np.float32)
        return CloudView(
            reflectance=drawn.reflectance,
            valid=drawn.valid,
            common_names=tuple(band.common_name for band in source.bands),
            ceiling=self.image.line.reflectance(full)[0, 0],
            pixel_m=thin.pixel_m(sum(rows) / 2),
            sun_elevation=self.scene.sun_elevation,
            sun_azimuth=self.scene.sun_azimuth,
        )


def flags(valid: NDArray[np.bool_], saturated: NDArray[np.bool_], cloud: Flags) -> Flags:
    """One byte per pixel, bits added: saturated, and what `CloudSearch` found; fill stands alone."""
    return np.where(valid, saturated * np.uint8(SATURATED) + cloud, np.uint8(FILL))
