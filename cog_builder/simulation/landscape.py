"""A land that does not exist: hills and plain, rivers, fields, villages and a town, through the seasons.

The same place looks alike on every date and at every resolution; what is too fine for a grid is left out or averaged.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.simulation.grain import Layer, LocalGrid
from cog_builder.simulation.ground import METRES_PER_DEGREE, GroundGrid, Reflectance
from cog_builder.simulation.nodes import enlarge
from cog_builder.simulation.noise import fractal
from cog_builder.simulation.parcel import details, mesh, mesh_numbers, road
from cog_builder.simulation.polygon import Points
from cog_builder.simulation.relief import relief
from cog_builder.simulation.road import MOTORWAY, RAILWAY
from cog_builder.simulation.shapes import Shapes, draw_cover, draw_indexes, draw_lines
from cog_builder.simulation.spectra import (
    BROADLEAF, LAKE, RIVER, ROCK, ROOFS, SAND, Kind, reflectance_of, woodland,
)  # fmt: skip
from cog_builder.sun import sun_position

Floats = NDArray[np.float64]

_NODE_M = 16.0
_DETAIL_STEP_M = 5.0
"""Coarser grids show whole blocks instead of strips and buildings."""
_SKYLIGHT = 0.24
_RELIEF_BOOST = 1.7
"""Slopes are shaded as if they were this much steeper: the interpolated heights have lost their small forms."""
_HAZE = np.array([0.058, 0.036, 0.020, 0.006])
"""Reflectance of a clear atmosphere over black ground: what makes a view from space bluish."""
_CLARITY = np.array([0.88, 0.91, 0.94, 0.96])
"""Share of the ground's reflectance that comes through."""


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

    def heights_m(self, longitude: Floats, latitude: Floats) -> Floats:
        """Metres above the ellipsoid."""
        east = METRES_PER_DEGREE * math.cos(math.radians(self.latitude))
        return relief((longitude - self.longitude) * east, (latitude - self.latitude) * METRES_PER_DEGREE).height_m

    def around(self, bbox: tuple[float, float, float, float], *, max_cells: int) -> "Landscape":
        """The land is the same everywhere."""
        return self

    def reflectance(self, grid: GroundGrid, when: datetime) -> Reflectance:
        """The land on a day, lit by the sun of that moment."""
        return _Picture(LocalGrid(grid, self.longitude, self.latitude), when).painted()


@dataclass(frozen=True)
class _Picture:
    """One grid of the land being painted, from the bottom up."""

    local: LocalGrid
    when: datetime

    @cached_property
    def day(self) -> float:
        """Of the year."""
        return float(self.when.timetuple().tm_yday)

    @cached_property
    def sun(self) -> tuple[float, float]:
        """Elevation and azimuth, radians."""
        elevation, azimuth = sun_position(self.when, *self.local.grid.centre)
        return math.radians(max(elevation, 5)), math.radians(azimuth)

    def painted(self) -> Reflectance:
        step_m = self.local.grid.step_m
        shore, bank, hilly, lake, dam, light, variety = self._terrain()
        fine, coarse = self.local.grain(2.2, 61), self.local.grain(9, 62) + 0.7 * self.local.grain(31, 63)
        crowns = self.local.grain(6.5, 64) + 0.6 * self.local.grain(3.1, 65)
        conifer, broadleaf, grass = woodland(self.day)

        wood = np.clip(1.1 * variety + 0.45 * coarse + 1.1 * hilly - 0.2, 0, 1)
        trees = broadleaf + np.clip(0.45 + 0.9 * variety - 0.4 * coarse, 0, 1)[..., None] * (conifer - broadleaf)
        image = (grass * (1 + 0.12 * coarse + 0.1 * fine)[..., None]).astype(np.float32)
        _mix(image, trees * (1 + 0.33 * crowns)[..., None], wood)
        _mix(image, ROCK * (1 + 0.15 * coarse)[..., None], np.clip((0.62 - light) * 2.2 - 0.6 * wood, 0, 0.7) * hilly)

        wobble = 5 * coarse
        used = np.clip((shore - 28 + 2 * wobble) / max(8, step_m), 0, 1)
        cultivated, shadow, roads, verges = self._human(crowns, fine, coarse, broadleaf)
        drawn = cultivated[..., 0] > 0
        _mix(image, cultivated, used * drawn)
        _mix(image, broadleaf * (1 + 0.35 * crowns)[..., None], np.clip(verges * np.clip(0.55 + 1.2 * crowns, 0, 1), 0, 1) * used)
        _mix(image, np.array([0.100, 0.106, 0.112, 0.130]), roads * np.clip(1.4 - 2 * hilly, 0, 1))
        image *= (1 - shadow * used)[..., None] + shadow[..., None] * np.array([0.42, 0.35, 0.31, 0.28]) * used[..., None]

        sand = np.clip((13 + wobble * 3 - np.abs(bank - 3)) / 8, 0, 0.8) * np.clip(0.55 + 1.5 * variety, 0, 1)
        _mix(image, SAND * (1 + 0.08 * fine)[..., None], sand)
        depth = np.clip((0.6 * wobble - shore) / max(3.0, step_m) + 0.5, 0, 1)
        water = RIVER + lake[..., None] * (LAKE - RIVER)
        shallow = np.clip(1 + shore / 25, 0, 1)[..., None] * np.array([0.02, 0.024, 0.02, 0.008])
        _mix(image, water * (1 + 0.05 * coarse)[..., None] + shallow, depth)
        _mix(image, np.array([0.13, 0.14, 0.148, 0.17]), dam)
        self._lines_across(image)
        lit = light + (1 - light) * np.maximum(depth, dam)
        return (_HAZE + np.maximum(image * lit[..., None], 0.004) * _CLARITY).astype(np.float32)  # type: ignore[no-any-return]

    def _terrain(self) -> tuple[Layer, ...]:
        """Metres to the shore and to the main river, how hilly, lake, dam, how much light falls, slow variety −1…1."""
        grid = self.local.grid
        step = max(2, round(_NODE_M / grid.step_m))
        x, y = self.local.metres(*grid.nodes(step))
        land = relief(x, y)
        fall_row, fall_col = np.gradient(land.height_m)
        a, b, _, d, e, _ = (value * step for value in self.local.to_metres[:6])
        east, north = np.linalg.inv(np.array([[a, d], [b, e]])) @ np.stack([fall_col.ravel(), fall_row.ravel()])
        elevation, azimuth = self.sun
        east, north = east * _RELIEF_BOOST, north * _RELIEF_BOOST
        facing = -east * math.sin(azimuth) - north * math.cos(azimuth)
        direct = (math.sin(elevation) + math.cos(elevation) * facing) / np.sqrt(1 + east**2 + north**2)
        light = _SKYLIGHT + (1 - _SKYLIGHT) * np.clip(direct / math.sin(elevation), 0, 1.9).reshape(x.shape)
        variety = fractal(x / 700, y / 700, seed=71, octaves=3)
        layers = (land.shore_m, land.bank_m, land.hilly, land.lake, land.dam, light, variety)
        return tuple(enlarge(layer, step, height=grid.height, width=grid.width) for layer in layers)

    def _human(self, crowns: Layer, fine: Layer, coarse: Layer, broadleaf: Floats) -> tuple[Reflectance, Layer, Layer, Layer]:
        """Fields and buildings (0 where there are none), their shadows, roads, and the trees along roads."""
        shape = (self.local.grid.height, self.local.grid.width)
        step_m = self.local.grid.step_m
        shapes = Shapes()
        country, town = [], []
        for numbers in mesh_numbers(*self.local.bounds):
            part = mesh(*numbers)
            if not part.blocks:
                continue
            sides = zip(part.outline, np.roll(part.outline, -1, axis=0), strict=True)
            lines = [part.outline[[0, 1, 2, 3, 0]]] if part.urban else [road(*ends) for ends in sides]
            (town if part.urban else country).extend(self.local.pixels(line) for line in lines)
            for block in part.blocks:
                shapes.add(block.outline, Kind.ASPHALT if part.urban else Kind.GRAVEL)
            if step_m < _DETAIL_STEP_M:
                shapes.extend(details(*numbers))
            else:
                for block in part.blocks:
                    shapes.add(block.land, _FROM_FAR.get(block.use, block.kind), vigour=block.vigour, tint=block.tint, heading=block.heading)
        image = self._surfaces(shapes, crowns, fine, coarse, broadleaf)
        shadow = self._shadows(shapes) if step_m < _DETAIL_STEP_M else np.zeros(shape, np.float32)
        roads, verges = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        draw_lines(verges, country, 19 / step_m)
        draw_lines(roads, country, 7 / step_m)
        draw_lines(verges, town, 34 / step_m)
        draw_lines(roads, town, 20 / step_m)
        return image, shadow, roads / np.float32(255), verges / np.float32(255)

    def _surfaces(self, shapes: Shapes, crowns: Layer, fine: Layer, coarse: Layer, broadleaf: Floats) -> Reflectance:
        """Every shape in its colour of the day, with rows, patches and trees; 0 where there is no shape."""
        grid = self.local.grid
        index = np.zeros((grid.height, grid.width), np.int32)
        if not len(shapes):
            return np.zeros((grid.height, grid.width, 4), np.float32)
        draw_indexes(index, self._visible(shapes), 1)
        kinds = np.array(shapes.kinds)
        table = np.zeros((len(shapes) + 1, 9), np.float32)
        table[1:, :4] = reflectance_of(kinds, self.day, np.array(shapes.vigours), np.array(shapes.tints))
        table[1:, 4] = _per_kind(_ROWS, kinds)
        table[1:, 5], table[1:, 6] = np.sin(shapes.headings), np.cos(shapes.headings)
        table[1:, 7], table[1:, 8] = _per_kind(_PATCHES, kinds), _per_kind(_TREES, kinds)
        looked_up = table[index]
        image, rows, patches, wooded = looked_up[..., :4], looked_up[..., 4], looked_up[..., 7], looked_up[..., 8]
        texture = patches * (coarse + 0.5 * fine)
        if grid.step_m < 3:
            texture += rows * self._furrows(looked_up[..., 5], looked_up[..., 6])
        image = image * (1 + texture)[..., None]
        shown = np.clip((crowns + 0.5 * coarse - 1.15 + 2.1 * wooded) * 2.5, 0, 1) * (wooded > 0)
        if grid.step_m > 4:
            shown = wooded * np.float32(0.6)
        _mix(image, broadleaf * (1 + 0.3 * crowns)[..., None], shown)
        return image

    def _furrows(self, sine: Layer, cosine: Layer) -> Layer:
        """Streaks along the rows of each field, a few metres wide."""
        a, b, c, d, e, f = self.local.to_metres[:6]
        col = np.arange(self.local.grid.width, dtype=np.float32)
        row = np.arange(self.local.grid.height, dtype=np.float32)[:, None]
        x = (np.float32(a) * col + np.float32(b) * row) + np.float32(c)
        y = (np.float32(d) * col + np.float32(e) * row) + np.float32(f)
        across = (y * cosine - x * sine) / np.float32(2.4)
        left = np.floor(across)
        share = across - left
        here = left.astype(np.int32) & 4095
        return _STREAKS[here] + share * (_STREAKS[here + 1] - _STREAKS[here])

    def _shadows(self, shapes: Shapes) -> Layer:
        """Where buildings keep the sun off ground that is no roof."""
        elevation, azimuth = self.sun
        away = -np.array([math.sin(azimuth), math.cos(azimuth)]) / math.tan(elevation)
        canvas = np.zeros((self.local.grid.height, self.local.grid.width), np.uint8)
        outlines, roofs = [], []
        for outline, height_m in zip(shapes.outlines, shapes.heights_m, strict=True):
            if height_m > 0:
                both = np.concatenate([outline, outline + height_m * away])
                outlines.append(cv2.convexHull(both.astype(np.float32))[:, 0])
                roofs.append(outline)
        draw_cover(canvas, [self.local.pixels(outline) for outline in outlines])
        over = np.zeros_like(canvas)
        draw_cover(over, [self.local.pixels(outline) for outline in roofs])
        return np.minimum(canvas, 255 - over) / np.float32(255)

    def _visible(self, shapes: Shapes) -> list[Points]:
        """Outlines in pixels."""
        return [self.local.pixels(outline) for outline in shapes.outlines]

    def _lines_across(self, image: Reflectance) -> None:
        """Motorway and railway, over water too."""
        step_m = self.local.grid.step_m
        for line, layers in ((MOTORWAY, _MOTORWAY_LAYERS), (RAILWAY, _RAILWAY_LAYERS)):
            pixels = self.local.pixels(line)
            for width_m, colour in layers:
                canvas = np.zeros(image.shape[:2], np.uint8)
                draw_lines(canvas, [pixels], width_m / step_m)
                _mix(image, np.array(colour), canvas / np.float32(255))


def _mix(image: Reflectance, colour: Floats | Reflectance, share: Layer) -> None:
    """Lay a colour over an image, in place; `share` 0–1."""
    touched = share > 0
    if touched.any():
        image += share[..., None] * (colour - image).astype(np.float32)


def _per_kind(values: dict[Kind, float], kinds: NDArray[np.intp]) -> Floats:
    table = np.array([values.get(kind, 0.0) for kind in Kind])
    return table[kinds]


_FROM_FAR: dict[str, Kind] = {"town": Kind.TOWN, "village": Kind.VILLAGE, "works": Kind.TOWN, "greenhouses": Kind.FAR_GREENHOUSES}
_STREAKS = np.random.default_rng(81).normal(0, 1, 4097).astype(np.float32)
_ROWS = dict.fromkeys((kind for kind in Kind if kind <= Kind.FALLOW), 0.045) | {Kind.ORCHARD: 0.12}
_PATCHES = dict.fromkeys((kind for kind in Kind if kind <= Kind.FALLOW), 0.07) | dict.fromkeys(ROOFS, 0.04) | {
    Kind.YARD: 0.16, Kind.PAVEMENT: 0.12, Kind.ASPHALT: 0.06, Kind.GRAVEL: 0.12, Kind.LAWN: 0.14, Kind.BARE: 0.12, Kind.POND: 0.03, Kind.TOWN: 0.12, Kind.VILLAGE: 0.14,
}  # fmt: skip
_TREES = {Kind.YARD: 0.42, Kind.LAWN: 0.45, Kind.PAVEMENT: 0.18, Kind.GRAVEL: 0.3, Kind.ORCHARD: 0.62, Kind.ASPHALT: 0.08}
_MOTORWAY_LAYERS = (
    (58.0, tuple(BROADLEAF * 1.1)), (30.0, (0.115, 0.12, 0.125, 0.14)), (2.6, (0.05, 0.085, 0.06, 0.25)),
)  # fmt: skip
_RAILWAY_LAYERS = ((15.0, (0.10, 0.115, 0.125, 0.15)), (5.0, (0.075, 0.08, 0.085, 0.10)))
