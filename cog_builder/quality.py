"""Flags of each pixel: fill, saturated, cloud. Simple spectral rules of low confidence."""

import cv2
import numpy as np
from numpy.typing import NDArray

FILL, SATURATED, CLOUD = 1, 2, 4

_CLOUD_BLUE = 0.22
_CLOUD_HAZE = 0.12
_CLOUD_NIR_PER_RED = (0.75, 1.9)
_SPECKLE_PX = 5
REACH_PX = _SPECKLE_PX // 2
"""How far around a pixel `cloudy` looks."""


def cloudy(reflectance: NDArray[np.float32], common_names: tuple[str, ...]) -> NDArray[np.bool_]:
    """True where a pixel is bright, grey and hazy: low confidence, as bright roofs and sand can be all three.

    The haze term is the haze optimised transform's slope form, blue − 0.5 · red (Zhang, Guindon and Cihlar 2002).

    Args:
        reflectance: Top of atmosphere, (row, column, band).
        common_names: STAC common names of the bands, in order.
    """
    blue, red, nir = (reflectance[..., common_names.index(name)] for name in ("blue", "red", "nir"))
    ratio = nir / np.maximum(red, 1e-3)
    low, high = _CLOUD_NIR_PER_RED
    found = (blue > _CLOUD_BLUE) & (blue - 0.5 * red > _CLOUD_HAZE) & (ratio > low) & (ratio < high)
    clean: NDArray[np.bool_] = cv2.medianBlur(found.view(np.uint8), _SPECKLE_PX).view(np.bool_)
    return clean


def flags(valid: NDArray[np.bool_], saturated: NDArray[np.bool_], cloud: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """One byte per pixel, bits added: 1 fill, 2 saturated, 4 cloud."""
    found = saturated * np.uint8(SATURATED) + cloud * np.uint8(CLOUD)
    return np.where(valid, found, np.uint8(FILL))
