"""How far the colours of a scene lie beside its pan image: sub-pixel, from several pieces that must agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.pansharpening import Floats, Sigmas, blurred

_MAX_SHIFT_PX = 5.0
"""Anything farther is another fault than two cameras that look a little aside."""
_DEAD_BAND_PX = 0.05
"""Shifts up to here count as none, so that a scene that fits stays as its camera models have it."""
_MAX_SPREAD_PX = 0.25
_MIN_PIECES = 3
_MIN_LIKENESS = 0.7
"""Correlation of the two images' detail."""
_MIN_SURE = 0.15
"""Share of a piece that both images show."""
_MIN_CONTRAST = 1e-3
"""Of the detail, in units of the brightness: less is noise."""
_WIDE = 2.5
"""The largest detail that is compared, in units of the blur between the two images."""
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-6)


@dataclass(frozen=True)
class Shift:
    """A displacement in pixels."""

    col: float = 0.0
    row: float = 0.0

    def __add__(self, other: "Shift") -> "Shift":
        return Shift(self.col + other.col, self.row + other.row)

    @property
    def length(self) -> float:
        """How far, in whatever direction."""
        return math.hypot(self.col, self.row)


NO_SHIFT = Shift()


@dataclass(frozen=True)
class Agreement:
    """What the pieces of a scene say together."""

    shift: Shift
    """None at all where `refused`."""
    refused: str | None
    """Why the pieces cannot be believed."""


def measure_shift(grey: Floats, pan: Floats, usable: NDArray[np.bool_], sigmas: Sigmas) -> Shift | None:
    """Where the ground of a pixel of one image lies in the other: pixel + shift.

    Phase correlation finds the pixel, the enhanced correlation coefficient (Evangelidis and Psarakis 2008) the rest.

    Args:
        grey: The image that may be shifted, (row, column): a weighted mean of the colours on the grid of `pan`.
        pan: The image that stays.
        usable: True where both were imaged and nothing is saturated.
        sigmas: Blur between the two, see `pansharpening.blur_px`.

    Returns:
        None where there is too little to compare, or the two images look too different.
    """
    smooth, sure = blurred(pan, usable, sigmas)
    wide = (sigmas[0] * _WIDE, sigmas[1] * _WIDE)
    fixed, inside = _detail(smooth, sure, wide)
    moving, _ = _detail(grey, sure, wide)
    if inside.mean() < _MIN_SURE:
        return None
    if min(fixed[inside].std(), moving[inside].std()) < _MIN_CONTRAST * smooth[inside].mean():
        return None
    start = _whole_pixels(moving, fixed, max(1, round(min(sigmas))))
    matrix = np.array([[1, 0, start[0]], [0, 1, start[1]]], np.float32)
    try:
        likeness, matrix = cv2.findTransformECC(
            fixed, moving, matrix, cv2.MOTION_TRANSLATION, _STOP, inside.view(np.uint8), 1
        )
    except cv2.error:  # it did not converge
        return None
    return Shift(float(matrix[0, 2]), float(matrix[1, 2])) if likeness >= _MIN_LIKENESS else None


def agree(shifts: Sequence[Shift | None]) -> Agreement:
    """The shift of a scene from those of its pieces, in pixels of the colours.

    Args:
        shifts: One per piece; None where it could not be measured.
    """
    found = np.array([(shift.col, shift.row) for shift in shifts if shift is not None])
    if len(found) < _MIN_PIECES:
        return _refused(f"{len(found)} of {len(shifts)} places can be compared, expected {_MIN_PIECES}")
    middle = np.median(found, axis=0)
    spread = float(np.median(np.hypot(*(found - middle).T)))
    shift = Shift(*middle.tolist())
    if spread > _MAX_SPREAD_PX:
        return _refused(f"places differ by {spread:.2f} px, expected at most {_MAX_SPREAD_PX:g}")
    if shift.length > _MAX_SHIFT_PX:
        return _refused(
            f"the colours lie {shift.length:.1f} px beside the pan image, expected at most {_MAX_SHIFT_PX:g}"
        )
    doubt = 2 * spread / math.sqrt(len(found))
    return Agreement(NO_SHIFT if shift.length <= max(_DEAD_BAND_PX, doubt) else shift, None)


def _refused(reason: str) -> Agreement:
    return Agreement(NO_SHIFT, reason)


def _detail(image: Floats, sure: NDArray[np.bool_], wide: Sigmas) -> tuple[Floats, NDArray[np.bool_]]:
    """What is finer than `wide`, and where nothing but sure pixels went into it."""
    smooth, inside = blurred(image, sure, wide)
    return np.where(sure, image - smooth, np.float32(0)), inside


def _whole_pixels(moving: Floats, fixed: Floats, reduce: int) -> tuple[float, float]:
    """The shift by phase correlation, at a size where both images hold detail at every frequency."""
    height, width = fixed.shape
    size = (width // reduce, height // reduce)
    right, aside = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (fixed, moving))
    (col, row), _ = cv2.phaseCorrelate(right, aside, cv2.createHanningWindow(size, cv2.CV_32F))
    return col * width / size[0], row * height / size[1]
