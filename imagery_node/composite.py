"""Composites: each pixel is made of all the clear ones that lie there, instead of being that of the topmost scene."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.asset_key import ANALYTIC, QUALITY
from imagery_node.block import Pixels
from imagery_node.canvas import Part
from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.errors import BadRenderingError, DeadlineError, UnreadableAssetError
from imagery_node.expression import parse_expression, used_bands
from imagery_node.grid import Bounds, PixelGrid
from imagery_node.mosaic import Fate, Picture, Source, draw
from imagery_node.mosaic_rule import MosaicRule
from imagery_node.quality import clear_pixels
from imagery_node.rendering import Rendering, colour, needed_bands
from imagery_node.warp import pick, touched, warp

MAX_COMPOSITE_SCENES = 30
"""Of one tile: the first ones by the rule's order."""

_NDVI = "(nir-red)/(nir+red)"
_LEAST_NDVI = np.float32(-1)


class _Layer(NamedTuple):
    """What one source gives to a part of the picture."""

    cog: Cog
    part: Part
    values: Pixels
    """(row, column, band) of the bands that the rendering needs."""
    valid: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    """Valid, and neither cloud nor shadow."""
    ndvi: NDArray[np.float32]
    """Only where it decides."""


def scenes_drawn(rule: MosaicRule, at_most: int) -> int:
    """How many scenes a picture by a rule may be made of, where another limit allows so many."""
    return min(at_most, MAX_COMPOSITE_SCENES) if rule.kind == "composite" else at_most


def draw_composite(
    rule: MosaicRule,
    sources: Sequence[Source],
    bounds: Bounds,
    shape: tuple[int, int],
    rendering: Rendering,
    cache: CogCache,
    given_up: Event | None = None,
) -> Picture:
    """Draw one picture of many dates.

    `median` takes the median of each band, `max-ndvi` the pixel with the highest NDVI of its scene's reflectance,
    `clearest-pixel` that of the first scene that is clear there. Clouds and their shadows take part only where a place
    is never clear. A scene without red and near infrared shows in `max-ndvi` only where there is no other.

    Args:
        rule: Of the kind `composite`.
        sources: The first MAX_COMPOSITE_SCENES of them are looked at; of equal pixels the first wins.
        bounds: Of the picture, EPSG:3857.
        shape: (height, width) in pixels.
        rendering: How values become colours.
        cache: Where decoded blocks come from.
        given_up: Set by whoever waited, once nobody does any more; asked before every source.

    Raises:
        UnreadableAssetError: A source cannot be read, and no other has a pixel here.
        BadRenderingError: A source has no such bands, or the rendering does not make colours of its values.
        DeadlineError: It was given up.
    """
    sources = sources[:MAX_COMPOSITE_SCENES]
    if rule.name == "clearest-pixel":
        first_clear = replace(rule, clear_pixels_first=True)
        return draw(sources, bounds, shape, rendering, cache, given_up, rule=first_clear)
    grid = PixelGrid.over(bounds, shape)
    layers: list[_Layer] = []
    fates: list[Fate] = []
    failures: list[UnreadableAssetError] = []
    for index, source in enumerate(sources):
        if given_up is not None and given_up.is_set():
            raise DeadlineError(f"the drawing was given up at source {index + 1} of {len(sources)}")
        try:
            layer = _read(source, grid, rendering, cache, with_ndvi=rule.name == "max-ndvi")
        except UnreadableAssetError as error:
            failures.append(error)
            fates.append("unreadable")
            continue
        fates.append("shown" if layer else "no pixels")
        if layer:
            layers.append(layer)
    unreadable = tuple(index for index, fate in enumerate(fates) if fate == "unreadable")
    if not layers:
        if failures:
            raise failures[0]
        return Picture(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.bool_), (), unreadable, tuple(fates))
    usable = _usable(layers, shape)
    values, taken = _highest_ndvi(layers, usable) if rule.name == "max-ndvi" else _median(layers, usable)
    covered = np.asarray(usable.any(axis=0))
    pixels, valid = colour(rendering, layers[0].cog, values, covered)
    pixels[~valid] = 0
    numbers = [index for index, fate in enumerate(fates) if fate == "shown"]
    for index, shows in zip(numbers, taken, strict=True):
        fates[index] = "shown" if shows else "hidden"
    used = tuple(index for index, fate in enumerate(fates) if fate == "shown")
    return Picture(pixels, valid, used, unreadable, tuple(fates))


def _read(source: Source, grid: PixelGrid, rendering: Rendering, cache: CogCache, *, with_ndvi: bool) -> _Layer | None:
    """What a source gives to the picture; None when it has no valid pixel in it."""
    cog = source(rendering.asset)
    if cog is None:
        return None
    bands = needed_bands(rendering, cog)
    part = touched(cog, grid)
    read = pick if rendering.is_categorical else warp
    warped = read(cog, bands, grid.part(*part), cache) if part else None
    if part is None or warped is None or not warped[1].any():
        return None
    values, valid = warped
    clear = valid & clear_pixels(source(QUALITY), grid.part(*part), cache)
    ndvi = _ndvi(source(ANALYTIC), grid.part(*part), cache) if with_ndvi else np.empty(0, np.float32)
    return _Layer(cog, part, values, valid, clear, ndvi)


def _ndvi(analytic: Cog | None, grid: PixelGrid, cache: CogCache) -> NDArray[np.float32]:
    """NDVI of reflectance, the least there is where it is unknown."""
    unknown = np.full(grid.shape, _LEAST_NDVI, np.float32)
    if analytic is None:
        return unknown
    expression = parse_expression(_NDVI)
    try:
        bands = tuple(used_bands(expression, analytic.band_names))
    except BadRenderingError:
        return unknown
    warped = warp(analytic, bands, grid, cache)
    if warped is None:
        return unknown
    values, valid = warped
    floats = values.astype(np.float32)
    (ndvi,) = expression.evaluate({name: floats[..., at] for at, name in enumerate(expression.names)})
    return np.where(valid & np.isfinite(ndvi), ndvi, unknown)


def _usable(layers: Sequence[_Layer], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(layer, row, column): the clear pixels; where a place has none, all valid ones."""
    valid, clear = (np.zeros((len(layers), *shape), np.bool_) for _ in range(2))
    for number, layer in enumerate(layers):
        valid[number][layer.part], clear[number][layer.part] = layer.valid, layer.clear
    return np.where(clear.any(axis=0), clear, valid)


def _median(layers: Sequence[_Layer], usable: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The median of the usable values of each band, and which layers take part."""
    _, height, width = usable.shape
    count = usable.sum(axis=0, dtype=np.intp)[..., None]
    middles = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, np.maximum(count - 1, 0))
    medians = []
    for band in range(layers[0].values.shape[2]):
        values = np.full((height, width, len(layers)), np.inf, np.float32)  # layers last: sorting runs along memory
        for number, layer in enumerate(layers):
            values[..., number][layer.part] = layer.values[..., band]
        values[~np.moveaxis(usable, 0, -1)] = np.inf
        values.sort(axis=-1)
        lower, upper = (np.take_along_axis(values, middle, axis=-1)[..., 0] for middle in middles)
        medians.append((lower + upper) / 2)
    median = np.stack(medians, axis=-1, dtype=np.float32)
    median[count[..., 0] == 0] = 0
    return median, np.asarray(usable.any(axis=(1, 2)))


def _highest_ndvi(layers: Sequence[_Layer], usable: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The values of the usable pixel with the highest NDVI, the first of equals, and which layers have one."""
    shape = usable.shape[1:]
    highest = np.full(shape, -np.inf, np.float32)
    owner = np.full(shape, -1, np.int16)
    values = np.zeros((*shape, layers[0].values.shape[2]), np.float32)
    for number, layer in enumerate(layers):
        wins = usable[number][layer.part] & (layer.ndvi > highest[layer.part])
        highest[layer.part][wins] = layer.ndvi[wins]
        owner[layer.part][wins] = number
        values[layer.part][wins] = layer.values[wins]
    return values, np.isin(np.arange(len(layers)), owner)
