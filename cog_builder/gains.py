"""Absolute calibration coefficients by year, read from `gains.csv` and, for GF-4, `gf4_gains.csv`.

Radiance = gain · DN + offset, W m⁻² sr⁻¹ µm⁻¹. The agencies measure the coefficients about once a year; they move by up
to 40 % between years, so those of the year of acquisition are used, else those of the nearest year.

Where public copies of a notice disagree, the table has the figures that most copies have and that lie between those of
the neighbouring years; `source` says so. The first notice for the wide cameras of GF-1 (2013) gives figures for
radiance = (DN - offset) / gain; they were turned round. Those of HJ-1 of 2013 hold for its usual gain state, 2.
The notice of 2015 has a 0 for the pan band of GF-2 PMS2, which is left out.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from cog_builder.errors import BadMetadataError
from cog_builder.sensor import Band, Sensor

_Key = TypeVar("_Key")
_ByYear = Mapping[int, tuple[float, float]]
"""Gain and offset by year."""


@dataclass(frozen=True)
class Coefficients:
    """What turns the numbers of one image into radiance, one gain and offset per band in file order."""

    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    source: str
    """`XML AbsCeof`, `table 2022`, or `table 2022 for 2024` when a neighbouring year had to do."""


def coefficients_of_year(sensor: Sensor, bands: tuple[Band, ...], year: int) -> Coefficients:
    """The table's coefficients of the year nearest to `year` (the earlier of two equally near).

    Raises:
        BadMetadataError: The table has none for these bands.
    """
    found = [_gains().get((sensor.satellite, sensor.name, band.name), {}) for band in bands]
    return _nearest(found, year, f"{sensor.satellite} {sensor.name} {', '.join(band.name for band in bands)}")


def coefficients_of_integration_time(sensor: Sensor, times_ms: tuple[float, ...], year: int) -> Coefficients:
    """The coefficients of a camera whose exposure is set anew for every picture and band, which is that of GF-4.

    Args:
        sensor: The camera.
        times_ms: Integration time per band in file order, as the XML has it.
        year: Of the acquisition; the nearest one is taken, the earlier of two.

    Raises:
        BadMetadataError: The table has none for these times.
    """
    if len(times_ms) != len(sensor.bands):
        raise BadMetadataError(
            f"{sensor.satellite} {sensor.name}: {len(times_ms)} integration times, expected {len(sensor.bands)}"
        )
    settings = [(band.name, time_ms) for band, time_ms in zip(sensor.bands, times_ms, strict=True)]
    found = [_gf4_gains().get((sensor.satellite, sensor.name, *setting), {}) for setting in settings]
    named = ", ".join(f"{name} {time_ms:g} ms" for name, time_ms in settings)
    nearest = _nearest(found, year, f"{sensor.satellite} {sensor.name} {named}")
    return replace(nearest, source=f"{nearest.source}: {named}")


def _nearest(by_band: Iterable[_ByYear], year: int, what: str) -> Coefficients:
    tables = list(by_band)
    years = set.intersection(*(set(table) for table in tables))
    if not years:
        raise BadMetadataError(f"{what}: no calibration coefficients in the table")
    nearest = min(years, key=lambda known: (abs(known - year), known))
    gains, offsets = zip(*(table[nearest] for table in tables), strict=True)
    return Coefficients(gains, offsets, f"table {nearest}" if nearest == year else f"table {nearest} for {year}")


@cache
def _gains() -> Mapping[tuple[str, str, str], _ByYear]:
    return _read("gains.csv", lambda row: (row["satellite"], row["sensor"], row["band"]))


@cache
def _gf4_gains() -> Mapping[tuple[str, str, str, float], _ByYear]:
    return _read(
        "gf4_gains.csv", lambda row: (row["satellite"], row["sensor"], row["band"], float(row["integration_ms"]))
    )


def _read(name: str, key: Callable[[dict[str, str]], _Key]) -> Mapping[_Key, _ByYear]:
    table: dict[_Key, dict[int, tuple[float, float]]] = defaultdict(dict)
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            table[key(row)][int(row["year"])] = float(row["gain"]), float(row.get("offset", 0))
    return table
