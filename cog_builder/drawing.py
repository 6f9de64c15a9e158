"""A scene's images → reflectance on any map grid, block by block."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.calibration import Calibration, calibration
from cog_builder.elevation import Elevation
from cog_builder.map_grid import WEB_MERCATOR, MapGrid
from cog_builder.orthorectification import Placement, RawPixels, resample
from cog_builder.pansharpening import blur_px, reach_px, sharpen
from cog_builder.scene import Scene, SourceImage

Range = tuple[int, int]
"""Rows or columns of a grid, [start, stop)."""


@dataclass(frozen=True)
class Drawn:
    """A block of a scene on the map."""

    reflectance: NDArray[np.float32]
    """Top of atmosphere, (row, column, band); meaningless where not valid."""
    valid: NDArray[np.bool_]
    saturated: NDArray[np.bool_]

    def cut(self, margin: int) -> "Drawn":
        """The same without `margin` pixels at each side."""
        part = inner(margin)
        return Drawn(self.reflectance[part], self.valid[part], self.saturated[part])


def widened(span: Range, margin: int) -> Range:
    """A range with `margin` more at both ends."""
    return span[0] - margin, span[1] + margin


def inner(margin: int) -> tuple[slice, slice]:
    """What is left of a block without `margin` pixels at each side."""
    return slice(margin, -margin), slice(margin, -margin)


@dataclass(frozen=True)
class ImageDrawing:
    """One image of a scene, ready to be drawn."""

    image: SourceImage
    placement: Placement
    raw: RawPixels
    line: Calibration

    def draw(self, grid: MapGrid, rows: Range, cols: Range, interpolation: int = cv2.INTER_LANCZOS4) -> Drawn | None:
        """Reflectance of a block; None where the image is not."""
        col, row = self.placement.source_positions(grid, rows, cols)
        found = resample(self.raw, col, row, saturated_dn=self.image.saturated_dn, interpolation=interpolation)
        if found is None or not found.valid.any():
            return None
        return Drawn(self.line.reflectance(found.values), found.valid, found.saturated)


@dataclass(frozen=True)
class SceneDrawing:
    """All images of a scene."""

    multispectral: ImageDrawing
    pan: ImageDrawing | None

    def colours(self, grid: MapGrid, rows: Range, cols: Range) -> Drawn | None:
        """The multispectral bands."""
        return self.multispectral.draw(grid, rows, cols)

    def finest(self, grid: MapGrid, rows: Range, cols: Range) -> Drawn | None:
        """The multispectral bands, sharpened where there is a pan image; valid where both were imaged.

        Colours are resampled by cubic convolution: magnified or shown in 8 bits, Lanczos costs five times as much for
        a difference nobody measures.
        """
        if self.pan is None:
            return self.multispectral.draw(grid, rows, cols, cv2.INTER_CUBIC)
        ground_m = grid.pixel_m * _mercator_shrink(grid, rows)
        pan_px = self.pan.image.gsd_m / ground_m
        sigma_px = blur_px(self.multispectral.image.gsd_m / self.pan.image.gsd_m) * pan_px
        reach = reach_px(sigma_px)
        wide_rows, wide_cols = widened(rows, reach), widened(cols, reach)
        grey = self.pan.draw(grid, wide_rows, wide_cols)
        colours = None if grey is None else self.multispectral.draw(grid, wide_rows, wide_cols, cv2.INTER_CUBIC)
        if grey is None or colours is None:
            return None
        valid = grey.valid & colours.valid
        sharp = sharpen(colours.reflectance, grey.reflectance[..., 0], valid, sigma_px=sigma_px)
        drawn = Drawn(sharp, valid, grey.saturated | colours.saturated).cut(reach)
        return drawn if drawn.valid.any() else None


def scene_drawing(scene: Scene, raws: tuple[RawPixels, ...], elevation: Elevation) -> SceneDrawing:
    """Put a scene's images, decoded in the order of `scene.images`, over the ground."""
    drawings = [
        ImageDrawing(
            image, Placement(image.rpc, elevation, (image.height, image.width)), raw, calibration(scene, image)
        )
        for image, raw in zip(scene.images, raws, strict=True)
    ]
    return SceneDrawing(drawings[0], drawings[1] if len(drawings) > 1 else None)


def _mercator_shrink(grid: MapGrid, rows: Range) -> float:
    """Metres on the ground per metre of the grid: cos φ in Web Mercator, 1 in the others."""
    if grid.epsg != WEB_MERCATOR:
        return 1.0
    _, latitude = grid.to_degrees(np.array([0.0]), np.array([sum(rows) / 2]))
    return math.cos(math.radians(float(latitude[0])))
