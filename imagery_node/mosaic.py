"""Several Cogs, first on top, become one picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.errors import DeadlineError
from imagery_node.grid import Bounds, PixelGrid
from imagery_node.position import NODE_STEP
from imagery_node.rendering import Rendering, Rgb, colour, needed_bands
from imagery_node.warp import touched, warp


@dataclass(frozen=True)
class Picture:
    """Colours on a target grid."""

    pixels: Rgb
    """(row, column, 3); zero where not valid."""
    valid: NDArray[np.bool_]
    """(row, column)."""
    used: tuple[int, ...]
    """Positions of the sources that show in it."""


def draw(
    sources: Sequence[Callable[[], Cog | None]],
    bounds: Bounds,
    shape: tuple[int, int],
    rendering: Rendering,
    cache: CogCache,
    given_up: Event | None = None,
) -> Picture:
    """Draw sources over each other; those below are opened only while there are holes.

    Args:
        sources: Each opens one file, or gives None where there is nothing to open; the first lies on top.
        bounds: Of the picture, EPSG:3857.
        shape: (height, width) in pixels.
        rendering: How values become colours.
        cache: Where decoded blocks come from.
        given_up: Set by whoever waited, once nobody does any more; asked before every source.

    Raises:
        UnreadableAssetError: A source that is needed cannot be read.
        BadRenderingError: A source has no such bands, or the rendering does not make colours of its values.
        DeadlineError: It was given up.
    """
    target = PixelGrid.over(bounds, shape)
    pixels = np.zeros((*shape, 3), np.uint8)
    valid = np.zeros(shape, np.bool_)
    used: list[int] = []
    for index, source in enumerate(sources):
        if given_up is not None and given_up.is_set():
            raise DeadlineError(f"the drawing was given up at source {index + 1} of {len(sources)}")
        cog = source()
        if cog is None:
            continue
        bands = needed_bands(rendering, cog)
        part = touched(cog, target)
        part = _holes(valid, part) if part and used else part
        if part is None:
            continue
        warped = warp(cog, bands, target.part(*part), cache)
        if warped is None:
            continue
        colours, shown = colour(rendering, cog, *warped)
        shown = shown & ~valid[part]
        if not shown.any():
            continue
        used.append(index)
        cv2.copyTo(colours, shown.view(np.uint8), pixels[part])
        valid[part] |= shown
        if valid.all():
            break
    return Picture(pixels, valid, tuple(used))


def _holes(valid: NDArray[np.bool_], part: tuple[slice, slice]) -> tuple[slice, slice] | None:
    """The rows and columns of a part that still have holes, on whole nodes; None when it has none."""
    missing = ~valid[part]
    found = []
    for axis, whole in enumerate(part):
        at = np.flatnonzero(missing.any(axis=1 - axis))
        if not len(at):
            return None
        start = whole.start + int(at[0]) // NODE_STEP * NODE_STEP
        found.append(slice(start, min(whole.stop, whole.start + (int(at[-1]) // NODE_STEP + 1) * NODE_STEP)))
    return found[0], found[1]
