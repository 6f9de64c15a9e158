"""Convex polygons on the ground: cutting, shrinking and filling them with rectangles.

Rings are short lists of plain numbers: for four corners that is many times quicker than arrays.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ring = list[tuple[float, float]]
"""Corners (x, y) of a convex polygon in metres, in either direction."""
Points = NDArray[np.float64]
"""(point, xy), metres."""


def area(ring: Ring) -> float:
    """Square metres."""
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in _edges(ring))) / 2


def middle(ring: Ring) -> tuple[float, float]:
    """The mean of the corners."""
    return sum(x for x, _ in ring) / len(ring), sum(y for _, y in ring) / len(ring)


def heading(ring: Ring) -> float:
    """Direction of the longest edge, radians counter-clockwise from east."""
    (x0, y0), (x1, y1) = max(_edges(ring), key=lambda edge: math.dist(*edge))
    return math.atan2(y1 - y0, x1 - x0)


def extent(ring: Ring, direction: float) -> tuple[float, float]:
    """Least and greatest distance along a direction."""
    cosine, sine = math.cos(direction), math.sin(direction)
    along = [x * cosine + y * sine for x, y in ring]
    return min(along), max(along)


def keep(ring: Ring, cosine: float, sine: float, limit: float) -> Ring:
    """The part at most `limit` along (cosine, sine); fewer than three corners when nothing is left."""
    kept: Ring = []
    for start, end in _edges(ring):
        over, next_over = start[0] * cosine + start[1] * sine - limit, end[0] * cosine + end[1] * sine - limit
        if over <= 0:
            kept.append(start)
        if over * next_over < 0:
            share = over / (over - next_over)
            kept.append((start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
    return kept


def cut(ring: Ring, direction: float, places: Sequence[float]) -> list[Ring]:
    """Slices between the given distances along a direction."""
    cosine, sine = math.cos(direction), math.sin(direction)
    slices = []
    for place in places:
        slices.append(keep(ring, cosine, sine, place))
        ring = keep(ring, -cosine, -sine, -place)
    return [part for part in [*slices, ring] if len(part) >= 3]


def shrink(ring: Ring, by_m: float) -> Ring:
    """The polygon without a margin along its edges; fewer than three corners when nothing is left."""
    inner_x, inner_y = middle(ring)
    result = ring
    for (x0, y0), (x1, y1) in _edges(ring):
        length = math.hypot(x1 - x0, y1 - y0)
        if length < 1e-6:
            continue
        cosine, sine = (y1 - y0) / length, (x0 - x1) / length
        if (inner_x - x0) * cosine + (inner_y - y0) * sine > 0:
            cosine, sine = -cosine, -sine
        result = keep(result, cosine, sine, x0 * cosine + y0 * sine - by_m)
    return result


def quarter(ring: Ring, largest_m2: float, random: np.random.Generator) -> list[Ring]:
    """Cut across the longer side, again and again, until every piece is at most about `largest_m2`."""
    waiting, done = [ring], []
    while waiting:
        piece = waiting.pop()
        if area(piece) <= largest_m2 * random.uniform(0.6, 1.3):
            done.append(piece)
            continue
        direction = heading(piece)
        low, high = extent(piece, direction)
        parts = cut(piece, direction, [low + (high - low) * random.uniform(0.38, 0.62)])
        (waiting if len(parts) > 1 else done).extend(parts)
    return done


def rectangles(
    centres: Points, lengths: NDArray[np.float64], depths: NDArray[np.float64], direction: float
) -> list[Ring]:
    """Rectangles whose lengths run along a direction."""
    along = np.array([math.cos(direction), math.sin(direction)])
    beside = np.array([-along[1], along[0]])
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    corners = (
        centres[:, None]
        + signs[None, :, :1] * lengths[:, None, None] * along
        + signs[None, :, 1:] * depths[:, None, None] * beside
    )
    return [[(x, y) for x, y in four] for four in corners.tolist()]


def inside(ring: Ring, points: Points, margin_m: float) -> NDArray[np.bool_]:
    """Which points lie in the polygon, at least `margin_m` from every edge."""
    corners = np.array(ring)
    edges = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.maximum(np.linalg.norm(edges, axis=1), 1e-9)[:, None]
    normals *= np.sign(((corners.mean(axis=0) - corners) * normals).sum(axis=1))[:, None]
    return (((points[:, None] - corners) * normals).sum(axis=2) >= margin_m).all(axis=1)  # type: ignore[no-any-return]


def _edges(ring: Ring) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return list(zip(ring, [*ring[1:], ring[0]], strict=True))
