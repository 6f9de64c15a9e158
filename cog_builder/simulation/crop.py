"""The colour of pieces of ground on a day of the year: crops follow their calendar, everything else stays as it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cog_builder.simulation.spectra import (
    BLOSSOM,
    CROPS,
    FIXED,
    FLOODED,
    LEAVES,
    RIPE,
    SOIL,
    WET_SOIL,
    Kind,
)

Floats = NDArray[np.float64]

_DAYS = 365


@dataclass(frozen=True)
class _Calendar:
    """One crop's year at 40° N, each curve as `day:percent` pairs, straight in between."""

    cover: str
    """Share of the soil under green leaves."""
    ripe: str = "1:0"
    """Share of the leaves that have turned the colour of straw."""
    flooded: str = "1:0"
    blossom: str = "1:0"

    def on(self, curve: str, days: Floats) -> Floats:
        """A curve's share, 0–1, on days of the year, as a column."""
        pairs = [pair.split(":") for pair in curve.split()]
        known, percent = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
        return np.interp(days, known, percent / 100, period=_DAYS)[:, None]


_CALENDARS = {
    Kind.WHEAT_MAIZE: _Calendar(
        "1:28 60:34 85:62 110:95 150:95 166:75 168:5 185:30 215:96 262:90 275:70 277:2 295:8 325:30",
        "1:10 70:0 142:5 160:95 166:100 169:50 190:0 250:5 272:80 278:20 300:0 340:10",
    ),
    Kind.MAIZE: _Calendar(
        "1:2 125:2 160:35 195:95 250:95 272:80 276:5 300:2",
        "1:50 100:0 235:0 268:85 276:60",
    ),
    Kind.RICE: _Calendar(
        "1:2 140:4 165:25 200:95 265:92 285:85 290:6",
        "1:30 120:0 240:5 275:95 290:90",
        flooded="1:0 128:0 136:95 175:70 200:10 215:0",
    ),
    Kind.VEGETABLES: _Calendar("1:15 75:25 105:70 150:85 165:30 200:80 235:50 270:85 320:40"),
    Kind.RAPESEED: _Calendar(
        "1:30 70:50 95:92 140:80 155:10 190:50 240:80 270:10 330:30",
        "1:0 125:0 148:80 160:0",
        blossom="1:0 88:0 98:80 112:75 122:0",
    ),
    Kind.ORCHARD: _Calendar("1:8 90:12 115:55 150:75 270:70 305:30 325:10", "1:30 90:0 265:0 300:60"),
    Kind.FALLOW: _Calendar("1:6 100:10 150:35 220:60 280:35 320:10", "1:90 100:50 150:10 240:10 290:70"),
}


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
            result[chosen] = np.array(FIXED[Kind(each)]) * (1 + 0.16 * tint[chosen])[:, None]
    return result


def _crop(calendar: _Calendar, day: float, vigour: Floats, tint: Floats) -> Floats:
    own_day = (day + 5 * vigour - 1) % _DAYS + 1
    cover = np.clip(calendar.on(calendar.cover, own_day) * (1 + 0.14 * vigour[:, None]), 0, 0.97)
    ground = SOIL * (1 + 0.18 * tint[:, None])
    ground = ground + np.clip(-0.9 * vigour[:, None] - 0.25, 0, 0.6) * (WET_SOIL - ground)
    ground = ground + calendar.on(calendar.flooded, own_day) * (FLOODED - ground)
    plants = LEAVES * (1 + 0.10 * vigour[:, None]) + calendar.on(calendar.ripe, own_day) * (RIPE - LEAVES)
    plants = plants + calendar.on(calendar.blossom, own_day) * (BLOSSOM - plants)
    return ground + cover * (plants - ground)
