"""What to simulate: one product of one satellite at one place and time, and the facts that follow from it."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

import numpy as np

from cog_builder.elevation import Elevation
from cog_builder.errors import CogBuilderError, GeolocationError
from cog_builder.rpc import Rpc
from cog_builder.sensor import Sensor, find_sensor, known_sensors
from cog_builder.simulation.ground import World
from cog_builder.simulation.product import Product, known_products
from cog_builder.sun import sun_position

Packing = Literal["tar.gz", "zip", "folder"]
Dialect = Literal["classic", "2023"]

BEIJING = timedelta(hours=8)

_OVERFLOWED = 2**31 - 1
_WFV_TILTS_DEG = {"WFV1": -24.0, "WFV2": -8.2, "WFV3": 8.2, "WFV4": 24.0}
"""The four wide cameras stand side by side and look to the sides even when the satellite does not roll."""


@dataclass(frozen=True)
class SimulationRequest:
    """One delivery to simulate."""

    satellite: str
    """As the XML writes it: `GF1`, `GF2`."""
    sensor_name: str
    """As the XML writes it: `PMS1`, `WFV3`; of a delivery of several cameras the word in its name: `TMS`."""
    acquired: datetime
    """When the scene's centre is seen; time zone aware, whole seconds."""
    longitude: float
    """Of the scene's centre, degrees."""
    latitude: float
    width: int
    """Columns of the first image of each camera; a pan image has as many more as its pixels are smaller. Of a product
    on a map: columns of what the camera saw; the map around it is wider."""
    height: int
    world: World
    elevation: Elevation
    product_id: int
    variant: str | None = None
    """Key of `products.toml`; None for the sensor's collection."""
    rpc: Rpc | None = None
    """Of the first image; None makes one for the place and the angles. One that is given decides where the
    pixels lie; place and angles then only name the scene and stand in its XML."""
    cloud_percent: float = 0.0
    """Share of the scene that clouds hide."""
    cloud_assessed: bool = True
    """False writes 101 into the XML: not assessed."""
    roll_deg: float = -1.5
    """Positive looks east."""
    track_deg: float = 11.5
    dialect: Dialect = "classic"
    """`2023` is the newer `ProductMetaData`, with 11-digit products, `AbsCeof` and a bundle-level XML."""
    gains: tuple[float, ...] | None = None
    """Of the bands of all images in their order; written into XML that states gains. None takes those of the year's
    table; for sensors without one, such that 80 % reflectance saturates."""
    overflowed_name: bool = False
    """Puts 2147483647 in place of the product number into the file names, as one delivery chain does."""
    packing: Packing = "tar.gz"
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self._key not in known_products():
            simulated = ", ".join(known_products())
            raise CogBuilderError(f"{self.satellite} {self.sensor_name}: not simulated, only {simulated}")
        if self.acquired.tzinfo is None:
            raise CogBuilderError(f"{self.acquired}: the time of a simulated scene needs a time zone")

    def camera(self, name: str = "") -> Sensor:
        """The camera of an image; the one the request names where the image names none."""
        sensor = find_sensor(self.satellite, name or self.sensor_name)
        if sensor is None:
            known = ", ".join(" ".join(key) for key in known_sensors())
            raise CogBuilderError(f"{self.satellite} {name or self.sensor_name}: unknown, expected one of {known}")
        return sensor

    @property
    def product(self) -> Product:
        """What is fixed about the product."""
        return known_products()[self._key]

    @property
    def when(self) -> datetime:
        """The acquisition in UTC."""
        return self.acquired.astimezone(UTC)

    @property
    def beijing(self) -> datetime:
        """The acquisition as a clock in Beijing shows it."""
        return self.when + BEIJING

    @property
    def name(self) -> str:
        """The delivery's name."""
        return self.product.name.format_map(self.names)

    @property
    def names(self) -> dict[str, object]:
        """The fields of a product's name; see `product`."""
        east, north = "EW"[self.longitude < 0], "NS"[self.latitude < 0]
        return {
            "satellite": self.satellite,
            "sensor": self.sensor_name,
            "sensor_lower": self.sensor_name.lower(),
            "camera": self.sensor_name[-1],
            "place": f"{east}{abs(self.longitude):.1f}_{north}{abs(self.latitude):.1f}",
            "utc": self.when,
            "beijing": self.beijing,
            "number": _OVERFLOWED if self.overflowed_name else self.product_id,
            "orbit": self.orbit,
            "path": self.path,
            "row": self.row,
        }

    @property
    def orbit(self) -> int:
        """Number of the orbit since the launch."""
        return round((self.when.date() - self.product.first_orbit).days * self.product.orbits_per_day)

    @property
    def path(self) -> int:
        """Column of the scene in the agency's grid."""
        return int(self.longitude * 5 + 900) % 1000

    @property
    def row(self) -> int:
        """Row of the scene in the agency's grid."""
        return int((90 - self.latitude) * 2)

    @property
    def sun(self) -> tuple[float, float]:
        """The sun's (elevation, azimuth) at the scene's centre, degrees."""
        return sun_position(self.when, self.longitude, self.latitude)

    @property
    def view_deg(self) -> float:
        """Angle at the ground between the view and the vertical, positive when the satellite stands to the west."""
        off_nadir = math.radians(self.roll_deg + _WFV_TILTS_DEG.get(self.sensor_name, 0.0))
        return math.degrees(math.asin(math.sin(off_nadir) * (1 + self.product.orbit_height_m / 6_371_000)))

    @property
    def view_azimuth(self) -> float:
        """Where the satellite stands, degrees clockwise from north."""
        return (270 if self.view_deg > 0 else 90) + self.track_deg

    def view(self, pitch_deg: float) -> tuple[float, float]:
        """(incidence angle, azimuth of the satellite) in degrees of a camera that looks so far ahead."""
        aside, behind = math.tan(math.radians(abs(self.view_deg))), math.tan(math.radians(pitch_deg))
        stands, track = math.radians(self.view_azimuth), math.radians(self.track_deg)
        east = aside * math.sin(stands) + behind * math.sin(track)
        north = aside * math.cos(stands) + behind * math.cos(track)
        return math.degrees(math.atan(math.hypot(east, north))), math.degrees(math.atan2(east, north)) % 360

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

    @property
    def _key(self) -> str:
        return self.camera().collection if self.variant is None else self.variant
