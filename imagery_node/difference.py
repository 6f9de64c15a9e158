"""How a value changed between two times: that of the later scenes minus that of the earlier, where both have it."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.asset_key import QUALITY
from imagery_node.cog_cache import CogCache
from imagery_node.errors import BadRenderingError, DeadlineError, UnreadableAssetError
from imagery_node.expression import parse_expression
from imagery_node.grid import Bounds, PixelGrid
from imagery_node.measurement import bands_of, measure
from imagery_node.mosaic import Fate, Picture, Source
from imagery_node.quality import clear_pixels
from imagery_node.rendering import Rendering, paint
from imagery_node.warp import touched, warp

COLORMAP = "rdylgn"
"""Where the caller chooses none: red has become less, green more."""


class _Surface(NamedTuple):
    """One value per pixel, (row, column), and where it comes from."""

    values: NDArray[np.float32]
    """NaN where there is none."""
    fates: list[Fate]


def compare(measured: Rendering, colours: Rendering) -> Rendering:
    """What is compared, shown in the colours for a difference.

    Args:
        measured: Asset, and a band or an expression of it; its own stretch spans values, not differences.
        colours: Its stretch and colours; without a stretch half the span of `measured` is shown to both sides of none.

    Raises:
        BadRenderingError: More than one value is measured, or nothing says how far differences reach.
    """
    blocks = parse_expression(measured.expression).blocks if measured.expression else measured.indexes
    if blocks is None or len(blocks) != 1:
        raise BadRenderingError("a difference is of one value: choose a band or an expression of one block")
    shown = replace(colours, asset=measured.asset, indexes=measured.indexes, expression=measured.expression)
    if shown.classes:
        return shown
    if shown.rescale is None and measured.rescale is None:
        raise BadRenderingError("a difference needs rescale=minimum,maximum to become colours")
    low, high = (measured.rescale or ((0.0, 0.0),))[0]
    rescale = shown.rescale or (((low - high) / 2, (high - low) / 2),)
    return replace(shown, rescale=rescale, colormap=shown.colormap or COLORMAP)


def draw_difference(
    later: Sequence[Source],
    earlier: Sequence[Source],
    bounds: Bounds,
    shape: tuple[int, int],
    rendering: Rendering,
    cache: CogCache,
    given_up: Event | None = None,
    *,
    clear_first: bool = False,
) -> Picture:
    """Draw the later values minus the earlier ones; a pixel that lacks either is not valid.

    Args:
        later: The first lies on top.
        earlier: As `later`; they are counted after those in what the picture says of its sources.
        bounds: Of the picture, EPSG:3857.
        shape: (height, width) in pixels.
        rendering: From `compare`.
        cache: Where decoded blocks come from.
        given_up: Set by whoever waited, once nobody does any more; asked before every source.
        clear_first: A cloudy pixel gives way to a clear one of a source below.

    Raises:
        UnreadableAssetError: A source cannot be read, and no other of its time has a pixel here.
        BadRenderingError: A source has no such bands.
        DeadlineError: It was given up.
    """
    grid = PixelGrid.over(bounds, shape)
    sides = [_lay(sources, grid, rendering, cache, given_up, clear_first=clear_first) for sources in (later, earlier)]
    change = sides[0].values - sides[1].values
    known = np.isfinite(change)
    pixels, valid = paint(rendering, np.where(known, change, np.float32(0))[..., None], known)
    pixels[~valid] = 0
    fates = tuple(fate for side in sides for fate in side.fates)
    used, unreadable = (
        tuple(index for index, fate in enumerate(fates) if fate == which) for which in ("shown", "unreadable")
    )
    return Picture(pixels, valid, used, unreadable, fates)


def _lay(
    sources: Sequence[Source],
    grid: PixelGrid,
    rendering: Rendering,
    cache: CogCache,
    given_up: Event | None,
    *,
    clear_first: bool,
) -> _Surface:
    """The values of one time: sources over each other, those below read only while there are holes."""
    surface = _Surface(np.full(grid.shape, np.nan, np.float32), [])
    settled = np.zeros(grid.shape, np.bool_)
    failures: list[UnreadableAssetError] = []
    for source in sources:
        if given_up is not None and given_up.is_set():
            raise DeadlineError("the difference was given up")
        if settled.all():
            surface.fates.append("not needed")
            continue
        try:
            surface.fates.append(_add(source, surface.values, settled, grid, rendering, cache, clear_first=clear_first))
        except UnreadableAssetError as error:
            failures.append(error)
            surface.fates.append("unreadable")
    if failures and np.isnan(surface.values).all():
        raise failures[0]
    return surface


def _add(
    source: Source,
    values: NDArray[np.float32],
    settled: NDArray[np.bool_],
    grid: PixelGrid,
    rendering: Rendering,
    cache: CogCache,
    *,
    clear_first: bool,
) -> Fate:
    """Put one source under those that are there; `settled` is where no other may change them."""
    cog = source(rendering.asset)
    part = touched(cog, grid) if cog else None
    warped = warp(cog, bands_of(rendering, cog).positions, grid.part(*part), cache) if cog and part else None
    if part is None or warped is None:
        return "no pixels"
    found = measure(rendering, warped[0].astype(np.float32))[..., 0]
    valid = warped[1] & np.isfinite(found)
    clear = valid & clear_pixels(source(QUALITY), grid.part(*part), cache) if clear_first and valid.any() else valid
    new = (clear & ~settled[part]) | (valid & np.isnan(values[part]))
    values[part][new] = found[new]
    settled[part] |= clear
    return "shown" if new.any() else "hidden" if valid.any() else "no pixels"
