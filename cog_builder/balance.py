"""Colour balance: what makes a scene's picture match its published neighbours where both show the same ground.

Per colour, balanced reflectance = gain · reflectance + offset: light and calibration differ by a factor, haze adds.
Both are matched by their mean and spread over the ground that did not change between the two dates.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject, transform_bounds

from cog_builder.calibration import REFLECTANCE_SCALE
from cog_builder.quality import FILL

PROPERTY = "imagery_node:balance"

Colours = NDArray[np.float64]
"""Reflectance, (place, colour)."""
Factors = NDArray[np.float64]
"""One number a colour."""

logger = logging.getLogger(__name__)

_CELLS = 512
"""Along the longer side of the grid on which scenes are compared."""
_MIN_CELL_PX = 4
"""A cell is so much wider than a pixel that two scenes need not lie upon each other to the pixel."""
_MIN_MATCHES = 100
_MIN_SHARE = 0.002
"""Of the scene's cells; less common ground does not say how a scene looks."""
_SAMPLE = 10_000
_TRIED = np.geomspace(0.4, 2.5, 41)
_ROUNDS = 8
_DEVIATIONS = 1.4826
"""Standard deviations a median deviation."""
_UNCHANGED = 2.5
"""Standard deviations around the line that unchanged ground keeps to."""
_LEAST_SPREAD = 0.002
"""Reflectance by which two looks at unchanged ground differ at least."""
_LEAST_CONTRAST = 0.005
"""Reflectance; ground that is more even than this does not tell a gain, only an offset."""
_GAINS = 0.5, 2.0
_OFFSETS = -0.1, 0.1
_HELD_BACK = 0.01
"""Share of a correction that is left out, so that an error does not travel along a whole strip."""


@dataclass(frozen=True)
class Neighbour:
    """A published scene of the same collection."""

    item_id: str
    analytic: Path
    quality: Path
    bands: tuple[str, ...]
    """Names of the bands of `analytic`, in order."""
    gains: dict[str, float]
    """What its own picture was balanced with, by band; a band that is not there was left alone."""
    offsets: dict[str, float]

    @classmethod
    def of_item(cls, item: dict[str, Any], folder: Path) -> Self:
        """From the Item of a version and the folder of its files."""
        analytic, quality = (item["assets"][key] for key in ("analytic", "quality"))
        balance = item["properties"].get(PROPERTY, {})
        return cls(
            item["id"],
            folder / analytic["href"],
            folder / quality["href"],
            tuple(band["name"] for band in analytic.get("bands", ())),
            balance.get("gains", {}),
            balance.get("offsets", {}),
        )


@dataclass(frozen=True)
class Balance:
    """What a scene's picture is drawn with."""

    gains: dict[str, float]
    """By band."""
    offsets: dict[str, float]
    """Reflectance, by band."""
    neighbours: tuple[str, ...]
    """Ids of the items that it was solved from."""
    pixels: int
    """Places that were compared."""

    def as_property(self) -> dict[str, Any]:
        """As the Item has it."""
        return {
            "gains": self.gains,
            "offsets": self.offsets,
            "neighbours": list(self.neighbours),
            "pixels": self.pixels,
        }


def solve_balance(
    analytic: Path, quality: Path, bands: Sequence[str], neighbours: Sequence[Neighbour], *, shown: Sequence[str]
) -> Balance | None:
    """Solve how a new scene is to be shown beside its neighbours, which stay as they are.

    Cells that either scene flags (fill, saturation, cloud and whatever else) are left out, with those around them.

    Args:
        analytic: Reflectance of the new scene.
        quality: Its flags.
        bands: Names of its bands, in order.
        neighbours: Those without the shown bands, or whose files cannot be read, are left out.
        shown: Names of the bands that are its red, green and blue.

    Returns:
        None when no neighbour shows enough of the same ground.
    """
    cells = _Cells.over(analytic)
    ours = _look(analytic, quality, [bands.index(band) for band in shown], cells)
    enough = max(_MIN_MATCHES, _MIN_SHARE * np.isfinite(ours[0]).sum())
    matches: dict[str, _Match] = {}
    for neighbour in neighbours:
        if not set(shown) <= set(neighbour.bands):
            continue
        try:
            theirs = _balanced_look(neighbour, shown, cells)
        except RasterioError as error:
            logger.warning("balance without %s: %s", neighbour.item_id, error)
            continue
        both = np.isfinite(ours[0]) & np.isfinite(theirs[0])
        match = _match(ours[:, both].T, theirs[:, both].T, enough=enough)
        if match is not None:
            matches[neighbour.item_id] = match
    if not matches:
        return None
    gains, offsets = _combined(list(matches.values()))
    return Balance(
        dict(zip(shown, gains.round(5).tolist(), strict=True)),
        dict(zip(shown, offsets.round(6).tolist(), strict=True)),
        tuple(matches),
        sum(match.count for match in matches.values()),
    )


@dataclass(frozen=True)
class _Cells:
    """The coarse grid on which scenes are compared: the new scene's own, so many pixels a cell."""

    crs: CRS
    transform: Affine
    height: int
    width: int

    @classmethod
    def over(cls, analytic: Path) -> Self:
        with rasterio.open(analytic, driver="GTiff") as cog:
            pixels = max(_MIN_CELL_PX, math.ceil(max(cog.shape) / _CELLS))
            height, width = (math.ceil(side / pixels) for side in cog.shape)
            return cls(cog.crs, cog.transform @ Affine.scale(pixels), height, width)

    def read(self, path: Path, indexes: Sequence[int], resampling: Resampling, *, missing: int) -> NDArray[np.float32]:
        """Bands (counted from 0) of a COG as (band, row, column); `missing` outside it."""
        with rasterio.open(path, driver="GTiff") as cog:
            left, _, right, _ = transform_bounds(cog.crs, self.crs, *cog.bounds)
            shrink = abs(self.transform.a) / ((right - left) / cog.width)
            level = sum(factor <= shrink for factor in cog.overviews(1)) - 1
        options = {} if level < 0 else {"overview_level": level}
        seen = np.full((len(indexes), self.height, self.width), missing, np.float32)
        with rasterio.Env(GDAL_CACHEMAX=32), rasterio.open(path, driver="GTiff", **options) as cog:
            reproject(
                rasterio.band(cog, [index + 1 for index in indexes]),
                seen,
                dst_transform=self.transform,
                dst_crs=self.crs,
                dst_nodata=missing,
                resampling=resampling,
            )
        return seen


@dataclass(frozen=True)
class _Match:
    """Unchanged ground in two scenes."""

    count: int
    ours: Factors
    """Mean reflectance."""
    theirs: Factors
    gain: Factors
    weight: float
    """How sure this is: places by squared reflectance that they are off the line."""


def _look(analytic: Path, quality: Path, indexes: Sequence[int], cells: _Cells) -> NDArray[np.float32]:
    """Reflectance (colour, row, column) as seen through good cells, NaN elsewhere."""
    seen = cells.read(analytic, indexes, Resampling.average, missing=0) * np.float32(REFLECTANCE_SCALE)
    flagged = cells.read(quality, [0], Resampling.max, missing=FILL)[0] > 0
    flagged = cv2.dilate(flagged.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    seen[:, flagged | (seen == 0).any(axis=0)] = np.nan
    return seen


def _balanced_look(neighbour: Neighbour, shown: Sequence[str], cells: _Cells) -> NDArray[np.float32]:
    """The neighbour as its picture shows it."""
    indexes = [neighbour.bands.index(band) for band in shown]
    gains = np.array([neighbour.gains.get(band, 1) for band in shown], np.float32)[:, None, None]
    offsets = np.array([neighbour.offsets.get(band, 0) for band in shown], np.float32)[:, None, None]
    return _look(neighbour.analytic, neighbour.quality, indexes, cells) * gains + offsets


def _match(ours: NDArray[np.float32], theirs: NDArray[np.float32], *, enough: float) -> _Match | None:
    """Find the ground that keeps to one line in every colour, and that line; None where it is not `enough` places.

    Noise and misplacement are on both sides, so the gain is the ratio of the spreads and not a regression, which would
    take contrast away.
    """
    if len(ours) < enough:
        return None
    x, y = ours.astype(np.float64), theirs.astype(np.float64)
    gain, offset = _first_line(x, y)
    for _ in range(_ROUNDS):
        off = y - gain * x - offset
        spread = _DEVIATIONS * np.median(abs(off), axis=0) + _LEAST_SPREAD
        kept = (abs(off) < _UNCHANGED * spread).all(axis=1)
        if kept.sum() < enough:
            return None
        x_middle, y_middle = x[kept].mean(axis=0), y[kept].mean(axis=0)
        gain = _gain(x[kept].std(axis=0), y[kept].std(axis=0))
        offset = y_middle - gain * x_middle
    count, error = int(kept.sum()), float((spread**2).mean())
    return _Match(count, x_middle, y_middle, gain, count / error)


def _first_line(x: Colours, y: Colours) -> tuple[Factors, Factors]:
    """The line with the least median distance, whatever up to half of the ground has become."""
    step = math.ceil(len(x) / _SAMPLE)
    off = y[::step] - _TRIED[:, None, None] * x[::step]
    offsets = np.median(off, axis=1)
    distance = np.median(abs(off - offsets[:, None]), axis=1) / np.hypot(1, _TRIED)[:, None]
    best = distance.argmin(axis=0)
    return _TRIED[best], np.take_along_axis(offsets, best[None], axis=0)[0]


def _gain(ours: Factors, theirs: Factors) -> Factors:
    return np.sqrt((theirs**2 + _LEAST_CONTRAST**2) / (ours**2 + _LEAST_CONTRAST**2))


def _combined(matches: list[_Match]) -> tuple[Factors, Factors]:
    """Gains and offsets of weighted least squares over all matches, bounded."""
    weights = [match.weight for match in matches]
    kept = 1 - _HELD_BACK
    log_gain = np.average([np.log(match.gain) for match in matches], axis=0, weights=weights)
    gain = np.clip(np.exp(kept * log_gain), *_GAINS)
    offsets = [match.ours + kept * (match.theirs - match.ours) - gain * match.ours for match in matches]
    return gain, np.clip(np.average(offsets, axis=0, weights=weights), *_OFFSETS)
