"""The images that a request asks for: their files, where their pixels look, and what light does to their numbers."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from affine import Affine

from cog_builder.degrees import from_degrees
from cog_builder.errors import BadMetadataError
from cog_builder.gains import coefficients_of_integration_time, coefficients_of_year
from cog_builder.rpc import Rpc
from cog_builder.scene import MapReference
from cog_builder.sensor import Band, Sensor
from cog_builder.simulation.camera import Camera
from cog_builder.simulation.product import ImageProfile
from cog_builder.simulation.request import SimulationRequest
from cog_builder.sun import earth_sun_distance_au

_PART_OVERLAP_PX = 24
_MAP_MARGIN_PX = 4
_SATURATING_REFLECTANCE = 0.8


@dataclass(frozen=True)
class TiffPlan:
    """One file of an image."""

    stem: str
    cols: tuple[int, int]
    """First column of the image in it, and the column after the last."""
    bands: tuple[int, ...]
    """Indexes of the image's bands in it."""
    rpc: Rpc
    """The camera of these pixels; for files on a map of no use."""


@dataclass(frozen=True)
class ImagePlan:
    """One image that will be taken."""

    sensor: Sensor
    profile: ImageProfile
    stem: str
    """Base name of its side-files."""
    width: int
    height: int
    seen_shape: tuple[int, int]
    """(height, width) of what the camera saw; the image itself is wider when it lies on a map."""
    rpc: Rpc
    """Of what the camera saw."""
    reference: MapReference | None
    bands: tuple[Band, ...]
    dn_per_reflectance: tuple[float, ...]
    dn_at_zero: tuple[float, ...]
    gains: tuple[float, ...]

    def files(self) -> tuple[TiffPlan, ...]:
        """Its TIFFs: part by part, band by band."""
        parts, suffixes = self.profile.parts, self.profile.band_files
        every = range(len(self.bands))
        bands = [tuple(every)] if len(suffixes) == 1 else [(index,) for index in every]
        edges = [round(self.width * part / len(parts)) for part in range(len(parts) + 1)]
        files = []
        for part, (left, right) in zip(parts, itertools.pairwise(edges), strict=True):
            cols = max(0, left - _PART_OVERLAP_PX // 2), min(self.width, right + _PART_OVERLAP_PX // 2)
            rpc = replace(self.rpc, sample_offset=self.rpc.sample_offset - cols[0])
            files += [
                TiffPlan(self.stem + part + suffix, cols, indexes, rpc)
                for suffix, indexes in zip(suffixes, bands, strict=True)
            ]
        return tuple(files)


def plan_images(request: SimulationRequest) -> tuple[ImagePlan, ...]:
    """The images of a product, camera by camera, the coarsest of each first.

    Raises:
        CogBuilderError: The request names a camera that nobody knows.
        GeolocationError: The elevation does not know the scene's centre.
    """
    images: list[ImagePlan] = []
    first_gain = 0
    for _, profiles in itertools.groupby(request.product.images, lambda profile: profile.sensor):
        camera = tuple(profiles)
        for profile in camera:
            images.append(_plan(request, profile, round(camera[0].gsd_m / profile.gsd_m), camera[0], first_gain))
            first_gain += len(images[-1].bands)
    return tuple(images)


def _plan(
    request: SimulationRequest, profile: ImageProfile, ratio: int, coarsest: ImageProfile, first_gain: int
) -> ImagePlan:
    sensor = request.camera(profile.sensor)
    bands = (sensor.pan,) if profile.kind == "pan" and sensor.pan is not None else sensor.bands
    gains, offsets = _gains(request, sensor, profile, bands, first_gain)
    light = math.sin(math.radians(request.sun[0])) / (math.pi * earth_sun_distance_au(request.when) ** 2)
    shape = request.height * ratio, request.width * ratio
    rpc = _rpc(request, profile, ratio)
    reference = _map(request, coarsest, ratio) if request.product.on_map else None
    height, width = shape if reference is None else reference[1]
    return ImagePlan(
        sensor,
        profile,
        profile.stem.format_map({**request.names, "name": request.name}),
        width,
        height,
        shape,
        rpc,
        None if reference is None else reference[0],
        bands,
        tuple(band.esun * light / gain for band, gain in zip(bands, gains, strict=True)),
        tuple(-offset / gain for offset, gain in zip(offsets, gains, strict=True)),
        gains,
    )


def _gains(
    request: SimulationRequest, sensor: Sensor, profile: ImageProfile, bands: tuple[Band, ...], first: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Gains and offsets: those asked for, those of the table, or some that fit."""
    if request.gains is not None:
        return request.gains[first : first + len(bands)], (0.0,) * len(bands)
    try:
        if profile.integration_ms:
            table = coefficients_of_integration_time(sensor, profile.integration_ms, request.when.year)
        else:
            table = coefficients_of_year(sensor, bands, request.when.year)
    except BadMetadataError:
        radiance = [band.esun * _SATURATING_REFLECTANCE / math.pi for band in bands]
        return tuple(float(f"{each / sensor.saturated_dn:.4g}") for each in radiance), (0.0,) * len(bands)
    return table.gains, table.offsets


def _rpc(request: SimulationRequest, profile: ImageProfile, ratio: int) -> Rpc:
    if request.rpc is not None:
        return replace(
            request.rpc,
            line_offset=(request.rpc.line_offset + 0.5) * ratio - 0.5,
            sample_offset=(request.rpc.sample_offset + 0.5) * ratio - 0.5,
            line_scale=request.rpc.line_scale * ratio,
            sample_scale=request.rpc.sample_scale * ratio,
        )
    return Camera(
        request.longitude,
        request.latitude,
        request.centre_height_m,
        request.width * ratio,
        request.height * ratio,
        profile.gsd_m,
        request.view_deg,
        request.product.orbit_height_m,
        request.track_deg,
        profile.pitch_deg,
    ).rpc(height_offset_m=0.0 if ratio == 1 else 500.0, height_scale_m=5000.0 if ratio == 1 else 3600.0)


def _map(request: SimulationRequest, coarsest: ImageProfile, ratio: int) -> tuple[MapReference, tuple[int, int]]:
    """A UTM grid over what the camera saw, and its (height, width): of all images of a camera over the same ground."""
    zone = math.floor(request.longitude / 6 + 30) % 60 + 1
    epsg = (32600 if request.latitude >= 0 else 32700) + zone
    right, bottom = request.width - 0.5, request.height - 0.5
    col, row = np.array([-0.5, right, right, -0.5]), np.array([-0.5, -0.5, bottom, bottom])
    longitude, latitude = _rpc(request, coarsest, 1).locate(col, row, request.centre_height_m)
    x, y = from_degrees(epsg).transform(longitude, latitude)
    gsd_m, margin = coarsest.gsd_m, _MAP_MARGIN_PX
    left, top = math.floor(min(x) / gsd_m) - margin, math.ceil(max(y) / gsd_m) + margin
    cols, rows = math.ceil(max(x) / gsd_m) + margin - left, top - math.floor(min(y) / gsd_m) + margin
    fine_m = gsd_m / ratio
    transform = Affine(fine_m, 0, left * gsd_m, 0, -fine_m, top * gsd_m)
    return MapReference(epsg, transform), (rows * ratio, cols * ratio)
