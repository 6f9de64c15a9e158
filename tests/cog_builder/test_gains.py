import csv
from dataclasses import replace
from pathlib import Path

import pytest

import cog_builder.gains
from cog_builder.errors import BadMetadataError
from cog_builder.gains import calibration_of_year
from cog_builder.sensor import known_sensors

GF1_PMS1 = known_sensors()["GF1", "PMS1"]


def test_the_gains_are_those_of_the_year():
    calibration = calibration_of_year(GF1_PMS1, "ms", GF1_PMS1.bands, 2022)
    assert calibration.gains == (0.1458, 0.1213, 0.123, 0.1185)
    assert calibration.offsets == (0, 0, 0, 0)
    assert calibration.source == "table 2022"


@pytest.mark.parametrize(("year", "used"), [(2010, 2014), (2020, 2019), (2021, 2022), (2031, 2022)])
def test_a_year_without_figures_takes_the_nearest_and_says_so(year, used):
    calibration = calibration_of_year(GF1_PMS1, "ms", GF1_PMS1.bands, year)
    assert calibration.source == f"table {used} for {year}"
    assert calibration.gains == calibration_of_year(GF1_PMS1, "ms", GF1_PMS1.bands, used).gains


def test_some_years_have_offsets():
    sensor = known_sensors()["GF2", "PMS1"]
    offsets = {year: calibration_of_year(sensor, "ms", sensor.bands, year).offsets for year in range(2014, 2023)}
    assert any(any(values) for values in offsets.values())


def test_every_image_of_every_known_sensor_has_plausible_coefficients():
    for sensor in known_sensors().values():
        images = {"ms": sensor.bands} | ({"pan": (sensor.pan,)} if sensor.pan else {})
        for image, bands in images.items():
            calibration = calibration_of_year(sensor, image, bands, 2022)
            assert len(calibration.gains) == len(calibration.offsets) == len(bands)
            assert all(0.05 < gain < 0.4 for gain in calibration.gains)


def test_every_figure_names_its_source_and_its_year():
    with Path(cog_builder.gains.__file__).with_name("gains.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert all(f"coefficients {row['year']}" in row["source"] for row in rows)
    assert len({(row["satellite"], row["sensor"], row["image"], row["band"], row["year"]) for row in rows}) == len(rows)


def test_a_sensor_without_coefficients_is_refused():
    with pytest.raises(BadMetadataError, match="GF9 PMS1 ms: no calibration coefficients"):
        calibration_of_year(replace(GF1_PMS1, satellite="GF9"), "ms", GF1_PMS1.bands, 2022)
