"""Flat things on the ground as polygons, collected in bulk and drawn in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.simulation.polygon import Points, Ring
from cog_builder.simulation.spectra import Kind

Pixels = NDArray[np.floating | np.integer]
"""(point, (column, row))."""

_SUBPIXEL_BITS = 4


@dataclass
class Shapes:
    """Polygons, drawn in the order in which they were added."""

    rings: list[Ring] = field(default_factory=list)
    facts: list[tuple[float, ...]] = field(default_factory=list)
    """(kind, vigour, tint, heading, height) of each; see `add`."""

    def add(
        self,
        ring: Ring,
        kind: Kind,
        *,
        vigour: float = 0.0,
        tint: float = 0.0,
        heading: float = 0.0,
        height_m: float = 0.0,
    ) -> None:
        """Put one polygon on top.

        Args:
            ring: Its corners, metres.
            kind: What it is.
            vigour: Crops: −1 poor and late to 1 strong and early.
            tint: −1 dark to 1 light.
            heading: Direction of its rows, radians.
            height_m: How far it stands above the ground.
        """
        self.rings.append(ring)
        self.facts.append((kind, vigour, tint, heading, height_m))

    def extend(self, other: "Shapes") -> None:
        """Put another set on top."""
        self.rings.extend(other.rings)
        self.facts.extend(other.facts)

    @cached_property
    def frozen(self) -> "ShapeArrays":
        """The set as arrays; nothing may be added afterwards."""
        starts = np.cumsum([0, *(len(ring) for ring in self.rings)])
        points = np.array([corner for ring in self.rings for corner in ring], dtype=float).reshape(-1, 2)
        return ShapeArrays(points, starts, np.array(self.facts, dtype=float).reshape(-1, 5))


@dataclass(frozen=True)
class ShapeArrays:
    """Many polygons as arrays."""

    points: Points
    """Corners of all, one polygon after the other."""
    starts: NDArray[np.intp]
    """Where each polygon starts, and where the last one ends."""
    facts: NDArray[np.float64]
    """(polygon, (kind, vigour, tint, heading, height))."""

    @cached_property
    def bounds(self) -> tuple[Points, Points]:
        """Least and greatest (x, y) of each polygon."""
        return (
            np.minimum.reduceat(self.points, self.starts[:-1], axis=0),
            np.maximum.reduceat(self.points, self.starts[:-1], axis=0),
        )

    def touching(self, low: Points, high: Points) -> "ShapeArrays":
        """Those whose bounds touch a rectangle."""
        if len(self.facts) == 0:
            return self
        least, greatest = self.bounds
        chosen = ((greatest >= low) & (least <= high)).all(axis=1)
        counts = np.diff(self.starts)
        return ShapeArrays(self.points[np.repeat(chosen, counts)], np.cumsum([0, *counts[chosen]]), self.facts[chosen])

    def split(self, points: Points) -> list[Points]:
        """`points`, transformed corners of all, polygon by polygon."""
        return [points[start:end] for start, end in zip(self.starts[:-1], self.starts[1:], strict=True)]


def stacked(sets: list[ShapeArrays]) -> ShapeArrays:
    """Several sets as one, the last on top."""
    ends = np.cumsum([0, *(len(each.points) for each in sets)])
    starts = [each.starts[:-1] + end for each, end in zip(sets, ends[:-1], strict=True)]
    return ShapeArrays(
        np.concatenate([np.empty((0, 2)), *(each.points for each in sets)]),
        np.concatenate([*starts, ends[-1:]]),
        np.concatenate([np.empty((0, 5)), *(each.facts for each in sets)]),
    )


def draw_indexes(canvas: NDArray[np.int32], outlines: list[Points], first: int) -> None:
    """Fill polygons, given in pixels with centres at whole numbers, with numbers that count up from `first`."""
    for number, outline in enumerate(outlines, first):
        cv2.fillPoly(canvas, [_fixed_point(outline)], number, shift=_SUBPIXEL_BITS)


def draw_cover(canvas: NDArray[np.uint8], outlines: Sequence[Pixels]) -> None:
    """Fill convex polygons, given in pixels, with 255, edges smoothed."""
    for outline in outlines:
        cv2.fillConvexPoly(canvas, _fixed_point(outline), 255, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_lines(canvas: NDArray[np.uint8], lines: list[Points], width_px: float) -> None:
    """Draw lines, given in pixels, with smooth edges; lines under a pixel wide are drawn fainter instead."""
    strength = round(255 * min(1.0, width_px))
    if strength > 8 and lines:
        fixed = [_fixed_point(line) for line in lines]
        cv2.polylines(canvas, fixed, False, strength, max(1, round(width_px)), cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed_point(outline: Pixels) -> NDArray[np.int32]:
    return np.rint(outline * (1 << _SUBPIXEL_BITS)).astype(np.int32)
