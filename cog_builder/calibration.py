"""Digital number → radiance → reflectance at the top of the atmosphere."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cog_builder.scene import Scene, SourceImage
from cog_builder.sun import earth_sun_distance_au

REFLECTANCE_SCALE = 0.0001
"""Reflectance per step of `analytic` and `sharp`."""


@dataclass(frozen=True)
class Calibration:
    """The line that turns the digital numbers of an image into reflectance."""

    factors: NDArray[np.float32]
    """Reflectance per digital number, one per band."""
    constants: NDArray[np.float32]
    """Reflectance of digital number 0, one per band."""

    def reflectance(self, dn: NDArray[np.float32]) -> NDArray[np.float32]:
        """Top-of-atmosphere reflectance, 0–1 (bright clouds may exceed 1).

        Args:
            dn: Digital numbers, (row, column, band).
        """
        rows, cols, _ = dn.shape  # whole rows at a time: numpy is slow over a last axis of four
        found = dn.reshape(rows, -1) * np.tile(self.factors, cols) + np.tile(self.constants, cols)
        return found.reshape(dn.shape)


def calibration(scene: Scene, image: SourceImage) -> Calibration:
    """L = gain · DN + offset, ρ = π L d² / (ESUN cos θ) with θ the solar zenith and d the Earth–Sun distance in AU.

    Without gains the numbers are kept: `REFLECTANCE_SCALE` of reflectance per digital number.

    Source: CRESDA notices of absolute calibration coefficients (radiance); Chander et al. 2009, eq. 2 (reflectance).
    """
    if image.gains is None:
        count = len(image.bands)
        return Calibration(np.full(count, REFLECTANCE_SCALE, np.float32), np.zeros(count, np.float32))
    esun = np.array([band.esun for band in image.bands])
    to_reflectance = (
        math.pi * earth_sun_distance_au(scene.acquired) ** 2 / (esun * math.sin(math.radians(scene.sun_elevation)))
    )
    return Calibration(
        (np.array(image.gains) * to_reflectance).astype(np.float32),
        (np.array(image.offsets) * to_reflectance).astype(np.float32),
    )
