"""Reflectance → 8-bit colours, by the one stretch of the collection, so that neighbours match."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray

from cog_builder.calibration import REFLECTANCE_SCALE

Triple = tuple[float, float, float]
"""Red, green, blue."""


@dataclass(frozen=True)
class Stretch:
    """The bands shown as red, green and blue, the reflectance shown as black and as white, and the gamma between."""

    bands: tuple[str, str, str]
    """Names of the bands; one of them three times is grey."""
    low: Triple
    high: Triple
    gamma: float

    @classmethod
    def of_collection(cls, document: dict[str, Any]) -> Self:
        """Read `imagery_node:stretch` of a Collection document."""
        stretch = document["imagery_node:stretch"]
        return cls(tuple(stretch["bands"]), tuple(stretch["low"]), tuple(stretch["high"]), stretch["gamma"])

    def balanced(self, gains: Mapping[str, float], offsets: Mapping[str, float]) -> Self:
        """The same for pictures of gain · reflectance + offset, both by band name."""

        def before(ends: Triple) -> Triple:
            red, green, blue = ((end - offsets[band]) / gains[band] for band, end in zip(self.bands, ends, strict=True))
            return red, green, blue

        return replace(self, low=before(self.low), high=before(self.high))

    def fitted(self, reflectance: NDArray[np.float32], band_names: Sequence[str]) -> Self:
        """The same bands, from the 2nd to the 98th percentile of some pixels: for scenes nobody can calibrate.

        Args:
            reflectance: (pixel, band), of the whole scene.
            band_names: Names of its bands, in order.
        """
        shown = reflectance[:, [band_names.index(band) for band in self.bands]]
        low, high = np.percentile(shown, (2, 98), axis=0).tolist()
        apart = [max(top, bottom + 1e-4) for bottom, top in zip(low, high, strict=True)]
        return replace(self, low=tuple(low), high=tuple(apart))

    def picture(self, reflectance: NDArray[np.float32], band_names: Sequence[str]) -> NDArray[np.uint8]:
        """(row, column, 3) red, green, blue; 1–255, so that no shown pixel is pure black.

        Args:
            reflectance: (row, column, band).
            band_names: Names of its bands, in order.
        """
        rgb = reflectance[..., [band_names.index(band) for band in self.bands]]
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        shown = np.clip((rgb - low) / (high - low), 0, 1) ** np.float32(1 / self.gamma)
        picture: NDArray[np.uint8] = np.rint(1 + 254 * shown).astype(np.uint8)
        return picture


def read_sample(analytic: Path) -> NDArray[np.float32]:
    """Values of the valid pixels of a COG's smallest overview, scaled to reflectance; (pixel, band)."""
    with rasterio.open(analytic, driver="GTiff") as cog:
        shrink = max(cog.overviews(1), default=1)
        values = cog.read(out_shape=(cog.count, -(-cog.height // shrink), -(-cog.width // shrink)))
        valid = values.any(axis=0)
        scaled: NDArray[np.float32] = values[:, valid].T.astype(np.float32) * np.float32(REFLECTANCE_SCALE)
    return scaled
