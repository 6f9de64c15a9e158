"""Sharp grey + coarse colour → sharp colour."""

import cv2
import numpy as np
from numpy.typing import NDArray

_BLUR_PER_RATIO = 0.6
_KERNEL_SIGMAS = 3.0

Floats = NDArray[np.float32]


def blur_px(ratio: float) -> float:
    """Standard deviation, in pan pixels, that turns the pan image into what the coarse bands saw.

    Both are taken to blur a point to a Gaussian of 0.6 of their own pixel.

    Args:
        ratio: Coarse pixel / pan pixel.
    """
    return _BLUR_PER_RATIO * float(np.sqrt(max(ratio**2 - 1, 0.25)))


def reach_px(sigma_px: float) -> int:
    """How far around a pixel `sharpen` looks."""
    return int(np.ceil(_KERNEL_SIGMAS * sigma_px)) + 1


def sharpen(colours: Floats, pan: Floats, valid: NDArray[np.bool_], *, sigma_px: float) -> Floats:
    """Multiply every band by pan / blurred pan (smoothing filter-based intensity modulation, Liu 2000).

    A pixel's colour is kept: all bands are multiplied by the same number.

    Args:
        colours: Coarse bands already on the pan grid, (row, column, band), reflectance.
        pan: The pan band on that grid, reflectance.
        valid: True where both were imaged; only those pixels take part in the blur.
        sigma_px: See `blur_px`.
    """
    weight = valid.astype(np.float32)
    size = 2 * reach_px(sigma_px) - 1
    total = cv2.GaussianBlur(pan * weight, (size, size), sigma_px, borderType=cv2.BORDER_REPLICATE)
    share = cv2.GaussianBlur(weight, (size, size), sigma_px, borderType=cv2.BORDER_REPLICATE)
    smooth = total / np.maximum(share, 1e-3)
    gain = np.where(valid & (smooth > 1e-4), pan / np.maximum(smooth, 1e-4), 1)
    return colours * gain[..., None].astype(np.float32)
