"""What to simulate: one product of one satellite at one place and time, and the facts that follow from it."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Literal

import numpy as np

from cog_builder.elevation import Elevation
from cog_builder.errors import CogBuilderError, GeolocationError
from cog_builder.gains import calibration_of_year
from cog_builder.rpc import Rpc
from cog_builder.scene import ImageKind
from cog_builder.sensor import Sensor, known_sensors
from cog_builder.simulation.camera import Camera
from cog_builder.simulation.ground import World
from cog_builder.sun import earth_sun_distance_au, sun_position

Packing = Literal["tar.gz", "zip", "folder"]
Dialect = Literal["classic", "2023"]

PAN_RATIO = 4
"""Pan pixels along the side of one multispectral pixel, for all sensors here."""

_OVERFLOWED = 2**31 - 1


@dataclass(frozen=True)
class ImageProfile:
    """What is fixed about one image of a product."""

    suffix: str
    """After the product name; `{camera}` is the camera's digit."""
    gsd_m: float
    browse_step: int
    """Image pixels per pixel of the browse picture."""
    overshoot: float
    """How far past the last line the XML puts the bottom corners, as a share of the image height."""
    gain_mode: str
    integration_level: str


@dataclass(frozen=True)
class Product:
    """What is fixed about a satellite's product."""

    first_orbit: date
    orbits_per_day: float
    orbit_height_m: float
    multispectral: ImageProfile
    pan: ImageProfile | None = None


PRODUCTS = {
    "gf1-pms": Product(
        date(2013, 4, 26),
        14.764,
        645_000,
        ImageProfile("-MSS{camera}", 8.0, 4, 0.0447, "G3,G2,G1,G3", "S5,S4,S5,S3"),
        ImageProfile("-PAN{camera}", 2.0, 10, 0.0, "G2", "S2"),
    ),
    "gf1-wfv": Product(
        date(2013, 4, 26), 14.764, 645_000, ImageProfile("", 16.0, 10, 0.0, "G0,G0,G0,G0", "S0,S0,S0,S0")
    ),
    "gf2-pms": Product(
        date(2014, 8, 19),
        14.806,
        631_000,
        ImageProfile("-MSS{camera}", 3.24, 5, 0.0423, "G2,G1,G1,G2", "S5,S4,S5,S3"),
        ImageProfile("-PAN{camera}", 0.81, 10, 0.0138, "G2", "S4"),
    ),
}

_WFV_TILTS_DEG = {"WFV1": -24.0, "WFV2": -8.2, "WFV3": 8.2, "WFV4": 24.0}
"""The four wide cameras stand side by side and look to the sides even when the satellite does not roll."""


@dataclass(frozen=True)
class ImagePlan:
    """One image that will be taken."""

    kind: ImageKind
    stem: str
    """File name without extension."""
    profile: ImageProfile
    width: int
    height: int
    rpc: Rpc
    dn_per_reflectance: tuple[float, ...]
    dn_at_zero: tuple[float, ...]
    gains: tuple[float, ...]


@dataclass(frozen=True)
class SimulationRequest:
    """One delivery to simulate."""

    satellite: str
    """As the XML writes it: `GF1`, `GF2`."""
    sensor_name: str
    """As the XML writes it: `PMS1`, `WFV3`."""
    acquired: datetime
    """When the scene's centre is seen; time zone aware, whole seconds."""
    longitude: float
    """Of the scene's centre, degrees."""
    latitude: float
    width: int
    """Columns of the multispectral image; a pan image has four times as many."""
    height: int
    world: World
    elevation: Elevation
    product_id: int
    rpc: Rpc | None = None
    """Of the multispectral image; None makes one for the place and the angles. One that is given decides where the
    pixels lie; place and angles then only name the scene and stand in its XML."""
    cloud_percent: float = 0.0
    """Share of the scene that clouds hide."""
    cloud_assessed: bool = True
    """False writes 101 into the XML: not assessed."""
    roll_deg: float = -1.5
    """Positive looks east."""
    track_deg: float = 11.5
    dialect: Dialect = "classic"
    """`2023` is the newer XML, with 11-digit products, `AbsCeof` and a bundle-level XML."""
    gains: tuple[float, ...] | None = None
    """Of the multispectral bands and then the pan band, written as `AbsCeof`; None takes those of the year's table."""
    overflowed_name: bool = False
    """Puts 2147483647 in place of the product number into the file names, as one delivery chain does."""
    packing: Packing = "tar.gz"
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.sensor.collection not in PRODUCTS:
            raise CogBuilderError(f"{self.satellite} {self.sensor_name}: not simulated, only {', '.join(PRODUCTS)}")
        if self.acquired.tzinfo is None:
            raise CogBuilderError(f"{self.acquired}: the time of a simulated scene needs a time zone")

    @property
    def sensor(self) -> Sensor:
        """The camera."""
        try:
            return known_sensors()[self.satellite, self.sensor_name]
        except KeyError:
            known = ", ".join(" ".join(key) for key in known_sensors())
            raise CogBuilderError(f"{self.satellite} {self.sensor_name}: unknown, expected one of {known}") from None

    @property
    def product(self) -> Product:
        """What is fixed about the product."""
        return PRODUCTS[self.sensor.collection]

    @property
    def when(self) -> datetime:
        """The acquisition in UTC."""
        return self.acquired.astimezone(UTC)

    @property
    def name(self) -> str:
        """The delivery's name, with the UTC date."""
        east, north = "EW"[self.longitude < 0], "NS"[self.latitude < 0]
        number = _OVERFLOWED if self.overflowed_name else self.product_id
        place = f"{east}{abs(self.longitude):.1f}_{north}{abs(self.latitude):.1f}"
        return f"{self.satellite}_{self.sensor_name}_{place}_{self.when:%Y%m%d}_L1A{number:010d}"

    @property
    def sun(self) -> tuple[float, float]:
        """The sun's (elevation, azimuth) at the scene's centre, degrees."""
        return sun_position(self.when, self.longitude, self.latitude)

    @property
    def view_deg(self) -> float:
        """Angle at the ground between the view and the vertical, positive when the satellite stands to the west."""
        off_nadir = math.radians(self.roll_deg + _WFV_TILTS_DEG.get(self.sensor_name, 0.0))
        return math.degrees(math.asin(math.sin(off_nadir) * (1 + self.product.orbit_height_m / 6_371_000)))

    def images(self) -> tuple[ImagePlan, ...]:
        """The images of the product, multispectral first."""
        multispectral = self._plan("ms", self.product.multispectral, 1)
        if self.product.pan is None:
            return (multispectral,)
        return multispectral, self._plan("pan", self.product.pan, PAN_RATIO)

    def _plan(self, kind: ImageKind, profile: ImageProfile, ratio: int) -> ImagePlan:
        sensor = self.sensor
        bands = sensor.bands if kind == "ms" else tuple(band for band in (sensor.pan,) if band is not None)
        calibration = calibration_of_year(sensor, kind, bands, self.when.year)
        if self.gains is not None:
            gains, offsets = self.gains[:4] if kind == "ms" else self.gains[4:], (0.0,) * len(bands)
        elif calibration is not None:
            gains, offsets = calibration.gains, calibration.offsets
        else:
            raise CogBuilderError(f"{self.satellite} {self.sensor_name}: no calibration coefficients; give gains")
        light = math.sin(math.radians(self.sun[0])) / (math.pi * earth_sun_distance_au(self.when) ** 2)
        return ImagePlan(
            kind,
            self.name + profile.suffix.format(camera=self.sensor_name[-1]),
            profile,
            self.width * ratio,
            self.height * ratio,
            self._rpc(profile.gsd_m, ratio),
            tuple(band.esun * light / gain for band, gain in zip(bands, gains, strict=True)),
            tuple(-offset / gain for offset, gain in zip(offsets, gains, strict=True)),
            gains,
        )

    def _rpc(self, gsd_m: float, ratio: int) -> Rpc:
        if self.rpc is not None:
            return replace(
                self.rpc,
                line_offset=(self.rpc.line_offset + 0.5) * ratio - 0.5,
                sample_offset=(self.rpc.sample_offset + 0.5) * ratio - 0.5,
                line_scale=self.rpc.line_scale * ratio,
                sample_scale=self.rpc.sample_scale * ratio,
            )
        return Camera(
            self.longitude,
            self.latitude,
            self.centre_height_m,
            self.width * ratio,
            self.height * ratio,
            gsd_m,
            self.view_deg,
            self.product.orbit_height_m,
            self.track_deg,
        ).rpc(height_offset_m=0.0 if ratio == 1 else 500.0, height_scale_m=5000.0 if ratio == 1 else 3600.0)

    @cached_property
    def centre_height_m(self) -> float:
        """Ground height at the scene's centre.

        Raises:
            GeolocationError: The elevation does not know it.
        """
        place = np.array([self.longitude]), np.array([self.latitude])
        height_m = float(self.elevation.heights_m(*place)[0])
        if not np.isfinite(height_m):
            raise GeolocationError(
                f"{self.elevation.source}: no height at the scene's centre, {self.longitude:.4f} {self.latitude:.4f}"
            )
        return height_m
