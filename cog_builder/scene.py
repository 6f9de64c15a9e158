"""Scene: one delivered product, read and checked, before any pixel is touched."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from cog_builder.rpc import Rpc
from cog_builder.sensor import Sensor

ImageKind = Literal["ms", "pan"]

_ORBIT_PER_EARTH_RADIUS = 1 + 640 / 6371


@dataclass(frozen=True)
class SourceImage:
    """One delivered TIFF, with what its side-files say about it."""

    kind: ImageKind
    path: Path
    """The unpacked TIFF; foreign and not yet trusted: only `source_raster` opens it."""
    width: int
    height: int
    band_count: int
    gsd_m: float
    rpc: Rpc
    gains: tuple[float, ...]
    """W m⁻² sr⁻¹ µm⁻¹ per digital number, one per band; radiance = gain · DN + offset."""
    offsets: tuple[float, ...]
    saturated_dn: int
    """Digital numbers from here up are saturated (1023 for 10-bit data)."""


@dataclass(frozen=True)
class Scene:
    """What one delivery means."""

    id: str
    """`{SatelliteID}_{SensorID}_{UTC yyyymmddThhmmss}_{level}{ProductID}`."""
    title: str
    """The product name as delivered, such as `GF1_PMS1_E69.4_N33.3_20220624_L1A0006547030`."""
    collection: str
    sensor: Sensor
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
    """Where the gains come from: `XML AbsCeof`, `table 2022`, `table 2022 for 2024`."""
    multispectral: SourceImage
    pan: SourceImage | None
    side_files: tuple[Path, ...]
    """The delivery's own XML and RPB files that are kept with the scene."""
    facts: dict[str, str] = field(default_factory=dict)
    """Further facts of the XML worth keeping in the Item (station, gain mode, …)."""
    warnings: tuple[str, ...] = ()
    """Named contradictions that do not stop the build, such as `sun_position: …`."""

    @property
    def images(self) -> tuple[SourceImage, ...]:
        """All delivered images, multispectral first."""
        return (self.multispectral,) if self.pan is None else (self.multispectral, self.pan)

    @property
    def off_nadir(self) -> float | None:
        """Degrees between the view and the vertical at the satellite, which flies at about 640 km here."""
        if self.incidence_angle is None:
            return None
        return math.degrees(math.asin(math.sin(math.radians(self.incidence_angle)) / _ORBIT_PER_EARTH_RADIUS))

    @property
    def finest_gsd_m(self) -> float:
        """Ground sampling distance of the sharpest image, metres."""
        return min(image.gsd_m for image in self.images)
