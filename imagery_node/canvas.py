"""What scenes are laid onto, the topmost first: hard edges, or edges that fade into the scenes below."""

from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery_node.colormap import Rgb
from imagery_node.grid import PixelGrid
from imagery_node.position import NODE_STEP

Part = tuple[slice, slice]
"""Rows and columns of a canvas."""

Value = TypeVar("Value", np.uint8, np.bool_)

_MARGIN = NODE_STEP
"""Pixels around a feathered picture on which edges are looked for: whole nodes, and no less than any feather."""


class Patch(NamedTuple):
    """What one scene gives to a part of a canvas, each (row, column)."""

    colours: Rgb
    valid: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    """Valid and, where the rule asks for it, without cloud: no scene below may hide it."""


class Canvas(Protocol):
    """A picture in the making."""

    grid: PixelGrid
    """Which pixels patches are made of."""
    full: bool
    """Nothing below could change the picture any more."""

    def room(self, part: Part) -> Part | None:
        """Where in a part a scene may still add something."""

    def lay(self, index: int, part: Part, patch: Patch) -> bool:
        """Put scene number `index` under those already there; whether anything of it shows."""

    def shown(self) -> set[int]:
        """Numbers of the scenes that show now: a cloud that did before may lie under clear ground by now."""

    def picture(self) -> tuple[Rgb, NDArray[np.bool_]]:
        """Pixels, zero where not valid, and where they are."""


class HardCanvas:
    """Each pixel is of one scene."""

    def __init__(self, grid: PixelGrid, *, clear_first: bool) -> None:
        self.grid = grid
        self.full = False
        self._pixels = np.zeros((*grid.shape, 3), np.uint8)
        self._valid = np.zeros(grid.shape, np.bool_)
        self._settled = np.zeros(grid.shape, np.bool_) if clear_first else self._valid
        self._owner = np.full(grid.shape, -1, np.int32) if clear_first else None
        self._laid: set[int] = set()

    def room(self, part: Part) -> Part | None:
        """Where in a part a scene may still add something."""
        return _holes(self._settled, part) if self._laid else part

    def lay(self, index: int, part: Part, patch: Patch) -> bool:
        """Put a scene under those already there."""
        new = patch.clear & ~self._settled[part]
        if self._settled is not self._valid:
            new |= patch.valid & ~self._valid[part]
        if not new.any():
            return False
        self._laid.add(index)
        cv2.copyTo(patch.colours, new.view(np.uint8), self._pixels[part])
        self._settled[part] |= patch.clear
        self._valid[part] |= patch.valid
        if self._owner is not None:
            self._owner[part][new] = index
        self.full = bool(self._settled.all())
        return True

    def shown(self) -> set[int]:
        """Numbers of the scenes that show."""
        return self._laid if self._owner is None else {int(index) for index in np.unique(self._owner) if index >= 0}

    def picture(self) -> tuple[Rgb, NDArray[np.bool_]]:
        """Pixels and where they are valid."""
        return self._pixels, self._valid


class FeatheredCanvas:
    """A scene's weight grows with the distance from its edge, or from its nearest cloud where clear pixels come first.

    The weight of a pixel depends on the pixels around it only, on a margin about the picture too: neighbouring tiles
    agree. A scene with nothing below does not fade. Clouds show where no scene is clear, with a hard edge.
    """

    def __init__(self, grid: PixelGrid, feather_px: int) -> None:
        height, width = grid.shape
        self.full = False
        self.grid = PixelGrid(
            grid.left - _MARGIN * grid.pixel_width,
            grid.top + _MARGIN * grid.pixel_height,
            grid.pixel_width,
            grid.pixel_height,
            (height + 2 * _MARGIN, width + 2 * _MARGIN),
        )
        self._inside = slice(_MARGIN, _MARGIN + height), slice(_MARGIN, _MARGIN + width)
        self._feather_px = feather_px
        self._sums = np.zeros((height, width, 3), np.float32)
        self._through = np.ones((height, width), np.float32)
        """What is left of 1 for the scenes below."""
        self._cloudy = np.zeros((height, width, 3), np.uint8)
        self._cloudy_owner = np.full((height, width), -1, np.int32)
        self._laid: set[int] = set()

    def room(self, part: Part) -> Part | None:
        """All of it: what a scene is next to decides how it fades."""
        return part

    def lay(self, index: int, part: Part, patch: Patch) -> bool:
        """Put a scene under those already there."""
        colours = self._spread(patch.colours, part)
        near = np.zeros(self.grid.shape, np.uint8)
        near[part] = patch.clear
        distance_px = cv2.distanceTransform(near, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[self._inside]
        weight = self._through * np.minimum(distance_px / (self._feather_px + 1), 1.0)
        shows = bool(weight.any())
        if shows:
            self._laid.add(index)
            self._sums += weight[..., None] * colours
            self._through -= weight
            self.full = not self._through.any()
        cloudy = self._spread(patch.valid & ~patch.clear, part) & (self._cloudy_owner < 0)
        self._cloudy[cloudy] = colours[cloudy]
        self._cloudy_owner[cloudy] = index
        return shows or bool((cloudy & (self._through == 1)).any())

    def shown(self) -> set[int]:
        """Numbers of the scenes that show, if only a little."""
        return self._laid | {int(index) for index in np.unique(self._cloudy_owner[self._through == 1]) if index >= 0}

    def picture(self) -> tuple[Rgb, NDArray[np.bool_]]:
        """Pixels and where they are valid."""
        covered = self._through < 1
        share = np.where(covered, 1 - self._through, 1)[..., None]
        pixels = np.where(covered[..., None], np.rint(self._sums / share), self._cloudy).astype(np.uint8)
        return pixels, covered | (self._cloudy_owner >= 0)

    def _spread(self, values: NDArray[Value], part: Part) -> NDArray[Value]:
        """A part of the grid as the whole picture, without the margin."""
        whole = np.zeros((*self.grid.shape, *values.shape[2:]), values.dtype)
        whole[part] = values
        return whole[self._inside]


def _holes(settled: NDArray[np.bool_], part: Part) -> Part | None:
    """The rows and columns of a part that still have holes, on whole nodes; None when it has none."""
    missing = ~settled[part]
    found = []
    for axis, whole in enumerate(part):
        at = np.flatnonzero(missing.any(axis=1 - axis))
        if not len(at):
            return None
        start = whole.start + int(at[0]) // NODE_STEP * NODE_STEP
        found.append(slice(start, min(whole.stop, whole.start + (int(at[-1]) // NODE_STEP + 1) * NODE_STEP)))
    return found[0], found[1]
