"""The packaged cloud detector: simple rules, right for most clouds and never certain.

| bands | a cloud is | its shadow is |
|---|---|---|
| blue (or green), red, near infrared | bright, hazy and grey | darker than around it, cast by a cloud, not water |
| blue (or green), red | bright and hazy | not looked for |
| others, such as pan alone | bright, so sand and snow are clouds as well | not looked for |
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.cloud_detector import Bools, CloudView

Layer = NDArray[np.float32]

_BRIGHT = 0.22
_BRIGHT_PAN = 0.35
_HAZE = {"blue": 0.12, "green": 0.13}
_NIR_PER_RED = (0.75, 1.9)
_NEARLY = 0.97
_SPECKLE_PX = 3
_DARK = 0.85
"""A shadow is darker than this share of the mean of the clear ground around."""
_AROUND_PX = 40
_THIN_EDGE_PX = 11
"""Ground so near a cloud is too bright to be compared with: its thin edge lies over it."""
_CLOUD_HEIGHTS_M = (200.0, 3000.0)
"""Above the ground; where the sun is low, higher ones cast their shadows out of reach."""
_CAST_PX = 60


class SimpleCloudRule:
    """Low confidence: bright roofs and sand may pass for cloud, thin cloud and faint shadows are missed."""

    pixel_m = 32.0
    reach_px = 64

    def __call__(self, view: CloudView) -> tuple[Bools, Bools]:
        """See `CloudDetector`."""
        order = {name: band for band, name in reversed(list(enumerate(view.common_names)))}
        bands = {name: view.reflectance[..., band] for name, band in order.items() if name is not None}
        ceiling = {name: float(view.ceiling[band]) for name, band in order.items() if name is not None}
        cloudy = _without_speckle(_cloudy(bands, ceiling) & view.valid)
        if "nir" not in bands or not cloudy.any():
            return cloudy, np.zeros_like(cloudy)
        shadowed = _cast(cloudy, view) & _darker_than_around(bands, view.valid & ~cloudy) & view.valid & ~cloudy
        return cloudy, _without_speckle(shadowed)


def _cloudy(bands: dict[str, Layer], ceiling: dict[str, float]) -> Bools:
    """Bright, hazy and grey.

    The haze term is the haze optimised transform's slope form, blue − 0.5 · red (Zhang, Guindon and Cihlar 2002). A
    band that is saturated says only "at least": GF-2's blue ends at 0.22–0.25, where clouds would lose their haze.
    """
    short = next((name for name in _HAZE if name in bands), None)
    if short is None or "red" not in bands:
        name, layer = next(iter(bands.items()))
        return layer > min(_BRIGHT_PAN, _NEARLY * ceiling[name])
    hazy = bands[short] - 0.5 * bands["red"] > _HAZE[short]
    found: Bools = (bands[short] > _BRIGHT) & hazy | (bands[short] >= _NEARLY * ceiling[short])
    if "nir" in bands:
        ratio = bands["nir"] / np.maximum(bands["red"], 1e-3)
        low, high = _NIR_PER_RED
        found &= (ratio > low) & (ratio < high)
    return found


def _cast(cloudy: Bools, view: CloudView) -> Bools:
    """Where clouds between the two heights would throw their shadows, seen from right above."""
    azimuth = math.radians(view.sun_azimuth)
    east, north = math.sin(azimuth) / view.pixel_m[0], math.cos(azimuth) / view.pixel_m[1]
    low_m, high_m = (height / math.tan(math.radians(max(view.sun_elevation, 1.0))) for height in _CLOUD_HEIGHTS_M)
    longest_m = min(high_m, _CAST_PX / max(abs(east), abs(north)))
    away_m = np.linspace(min(low_m, longest_m), longest_m, 2 * _CAST_PX)
    towards_sun = np.zeros((2 * _CAST_PX + 1, 2 * _CAST_PX + 1), np.uint8)
    towards_sun[np.rint(_CAST_PX - away_m * north).astype(int), np.rint(_CAST_PX + away_m * east).astype(int)] = 1
    found: Bools = cv2.dilate(cloudy.view(np.uint8), towards_sun).view(np.bool_)
    return found


def _darker_than_around(bands: dict[str, Layer], clear: Bools) -> Bools:
    """Darker than the mean of the clear ground around.

    The mean of the bands is geometric: where growth dims red it lifts near infrared, and only light moves both. Water
    is dark without a shadow and is told by near infrared below green.
    """
    edge = np.ones((_THIN_EDGE_PX, _THIN_EDGE_PX), np.uint8)
    weight = cv2.erode(clear.view(np.uint8), edge).astype(np.float32)
    seen = [bands[name] for name in ("green", "red", "nir") if name in bands]
    light = np.prod(np.maximum(seen, 1e-3), axis=0, dtype=np.float32) ** np.float32(1 / len(seen))
    window = (2 * _AROUND_PX + 1, 2 * _AROUND_PX + 1)
    around = cv2.boxFilter(light * weight, -1, window) / np.maximum(cv2.boxFilter(weight, -1, window), 1e-6)
    dark: Bools = light < _DARK * around
    return dark & (bands["nir"] > bands["green"]) if "green" in bands else dark


def _without_speckle(found: Bools) -> Bools:
    clean: Bools = cv2.medianBlur(found.view(np.uint8), _SPECKLE_PX).view(np.bool_)
    return clean
