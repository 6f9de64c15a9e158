"""Several Cogs, first on top, become one picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catalog.asset_key import QUALITY
from imagery_node.canvas import Canvas, FeatheredCanvas, HardCanvas, Patch
from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.colormap import Rgb
from imagery_node.errors import DeadlineError, UnreadableAssetError
from imagery_node.grid import Bounds, PixelGrid
from imagery_node.mosaic_rule import NEWEST, MosaicRule
from imagery_node.quality import clear_pixels
from imagery_node.rendering import Rendering, colour, needed_bands
from imagery_node.warp import pick, touched, warp

Source = Callable[[str], Cog | None]
"""Opens an asset of one scene by its key; gives None where there is nothing to open."""

Fate = Literal["shown", "hidden", "no pixels", "unreadable", "not needed"]
"""What became of a source; `hidden` lies under others, `not needed` was not opened as the picture was full."""


@dataclass(frozen=True)
class Picture:
    """Colours on a target grid."""

    pixels: Rgb
    """(row, column, 3); zero where not valid."""
    valid: NDArray[np.bool_]
    """(row, column)."""
    used: tuple[int, ...]
    """Positions of the sources that show in it."""
    unreadable: tuple[int, ...] = ()
    """Positions of the sources that were needed and cannot be read."""
    fates: tuple[Fate, ...] = ()
    """What became of each source."""
    full: bool = False
    """Further sources below could not have changed it."""


def draw(
    sources: Sequence[Source],
    bounds: Bounds,
    shape: tuple[int, int],
    rendering: Rendering,
    cache: CogCache,
    given_up: Event | None = None,
    *,
    rule: MosaicRule = NEWEST,
) -> Picture:
    """Draw sources over each other; those below are opened only while there are holes.

    Args:
        sources: The first lies on top.
        bounds: Of the picture, EPSG:3857.
        shape: (height, width) in pixels.
        rendering: How values become colours.
        cache: Where decoded blocks come from.
        given_up: Set by whoever waited, once nobody does any more; asked before every source.
        rule: Whether clear pixels come first, and how far sources fade into each other; the order is the sources'.

    Raises:
        UnreadableAssetError: A source cannot be read, and no other has a pixel here.
        BadRenderingError: A source has no such bands, or the rendering does not make colours of its values.
        DeadlineError: It was given up.
    """
    grid = PixelGrid.over(bounds, shape)
    clear_first = rule.clear_pixels_first
    canvas = FeatheredCanvas(grid, rule.feather_px) if rule.feather_px else HardCanvas(grid, clear_first=clear_first)
    fates: list[Fate] = []
    failures: list[UnreadableAssetError] = []
    for index, source in enumerate(sources):
        if given_up is not None and given_up.is_set():
            raise DeadlineError(f"the drawing was given up at source {index + 1} of {len(sources)}")
        try:
            fates.append(_lay(source, index, canvas, rendering, cache, clear_first=clear_first))
        except UnreadableAssetError as error:
            failures.append(error)
            fates.append("unreadable")
        if canvas.full:
            break
    pixels, valid = canvas.picture()
    if failures and not valid.any():
        raise failures[0]
    shown = canvas.shown()
    fates = ["hidden" if fate == "shown" and index not in shown else fate for index, fate in enumerate(fates)]
    unreadable = tuple(index for index, fate in enumerate(fates) if fate == "unreadable")
    fates.extend(["not needed"] * (len(sources) - len(fates)))
    return Picture(pixels, valid, tuple(sorted(shown)), unreadable, tuple(fates), canvas.full)


def _lay(
    source: Source, index: int, canvas: Canvas, rendering: Rendering, cache: CogCache, *, clear_first: bool
) -> Fate:
    """Put one source under those that lie on the canvas."""
    cog = source(rendering.asset)
    if cog is None:
        return "no pixels"
    bands = needed_bands(rendering, cog)
    whole = touched(cog, canvas.grid)
    if whole is None:
        return "no pixels"
    part = canvas.room(whole)
    if part is None:
        return "hidden"
    unseen: Fate = "no pixels" if part == whole else "hidden"
    grid = canvas.grid.part(*part)
    read = pick if rendering.is_categorical else warp
    warped = read(cog, bands, grid, cache)
    if warped is None:
        return unseen
    colours, valid = colour(rendering, cog, *warped)
    if not valid.any():
        return unseen
    clear = valid & clear_pixels(source(QUALITY), grid, cache) if clear_first else valid
    return "shown" if canvas.lay(index, part, Patch(colours, valid, clear)) else "hidden"
