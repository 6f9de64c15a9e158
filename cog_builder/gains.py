"""Absolute calibration coefficients by year, read from `gains.csv`.

Radiance = gain · DN + offset, W m⁻² sr⁻¹ µm⁻¹. The agency (CRESDA) measures the coefficients once a year; they move by
up to 40 % between years, so those of the year of acquisition are used, else those of the nearest year.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from cog_builder.errors import BadMetadataError
from cog_builder.sensor import Band, Sensor

_Coefficients = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Calibration:
    """Coefficients of one image, one gain and offset per band in file order."""

    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    source: str
    """`XML AbsCeof`, `table 2022`, or `table 2022 for 2024` when a neighbouring year had to do."""


def calibration_of_year(sensor: Sensor, image: Literal["ms", "pan"], bands: tuple[Band, ...], year: int) -> Calibration:
    """The table's coefficients of the year nearest to `year` (the earlier of two equally near).

    Raises:
        BadMetadataError: The table has none for this sensor.
    """
    by_year = _table().get((sensor.satellite, sensor.name, image))
    if not by_year:
        raise BadMetadataError(f"{sensor.satellite} {sensor.name} {image}: no calibration coefficients in gains.csv")
    nearest = min(by_year, key=lambda known: (abs(known - year), known))
    pairs = [by_year[nearest][band.name] for band in bands]
    return Calibration(
        gains=tuple(gain for gain, _ in pairs),
        offsets=tuple(offset for _, offset in pairs),
        source=f"table {nearest}" if nearest == year else f"table {nearest} for {year}",
    )


@cache
def _table() -> Mapping[tuple[str, str, str], Mapping[int, _Coefficients]]:
    table: dict[tuple[str, str, str], dict[int, _Coefficients]] = defaultdict(lambda: defaultdict(dict))
    with Path(__file__).with_name("gains.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            coefficients = table[row["satellite"], row["sensor"], row["image"]][int(row["year"])]
            coefficients[row["band"]] = (float(row["gain"]), float(row["offset"]))
    return table
