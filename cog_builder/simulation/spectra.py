"""What things reflect in blue, green, red and near infrared, through the year.

Typical values of spectral libraries (USGS Spectral Library 7, ECOSTRESS) rounded to what an eye would accept.
"""

from collections.abc import Sequence
from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]
"""Blue, green, red, nir."""


class Kind(IntEnum):
    """What a piece of ground is."""

    WHEAT_MAIZE = 0
    MAIZE = auto()
    RICE = auto()
    VEGETABLES = auto()
    RAPESEED = auto()
    ORCHARD = auto()
    FALLOW = auto()
    GREENHOUSE = auto()
    POND = auto()
    YARD = auto()
    PAVEMENT = auto()
    ASPHALT = auto()
    GRAVEL = auto()
    LAWN = auto()
    RED_ROOF = auto()
    GREY_ROOF = auto()
    DARK_ROOF = auto()
    BLUE_ROOF = auto()
    WHITE_ROOF = auto()
    CONCRETE_ROOF = auto()
    RUNNING_TRACK = auto()
    BARE = auto()
    TOWN = auto()
    """A town's roofs, streets, trees and shadows from far."""
    VILLAGE = auto()
    FAR_GREENHOUSES = auto()


CROPS = tuple(kind for kind in Kind if kind <= Kind.FALLOW)
ROOFS = tuple(kind for kind in Kind if Kind.RED_ROOF <= kind <= Kind.CONCRETE_ROOF)

SOIL = np.array([0.088, 0.122, 0.163, 0.235], np.float32)
WET_SOIL = np.array([0.055, 0.074, 0.090, 0.115], np.float32)
LEAVES = np.array([0.027, 0.074, 0.033, 0.450], np.float32)
RIPE = np.array([0.075, 0.135, 0.185, 0.310], np.float32)
BLOSSOM = np.array([0.060, 0.230, 0.240, 0.420], np.float32)
FLOODED = np.array([0.060, 0.075, 0.070, 0.055], np.float32)
RIVER = np.array([0.070, 0.088, 0.074, 0.030], np.float32)
LAKE = np.array([0.040, 0.052, 0.034, 0.012], np.float32)
SAND = np.array([0.170, 0.205, 0.235, 0.285], np.float32)
ROCK = np.array([0.110, 0.122, 0.138, 0.185], np.float32)
CONIFER = np.array([0.021, 0.037, 0.024, 0.235], np.float32)
BROADLEAF = np.array([0.026, 0.052, 0.029, 0.380], np.float32)
BARE_TWIGS = np.array([0.058, 0.069, 0.078, 0.150], np.float32)
GRASS = np.array([0.040, 0.080, 0.052, 0.340], np.float32)
DRY_GRASS = np.array([0.085, 0.112, 0.138, 0.230], np.float32)

ASPHALT = np.array([0.076, 0.082, 0.087, 0.100], np.float32)
CONCRETE = np.array([0.152, 0.162, 0.170, 0.185], np.float32)
TRACK_BED = np.array([0.095, 0.107, 0.116, 0.140], np.float32)
MEDIAN_STRIP = np.array([0.036, 0.064, 0.045, 0.270], np.float32)
SHADE = np.array([0.46, 0.38, 0.34, 0.31], np.float32)
"""Light from the blue sky that still reaches the shadow of a building, per band."""

FIXED: dict[Kind, Sequence[float]] = {
    Kind.GREENHOUSE: (0.190, 0.205, 0.205, 0.270),
    Kind.POND: (0.048, 0.066, 0.054, 0.028),
    Kind.YARD: (0.092, 0.110, 0.128, 0.175),
    Kind.PAVEMENT: (0.108, 0.118, 0.125, 0.148),
    Kind.ASPHALT: ASPHALT.tolist(),
    Kind.GRAVEL: (0.098, 0.120, 0.140, 0.195),
    Kind.LAWN: (0.043, 0.078, 0.058, 0.310),
    Kind.RED_ROOF: (0.070, 0.082, 0.150, 0.200),
    Kind.GREY_ROOF: (0.112, 0.117, 0.121, 0.140),
    Kind.DARK_ROOF: (0.058, 0.062, 0.067, 0.085),
    Kind.BLUE_ROOF: (0.185, 0.150, 0.082, 0.120),
    Kind.WHITE_ROOF: (0.270, 0.278, 0.278, 0.285),
    Kind.CONCRETE_ROOF: CONCRETE.tolist(),
    Kind.RUNNING_TRACK: (0.072, 0.064, 0.150, 0.220),
    Kind.BARE: (0.112, 0.140, 0.168, 0.225),
    Kind.TOWN: (0.092, 0.101, 0.107, 0.170),
    Kind.VILLAGE: (0.084, 0.096, 0.108, 0.175),
    Kind.FAR_GREENHOUSES: (0.140, 0.158, 0.160, 0.245),
}


def woodland(day: float) -> tuple[Colour, Colour, Colour]:
    """Conifers, broadleaved trees and grass on a day of the year."""
    leaf = float(np.interp(day, [95, 130, 270, 312], [0.0, 1.0, 1.0, 0.0]))
    autumn = float(np.interp(day, [262, 290, 305, 318], [0.0, 1.0, 0.7, 0.0]))
    russet = np.array([0.045, 0.075, 0.115, 0.300], np.float32)
    broadleaf = BARE_TWIGS + leaf * (BROADLEAF - BARE_TWIGS)
    green = float(np.interp(day, [85, 140, 250, 300], [0.0, 1.0, 1.0, 0.0]))
    return CONIFER, broadleaf + 0.75 * autumn * (russet - broadleaf), DRY_GRASS + green * (GRASS - DRY_GRASS)
