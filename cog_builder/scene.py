"""Scene: one delivered product, read and checked, before any pixel is touched."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from affine import Affine

from cog_builder.degrees import Floats, from_degrees, to_degrees
from cog_builder.rpc import Rpc
from cog_builder.sensor import Band, Sensor

ImageKind = Literal["ms", "pan"]

EARTH_RADIUS_KM = 6371.0


@dataclass(frozen=True)
class MapReference:
    """Where an image lies that was delivered on a map."""

    epsg: int
    transform: Affine
    """From (column, row), corners at whole numbers, to (x, y); north up, square pixels."""

    def project(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        """Degrees to image (col, row); the centre of the first pixel is (0, 0)."""
        x, y = from_degrees(self.epsg).transform(longitude, latitude)
        left, top, pixel = self.transform.c, self.transform.f, self.transform.a
        return (x - left) / pixel - 0.5, (top - y) / pixel - 0.5

    def locate(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Image (col, row) to (longitude, latitude) in degrees."""
        left, top, pixel = self.transform.c, self.transform.f, self.transform.a
        return to_degrees(self.epsg, left + (col + 0.5) * pixel, top - (row + 0.5) * pixel)


@dataclass(frozen=True)
class ImagePart:
    """What one detector chip saw. Most images are one part; the wide GF-6 camera delivers three, side by side."""

    paths: tuple[Path, ...]
    """The unpacked TIFF with all bands, or one TIFF per band in band order; foreign and not yet trusted: only
    `source_raster` opens them."""
    width: int
    height: int
    geometry: Rpc | MapReference

    @property
    def name(self) -> str:
        """Name of the first file."""
        return self.paths[0].name

    def locate(self, col: Floats, row: Floats, height_m: float | None = None) -> tuple[Floats, Floats]:
        """Image (col, row) to (longitude, latitude) in degrees; the centre of the first pixel is (0, 0).

        Args:
            col: Columns.
            row: Rows.
            height_m: Above the ellipsoid, which an image on a map does not care for; None is the camera model's own.

        Raises:
            GeolocationError: The camera model cannot be inverted there.
        """
        if isinstance(self.geometry, MapReference):
            return self.geometry.locate(col, row)
        return self.geometry.locate(col, row, self.geometry.height_offset_m if height_m is None else height_m)


@dataclass(frozen=True)
class SourceImage:
    """One delivered image, with what its side-files say about it."""

    kind: ImageKind
    parts: tuple[ImagePart, ...]
    """Where parts overlap they are blended."""
    bands: tuple[Band, ...]
    """In file order."""
    gsd_m: float
    gains: tuple[float, ...] | None
    """W m⁻² sr⁻¹ µm⁻¹ per digital number, one per band; radiance = gain · DN + offset. None: nobody knows them."""
    offsets: tuple[float, ...]
    saturated_dn: int
    """Digital numbers from here up are saturated (1023 for 10-bit data)."""

    @property
    def name(self) -> str:
        """Name of its first file."""
        return self.parts[0].name

    @property
    def map_reference(self) -> MapReference | None:
        """Where it was delivered on a map, or None for an image with a camera model."""
        geometry = self.parts[0].geometry
        return geometry if isinstance(geometry, MapReference) else None

    def map_extent(self) -> tuple[MapReference, int, int] | None:
        """The first part's pixels carried on over all parts, with width and height; None unless all are on one map."""
        placed = [(part, part.geometry) for part in self.parts if isinstance(part.geometry, MapReference)]
        if len(placed) < len(self.parts) or len({reference.epsg for _, reference in placed}) > 1:
            return None
        pixels = placed[0][1].transform
        corners = [
            ~pixels @ (reference.transform @ corner)
            for part, reference in placed
            for corner in ((0.0, 0.0), (part.width, part.height))
        ]
        (left, right), (top, bottom) = ((min(axis), max(axis)) for axis in zip(*corners, strict=True))
        left, top, right, bottom = (round(value, 3) for value in (left, top, right, bottom))
        left, top = math.floor(left), math.floor(top)
        reference = MapReference(placed[0][1].epsg, pixels @ Affine.translation(left, top))
        return reference, math.ceil(right) - left, math.ceil(bottom) - top


@dataclass(frozen=True)
class Stereo:
    """How a scene belongs to the others of one stereo acquisition."""

    view: str
    """`nadir`, `forward`, `backward` or `multispectral`."""
    siblings: tuple[tuple[str, str], ...] = ()
    """(collection, item id) of the other views that came in the same delivery."""


@dataclass(frozen=True)
class Scene:
    """What one delivery means."""

    id: str
    """`{SatelliteID}_{SensorID}_{UTC yyyymmddThhmmss}_{level}{ProductID}`."""
    title: str
    """The product name as delivered, such as `GF1_PMS1_E69.4_N33.3_20220624_L1A0006547030`."""
    collection: str
    sensor: Sensor
    dialect: str
    """The kind of metadata document it was read from: `ProductMetaData`, `prdf` …"""
    acquired: datetime
    """UTC, time zone aware."""
    level: str
    """`L1A`."""
    product_id: str
    orbit: int | None
    cloud_cover: float | None
    """Percent; None when the producer did not assess it."""
    sun_elevation: float
    """Degrees above the horizon."""
    sun_azimuth: float
    """Degrees clockwise from north."""
    incidence_angle: float | None
    """Degrees between the view and the vertical at the ground."""
    view_azimuth: float | None
    calibration_source: str
    """Where the gains come from: `XML AbsCeof`, `table 2022`, `table 2022 for 2024`, `none`."""
    main: SourceImage
    """The image the Item's bands come from: multispectral, or the pan band alone of a stereo view."""
    pan: SourceImage | None
    """The sharper grey image the colours are sharpened with."""
    side_files: tuple[Path, ...]
    """The delivery's own XML and RPC files that are kept with the scene."""
    facts: dict[str, str] = field(default_factory=dict)
    """Further facts of the XML worth keeping in the Item (station, gain mode, …)."""
    unproven: tuple[str, ...] = ()
    """Facts that were read as documentation has them, not as real files have proven: `time_zone`, `angles` …"""
    warnings: tuple[str, ...] = ()
    """Named contradictions that do not stop the build, such as `sun_position: …`."""
    stereo: Stereo | None = None
    corners: tuple[tuple[float, float], ...] = ()
    """(longitude, latitude) as the XML has them: top left, top right, bottom right, bottom left. Only a rough check of
    the camera model: good products are kilometres off."""

    @property
    def images(self) -> tuple[SourceImage, ...]:
        """All delivered images, the main one first."""
        return (self.main,) if self.pan is None else (self.main, self.pan)

    @property
    def off_nadir(self) -> float | None:
        """Degrees between the view and the vertical at the satellite."""
        if self.incidence_angle is None:
            return None
        orbit_per_earth_radius = 1 + self.sensor.altitude_km / EARTH_RADIUS_KM
        return math.degrees(math.asin(math.sin(math.radians(self.incidence_angle)) / orbit_per_earth_radius))

    @property
    def finest_gsd_m(self) -> float:
        """Ground sampling distance of the sharpest image, metres."""
        return min(image.gsd_m for image in self.images)
