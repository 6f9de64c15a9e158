import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cog_builder.gains
from cog_builder.errors import BadMetadataError
from cog_builder.gains import coefficients_of_integration_time, coefficients_of_year
from cog_builder.sensor import find_sensor, known_sensors

GF1_PMS1 = known_sensors()["GF1", "PMS1"]
GF4 = known_sensors()["GF4", "PMS"]
GF4_TIMES_MS = (6, 30, 20, 30, 30)

WITHOUT_FIGURES = {
    ("HJ2B", "CCD4"),
    ("GF7", "FWD"),
    ("ZY02C", "HRC"),
    *((satellite, name) for satellite in ("ZY3", "ZY302") for name in ("NAD", "FWD", "BWD")),
    *((satellite, "VNIC") for satellite in ("ZY1E", "ZY1F")),
    *((satellite, "PMS") for satellite in ("SV1", "JL1", "JL101A")),
    *(("CB04", name) for name in ("MUX", "P10", "P5M")),
    ("CB04A", "WPM"),
    *(("CBERS4", name) for name in ("MUX", "AWFI", "PAN5M", "PAN10M")),
    *(("CBERS4A", name) for name in ("WPM", "MUX", "WFI")),
}


def rows(name="gains.csv"):
    with Path(cog_builder.gains.__file__).with_name(name).open(newline="") as lines:
        return list(csv.DictReader(lines))


def images(sensor):
    return [sensor.bands, *([(sensor.pan,)] if sensor.pan else [])]


def test_the_gains_are_those_of_the_year():
    found = coefficients_of_year(GF1_PMS1, GF1_PMS1.bands, 2022)
    assert found.gains == (0.1458, 0.1213, 0.123, 0.1185)
    assert found.offsets == (0, 0, 0, 0)
    assert found.source == "table 2022"


@pytest.mark.parametrize(("year", "used"), [(2010, 2014), (2020, 2019), (2021, 2022), (2031, 2022)])
def test_a_year_without_figures_takes_the_nearest_and_says_so(year, used):
    found = coefficients_of_year(GF1_PMS1, GF1_PMS1.bands, year)
    assert found.source == f"table {used} for {year}"
    assert found.gains == coefficients_of_year(GF1_PMS1, GF1_PMS1.bands, used).gains


def test_some_figures_have_offsets():
    gf2, nadir, hj1 = (known_sensors()[key] for key in (("GF2", "PMS1"), ("ZY303", "NAD"), ("HJ1A", "CCD2")))
    assert coefficients_of_year(gf2, gf2.bands, 2014).offsets == (-0.8765, -0.9742, -0.7652, -0.7233)
    assert coefficients_of_year(nadir, nadir.bands, 2020).offsets == (-2.67428,)
    assert coefficients_of_year(hj1, hj1.bands, 2017).offsets == (4.6344, 4.0982, 3.736, 0.7385)


def test_every_sensor_with_figures_saturates_between_dark_ground_and_white_cloud():
    for key, sensor in known_sensors().items():
        if key in WITHOUT_FIGURES or key == ("GF4", "PMS"):
            continue
        for bands in images(sensor):
            for year in range(2012, 2026):
                found = coefficients_of_year(sensor, bands, year)
                radiance = np.array(found.gains) * sensor.saturated_dn + found.offsets
                reflectance = np.pi * radiance / [band.esun for band in bands]
                assert np.all((reflectance > 0.15) & (reflectance < 1.3)), (key, year, reflectance)


@pytest.mark.parametrize("key", sorted(WITHOUT_FIGURES), ids="-".join)
def test_a_sensor_without_figures_is_refused_by_name(key):
    sensor = known_sensors()[key]
    with pytest.raises(BadMetadataError, match=f"{key[0]} {key[1]} .*: no calibration coefficients"):
        coefficients_of_year(sensor, sensor.bands, 2022)


def test_figures_of_another_satellite_are_not_borrowed():
    with pytest.raises(BadMetadataError, match="GF9 PMS1 B1, B2, B3, B4: no calibration coefficients"):
        coefficients_of_year(replace(GF1_PMS1, satellite="GF9"), GF1_PMS1.bands, 2022)


def test_every_figure_is_of_a_known_sensor_and_names_its_source_and_year():
    for name in ("gains.csv", "gf4_gains.csv"):
        for row in rows(name):
            sensor = known_sensors()[row["satellite"], row["sensor"]]
            assert row["band"] in {band.name for bands in images(sensor) for band in bands}
            assert f"absolute calibration coefficients {row['year']}" in row["source"]
    keys = [tuple(row[field] for field in ("satellite", "sensor", "band", "year")) for row in rows()]
    assert len(set(keys)) == len(keys)


def test_the_notice_that_divides_by_its_gains_is_turned_round():
    wfv1 = known_sensors()["GF1", "WFV1"]
    first, second = (coefficients_of_year(wfv1, wfv1.bands, year) for year in (2013, 2014))
    dn = 600
    published = [(dn - offset) / gain for gain, offset in ((5.851, 0.0039), (7.153, 0.0047), (8.368, 0.003))]
    assert [gain * dn + offset for gain, offset in zip(first.gains, first.offsets, strict=True)][:3] == pytest.approx(
        published, rel=1e-3
    )
    assert first.gains == pytest.approx(second.gains, rel=0.2)


def test_gf4_is_calibrated_by_its_integration_times():
    found = coefficients_of_integration_time(GF4, GF4_TIMES_MS, 2021)
    assert found.gains == (0.1753, 0.1843, 0.2041, 0.1625, 0.1144)
    assert found.offsets == (0, 0, 0, 0, 0)
    assert found.source == "table 2021: B1 6 ms, B2 30 ms, B3 20 ms, B4 30 ms, B5 30 ms"
    longer = coefficients_of_integration_time(GF4, (8, 40, 30, 40, 40), 2021)
    assert all(one < other for one, other in zip(longer.gains, found.gains, strict=True))


def test_gf4_of_a_year_without_figures_takes_the_nearest_and_says_so():
    assert coefficients_of_integration_time(GF4, GF4_TIMES_MS, 2025).source.startswith("table 2021 for 2025: ")


@pytest.mark.parametrize(
    ("times_ms", "complaint"),
    [((6, 30, 20, 30), "4 integration times, expected 5"), ((6, 30, 20, 30, 31), "B5 31 ms: no calibration")],
)
def test_integration_times_without_figures_are_refused(times_ms, complaint):
    with pytest.raises(BadMetadataError, match=complaint):
        coefficients_of_integration_time(GF4, times_ms, 2021)
    assert find_sensor("GF4", "PMI") is GF4
