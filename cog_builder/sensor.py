"""Sensors and their bands, read from `sensors.toml`: adding a satellite of a known dialect is adding a row."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

LOW_ORBIT_KM = 640.0
"""Most of these satellites fly within 150 km of it, which moves an angle by half a degree or so."""


@dataclass(frozen=True)
class Band:
    """One spectral band."""

    name: str
    """As the agency numbers it: `B1`, `PAN`."""
    common_name: str | None
    """STAC eo common name: `blue`, `green`, `red`, `rededge`, `nir`, `pan` …"""
    center_wavelength_um: float
    full_width_half_max_um: float
    esun: float
    """Mean solar irradiance of the band at 1 AU, W m⁻² µm⁻¹."""


@dataclass(frozen=True)
class Sensor:
    """One camera of one satellite, such as PMS1 of GF-2."""

    satellite: str
    """As its own agency writes it: `GF1`."""
    name: str
    """As its own agency writes it: `PMS1`."""
    platform: str
    """STAC platform: `gaofen-1`."""
    constellation: str
    """STAC constellation: `gaofen`."""
    collection: str
    """Collection of its scenes: `gf1-pms`."""
    provider: str
    """Key of the agency among the providers of the collections: `cresda`."""
    altitude_km: float
    """Of the satellite above the ground."""
    bits: int
    """Valid bits of a digital number: 10 for GF-1/2."""
    bands: tuple[Band, ...]
    """In file order; of a camera with one grey band just that one."""
    pan: Band | None
    """The sharper grey band beside the colours."""
    aliases: tuple[tuple[str, str], ...]
    """The other (satellite, sensor) names that others give it: `("ZY3-3", "MUX")`."""

    @property
    def instrument(self) -> str:
        """STAC instrument: `pms1`."""
        return self.name.lower()

    @property
    def common_names(self) -> tuple[str | None, ...]:
        """STAC common names of the bands, in file order."""
        return tuple(band.common_name for band in self.bands)

    @property
    def saturated_dn(self) -> int:
        """The greatest digital number: pixels that reach it are saturated."""
        return (1 << self.bits) - 1


@cache
def known_sensors() -> Mapping[tuple[str, str], Sensor]:
    """Every sensor of `sensors.toml` by (satellite, sensor name), as their own agencies write them."""
    table = tomllib.loads(Path(__file__).with_name("sensors.toml").read_text(encoding="utf-8"))
    sensors = (sensor for satellite in table["satellite"] for sensor in _sensors(satellite, table["bands"]))
    return MappingProxyType({(sensor.satellite, sensor.name): sensor for sensor in sensors})


def find_sensor(satellite: str, sensor: str) -> Sensor | None:
    """The sensor that is written like this by anyone, whatever the letter case, hyphens, underscores and blanks."""
    return _by_spelling().get((_plain(satellite), _plain(sensor)))


@cache
def _by_spelling() -> Mapping[tuple[str, str], Sensor]:
    return {
        (_plain(satellite), _plain(name)): sensor
        for sensor in known_sensors().values()
        for satellite, name in ((sensor.satellite, sensor.name), *sensor.aliases)
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_\s]", "", name).casefold()


def _sensors(satellite: dict[str, Any], band_sets: dict[str, list[list[Any]]]) -> Iterator[Sensor]:
    for row in satellite["sensors"]:
        rows = [*band_sets[row["bands"]], *(band_sets[row["pan"]] if "pan" in row else [])]
        esun = row.get("esun", [figures[-1] for figures in rows])
        bands = [
            Band(name, common_name, center_um, width_um, light)
            for (name, common_name, center_um, width_um, _), light in zip(rows, esun, strict=True)
        ]
        pan = bands.pop() if "pan" in row else None
        satellites = (satellite["name"], *satellite.get("aliases", ()))
        names = (row["name"], *row.get("aliases", ()))
        yield Sensor(
            satellite=satellite["name"],
            name=row["name"],
            platform=satellite["platform"],
            constellation=satellite["constellation"],
            collection=row["collection"],
            provider=satellite["provider"],
            altitude_km=satellite.get("altitude_km", LOW_ORBIT_KM),
            bits=row.get("bits", satellite["bits"]),
            bands=tuple(bands),
            pan=pan,
            aliases=tuple((one, other) for one in satellites for other in names)[1:],
        )
