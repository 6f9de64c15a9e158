"""Is a tile the picture it should be? Compared with the same tile as another program draws it."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_COLOUR_OFF = 6.0
MIN_CORRELATION = 0.9
MAX_AREA_OFF = 0.002

_CELL_PX = 4
_EDGE = np.ones((5, 5), np.uint8)
_FEW_PX, _FEW_CELLS = 500, 200
_FLAT = 2.0


@dataclass(frozen=True)
class Likeness:
    """How a tile compares with its reference."""

    colour_off: float = 0.0
    """Largest difference of a channel's mean, in levels, where both show something."""
    correlation: float | None = None
    """Of brightness in cells of 4 × 4 pixels, so that kernel and encoder do not matter but a shift does; None: flat."""
    area_off: float = 0.0
    """Share of the tile that only one of them shows, but for two pixels along edges."""

    @property
    def problem(self) -> str | None:
        """What is wrong; None when the picture is right."""
        if self.colour_off > MAX_COLOUR_OFF:
            return f"mean colour is {self.colour_off:.1f} levels off, allowed are {MAX_COLOUR_OFF:g}"
        if self.correlation is not None and self.correlation < MIN_CORRELATION:
            return f"correlation is {self.correlation:.3f}, at least {MIN_CORRELATION:g} is expected"
        if self.area_off > MAX_AREA_OFF:
            return f"{self.area_off:.2%} of the tile is shown by one only, allowed are {MAX_AREA_OFF:.2%}"
        return None


def compare(body: bytes, reference_body: bytes) -> Likeness:
    """Compare an encoded tile with a reference that has alpha; an opaque tile is judged where the reference shows."""
    picture, opaque = _decode(body)
    reference, _ = _decode(reference_body)
    if picture.shape != reference.shape:
        raise ValueError(f"the tile has shape {picture.shape}, the reference {reference.shape}")
    expected = reference[..., 3] > 0
    shown = expected if opaque else picture[..., 3] > 0
    both = shown & expected
    if both.sum() < _FEW_PX:
        return Likeness(area_off=_area_off(shown, expected))
    means = [image[both][:, :3].mean(axis=0, dtype=np.float64) for image in (picture, reference)]
    return Likeness(float(np.abs(means[0] - means[1]).max()), _correlation(picture, reference, both),
                    _area_off(shown, expected))  # fmt: skip


def _decode(body: bytes) -> tuple[NDArray[np.uint8], bool]:
    """Pixels (row, column, red/green/blue/alpha), and whether the format has no transparency."""
    image = Image.open(io.BytesIO(body))
    return np.asarray(image.convert("RGBA")), image.format == "JPEG"


def _area_off(shown: NDArray[np.bool_], expected: NDArray[np.bool_]) -> float:
    least = cv2.erode(expected.astype(np.uint8), _EDGE, borderValue=1) > 0
    most = cv2.dilate(expected.astype(np.uint8), _EDGE) > 0
    return float(((least & ~shown) | (shown & ~most)).mean())


def _correlation(picture: NDArray[np.uint8], reference: NDArray[np.uint8], both: NDArray[np.bool_]) -> float | None:
    full = _cells(both) == 1
    ours, theirs = (_cells(image[..., :3].mean(axis=2))[full] for image in (picture, reference))
    if full.sum() < _FEW_CELLS or min(ours.std(), theirs.std()) < _FLAT:
        return None
    return float(np.corrcoef(ours, theirs)[0, 1])


def _cells(values: NDArray[np.generic]) -> NDArray[np.float64]:
    height, width = values.shape
    cells = values.reshape(height // _CELL_PX, _CELL_PX, width // _CELL_PX, _CELL_PX)
    return np.asarray(cells.mean(axis=(1, 3), dtype=np.float64))
