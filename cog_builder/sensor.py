"""Sensors and their bands, read from `sensors.toml`: adding a satellite of a known dialect is adding a row."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True)
class Band:
    """One spectral band."""

    name: str
    """As the agency numbers it: `B1`, `PAN`."""
    common_name: str
    """STAC eo common name: `blue`, `green`, `red`, `nir`, `pan`."""
    center_wavelength_um: float
    full_width_half_max_um: float
    esun: float
    """Mean solar irradiance of the band at 1 AU, W m⁻² µm⁻¹."""


@dataclass(frozen=True)
class Sensor:
    """One camera of one satellite, such as PMS1 of GF-2."""

    satellite: str
    """As the XML writes it: `GF1`."""
    name: str
    """As the XML writes it: `PMS1`."""
    platform: str
    """STAC platform: `gaofen-1`."""
    instrument: str
    """STAC instrument, lower case: `pms1`."""
    collection: str
    """Collection of its scenes: `gf1-pms`."""
    bands: tuple[Band, ...]
    """Multispectral bands in file order."""
    pan: Band | None
    bits: int
    """Valid bits of a digital number: 10 for GF-1/2."""

    @property
    def common_names(self) -> tuple[str, ...]:
        """STAC common names of the multispectral bands, in file order."""
        return tuple(band.common_name for band in self.bands)

    @property
    def saturated_dn(self) -> int:
        """The greatest digital number: pixels that reach it are saturated."""
        return (1 << self.bits) - 1


@cache
def known_sensors() -> Mapping[tuple[str, str], Sensor]:
    """Every sensor of `sensors.toml` by (satellite, sensor name), as the XML writes them."""
    rows = tomllib.loads(Path(__file__).with_name("sensors.toml").read_text(encoding="utf-8"))["sensor"]
    sensors = [
        Sensor(
            **{
                **row,
                "bands": tuple(Band(**band) for band in row["bands"]),
                "pan": Band(**row["pan"]) if "pan" in row else None,
            }
        )
        for row in rows
    ]
    return MappingProxyType({(sensor.satellite, sensor.name): sensor for sensor in sensors})
