"""Villages, towns and works: buildings in rows on a piece of land."""

import math
from dataclasses import dataclass

import numpy as np

from cog_builder.simulation.polygon import Points, Ring, area, extent, inside, middle, rectangles, shrink
from cog_builder.simulation.shapes import Shapes
from cog_builder.simulation.spectra import Kind

_Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """How a piece of land is built over."""

    ground: Kind
    length_m: _Range
    depth_m: _Range
    gap_m: float
    """Between buildings of a row."""
    row_gap_m: float
    """Between rows, beside the depth."""
    built: float
    """Share of the lots that carry a building."""
    height_m: _Range
    roofs: tuple[tuple[Kind, float], ...]
    """Roof and how common it is."""
    ragged_m: float = 0.0
    """How far buildings stand out of line."""


VILLAGE = Style(
    Kind.YARD, (9, 16), (6.5, 8.5), 1.2, 8.5, 0.86, (3.5, 6.5),
    ((Kind.RED_ROOF, 5), (Kind.GREY_ROOF, 4), (Kind.DARK_ROOF, 3), (Kind.BLUE_ROOF, 1), (Kind.CONCRETE_ROOF, 2)), 0.8,
)  # fmt: skip
OLD_TOWN = Style(
    Kind.PAVEMENT, (10, 24), (9, 14), 2.0, 5.5, 0.85, (4, 12),
    ((Kind.GREY_ROOF, 5), (Kind.CONCRETE_ROOF, 4), (Kind.RED_ROOF, 3), (Kind.DARK_ROOF, 3), (Kind.BLUE_ROOF, 1)), 1.2,
)  # fmt: skip
FLATS = Style(
    Kind.LAWN, (38, 62), (12, 14.5), 13.0, 21.0, 0.9, (17, 34),
    ((Kind.CONCRETE_ROOF, 6), (Kind.RED_ROOF, 2), (Kind.GREY_ROOF, 3)), 1.5,
)  # fmt: skip
TOWERS = Style(
    Kind.LAWN, (22, 30), (16, 20), 24.0, 34.0, 0.8, (50, 85), ((Kind.CONCRETE_ROOF, 3), (Kind.GREY_ROOF, 2)), 3.0
)
WORKS = Style(
    Kind.PAVEMENT, (45, 105), (24, 52), 13.0, 15.0, 0.82, (8, 14),
    ((Kind.BLUE_ROOF, 6), (Kind.WHITE_ROOF, 3), (Kind.GREY_ROOF, 3), (Kind.CONCRETE_ROOF, 1)), 2.0,
)  # fmt: skip
GREENHOUSES = Style(Kind.FALLOW, (55, 90), (7.5, 9), 4.0, 3.2, 0.9, (0.0, 0.0), ((Kind.GREENHOUSE, 1),), 0.3)


def build(land: Ring, style: Style, direction: float, random: np.random.Generator) -> Shapes:
    """Cover a convex piece of land with rows of buildings that run along `direction` (radians)."""
    shapes = Shapes()
    shapes.add(land, style.ground, tint=random.uniform(-0.5, 0.5), heading=direction)
    (left, right), (low, high) = extent(land, direction), extent(land, direction + math.pi / 2)
    along, beside = _unit(direction), _unit(direction + math.pi / 2)
    pitch = sum(style.depth_m) / 2 + style.row_gap_m
    common = _roof(style, random)
    for place in np.arange(low + pitch / 2, high, pitch):
        lengths = random.uniform(*style.length_m, size=int((right - left) / (style.length_m[0] + style.gap_m)) + 1)
        starts = left + random.uniform(0, 6) + np.concatenate([[0], np.cumsum(lengths + style.gap_m)[:-1]])
        depths = random.uniform(*style.depth_m, size=len(lengths))
        shifts = place + random.uniform(-style.ragged_m, style.ragged_m, size=len(lengths))
        centres = (starts + lengths / 2)[:, None] * along + shifts[:, None] * beside
        stand = inside(land, centres, 0.5 * style.depth_m[1]) & (random.random(len(lengths)) < style.built)
        height = random.uniform(*style.height_m)
        for outline in rectangles(centres[stand], lengths[stand], depths[stand], direction):
            roof = common if random.random() < 0.45 else _roof(style, random)
            shapes.add(outline, roof, tint=random.uniform(-1, 1), heading=direction, height_m=height)
    return shapes


def school(land: Ring, direction: float, random: np.random.Generator) -> Shapes:
    """Class rooms and a running track round a pitch, where the land is large enough."""
    shapes = build(land, FLATS, direction, random)
    if area(land) < 14_000:
        return shapes
    for radius_m, half_m, kind in ((36.0, 43.0, Kind.RUNNING_TRACK), (27.0, 43.0, Kind.LAWN)):
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        x = half_m * np.sign(np.cos(turn)) + radius_m * np.cos(turn)
        oval = x[:, None] * _unit(direction) + (radius_m * np.sin(turn))[:, None] * _unit(direction + math.pi / 2)
        shapes.add(_ring(middle(land) + oval), kind, vigour=0.3, heading=direction)
    return shapes


def park(land: Ring, direction: float, random: np.random.Generator) -> Shapes:
    """Lawn and a pond."""
    shapes = Shapes()
    shapes.add(land, Kind.LAWN, vigour=0.4, heading=direction)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = (
        math.sqrt(area(land)) * 0.22 * (1 + 0.25 * np.sin(2 * turn + random.uniform(0, 6)) + 0.15 * np.sin(3 * turn))
    )
    shore = middle(land) + np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    shapes.add(_ring(shore), Kind.POND)
    return shapes


def city_block(land: Ring, direction: float, random: np.random.Generator) -> Shapes:
    """One block between streets, of whatever a town has there."""
    use = random.choice(
        ["flats", "towers", "old", "works", "park", "school", "bare"], p=[0.36, 0.1, 0.25, 0.12, 0.06, 0.06, 0.05]
    )
    if use == "park":
        return park(land, direction, random)
    if use == "school":
        return school(land, direction, random)
    if use == "bare":
        shapes = Shapes()
        shapes.add(land, Kind.BARE, tint=random.uniform(-0.5, 0.5))
        return shapes
    if use == "works" and area(land) < 9_000:
        use = "old"
    styles = {"flats": FLATS, "towers": TOWERS, "old": OLD_TOWN, "works": WORKS}
    pavement = shrink(land, 1.5)
    return build(pavement if len(pavement) >= 3 else land, styles[str(use)], direction, random)


def _roof(style: Style, random: np.random.Generator) -> Kind:
    place = random.random() * sum(weight for _, weight in style.roofs)
    for roof, weight in style.roofs:
        place -= weight
        if place < 0:
            return roof
    return style.roofs[-1][0]


def _unit(direction: float) -> Points:
    return np.array([math.cos(direction), math.sin(direction)])


def _ring(points: Points) -> Ring:
    return [(x, y) for x, y in points.tolist()]
