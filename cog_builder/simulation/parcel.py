"""Who uses the plain for what: a net of country roads, and in each of its meshes fields, a village or a part of town.

The net is endless: meshes come from a jittered lattice, and everything in one follows from its own two numbers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from cog_builder.simulation.noise import hashed, smooth
from cog_builder.simulation.polygon import Points, Ring, area, cut, extent, heading, middle, quarter, shrink
from cog_builder.simulation.relief import relief
from cog_builder.simulation.settlement import GREENHOUSES, VILLAGE, WORKS, build, city_block
from cog_builder.simulation.shapes import ShapeArrays, Shapes
from cog_builder.simulation.spectra import Kind

Use = Literal["fields", "village", "works", "greenhouses", "ponds", "town"]

MESH_M = 1150.0
_JITTER = 0.27
_LEAN = math.radians(7)
_TOWNS = (((1350.0, 650.0), 1500.0), ((-7200.0, -6800.0), 1100.0), ((9500.0, -9000.0), 900.0))
"""(middle, radius in metres)."""
_CROPS = (
    (Kind.WHEAT_MAIZE, 0.44), (Kind.MAIZE, 0.17), (Kind.VEGETABLES, 0.14), (Kind.FALLOW, 0.06), (Kind.ORCHARD, 0.10),
    (Kind.RAPESEED, 0.04), (Kind.RICE, 0.05),
)  # fmt: skip
_FROM_FAR = {
    "town": Kind.TOWN, "works": Kind.TOWN, "village": Kind.VILLAGE, "greenhouses": Kind.FAR_GREENHOUSES,
}  # fmt: skip
_STEEPEST = 0.3
"""How hilly land may be and still be used."""
_STYLES = {"village": VILLAGE, "works": WORKS, "greenhouses": GREENHOUSES}


@dataclass(frozen=True)
class Block:
    """A few hectares of one use."""

    outline: Ring
    """With its half of the tracks or streets around."""
    land: Ring
    """Without them."""
    use: Use
    kind: Kind
    """What it looks like from far: its crop, or its commonest surface."""
    heading: float
    """Radians: of the rows, the streets, the strips."""
    vigour: float
    tint: float
    seed: tuple[int, int, int]
    """What lies in it follows from these numbers."""


@dataclass(frozen=True)
class Mesh:
    """One mesh of the road net."""

    outline: Ring
    urban: bool
    blocks: tuple[Block, ...]
    """Empty in the hills."""


def mesh_numbers(low: Points, high: Points) -> list[tuple[int, int]]:
    """The meshes that may touch a rectangle of ground (x, y)."""
    corners = np.array([[low[0], low[1]], [low[0], high[1]], [high[0], low[1]], [high[0], high[1]]])
    turned = corners @ np.array([[math.cos(_LEAN), -math.sin(_LEAN)], [math.sin(_LEAN), math.cos(_LEAN)]]) / MESH_M
    first, last = np.floor(turned.min(axis=0) - _JITTER), np.floor(turned.max(axis=0) + _JITTER)
    return [
        (col, row) for row in range(int(first[1]), int(last[1]) + 1) for col in range(int(first[0]), int(last[0]) + 1)
    ]


@lru_cache(maxsize=20_000)
def mesh(col: int, row: int) -> Mesh:
    """One mesh, the same whenever it is asked for."""
    outline = [_crossing(col + right, row + up) for right, up in ((0, 0), (1, 0), (1, 1), (0, 1))]
    x, y = middle(outline)
    urban = _is_town(x, y)
    if relief(np.array([x]), np.array([y])).hilly[0] > 0.75:
        return Mesh(outline, urban, ())
    seed = (col & 0xFFFF, row & 0xFFFF)
    blocks = list(_town_blocks(outline, seed) if urban else _country_blocks(outline, seed))
    land = relief(*np.array([middle(block.land) for block in blocks]).T)
    usable = (land.hilly < _STEEPEST) & (land.shore_m > (30 if urban else 55))
    return Mesh(outline, urban, tuple(block for block, good in zip(blocks, usable, strict=True) if good))


@lru_cache(maxsize=20_000)
def overview(col: int, row: int) -> ShapeArrays:
    """A mesh as seen from far: one surface per block."""
    shapes = _tracks(mesh(col, row))
    for block in mesh(col, row).blocks:
        kind = _FROM_FAR.get(block.use, block.kind)
        shapes.add(block.land, kind, vigour=block.vigour, tint=block.tint, heading=block.heading)
    return shapes.frozen


@lru_cache(maxsize=400)
def details(col: int, row: int) -> ShapeArrays:
    """What lies in the blocks of a mesh: strips of crops, ponds, yards and buildings."""
    shapes = _tracks(mesh(col, row))
    for block in mesh(col, row).blocks:
        random = np.random.default_rng(block.seed)
        if block.use == "town":
            shapes.extend(city_block(block.land, _level(block.heading), random))
        elif block.use in _STYLES:
            direction = block.heading if block.use == "greenhouses" else _level(block.heading)
            shapes.extend(build(block.land, _STYLES[block.use], direction, random))
        elif block.use == "ponds":
            shapes.extend(_ponds(block))
        else:
            shapes.extend(_strips(block, random))
    return shapes.frozen


def _tracks(part: Mesh) -> Shapes:
    """The ground between the blocks."""
    shapes = Shapes()
    for block in part.blocks:
        shapes.add(block.outline, Kind.ASPHALT if part.urban else Kind.GRAVEL)
    return shapes


def _town_blocks(outline: Ring, seed: tuple[int, int]) -> Iterator[Block]:
    random = np.random.default_rng(seed)
    direction = heading(outline)
    for index, piece in enumerate(quarter(shrink(outline, 11), 26_000, random)):
        land = shrink(piece, 6.5)
        if len(land) >= 3 and area(land) > 600:
            yield Block(piece, land, "town", Kind.PAVEMENT, direction, 0.0, random.uniform(-1.4, 1.0), (*seed, index))


def _country_blocks(outline: Ring, seed: tuple[int, int]) -> Iterator[Block]:
    random = np.random.default_rng(seed)
    pieces = quarter(shrink(outline, 5), 42_000, random)
    village = set(_nearest(pieces, int(random.integers(len(pieces))), int(random.integers(0, 7))))
    works = int(random.integers(len(pieces))) if random.random() < 0.22 else -1
    favourite = _crop(random)
    for index, piece in enumerate(pieces):
        land = shrink(piece, 2)
        chance, crop = random.random(), favourite if random.random() < 0.45 else _crop(random)
        vigour, tint = random.normal(0, 0.4, size=2)
        use: Use = "fields"
        if index == works:
            use, crop = "works", Kind.CONCRETE_ROOF
        elif index in village:
            use, crop = "village", Kind.YARD
        elif chance < 0.025:
            use, crop = "greenhouses", Kind.GREENHOUSE
        elif chance < 0.055:
            use, crop = "ponds", Kind.POND
        if len(land) >= 3:
            yield Block(piece, land, use, crop, heading(land), float(vigour), float(tint), (*seed, index))


def _strips(block: Block, random: np.random.Generator) -> Shapes:
    """A block of fields divided into strips, most of one crop."""
    shapes = Shapes()
    across = block.heading + math.pi / 2
    low, high = extent(block.land, across)
    widths = random.uniform(9, 20) * (1 + random.random(64) * random.choice([0.3, 1.6, 4.0]))
    places = (low + np.cumsum(widths))[np.cumsum(widths) < high - low - 6].tolist()
    for strip in cut(block.land, across, places):
        shapes.add(
            strip,
            block.kind if random.random() < 0.82 else _crop(random),
            vigour=float(np.clip(block.vigour + random.normal(0, 0.35), -1.5, 1.5)),
            tint=float(np.clip(block.tint + random.normal(0, 0.35), -1.5, 1.5)),
            heading=block.heading,
        )
    return shapes


def _ponds(block: Block) -> Shapes:
    shapes = Shapes()
    shapes.add(block.land, Kind.GRAVEL)
    low, high = extent(block.land, block.heading)
    for strip in cut(block.land, block.heading, np.arange(low + 60, high - 30, 60).tolist()):
        pond = shrink(strip, 3)
        if len(pond) >= 3:
            shapes.add(pond, Kind.POND, tint=math.sin(pond[0][0]))
    return shapes


def road(start: tuple[float, float], end: tuple[float, float]) -> Points:
    """A country road between two crossings, as points: seldom quite straight."""
    begin, finish = np.array(start), np.array(end)
    run = finish - begin
    sway = 0.08 * (2 * hashed(np.array([int(begin[0])]), np.array([int(finish[1])]), 53)[0] - 1)
    t = np.linspace(0, 1, 17)[:, None]
    bends = sway * np.sin(np.pi * t) * np.sin(2.2 * np.pi * t + 9 * sway)
    line: Points = begin + run * t + np.array([-run[1], run[0]]) * bends
    return line


def _crop(random: np.random.Generator) -> Kind:
    place = random.random()
    for crop, share in _CROPS:
        place -= share
        if place < 0:
            return crop
    return _CROPS[0][0]


def _nearest(pieces: list[Ring], index: int, count: int) -> list[int]:
    places = [middle(piece) for piece in pieces]
    return sorted(range(len(pieces)), key=lambda other: math.dist(places[other], places[index]))[:count]


def _level(direction: float) -> float:
    """The direction of the two along and across `direction` that lies nearest east-west: houses face south."""
    return (direction + math.pi / 4) % (math.pi / 2) - math.pi / 4


def _is_town(x: float, y: float) -> bool:
    bulge = 350 * float(smooth(np.array([x / 900]), np.array([y / 900]), seed=41)[0])
    return any(math.dist((x, y), place) + bulge < radius for place, radius in _TOWNS)


def _crossing(col: int, row: int) -> tuple[float, float]:
    """Where the country roads of two numbers cross."""
    number = np.array([col]), np.array([row])
    x, y = (MESH_M * (at + _JITTER * (2 * hashed(*number, seed)[0] - 1)) for at, seed in ((col, 51), (row, 52)))
    return x * math.cos(_LEAN) - y * math.sin(_LEAN), x * math.sin(_LEAN) + y * math.cos(_LEAN)
