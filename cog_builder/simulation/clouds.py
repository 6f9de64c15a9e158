"""Clouds and their shadows over a scene, as a function of place: the same at every resolution."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cog_builder.simulation.ground import METRES_PER_DEGREE, GroundGrid, Reflectance
from cog_builder.simulation.nodes import enlarge
from cog_builder.simulation.noise import fractal

Floats = NDArray[np.float64]

_NODE_M = 12.0
_CELL_M = 2600.0
_BASE_M = 900.0
"""How high the clouds float above the ground: sets where their shadows fall."""
_SOFTNESS = 0.11
_BRIGHTNESS = np.array([0.78, 0.77, 0.76, 0.74], np.float32)
_SHADOW = np.array([0.62, 0.52, 0.45, 0.40], np.float32)
"""Light that still reaches shadowed ground, per band: the blue sky lights it."""


@dataclass(frozen=True)
class Clouds:
    """One sky."""

    seed: int
    threshold: float
    """Cloud stands where the noise exceeds this."""
    sun_elevation: float
    sun_azimuth: float

    @classmethod
    def covering(cls, percent: float, scene: GroundGrid, *, seed: int, sun: tuple[float, float]) -> "Clouds | None":
        """A sky that hides `percent` of a scene; None when that is nothing.

        Args:
            percent: Of the scene's ground, 0–100.
            scene: A coarse grid over the scene.
            seed: Another seed is another sky.
            sun: Elevation and azimuth in degrees.
        """
        if percent <= 0:
            return None
        density = _density(*scene.nodes(1), seed)
        return cls(seed, float(np.quantile(density, 1 - min(percent, 100) / 100)), *sun)

    def veil(self, ground: Reflectance, grid: GroundGrid) -> Reflectance:
        """The ground as seen through the clouds, with their shadows on it."""
        step = max(1, round(_NODE_M / grid.step_m))
        longitude, latitude = grid.nodes(step)
        reach_m = _BASE_M / math.tan(math.radians(max(self.sun_elevation, 10)))
        azimuth = math.radians(self.sun_azimuth)
        east = METRES_PER_DEGREE * math.cos(math.radians(grid.centre[1]))
        above = self._thickness(longitude, latitude)
        sunward = self._thickness(
            longitude + reach_m * math.sin(azimuth) / east,
            latitude + reach_m * math.cos(azimuth) / METRES_PER_DEGREE,
        )
        if not above.any() and not sunward.any():
            return ground
        opacity, shade, light = (
            enlarge(values, step, height=grid.height, width=grid.width)
            for values in (1 - np.exp(-4.0 * above), 1 - np.exp(-3.0 * sunward), above)
        )
        lit = ground * (1 - shade[..., None] * (1 - _SHADOW))
        cloud = _BRIGHTNESS * (0.72 + 0.4 * np.minimum(light, 0.9))[..., None]
        return lit + opacity[..., None] * (cloud - lit)  # type: ignore[no-any-return]

    def _thickness(self, longitude: Floats, latitude: Floats) -> Floats:
        return np.clip((_density(longitude, latitude, self.seed) - self.threshold) / _SOFTNESS, 0, 2.5)


def _density(longitude: Floats, latitude: Floats, seed: int) -> Floats:
    x = longitude * METRES_PER_DEGREE * np.cos(np.radians(latitude)) / _CELL_M
    y = latitude * METRES_PER_DEGREE / _CELL_M
    warp_x, warp_y = fractal(x, y, seed=seed + 1, octaves=3), fractal(x, y, seed=seed + 2, octaves=3)
    billows = fractal(x + 0.5 * warp_x, y + 0.5 * warp_y, seed=seed, octaves=7, gain=0.52)
    return billows + 0.35 * fractal(x / 5, y / 5, seed=seed + 3, octaves=2)
