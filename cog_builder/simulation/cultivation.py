"""What people made of a piece of ground: the colour of each field and roof, shadows, and roads with their trees."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.simulation.crop import reflectance_of
from cog_builder.simulation.grain import Layer, LocalGrid, Texture, as_share, mix
from cog_builder.simulation.ground import Reflectance
from cog_builder.simulation.parcel import details, mesh, mesh_numbers, overview, road
from cog_builder.simulation.shapes import ShapeArrays, draw_cover, draw_indexes, draw_lines, stacked
from cog_builder.simulation.spectra import CROPS, ROOFS, Kind, woodland

Floats = NDArray[np.float64]
_Side = tuple[tuple[float, float], tuple[float, float]]

_DETAIL_STEP_M = 5.0
"""Coarser grids show whole blocks instead of strips and buildings."""
_FURROW_STEP_M = 3.0
_FURROW_M = 2.4
_REACH_M = 300.0
"""Longest shadow."""

_STREAKS = np.random.default_rng(81).normal(0, 1, 4097).astype(np.float32)
_ROWS = dict.fromkeys(CROPS, 0.045) | {Kind.ORCHARD: 0.12}
"""How strongly rows show."""
_PATCHES = dict.fromkeys(CROPS, 0.07) | dict.fromkeys(ROOFS, 0.04) | {
    Kind.YARD: 0.16, Kind.PAVEMENT: 0.12, Kind.ASPHALT: 0.06, Kind.GRAVEL: 0.12, Kind.LAWN: 0.14, Kind.BARE: 0.12,
    Kind.POND: 0.03, Kind.TOWN: 0.14, Kind.VILLAGE: 0.14,
}  # fmt: skip
"""How blotchy each kind is."""
_TREES = {
    Kind.YARD: 0.42, Kind.LAWN: 0.45, Kind.PAVEMENT: 0.2, Kind.GRAVEL: 0.3, Kind.ORCHARD: 0.62, Kind.ASPHALT: 0.1,
}  # fmt: skip
"""Share under trees."""


@dataclass(frozen=True)
class Cultivation:
    """What people made of the points of a grid."""

    surface: Reflectance
    covered: Layer
    """1 where there is a surface, else 0."""
    shadow: Layer
    """1 where a building keeps the sun off, else 0."""
    roads: Layer
    verges: Layer
    """Strips along roads where trees may stand."""


def cultivate(local: LocalGrid, texture: Texture, day: float, sun: tuple[float, float]) -> Cultivation:
    """Draw the use of the land on a day of the year, under the sun (elevation, azimuth in radians)."""
    low, high = local.bounds
    step_m = local.grid.step_m
    fine = step_m < _DETAIL_STEP_M
    numbers = mesh_numbers(low - _REACH_M, high + _REACH_M)
    sets = [details(*number) if fine else overview(*number) for number in numbers]
    shapes = stacked([each.touching(low - _REACH_M, high + _REACH_M) for each in sets])
    surface, covered = _surfaces(local, shapes, texture, day)
    shape = (local.grid.height, local.grid.width)
    shadow = _shadows(local, shapes, sun) if fine else np.zeros(shape, np.float32)
    roads, verges = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for lines, verge_m, road_m in zip(_roads(local, numbers), (34, 19), (20, 7), strict=True):
        draw_lines(verges, lines, verge_m / step_m)
        draw_lines(roads, lines, road_m / step_m)
    return Cultivation(surface, covered, shadow, as_share(roads), as_share(verges))


def _roads(local: LocalGrid, numbers: list[tuple[int, int]]) -> tuple[list[Floats], list[Floats]]:
    """Town streets, which are straight, and country roads, in pixels."""
    streets: set[_Side] = set()
    lanes: set[_Side] = set()
    for part in (mesh(*number) for number in numbers):
        if part.blocks:
            sides = zip(part.outline, [*part.outline[1:], part.outline[0]], strict=True)
            (streets if part.urban else lanes).update((min(side), max(side)) for side in sides)
    return (
        [local.pixels(np.array(side)) for side in sorted(streets)],
        [local.pixels(road(*side)) for side in sorted(lanes - streets)],
    )


def _surfaces(local: LocalGrid, shapes: ShapeArrays, texture: Texture, day: float) -> tuple[Reflectance, Layer]:
    """Every shape in its colour of the day, with rows, patches and trees; and where there is any shape."""
    index = np.zeros((local.grid.height, local.grid.width), np.int32)
    draw_indexes(index, shapes.split(local.pixels(shapes.points)), 1)
    kinds, vigours, tints, headings, _ = shapes.facts.T
    kinds = kinds.astype(np.intp)
    table = np.zeros((len(kinds) + 1, 9), np.float32)
    table[1:, :4] = reflectance_of(kinds, day, vigours, tints)
    table[1:, 4], table[1:, 5], table[1:, 6] = _per_kind(_ROWS, kinds), np.sin(headings), np.cos(headings)
    table[1:, 7], table[1:, 8] = _per_kind(_PATCHES, kinds), _per_kind(_TREES, kinds)
    found = table[index]
    rows, sine, cosine, patches, wooded = (found[..., column] for column in range(4, 9))
    blotches = patches * (texture.coarse + 0.5 * texture.fine)
    if local.grid.step_m < _FURROW_STEP_M:
        blotches += rows * _furrows(local, sine, cosine)
    surface = found[..., :4] * (1 + blotches)[..., None]
    shown: Layer = np.float32(0.6) * wooded
    if local.grid.step_m < _DETAIL_STEP_M:
        stand = np.clip((texture.crowns + 0.5 * texture.coarse - 1.15 + 2.1 * wooded) * 2.5, 0, 1)
        shown = stand.astype(np.float32) * (wooded > 0)
    trees = woodland(day)[1] * (1 + 0.2 * texture.crowns + 0.4 * texture.crown_light)[..., None]
    mix(surface, trees, shown)
    return surface, (index > 0).astype(np.float32)


def _furrows(local: LocalGrid, sine: Layer, cosine: Layer) -> Layer:
    """Streaks along the rows of each field, a few metres wide."""
    a, b, c, d, e, f = (np.float32(value / _FURROW_M) for value in local.to_metres[:6])
    col = np.arange(local.grid.width, dtype=np.float32)
    row = np.arange(local.grid.height, dtype=np.float32)[:, None]
    across = (d * col + e * row + f) * cosine - (a * col + b * row + c) * sine
    left = np.floor(across)
    here = left.astype(np.int32) & 4095
    streaks: Layer = _STREAKS[here] + (across - left) * (_STREAKS[here + 1] - _STREAKS[here])
    return streaks


def _shadows(local: LocalGrid, shapes: ShapeArrays, sun: tuple[float, float]) -> Layer:
    """Where buildings keep the sun off ground that is no roof."""
    elevation, azimuth = sun
    away = -np.array([math.sin(azimuth), math.cos(azimuth)]) / math.tan(elevation)
    heights = shapes.facts[:, 4]
    moved = shapes.points + np.repeat(heights, np.diff(shapes.starts))[:, None] * away
    feet, tops = shapes.split(local.pixels(shapes.points)), shapes.split(local.pixels(moved))
    high = np.flatnonzero(heights > 0)
    shaded, roofed = (np.zeros((local.grid.height, local.grid.width), np.uint8) for _ in range(2))
    hulls = [cv2.convexHull(np.concatenate([feet[one], tops[one]]).astype(np.float32))[:, 0] for one in high]
    draw_cover(shaded, hulls)
    draw_cover(roofed, [feet[one] for one in high])
    return as_share(np.minimum(shaded, 255 - roofed))


def _per_kind(values: dict[Kind, float], kinds: NDArray[np.intp]) -> Floats:
    return np.array([values.get(kind, 0.0) for kind in Kind])[kinds]
