"""The lie of the invented land: hills in the north-west, a plain in the south-east, rivers and a reservoir in between.

Everything is a function of place, in metres east (x) and north (y) of the land's origin.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cog_builder.simulation.noise import fractal, ridged, smooth

Floats = NDArray[np.float64]

_PLAIN_M = 46.0
_DAM_AT = (-5050.0, 4350.0)
_DAM_LEVEL_M = 127.0
_DAM_HALF_M = 13.0
_UPSTREAM = (math.cos(math.radians(118)), math.sin(math.radians(118)))
_RESERVOIR_REACH_M = 2900.0


@dataclass(frozen=True)
class _River:
    """A meandering line: `heading_deg` is where it flows (counter-clockwise from east), through (x, y)."""

    x: float
    y: float
    heading_deg: float
    half_width_m: float
    bends: tuple[tuple[float, float, float], ...]
    """(amplitude, wavelength, phase): metres, metres, radians."""

    def distance(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Signed metres from the middle line (left of the flow positive), and metres downstream of (x, y)."""
        turn = math.radians(self.heading_deg)
        along = (x - self.x) * math.cos(turn) + (y - self.y) * math.sin(turn)
        beside = (y - self.y) * math.cos(turn) - (x - self.x) * math.sin(turn)
        middle, slope = np.zeros_like(along), np.zeros_like(along)
        for amplitude, wavelength, phase in self.bends:
            angle = along * (2 * np.pi / wavelength) + phase
            middle += amplitude * np.sin(angle)
            slope += amplitude * 2 * np.pi / wavelength * np.cos(angle)
        return (beside - middle) / np.sqrt(1 + slope**2), along


_MAIN = _River(0, -900, -24, 62, ((620, 5200, 0.4), (260, 2350, 1.9), (110, 1130, 0.2)))
_NORTHERN = _River(2300, 2500, -108, 20, ((330, 3100, 1.1), (150, 1250, 2.8), (60, 610, 0.6)))
_WESTERN = _River(-3600, 1900, -62, 15, ((240, 2600, 0.2), (110, 1080, 1.7), (40, 500, 2.9)))


@dataclass(frozen=True)
class Relief:
    """The land at some points."""

    height_m: Floats
    """Above the ellipsoid."""
    hilly: Floats
    """0 on the plain to 1 in the hills."""
    shore_m: Floats
    """Metres to the nearest water's edge; negative on the water."""
    bank_m: Floats
    """Metres to the edge of the main river, where it lays down sand."""
    lake: Floats
    """1 at the still water of the reservoir, else 0."""
    dam: Floats
    """1 on the dam, else 0."""


def relief(x: Floats, y: Floats) -> Relief:
    """The land at points in metres east and north of its origin."""
    bend_x, bend_y = (170 * smooth(x / 1400, y / 1400, seed=seed) for seed in (11, 12))
    rivers = _rivers(x + bend_x, y + bend_y)
    shore_m = np.minimum.reduce(rivers)
    edge = 0.55 * y - 0.83 * x - 1500 + 1500 * fractal(x / 5200, y / 5200, seed=3, octaves=2)
    hilly = _step(edge, 0, 4200) * _step(shore_m, 40, 1300)
    crests = ridged((x + 3 * bend_x) / 3600, (y + 3 * bend_y) / 3600, seed=5, octaves=7)
    plain = _PLAIN_M + 0.0022 * np.clip(edge + 6000, -8000, 6000) + 0.011 * np.clip(edge, 0, 9000)
    height = plain + 1.6 * fractal(x / 900, y / 900, seed=7, octaves=3)
    height = height + hilly * (20 + 560 * crests**1.6 * (0.35 + 0.65 * _step(edge, 0, 9000)))
    upstream, beside = x - _DAM_AT[0], y - _DAM_AT[1]
    above_dam = upstream * _UPSTREAM[0] + beside * _UPSTREAM[1]
    near = np.hypot(upstream, beside) < _RESERVOIR_REACH_M
    lake = near & (above_dam > 0)
    dam = near & (np.abs(above_dam) < _DAM_HALF_M) & (height < _DAM_LEVEL_M + 4)
    # The shore of the lake is where the land rises through the water's level, here at one metre in 25.
    shore_m = np.where(lake, (height - _DAM_LEVEL_M) * 25, shore_m)
    height = np.where(lake, np.maximum(height, _DAM_LEVEL_M), height - 3.5 * _step(shore_m, 14, -6))
    height = np.where(dam, _DAM_LEVEL_M + 4, height)
    return Relief(height, hilly, shore_m, np.where(lake, 1e4, rivers[0]), lake.astype(float), dam.astype(float))


@cache
def dam_line() -> Floats:
    """The two ends of the dam (point, xy), metres."""
    across = np.arange(-1500.0, 1500.0, 5.0)
    x, y = _DAM_AT[0] - across * _UPSTREAM[1], _DAM_AT[1] + across * _UPSTREAM[0]
    dry = np.flatnonzero(relief(x, y).dam == 0)
    left, right = dry[across[dry] < 0].max(), dry[across[dry] > 0].min()
    return np.array([[x[left], y[left]], [x[right], y[right]]])


def _rivers(x: Floats, y: Floats) -> list[Floats]:
    """Metres from the edge of each river, the main one first; tributaries end at it."""
    main, along = _MAIN.distance(x, y)
    widths = _MAIN.half_width_m * (1 + 0.25 * smooth(along / 900, along * 0, seed=21))
    tributaries = [
        np.where(main > 0, np.abs(river.distance(x, y)[0]) - river.half_width_m, 1e4) for river in (_NORTHERN, _WESTERN)
    ]
    return [np.abs(main) - widths, *tributaries]


def _step(value: Floats, low: float, high: float) -> Floats:
    """Smooth 0 to 1 from `low` to `high` (which may be less)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
