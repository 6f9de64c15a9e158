"""Reflectance → 8-bit colours, by the one stretch of the collection, so that neighbours match."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Stretch:
    """The reflectance shown as black and as white per colour, and the gamma between."""

    low: tuple[float, float, float]
    """Red, green, blue."""
    high: tuple[float, float, float]
    gamma: float

    @classmethod
    def of_collection(cls, document: dict[str, Any]) -> "Stretch":
        """Read `imagery_node:stretch` of a Collection document."""
        stretch = document["imagery_node:stretch"]
        low, high = zip(*(stretch[colour] for colour in _COLOURS), strict=True)
        return cls(low, high, stretch["gamma"])

    def picture(self, reflectance: NDArray[np.float32], common_names: tuple[str, ...]) -> NDArray[np.uint8]:
        """(row, column, 3) red, green, blue; 1–255, so that no shown pixel is pure black.

        Args:
            reflectance: (row, column, band).
            common_names: STAC common names of the bands, in order.
        """
        rgb = reflectance[..., [common_names.index(colour) for colour in _COLOURS]]
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        shown = np.clip((rgb - low) / (high - low), 0, 1) ** np.float32(1 / self.gamma)
        picture: NDArray[np.uint8] = np.rint(1 + 254 * shown).astype(np.uint8)
        return picture
