"""Sharp grey + coarse colours → sharp colours, by component substitution.

Adaptive Gram-Schmidt (Aiazzi, Baronti and Selva 2007): a weighted sum of the bands stands for what the pan camera would
have seen at their resolution. What the pan image shows beyond it is detail, and every band gets its share. Weights and
shares are fitted once for a scene, so its blocks join without a seam.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

METHOD = "adaptive Gram-Schmidt component substitution"
"""As the Item names it."""

_BLUR_PER_RATIO = 0.6
_KERNEL_SIGMAS = 3.0
_NEGLIGIBLE = 1e-6
"""Variance of detail, in squares of the brightness; with less, a band's share goes by its brightness."""
_TRACE = 1e-9
"""What a pixel counts that is 1 in all bands and in the pan image: there is an answer even where nothing was imaged."""
_SINGULAR = 1e-12

Floats = NDArray[np.float32]
Sigmas = tuple[float, float]
"""Standard deviations of a Gaussian along the columns' axis and the rows' axis, in pixels."""


@dataclass(frozen=True)
class Sharpening:
    """How the bands of a scene make up its pan image, and how its detail goes back into them."""

    weights: Floats
    """One per band: what it adds to the pan image."""
    constant: float
    """What the pan image sees besides."""
    gains: Floats
    """One per band: its change where the pan image changes by 1."""

    def intensity(self, colours: Floats) -> Floats:
        """The pan image as the bands have it, (row, column)."""
        seen: Floats = colours @ self.weights + np.float32(self.constant)
        return seen

    def sharpen(self, colours: Floats, pan: Floats, saturated: NDArray[np.bool_]) -> Floats:
        """Bands with the detail of the pan image.

        Args:
            colours: Coarse bands already on the pan grid, (row, column, band), reflectance.
            pan: The pan band on that grid, reflectance.
            saturated: True where an image no longer tells how bright the ground is; bands stay as they are there.
        """
        detail = pan - self.intensity(colours)
        detail[saturated] = 0
        return colours + detail[..., None] * self.gains


@dataclass(frozen=True)
class Sample:
    """A piece of a scene in both images, on one grid."""

    colours: Floats
    """(row, column, band)."""
    pan: Floats
    usable: NDArray[np.bool_]
    """True where both were imaged and nothing is saturated."""


def blur_px(ratio: float) -> float:
    """Standard deviation, in pan pixels, that turns the pan image into what the coarse bands saw.

    Both are taken to blur a point to a Gaussian of 0.6 of their own pixel.

    Args:
        ratio: Coarse pixel / pan pixel.
    """
    return _BLUR_PER_RATIO * float(np.sqrt(max(ratio**2 - 1, 0.25)))


def blurred(image: Floats, usable: NDArray[np.bool_], sigmas: Sigmas) -> tuple[Floats, NDArray[np.bool_]]:
    """An image without its finest detail, and where nothing but usable pixels went into it.

    Args:
        image: (row, column) or (row, column, band).
        usable: Only these pixels take part.
        sigmas: Of the Gaussian.
    """
    size = (_kernel_px(sigmas[0]), _kernel_px(sigmas[1]))
    weight = usable.astype(np.float32)
    share = cv2.GaussianBlur(weight, size, *sigmas, borderType=cv2.BORDER_CONSTANT)
    shape = (*weight.shape, *[1] * (image.ndim - 2))
    total = cv2.GaussianBlur(image * weight.reshape(shape), size, *sigmas, borderType=cv2.BORDER_CONSTANT)
    return total / np.maximum(share, 1e-6).reshape(shape), share > 1 - 1e-4


def fit_sharpening(samples: Sequence[Sample], bands: int, sigmas: Sigmas) -> Sharpening:
    """Least squares over pieces of a scene: the blurred pan image from the bands, the bands' detail from that.

    The shares are those of the finest detail the bands have: over larger areas colours change for other reasons.

    Args:
        samples: Of one scene, with its bands in one order.
        bands: How many these are.
        sigmas: See `blur_px`.
    """
    products, sums = np.full((bands + 1, bands + 1), _TRACE), np.full(bands + 1, _TRACE)
    details = np.zeros((bands, bands))
    for sample in samples:
        pan, sure = blurred(sample.pan, sample.usable, sigmas)
        coarse, _ = blurred(sample.colours, sample.usable, sigmas)
        known = np.column_stack([sample.colours[sure], np.ones(np.count_nonzero(sure))]).astype(np.float64)
        products += known.T @ known
        sums += known.T @ pan[sure]
        fine = (sample.colours - coarse)[sure].astype(np.float64)
        details += fine.T @ fine
    solution = np.linalg.lstsq(products, sums, rcond=_SINGULAR)[0]
    weights, count, brightness = solution[:-1], products[-1, -1], products[-1] / products[-1, -1]
    grey, floor = brightness @ solution, _NEGLIGIBLE * count
    gains = (details @ weights + floor * grey * brightness[:-1]) / (weights @ details @ weights + floor * grey**2)
    return Sharpening(weights.astype(np.float32), float(solution[-1]), gains.astype(np.float32))


def _kernel_px(sigma_px: float) -> int:
    return 2 * int(np.ceil(_KERNEL_SIGMAS * sigma_px)) + 1
