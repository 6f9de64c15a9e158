"""A pushbroom camera over the ellipsoid, written as the RPC that a delivery would carry."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cog_builder.rpc import Rpc, cubic_terms

Floats = NDArray[np.float64]

_EQUATOR_M = 6378137.0
_ECCENTRICITY_SQUARED = 0.00669437999014
_SCALE_MARGIN = 1.19
"""Line and sample scales of real RPCs reach this far past half the image."""


@dataclass(frozen=True)
class Camera:
    """One image being taken: a line of detectors carried along a straight track."""

    longitude: float
    """Of the image centre, degrees."""
    latitude: float
    height_m: float
    """Of the ground at the image centre, metres above the ellipsoid: there the image centre looks exactly."""
    width: int
    height: int
    gsd_m: float
    """At the image centre, across and along the track."""
    view_deg: float
    """Angle at the ground between the view and the vertical; positive when the satellite stands to the west."""
    orbit_height_m: float
    track_deg: float = 11.5
    """How far the track leans: lines run this many degrees south of east, down the image is west of south."""
    pitch_deg: float = 0.0
    """Angle at the ground between the view and the vertical along the track; positive when the camera looks ahead."""

    def image_position(self, longitude: Floats, latitude: Floats, height_m: Floats) -> tuple[Floats, Floats]:
        """Exact (col, row) of ground points; the centre of the first pixel is (0, 0)."""
        east, north, up = self._local(longitude, latitude, height_m)
        lean, view = math.radians(self.track_deg), math.radians(self.view_deg)
        across = east * math.cos(lean) - north * math.sin(lean)
        along = -east * math.sin(lean) - north * math.cos(lean) + up * math.tan(math.radians(self.pitch_deg))
        beside = across * math.cos(view) + up * math.sin(view)
        depth = across * math.sin(view) - up * math.cos(view) + self.orbit_height_m / math.cos(view)
        focal_px = self.orbit_height_m / (math.cos(view) ** 2 * self.gsd_m)
        # A trace of attitude drift and lens distortion, so that the polynomials have something to do.
        drift = 1e-5 * across + 2e-12 * across * along + 4e-4 * up
        col = focal_px * (beside / depth + 0.02 * (beside / depth) ** 3) + (self.width - 1) / 2
        row = (along + drift) / self.gsd_m + (self.height - 1) / 2
        return col, row

    def rpc(self, *, height_offset_m: float = 0.0, height_scale_m: float = 5000.0) -> Rpc:
        """The camera as rational polynomials, fitted over the image and ±`height_scale_m`."""
        half_m = self.gsd_m * max(self.width, self.height) / 2 * _SCALE_MARGIN
        reach_m = half_m * (math.cos(math.radians(self.track_deg)) + math.sin(math.radians(self.track_deg)))
        east_m, north_m = _metres_per_degree(self.latitude)
        x, y, z = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-1.0, 1.0, 11)] * 3))
        longitude, latitude = self.longitude + x * reach_m / east_m, self.latitude + y * reach_m / north_m
        col, row = self.image_position(longitude, latitude, z * height_scale_m + height_offset_m)
        line_scale, sample_scale = self.height / 2 * _SCALE_MARGIN, self.width / 2 * _SCALE_MARGIN
        line_offset, sample_offset = self.height / 2 + 6.5, self.width / 2 - 3.0
        sample_numerator, sample_denominator = _fit((col - sample_offset) / sample_scale, x, y, z)
        line_numerator, line_denominator = _fit((row - line_offset) / line_scale, x, y, z)
        return Rpc(
            line_offset,
            sample_offset,
            self.latitude,
            self.longitude,
            height_offset_m,
            line_scale,
            sample_scale,
            reach_m / north_m,
            reach_m / east_m,
            height_scale_m,
            line_numerator,
            line_denominator,
            sample_numerator,
            sample_denominator,
        )

    def _local(self, longitude: Floats, latitude: Floats, height_m: Floats) -> tuple[Floats, Floats, Floats]:
        """Metres east, north and up of the image centre, up falling away with the curved earth."""
        x, y, z = _geocentric(longitude, latitude, height_m)
        x0, y0, z0 = _geocentric(*(np.array(value) for value in (self.longitude, self.latitude, self.height_m)))
        x, y, z = x - x0, y - y0, z - z0
        lon, lat = math.radians(self.longitude), math.radians(self.latitude)
        out = x * math.cos(lon) + y * math.sin(lon)
        east = -x * math.sin(lon) + y * math.cos(lon)
        north = -out * math.sin(lat) + z * math.cos(lat)
        return east, north, out * math.cos(lat) + z * math.sin(lat)


def _geocentric(longitude: Floats, latitude: Floats, height_m: Floats) -> tuple[Floats, Floats, Floats]:
    lon, lat = np.radians(longitude), np.radians(latitude)
    normal = _EQUATOR_M / np.sqrt(1 - _ECCENTRICITY_SQUARED * np.sin(lat) ** 2)
    ring = (normal + height_m) * np.cos(lat)
    return ring * np.cos(lon), ring * np.sin(lon), (normal * (1 - _ECCENTRICITY_SQUARED) + height_m) * np.sin(lat)


def _metres_per_degree(latitude: float) -> tuple[float, float]:
    """Metres per degree of longitude and of latitude on the ellipsoid."""
    sine = math.sin(math.radians(latitude))
    flatness = 1 - _ECCENTRICITY_SQUARED * sine**2
    east = math.radians(1) * _EQUATOR_M * math.cos(math.radians(latitude)) / math.sqrt(flatness)
    return east, math.radians(1) * _EQUATOR_M * (1 - _ECCENTRICITY_SQUARED) / flatness**1.5


def _fit(target: Floats, x: Floats, y: Floats, z: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Numerator and denominator whose quotient is `target`; the denominator starts with 1.

    Only the first-order terms of the denominator are free: they carry the perspective, and the fit stays stable.
    """
    terms = cubic_terms(x, y, z).T
    system = np.hstack([terms, -terms[:, 1:4] * target[:, None]])
    solution, *_ = np.linalg.lstsq(system, target)
    return tuple(solution[:20].tolist()), (1.0, *solution[20:].tolist(), *[0.0] * 16)
