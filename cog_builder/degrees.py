"""Degrees of longitude and latitude, and the maps and metres they are turned into."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from catalog.reference_system import WGS84

Floats = NDArray[np.float64]

EARTH_RADIUS_M = 6378137.0
"""Equator of both WGS 84 and CGCS2000."""
METRES_PER_DEGREE = math.radians(EARTH_RADIUS_M)
"""Of the equator; tile grids in degrees go by it at every latitude."""


def from_degrees(epsg: int) -> Transformer:
    """(longitude, latitude) to (x, y) of a map."""
    return _transformer(WGS84, epsg)


def to_degrees(epsg: int, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """(longitude, latitude) of places on a map."""
    longitude, latitude = _transformer(epsg, WGS84).transform(x, y)
    return longitude, latitude


@cache
def _transformer(source: int, target: int) -> Transformer:
    """Safe to share: pyproj keeps one context per thread. Never used backwards, which can take three times as long."""
    return Transformer.from_crs(source, target, always_xy=True)


def metres_from(origin: Floats, places: Floats) -> Floats:
    """How far east and north of a place others lie, good enough for distances of a few per cent.

    Args:
        origin: (longitude, latitude).
        places: The same for each place, a row each.
    """
    east, north = (places - origin).T
    east = (east + 180) % 360 - 180
    return np.column_stack([east * math.cos(math.radians(origin[1])), north]) * METRES_PER_DEGREE
