"""Smooth noise as a function of position: the same value at the same place, whoever asks and at whatever spacing."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SLOPES = np.stack([np.cos(np.arange(256) * np.pi / 128), np.sin(np.arange(256) * np.pi / 128)])
"""Gradients in 256 directions, even all round."""


def hashed(col: NDArray[np.int64], row: NDArray[np.int64], seed: int) -> Floats:
    """An even random number in [0, 1) for each whole position; the same arguments give the same number."""
    return _mixed(col, row, seed) / 2.0**32


def _mixed(col: NDArray[np.int64], row: NDArray[np.int64], seed: int) -> NDArray[np.uint32]:
    mixed = col.astype(np.uint32) * np.uint32(0x9E3779B1) ^ row.astype(np.uint32) * np.uint32(0x85EBCA77)
    mixed = mixed ^ np.uint32(seed * 0x27D4EB2F & 0xFFFFFFFF)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        mixed = (mixed ^ mixed >> np.uint32(shift)) * np.uint32(factor)
    return mixed ^ mixed >> np.uint32(15)


def smooth(x: Floats, y: Floats, *, seed: int) -> Floats:
    """Gradient noise (Perlin) with unit cells, about −1 to 1, zero at whole positions."""
    left, top = np.floor(x), np.floor(y)
    across, down = x - left, y - top
    col, row = left.astype(np.int64), top.astype(np.int64)

    def corner(right: int, below: int) -> Floats:
        slope_x, slope_y = _SLOPES[:, _mixed(col + right, row + below, seed) >> np.uint32(24)]
        rise: Floats = slope_x * (across - right) + slope_y * (down - below)
        return rise

    ease_x, ease_y = (t * t * t * (t * (t * 6 - 15) + 10) for t in (across, down))
    upper = corner(0, 0) + ease_x * (corner(1, 0) - corner(0, 0))
    lower = corner(0, 1) + ease_x * (corner(1, 1) - corner(0, 1))
    return 1.6 * (upper + ease_y * (lower - upper))


def fractal(x: Floats, y: Floats, *, seed: int, octaves: int, gain: float = 0.5) -> Floats:
    """Sum of octaves, each twice as fine and `gain` times as strong; about −1 to 1."""
    total, strength, norm = np.zeros(np.broadcast_shapes(x.shape, y.shape)), 1.0, 0.0
    for octave in range(octaves):
        # Each octave is turned, so that the lattices do not line up into visible axes.
        turned_x, turned_y = 0.8 * x - 0.6 * y + 17.3, 0.6 * x + 0.8 * y - 4.7
        total += strength * smooth(turned_x, turned_y, seed=seed * 31 + octave)
        norm += strength
        strength *= gain
        x, y = turned_x * 2, turned_y * 2
    return total / norm


def ridged(x: Floats, y: Floats, *, seed: int, octaves: int) -> Floats:
    """Sharp crests and smooth valleys, 0–1: mountains."""
    total, strength, norm = np.zeros(np.broadcast_shapes(x.shape, y.shape)), 1.0, 0.0
    carry = np.ones_like(total)
    for octave in range(octaves):
        turned_x, turned_y = 0.8 * x - 0.6 * y + 3.1, 0.6 * x + 0.8 * y + 9.2
        crest = (1 - np.abs(smooth(turned_x, turned_y, seed=seed * 31 + octave))) ** 2
        total += strength * crest * carry
        norm += strength
        carry, strength = np.clip(crest * 1.6, 0, 1), strength * 0.5
        x, y = turned_x * 2, turned_y * 2
    return total / norm
