"""What things reflect in blue, green, red and near infrared, through the year.

Typical values of spectral libraries (USGS Spectral Library 7, ECOSTRESS) rounded to what an eye would accept.
"""

from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
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

_FIXED = {
    Kind.GREENHOUSE: (0.190, 0.205, 0.205, 0.270),
    Kind.POND: (0.048, 0.066, 0.054, 0.028),
    Kind.YARD: (0.092, 0.110, 0.128, 0.175),
    Kind.PAVEMENT: (0.108, 0.118, 0.125, 0.148),
    Kind.ASPHALT: (0.076, 0.082, 0.087, 0.100),
    Kind.GRAVEL: (0.098, 0.120, 0.140, 0.195),
    Kind.LAWN: (0.043, 0.078, 0.058, 0.310),
    Kind.RED_ROOF: (0.070, 0.082, 0.150, 0.200),
    Kind.GREY_ROOF: (0.112, 0.117, 0.121, 0.140),
    Kind.DARK_ROOF: (0.058, 0.062, 0.067, 0.085),
    Kind.BLUE_ROOF: (0.185, 0.150, 0.082, 0.120),
    Kind.WHITE_ROOF: (0.270, 0.278, 0.278, 0.285),
    Kind.CONCRETE_ROOF: (0.152, 0.162, 0.170, 0.185),
    Kind.RUNNING_TRACK: (0.072, 0.064, 0.150, 0.220),
    Kind.BARE: (0.112, 0.140, 0.168, 0.225),
    Kind.TOWN: (0.092, 0.101, 0.107, 0.170),
    Kind.VILLAGE: (0.084, 0.096, 0.108, 0.175),
    Kind.FAR_GREENHOUSES: (0.140, 0.158, 0.160, 0.245),
}


@dataclass(frozen=True)
class _Calendar:
    """One crop's year at 40° N: (day of the year, value 0–1) pairs, straight in between."""

    cover: tuple[tuple[int, float], ...]
    """Share of the soil under green leaves."""
    ripe: tuple[tuple[int, float], ...] = ((1, 0.0),)
    """Share of the leaves that have turned straw-coloured."""
    flooded: tuple[tuple[int, float], ...] = ((1, 0.0),)
    blossom: tuple[tuple[int, float], ...] = ((1, 0.0),)


_CALENDARS = {
    Kind.WHEAT_MAIZE: _Calendar(
        ((1, 0.28), (60, 0.34), (85, 0.62), (110, 0.95), (150, 0.95), (166, 0.75), (168, 0.05), (185, 0.3), (215, 0.96), (262, 0.9), (275, 0.7), (277, 0.02), (295, 0.08), (325, 0.3)),
        ((1, 0.1), (70, 0.0), (142, 0.05), (160, 0.95), (166, 1.0), (169, 0.5), (190, 0.0), (250, 0.05), (272, 0.8), (278, 0.2), (300, 0.0), (340, 0.1)),
    ),
    Kind.MAIZE: _Calendar(
        ((1, 0.02), (125, 0.02), (160, 0.35), (195, 0.95), (250, 0.95), (272, 0.8), (276, 0.05), (300, 0.02)),
        ((1, 0.5), (100, 0.0), (235, 0.0), (268, 0.85), (276, 0.6)),
    ),
    Kind.RICE: _Calendar(
        ((1, 0.02), (140, 0.04), (165, 0.25), (200, 0.95), (265, 0.92), (285, 0.85), (290, 0.06)),
        ((1, 0.3), (120, 0.0), (240, 0.05), (275, 0.95), (290, 0.9)),
        ((1, 0.0), (128, 0.0), (136, 0.95), (175, 0.7), (200, 0.1), (215, 0.0)),
    ),
    Kind.VEGETABLES: _Calendar(((1, 0.15), (75, 0.25), (105, 0.7), (150, 0.85), (165, 0.3), (200, 0.8), (235, 0.5), (270, 0.85), (320, 0.4))),
    Kind.RAPESEED: _Calendar(
        ((1, 0.3), (70, 0.5), (95, 0.92), (140, 0.8), (155, 0.1), (190, 0.5), (240, 0.8), (270, 0.1), (330, 0.3)),
        ((1, 0.0), (125, 0.0), (148, 0.8), (160, 0.0)),
        blossom=((1, 0.0), (88, 0.0), (98, 0.8), (112, 0.75), (122, 0.0)),
    ),
    Kind.ORCHARD: _Calendar(((1, 0.08), (90, 0.12), (115, 0.55), (150, 0.75), (270, 0.7), (305, 0.3), (325, 0.1)), ((1, 0.3), (90, 0.0), (265, 0.0), (300, 0.6))),
    Kind.FALLOW: _Calendar(((1, 0.06), (100, 0.1), (150, 0.35), (220, 0.6), (280, 0.35), (320, 0.1)), ((1, 0.9), (100, 0.5), (150, 0.1), (240, 0.1), (290, 0.7))),
}  # fmt: skip


def reflectance_of(kind: NDArray[np.intp], day: float, vigour: Floats, tint: Floats) -> Floats:
    """Reflectance of pieces of ground on a day of the year, shape (piece, band).

    Args:
        kind: `Kind` of each piece.
        day: Day of the year, 1–366.
        vigour: About −1 to 1: how well, and how early, each grows.
        tint: About −1 to 1: how light each is.
    """
    result = np.empty((len(kind), 4))
    for each in np.unique(kind):
        chosen = kind == each
        if each in CROPS:
            result[chosen] = _crop(_CALENDARS[Kind(each)], day, vigour[chosen], tint[chosen])
        else:
            result[chosen] = np.array(_FIXED[Kind(each)]) * (1 + 0.16 * tint[chosen])[:, None]
    return result


def woodland(day: float) -> tuple[Colour, Colour, Colour]:
    """Conifers, broadleaved trees and grass on a day of the year."""
    leaf = float(np.interp(day, [95, 130, 270, 312], [0.0, 1.0, 1.0, 0.0]))
    autumn = float(np.interp(day, [262, 290, 305, 318], [0.0, 1.0, 0.7, 0.0]))
    russet = np.array([0.045, 0.075, 0.115, 0.300], np.float32)
    broadleaf = BARE_TWIGS + leaf * (BROADLEAF - BARE_TWIGS)
    green = float(np.interp(day, [85, 140, 250, 300], [0.0, 1.0, 1.0, 0.0]))
    return CONIFER, broadleaf + 0.75 * autumn * (russet - broadleaf), DRY_GRASS + green * (GRASS - DRY_GRASS)


def _crop(calendar: _Calendar, day: float, vigour: Floats, tint: Floats) -> Floats:
    own_day = (day + 5 * vigour - 1) % 365 + 1
    cover, ripe, flooded, blossom = (
        np.interp(own_day, *np.array(pairs).T, period=365)[:, None]
        for pairs in (calendar.cover, calendar.ripe, calendar.flooded, calendar.blossom)
    )
    cover = np.clip(cover * (1 + 0.14 * vigour[:, None]), 0, 0.97)
    ground = SOIL * (1 + 0.18 * tint[:, None])
    ground = ground + np.clip(-0.9 * vigour[:, None] - 0.25, 0, 0.6) * (WET_SOIL - ground)
    ground = ground + flooded * (FLOODED - ground)
    plants = LEAVES * (1 + 0.10 * vigour[:, None]) + ripe * (RIPE - LEAVES)
    plants = plants + blossom * (BLOSSOM - plants)
    return ground + cover * (plants - ground)
