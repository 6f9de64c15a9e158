"""Whether the corners that a delivery's metadata states lie where its camera model looks."""

import math
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from cog_builder.degrees import metres_from

Floats = NDArray[np.float64]

_BOUND = 0.05
"""Of the image's diagonal. Good products stay below 0.03: GF-1 and GF-2 name lower corners 0.95–1.6 km behind the last
line; GF-4's are off by up to 8 km, which is 0.013 of its diagonal."""
_LEAST_M = 500.0
"""Never less than this: the producer may have taken the ground for level, and looked at it aslant."""


def corner_warning(corners: Sequence[tuple[float, float]], outline: tuple[Floats, Floats]) -> str | None:
    """What is wrong with the stated corners of an image with a camera model, or None.

    Args:
        corners: (longitude, latitude) of the stated corners, in any order; empty where they are not told.
        outline: (longitude, latitude) of points along the image's edge and inside it, as `image_outline` gives them.
    """
    if not corners:
        return None
    seen = np.column_stack(outline)
    middle = (seen.min(0) + seen.max(0)) / 2
    image, stated = (
        shapely.MultiPoint(metres_from(middle, np.asarray(points))).convex_hull for points in (seen, corners)
    )
    off_m = shapely.hausdorff_distance(image, stated)
    diagonal_m = math.dist(image.bounds[:2], image.bounds[2:])
    bound_m = max(_BOUND * diagonal_m, _LEAST_M)
    if off_m <= bound_m:
        return None
    return (
        f"corners: the metadata's corners and the image as its RPC places it are {off_m / 1000:.1f} km apart, expected "
        f"at most {bound_m / 1000:.1f} km for an image of {diagonal_m / 1000:.1f} km across; the RPC was followed"
    )
