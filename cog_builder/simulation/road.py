"""The two long lines through the land: a motorway and a railway."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEP_M = 40.0


def _through(places: list[tuple[float, float]]) -> Floats:
    """A smooth line (Catmull–Rom) through places, as points (point, xy) in metres."""
    knots = np.array(places, dtype=float)
    knots = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    pieces = []
    for before, start, end, after in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        t = np.arange(0, 1, _STEP_M / np.linalg.norm(end - start))[:, None]
        pieces.append(
            0.5
            * (
                2 * start
                + (end - before) * t
                + (2 * before - 5 * start + 4 * end - after) * t**2
                + (3 * start - before - 3 * end + after) * t**3
            )
        )
    return np.vstack(pieces)


MOTORWAY = _through(
    [
        (-60000, -30000),
        (-14000, -9000),
        (-6000, -4600),
        (-1500, -2900),
        (2600, -700),
        (4300, 2600),
        (6000, 9000),
        (12000, 30000),
        (30000, 70000),
    ]
)
RAILWAY = _through(
    [(70000, -28000), (12000, -3200), (3600, 250), (500, 2300), (-900, 5200), (-1200, 12000), (8000, 60000)]
)
