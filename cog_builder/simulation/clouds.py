"""Clouds and their shadows over a scene, as a function of place: the same at every resolution."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cog_builder.simulation.ground import METRES_PER_DEGREE, GroundGrid, Reflectance
from cog_builder.simulation.nodes import enlarge
from cog_builder.simulation.noise import fractal

Floats = NDArray[np.float64]

_NODE_M = 14.0
_CELL_M = 1600.0
_BASE_M = 1050.0
"""How high the clouds float above the ground: sets where their shadows fall."""
_SOFTNESS = 0.16
_BRIGHTNESS = np.array([0.60, 0.59, 0.585, 0.58], np.float32)
_SHADOW = np.array([0.74, 0.64, 0.58, 0.53], np.float32)
"""Light that still reaches ground under thick cloud, per band: the blue sky around lights it."""


@dataclass(frozen=True)
class Clouds:
    """One sky."""

    seed: int
    longitude: float
    """Of the scene's middle, degrees."""
    latitude: float
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
        sky = cls(seed, *scene.centre, 0.0, *sun)
        density = sky._density(*scene.nodes(1))
        return replace(sky, threshold=float(np.quantile(density, 1 - min(percent, 100) / 100)))

    def veil(self, ground: Reflectance, grid: GroundGrid) -> Reflectance:
        """The ground as seen through the clouds, with their shadows on it."""
        step = max(2, round(_NODE_M / grid.step_m))
        longitude, latitude = grid.nodes(step)
        above, lit = self._thickness(longitude, latitude), self._thickness(*self._sunward(longitude, latitude, 120.0))
        reach_m = _BASE_M / math.tan(math.radians(max(self.sun_elevation, 15)))
        shading = self._thickness(*self._sunward(longitude, latitude, reach_m))
        if not above.any() and not shading.any():
            return ground
        opacity, shade, glow = (
            enlarge(values, step, height=grid.height, width=grid.width)
            for values in (
                1 - np.exp(-3.2 * above),
                1 - np.exp(-2.2 * shading),
                1 + 0.28 * np.tanh(above - lit) + 0.1 * above,
            )
        )
        lit_ground = ground * (1 - shade[..., None] * (1 - _SHADOW))
        return lit_ground + opacity[..., None] * (_BRIGHTNESS * glow[..., None] - lit_ground)

    def _sunward(self, longitude: Floats, latitude: Floats, reach_m: float) -> tuple[Floats, Floats]:
        """The places that lie so far towards the sun."""
        azimuth = math.radians(self.sun_azimuth)
        east = METRES_PER_DEGREE * math.cos(math.radians(self.latitude))
        return longitude + reach_m * math.sin(azimuth) / east, latitude + reach_m * math.cos(
            azimuth
        ) / METRES_PER_DEGREE

    def _thickness(self, longitude: Floats, latitude: Floats) -> Floats:
        return np.clip((self._density(longitude, latitude) - self.threshold) / _SOFTNESS, 0, 2.5)

    def _density(self, longitude: Floats, latitude: Floats) -> Floats:
        x = (longitude - self.longitude) * METRES_PER_DEGREE * math.cos(math.radians(self.latitude)) / _CELL_M
        y = (latitude - self.latitude) * METRES_PER_DEGREE / _CELL_M
        warp_x, warp_y = (fractal(x, y, seed=self.seed + other, octaves=3) for other in (1, 2))
        billows = fractal(x + 0.45 * warp_x, y + 0.45 * warp_y, seed=self.seed, octaves=7, gain=0.55)
        return billows + 0.36 * fractal(x / 4, y / 4, seed=self.seed + 3, octaves=2)
