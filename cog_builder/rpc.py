"""Rational polynomial camera model: ground to image and back.

Coefficient order is RPC00B (NGA STDI-0002, appendix E, §E.2.4). Image coordinates are (col, row) with the centre of
the first pixel at (0, 0), as the deliveries' RPB files have it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cog_builder.errors import GeolocationError

Floats = NDArray[np.float64]

_MAX_ITERATIONS = 20
_CONVERGED_PX = 1e-4


@dataclass(frozen=True)
class Rpc:
    """RPC00B coefficients of one image."""

    line_offset: float
    sample_offset: float
    latitude_offset: float
    longitude_offset: float
    height_offset_m: float
    line_scale: float
    sample_scale: float
    latitude_scale: float
    longitude_scale: float
    height_scale_m: float
    line_numerator: tuple[float, ...]
    line_denominator: tuple[float, ...]
    sample_numerator: tuple[float, ...]
    sample_denominator: tuple[float, ...]

    def project(self, longitude: Floats, latitude: Floats, height_m: Floats | float) -> tuple[Floats, Floats]:
        """Ground to image.

        Args:
            longitude: Degrees, WGS 84.
            latitude: Degrees, WGS 84.
            height_m: Metres above the WGS 84 ellipsoid; an array or one height for all.

        Returns:
            (col, row) arrays; the centre of the first pixel is (0, 0).
        """
        x = (longitude - self.longitude_offset) / self.longitude_scale
        y = (latitude - self.latitude_offset) / self.latitude_scale
        z = np.broadcast_to((height_m - self.height_offset_m) / self.height_scale_m, x.shape)
        terms = cubic_terms(x, y, z)
        coefficients = np.array(
            [self.sample_numerator, self.sample_denominator, self.line_numerator, self.line_denominator]
        )
        sample_top, sample_bottom, line_top, line_bottom = np.tensordot(coefficients, terms, axes=1)
        col = sample_top / sample_bottom * self.sample_scale + self.sample_offset
        row = line_top / line_bottom * self.line_scale + self.line_offset
        return col, row

    def locate(self, col: Floats, row: Floats, height_m: Floats | float) -> tuple[Floats, Floats]:
        """Image to ground at a given height, by Newton's method.

        Args:
            col: Image columns; the centre of the first pixel is 0.
            row: Image rows.
            height_m: Metres above the WGS 84 ellipsoid.

        Returns:
            (longitude, latitude) in degrees.

        Raises:
            GeolocationError: The model does not converge at some point.
        """
        longitude = np.full(np.shape(col), self.longitude_offset, dtype=np.float64)
        latitude = np.full(np.shape(col), self.latitude_offset, dtype=np.float64)
        step_lon, step_lat = self.longitude_scale * 1e-4, self.latitude_scale * 1e-4
        for _ in range(_MAX_ITERATIONS):
            col_0, row_0 = self.project(longitude, latitude, height_m)
            off_col, off_row = col - col_0, row - row_0
            if max(np.abs(off_col).max(), np.abs(off_row).max()) < _CONVERGED_PX:
                return longitude, latitude
            col_e, row_e = self.project(longitude + step_lon, latitude, height_m)
            col_n, row_n = self.project(longitude, latitude + step_lat, height_m)
            a, b = (col_e - col_0) / step_lon, (col_n - col_0) / step_lat
            c, d = (row_e - row_0) / step_lon, (row_n - row_0) / step_lat
            with np.errstate(divide="ignore", invalid="ignore"):
                determinant = a * d - b * c
                longitude = longitude + (d * off_col - b * off_row) / determinant
                latitude = latitude + (a * off_row - c * off_col) / determinant
            if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
                break
        raise GeolocationError("the RPC cannot be inverted inside the image: its coefficients do not describe a camera")


def cubic_terms(x: Floats, y: Floats, z: Floats) -> Floats:
    """The 20 cubic terms of RPC00B, x = longitude, y = latitude, z = height, all normalised; shape (20, …)."""
    terms = np.empty((20, *x.shape))
    terms[0] = 1.0
    terms[1], terms[2], terms[3] = x, y, z
    np.multiply(x, y, out=terms[4])
    np.multiply(x, z, out=terms[5])
    np.multiply(y, z, out=terms[6])
    np.multiply(x, x, out=terms[7])
    np.multiply(y, y, out=terms[8])
    np.multiply(z, z, out=terms[9])
    np.multiply(terms[4], z, out=terms[10])
    np.multiply(terms[7], x, out=terms[11])
    np.multiply(x, terms[8], out=terms[12])
    np.multiply(x, terms[9], out=terms[13])
    np.multiply(terms[7], y, out=terms[14])
    np.multiply(terms[8], y, out=terms[15])
    np.multiply(y, terms[9], out=terms[16])
    np.multiply(terms[7], z, out=terms[17])
    np.multiply(terms[8], z, out=terms[18])
    np.multiply(terms[9], z, out=terms[19])
    return terms
