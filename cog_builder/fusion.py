"""How the colours and the pan image of a scene go together, found in a few places before anything is drawn."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.drawing import ImageDrawing, Range, SceneDrawing
from cog_builder.map_grid import MapGrid
from cog_builder.pansharpening import Sample, Sharpening, Sigmas, blur_px, fit_sharpening
from cog_builder.registration import NO_SHIFT, Shift, agree, measure_shift

_PLACES_PER_SIDE = 4
_PLACE_PX = 288
_ROUNDS = 2
"""The second time on colours that lie nearly right, which is exact."""


@dataclass(frozen=True)
class _Place:
    """A piece of the map, drawn from both images."""

    sample: Sample
    to_raw: NDArray[np.float64]
    """2 × 2: (column, row) on the grid → (column, row) in the raw image of the colours."""

    def shift(self, sharpening: Sharpening, sigmas: Sigmas) -> Shift | None:
        """How far the colours lie beside the pan image, in raw pixels of the colours."""
        sample = self.sample
        found = measure_shift(sharpening.intensity(sample.colours), sample.pan, sample.usable, sigmas)
        return None if found is None else Shift(*(self.to_raw @ [found.col, found.row]).tolist())


def fit_fusion(drawing: SceneDrawing, pan: ImageDrawing, grid: MapGrid) -> tuple[SceneDrawing, tuple[str, ...]]:
    """The drawing with its colours moved onto the pan image and ready to be sharpened, and warnings about it.

    Args:
        drawing: Of a scene.
        pan: Its pan image.
        grid: Pixels of about the size of the pan image's.
    """
    across, down = grid.pixel_m(grid.height / 2)
    blur_m = blur_px(drawing.main.image.gsd_m / pan.image.gsd_m) * pan.image.gsd_m
    sigmas = (blur_m / across, blur_m / down)
    shift, refused = NO_SHIFT, None
    for _ in range(_ROUNDS):
        places, sharpening = _fitted(drawing.main, pan, grid, shift, sigmas)
        found = [place.shift(sharpening, sigmas) for place in places]
        before, agreed = shift, agree([None if rest is None else shift + rest for rest in found])
        shift, refused = agreed.shift, agreed.refused
        if shift == NO_SHIFT:
            break
    if refused and before != NO_SHIFT:
        _, sharpening = _fitted(drawing.main, pan, grid, NO_SHIFT, sigmas)
    warning = f"registration: {refused}; the colours stay where their own camera model has them"
    return replace(drawing, shift=shift, sharpening=sharpening), (warning,) if refused else ()


def _fitted(
    colours: ImageDrawing, pan: ImageDrawing, grid: MapGrid, shift: Shift, sigmas: Sigmas
) -> tuple[list[_Place], Sharpening]:
    """Pieces of the map with the colours moved by `shift`, and how these are sharpened."""
    places = _places(colours, pan, grid, shift)
    return places, fit_sharpening([place.sample for place in places], len(colours.image.bands), sigmas)


def _places(colours: ImageDrawing, pan: ImageDrawing, grid: MapGrid, shift: Shift) -> list[_Place]:
    """Pieces from all over the grid that both images show."""
    found = []
    for number in range(_PLACES_PER_SIDE**2):
        down, across = divmod(number, _PLACES_PER_SIDE)
        rows, cols = _range(down, grid.height), _range(across, grid.width)
        grey = pan.draw(grid, rows, cols)
        tinted = None if grey is None else colours.draw(grid, rows, cols, cv2.INTER_CUBIC, shift)
        if grey is None or tinted is None:
            continue
        usable = grey.valid & tinted.valid & ~(grey.saturated | tinted.saturated)
        col, row = colours.parts[0].placement.source_positions(grid, (rows[0], rows[0] + 2), (cols[0], cols[0] + 2))
        to_raw = np.array([[axis[0, 1] - axis[0, 0], axis[1, 0] - axis[0, 0]] for axis in (col, row)])
        found.append(_Place(Sample(tinted.reflectance, grey.reflectance[..., 0], usable), to_raw))
    return found


def _range(number: int, length: int) -> Range:
    start = round((number + 0.5) / _PLACES_PER_SIDE * length - _PLACE_PX / 2)
    return start, start + _PLACE_PX
