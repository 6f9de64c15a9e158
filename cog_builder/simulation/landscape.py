"""A land that does not exist: hills and plain, rivers, fields, villages and a town, through the seasons.

The same place looks alike on every date and at every resolution; what is too fine for a grid is left out or averaged.
"""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from cog_builder.simulation.cultivation import Cultivation, cultivate
from cog_builder.simulation.grain import Layer, LocalGrid, Texture, as_share, mix
from cog_builder.simulation.ground import METRES_PER_DEGREE, GroundGrid, Reflectance
from cog_builder.simulation.nodes import enlarge
from cog_builder.simulation.noise import fractal
from cog_builder.simulation.relief import dam_line, relief
from cog_builder.simulation.road import MOTORWAY, RAILWAY
from cog_builder.simulation.shapes import draw_lines
from cog_builder.simulation.spectra import (
    ASPHALT,
    CONCRETE,
    LAKE,
    MEDIAN_STRIP,
    RIVER,
    ROCK,
    SAND,
    SHADE,
    TRACK_BED,
    Colour,
    woodland,
)
from cog_builder.sun import sun_position

Floats = NDArray[np.float64]

_NODE_M = 16.0
_SKYLIGHT = 0.24
_RELIEF_BOOST = 1.7
"""Slopes are shaded as if they were this much steeper: interpolated heights have lost their small forms."""
_HAZE = np.array([0.058, 0.036, 0.020, 0.006], np.float32)
"""Reflectance of a clear atmosphere over black ground: what makes a view from space bluish."""
_CLARITY = np.array([0.88, 0.91, 0.94, 0.96], np.float32)
"""Share of the ground's reflectance that comes through."""
_DARKEST = np.float32(0.004)


@dataclass(frozen=True)
class Landscape:
    """The invented land, as a world and as an elevation."""

    longitude: float = 116.4
    """Of its origin, degrees."""
    latitude: float = 39.9

    @property
    def source(self) -> str:
        """What the heights come from."""
        return "invented landscape"

    @property
    def warnings(self) -> tuple[str, ...]:
        """None: the heights are exact."""
        return ()

    def heights_m(self, longitude: Floats, latitude: Floats) -> Floats:
        """Metres above the ellipsoid."""
        east = METRES_PER_DEGREE * math.cos(math.radians(self.latitude))
        return relief((longitude - self.longitude) * east, (latitude - self.latitude) * METRES_PER_DEGREE).height_m

    def around(self, bbox: tuple[float, float, float, float], *, max_cells: int) -> "Landscape":
        """The land is the same everywhere."""
        return self

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Longitude and latitude of a place in metres east and north of the origin."""
        east = METRES_PER_DEGREE * math.cos(math.radians(self.latitude))
        return self.longitude + x / east, self.latitude + y / METRES_PER_DEGREE

    def reflectance(self, grid: GroundGrid, when: datetime) -> Reflectance:
        """The land as seen from above a clear atmosphere, lit by the sun of that moment."""
        local = LocalGrid(grid, self.longitude, self.latitude)
        elevation, azimuth = sun_position(when, self.longitude, self.latitude)
        sun = math.radians(max(elevation, 5)), math.radians(azimuth)
        day = float(when.timetuple().tm_yday)
        ground, texture = _terrain(local, sun), Texture.of(local, sun)
        image = _wild(ground, texture, day)
        _settle(image, cultivate(local, texture, day, sun), ground, texture, woodland(day)[1], local.grid.step_m)
        water = _flood(image, ground, texture, local.grid.step_m)
        _cross(image, local)
        light = ground.light * (1 + 0.3 * ground.hilly * texture.ripples)
        image *= (light + (1 - light) * water)[..., None]
        return np.asarray(_HAZE + np.maximum(image, _DARKEST) * _CLARITY, np.float32)


@dataclass(frozen=True)
class _Ground:
    """The relief at every point of a grid."""

    shore_m: Layer
    bank_m: Layer
    hilly: Layer
    lake: Layer
    light: Layer
    """How much sunlight falls, relative to level ground."""
    variety: Layer
    """Slow change of soil and growth, −1 to 1."""


def _terrain(local: LocalGrid, sun: tuple[float, float]) -> _Ground:
    grid = local.grid
    step = max(2, round(_NODE_M / grid.step_m))
    x, y = local.metres(*grid.nodes(step))
    land = relief(x, y)
    fall_row, fall_col = np.gradient(land.height_m)
    a, b, _, d, e, _ = (value * step for value in local.to_metres[:6])
    slope = np.linalg.inv(np.array([[a, d], [b, e]])) @ np.stack([fall_col.ravel(), fall_row.ravel()])
    east, north = slope * _RELIEF_BOOST
    elevation, azimuth = sun
    facing = -east * math.sin(azimuth) - north * math.cos(azimuth)
    direct = (math.sin(elevation) + math.cos(elevation) * facing) / np.sqrt(1 + east**2 + north**2)
    light = _SKYLIGHT + (1 - _SKYLIGHT) * np.clip(direct / math.sin(elevation), 0, 1.9).reshape(x.shape)
    variety = fractal(x / 700, y / 700, seed=71, octaves=4)
    layers = (land.shore_m, land.bank_m, land.hilly, land.lake, light, variety)
    return _Ground(*(enlarge(layer, step, height=grid.height, width=grid.width) for layer in layers))


def _wild(ground: _Ground, texture: Texture, day: float) -> Reflectance:
    """Woods, grass and rock: the land before anyone came."""
    conifer, broadleaf, grass = woodland(day)
    coarse, variety = texture.coarse, ground.variety
    image: Reflectance = grass * (1 + 0.12 * coarse + 0.1 * texture.fine + 0.12 * variety)[..., None]
    wood = np.clip((1.3 * variety + 0.28 * coarse + 1.25 * ground.hilly - 0.45) * 3.5, 0, 1)
    stand = np.clip(0.5 + 1.3 * np.sin(5 * variety) - 0.35 * coarse, 0, 1)[..., None]
    crowned = (1 + 0.18 * texture.crowns + 0.36 * texture.crown_light)[..., None]
    mix(image, (broadleaf + stand * (conifer - broadleaf)) * crowned, wood)
    bare = np.clip((0.62 - ground.light) * 2.2 - 0.5 * wood + 0.3 * coarse, 0, 0.7) * ground.hilly
    mix(image, ROCK * (1 + 0.15 * coarse)[..., None], bare)
    return image


def _settle(
    image: Reflectance, people: Cultivation, ground: _Ground, texture: Texture, trees: Colour, step_m: float
) -> None:
    """Lay fields, buildings and roads over the wild land, off the river banks."""
    dry = np.clip((ground.shore_m - 28 + 10 * texture.coarse) / max(8, step_m), 0, 1)
    mix(image, people.surface, dry * people.covered)
    lined = np.clip(people.verges * np.clip(0.35 + 1.3 * texture.crowns, 0, 1), 0, 1) * dry
    mix(image, trees * (1 + 0.2 * texture.crowns + 0.4 * texture.crown_light)[..., None], lined)
    mix(image, ASPHALT, people.roads * np.clip(1.4 - 2 * ground.hilly, 0, 1))
    image *= 1 - (people.shadow * dry)[..., None] * (1 - SHADE)


def _flood(image: Reflectance, ground: _Ground, texture: Texture, step_m: float) -> Layer:
    """Sand bars and water; returns how much of each point is water."""
    wobble, variety = 5 * texture.coarse, ground.variety
    sand = np.clip((13 + 3 * wobble - np.abs(ground.bank_m - 3)) / 8, 0, 0.8) * np.clip(0.55 + 1.5 * variety, 0, 1)
    mix(image, SAND * (1 + 0.08 * texture.fine)[..., None], sand)
    water: Layer = np.clip((0.6 * wobble - ground.shore_m) / max(3.0, step_m) + 0.5, 0, 1)
    shallow = np.clip(1 + ground.shore_m / 25, 0, 1)[..., None] * (SAND * 0.1)
    clear = (RIVER + ground.lake[..., None] * (LAKE - RIVER)) * (1 + 0.05 * texture.coarse)[..., None]
    mix(image, clear + shallow, water)
    return water


def _cross(image: Reflectance, local: LocalGrid) -> None:
    """Dam, motorway and railway, over land and water."""
    tracks = (
        (dam_line(), ((24.0, CONCRETE * 0.8), (9.0, CONCRETE))),
        (RAILWAY, ((15.0, TRACK_BED), (5.0, TRACK_BED * 0.7))),
        (MOTORWAY, ((58.0, MEDIAN_STRIP), (30.0, ASPHALT * 1.15), (2.6, MEDIAN_STRIP))),
    )
    for line, layers in tracks:
        pixels = local.pixels(line)
        for width_m, colour in layers:
            canvas = np.zeros(image.shape[:2], np.uint8)
            draw_lines(canvas, [pixels], width_m / local.grid.step_m)
            mix(image, colour, as_share(canvas))
