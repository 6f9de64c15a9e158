"""A scene's images → reflectance on any map grid, block by block."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.calibration import Calibration, calibration
from cog_builder.elevation import Elevation
from cog_builder.map_grid import MapGrid
from cog_builder.orthorectification import Placement, RawPixels, Resampled, ThinnedPixels, resample
from cog_builder.pansharpening import Sharpening
from cog_builder.registration import NO_SHIFT, Shift
from cog_builder.scene import Scene, SourceImage

Range = tuple[int, int]
"""Rows or columns of a grid, [start, stop)."""

Floats = NDArray[np.float32]
_FEATHER_PX = 16.0
"""Over so many raw pixels from its edge a part of an image gives way to its neighbour."""


@dataclass(frozen=True)
class Drawn:
    """A block of a scene on the map."""

    reflectance: NDArray[np.float32]
    """Top of atmosphere, (row, column, band); meaningless where not valid."""
    valid: NDArray[np.bool_]
    saturated: NDArray[np.bool_]


@dataclass(frozen=True)
class PartDrawing:
    """One part of an image: where it lies and what it holds."""

    placement: Placement
    raw: RawPixels
    step: int = 1
    """Of how many pixels of the part, each way, `raw` has one."""

    def positions(self, grid: MapGrid, rows: Range, cols: Range) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(column, row) in `raw` of the centre of each pixel of a block."""
        col, row = self.placement.source_positions(grid, rows, cols)
        return (col, row) if self.step == 1 else ((col + 0.5) / self.step - 0.5, (row + 0.5) / self.step - 0.5)


@dataclass(frozen=True)
class ImageDrawing:
    """One image of a scene, ready to be drawn."""

    image: SourceImage
    parts: tuple[PartDrawing, ...]
    line: Calibration

    def thinned(self, step: int) -> "ImageDrawing":
        """The same from one of `step` × `step` raw pixels, for grids whose pixels are so much larger."""
        if step == 1:
            return self
        parts = tuple(PartDrawing(part.placement, ThinnedPixels(part.raw, step), step) for part in self.parts)
        return replace(self, parts=parts)

    def draw(
        self,
        grid: MapGrid,
        rows: Range,
        cols: Range,
        interpolation: int = cv2.INTER_LANCZOS4,
        shift: Shift = NO_SHIFT,
    ) -> Drawn | None:
        """Reflectance of a block, looked up `shift` raw pixels beside its place; None where the image is not."""
        seen = [part for each in self.parts if (part := self._part(each, grid, rows, cols, interpolation, shift))]
        if not seen:
            return None
        found = seen[0].found if len(seen) == 1 else _blend(seen)
        return Drawn(self.line.reflectance(found.values), found.valid, found.saturated)

    def _part(
        self, part: PartDrawing, grid: MapGrid, rows: Range, cols: Range, interpolation: int, shift: Shift
    ) -> "_SeenPart | None":
        if part.placement.is_beside(grid, rows, cols):
            return None
        col, row = part.positions(grid, rows, cols)
        if shift != NO_SHIFT:
            col, row = col + shift.col, row + shift.row
        found = resample(part.raw, col, row, saturated_dn=self.image.saturated_dn, interpolation=interpolation)
        if found is None or not found.valid.any():
            return None
        return _SeenPart(found, col, part.raw.shape[1])


@dataclass(frozen=True)
class _SeenPart:
    """A part of an image where a block shows it."""

    found: Resampled
    col: NDArray[np.float64]
    """Raw columns of the block's pixels."""
    width: int
    """Columns of the part."""

    def weight(self) -> Floats:
        """1 inside the part, less towards its left and right edge."""
        inside = np.minimum(self.col + 0.5, self.width - 0.5 - self.col)
        return (np.clip(inside / _FEATHER_PX, 1e-3, 1) * self.found.valid).astype(np.float32)


def _blend(seen: Sequence[_SeenPart]) -> Resampled:
    """Parts of one image that overlap: each gives way towards its own edge, so that no joint shows."""
    weights = [part.weight() for part in seen]
    total = np.maximum(np.sum(weights, axis=0), 1e-6)
    values = [part.found.values * (weight / total)[..., None] for part, weight in zip(seen, weights, strict=True)]
    return Resampled(
        np.sum(values, axis=0),
        np.logical_or.reduce([part.found.valid for part in seen]),
        np.logical_or.reduce([part.found.saturated for part in seen]),
    )


@dataclass(frozen=True)
class SceneDrawing:
    """All images of a scene."""

    main: ImageDrawing
    pan: ImageDrawing | None
    shift: Shift = NO_SHIFT
    """How far in the main image's raw pixels its ground lies beside that of the pan image (`fusion.fit_fusion`)."""
    sharpening: Sharpening | None = None
    """How the pan image's detail goes into the bands; None: not at all."""

    def colours(self, grid: MapGrid, rows: Range, cols: Range) -> Drawn | None:
        """The bands of the main image."""
        return self.main.draw(grid, rows, cols)

    def finest(self, grid: MapGrid, rows: Range, cols: Range) -> Drawn | None:
        """The bands of the main image, moved onto the pan image and sharpened with it; valid where both were imaged.

        Colours are resampled by cubic convolution: magnified or shown in 8 bits, Lanczos costs five times as much for
        a difference nobody measures.
        """
        if self.pan is None or self.sharpening is None:
            return self.main.draw(grid, rows, cols, cv2.INTER_CUBIC)
        grey = self.pan.draw(grid, rows, cols)
        colours = None if grey is None else self.main.draw(grid, rows, cols, cv2.INTER_CUBIC, self.shift)
        if grey is None or colours is None:
            return None
        valid, saturated = grey.valid & colours.valid, grey.saturated | colours.saturated
        if not valid.any():
            return None
        sharp = self.sharpening.sharpen(colours.reflectance, grey.reflectance[..., 0], saturated)
        return Drawn(sharp, valid, saturated)


def scene_drawing(scene: Scene, raws: Sequence[Sequence[RawPixels]], elevation: Elevation | None) -> SceneDrawing:
    """Put a scene's images, whose parts were decoded in the order of `scene.images`, over the ground."""
    drawings = [
        ImageDrawing(
            image,
            tuple(
                PartDrawing(Placement(part.geometry, elevation, (part.height, part.width)), raw)
                for part, raw in zip(image.parts, parts, strict=True)
            ),
            calibration(scene, image),
        )
        for image, parts in zip(scene.images, raws, strict=True)
    ]
    return SceneDrawing(drawings[0], drawings[1] if len(drawings) > 1 else None)
