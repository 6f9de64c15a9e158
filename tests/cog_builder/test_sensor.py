import csv
from collections import defaultdict
from pathlib import Path

import pytest

from catalog.collection import collection_document, packaged_collections
from cog_builder.sensor import find_sensor, known_sensors

CALIBRATION = Path(__file__).parents[3] / "shared/data/calibration"

every_sensor = pytest.mark.parametrize("sensor", known_sensors().values(), ids=lambda s: f"{s.satellite}-{s.name}")


@every_sensor
def test_bands_are_of_the_visible_and_near_infrared_and_of_what_the_sun_sends_there(sensor):
    for band in (*sensor.bands, *([sensor.pan] if sensor.pan else [])):
        assert 0.4 < band.center_wavelength_um < 1.0
        assert 0.03 < band.full_width_half_max_um <= 0.45
        assert 800 < band.esun < 2000
    names = [band.name for band in (*sensor.bands, *([sensor.pan] if sensor.pan else []))]
    assert len(set(names)) == len(names)


@every_sensor
def test_common_names_lie_in_the_order_of_wavelengths(sensor):
    order = ["coastal", "blue", "green", "yellow", "red", "rededge", "nir", "nir09"]
    bands = sorted((band for band in sensor.bands if band.common_name != "pan"), key=lambda b: b.center_wavelength_um)
    ranks = [order.index(band.common_name) for band in bands]
    assert ranks == sorted(ranks)


@every_sensor
def test_a_sensor_fits_its_collection(sensor):
    document = collection_document(sensor.collection)
    summaries, assets = document["summaries"], document["item_assets"]
    assert sensor.platform in summaries["platform"]
    assert summaries["constellation"] == [sensor.constellation]
    assert sensor.instrument in summaries["instruments"]
    assert ("sharp" in assets) == (sensor.pan is not None)
    described = assets["analytic"]["bands"]
    assert [band["name"] for band in described] == [band.name for band in sensor.bands]
    assert tuple(band["eo:common_name"] for band in described) == sensor.common_names
    for band, text in zip(sensor.bands, described, strict=True):
        assert text["eo:center_wavelength"] == pytest.approx(band.center_wavelength_um, abs=0.007)
        assert text["eo:full_width_half_max"] == pytest.approx(band.full_width_half_max_um, abs=0.012)


def test_collections_name_the_platforms_instruments_and_agencies_of_their_sensors_and_no_others():
    platforms, instruments, agencies = defaultdict(set), defaultdict(set), defaultdict(set)
    for sensor in known_sensors().values():
        platforms[sensor.collection].add(sensor.platform)
        instruments[sensor.collection].add(sensor.instrument)
        agencies[sensor.provider].add(collection_document(sensor.collection)["providers"][0]["name"])
    assert set(platforms) == set(packaged_collections())
    for collection in packaged_collections():
        summaries = collection_document(collection)["summaries"]
        assert set(summaries["platform"]) == platforms[collection]
        assert set(summaries["instruments"]) == instruments[collection]
    assert all(len(names) == 1 for names in agencies.values())
    assert len({name for names in agencies.values() for name in names}) == len(agencies)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (("GF1", "PMS1"), ("GF1", "PMS1")),
        (("gf-1", "pms1"), ("GF1", "PMS1")),
        (("GF4", "PMI"), ("GF4", "PMS")),
        (("GF7", "DLC"), ("GF7", "BWD")),
        (("GF701", "MUX"), ("GF7", "BWD")),
        (("GF701", "FWD"), ("GF7", "FWD")),
        (("ZY3", "NAD"), ("ZY3", "NAD")),
        (("ZY3-1", "MUX"), ("ZY3", "MUX")),
        (("ZY3_01a", "fwd"), ("ZY3", "FWD")),
        (("zy302a", "bwd"), ("ZY302", "BWD")),
        (("ZY3-3", "MUX"), ("ZY303", "MUX")),
        (("zy303a", "mux"), ("ZY303", "MUX")),
        (("ZY3-03", "MUX"), ("ZY303", "MUX")),
        (("ZY1-02C", "HRC"), ("ZY02C", "HRC")),
        (("ZY1-02D", "VNIC"), ("ZY1E", "VNIC")),
        (("ZY1-02E", "VNIC"), ("ZY1F", "VNIC")),
        (("HJ-2A", "CCD1"), ("HJ2A", "CCD1")),
        (("CBERS-04A", "WPM"), ("CB04A", "WPM")),
        (("CBERS_4A", "WPM"), ("CBERS4A", "WPM")),
        (("CBERS 4", "WFI"), ("CBERS4", "AWFI")),
        (("SV1-02", "PMS"), ("SV1", "PMS")),
        (("JL1KF01A", "PMS01"), ("JL1", "PMS")),
        (("JL101A", "PMS"), ("JL101A", "PMS")),
    ],
)
def test_a_sensor_is_found_by_every_spelling(written, meant):
    assert find_sensor(*written) is known_sensors()[meant]


@pytest.mark.parametrize("stranger", [("GF9", "PMS1"), ("GF1", "PMS3"), ("GF4", "IRS"), ("GF3", "UFS"), ("", "")])
def test_a_stranger_is_not_found(stranger):
    assert find_sensor(*stranger) is None


def test_no_spelling_means_two_sensors():
    meant = defaultdict(set)
    for key, sensor in known_sensors().items():
        for satellite, name in (key, *sensor.aliases):
            meant[tuple("".join(filter(str.isalnum, word)).casefold() for word in (satellite, name))].add(key)
    assert {len(sensors) for sensors in meant.values()} == {1}


def test_bands_stand_in_file_order_not_in_that_of_wavelengths():
    names = {key: sensor.common_names for key, sensor in known_sensors().items()}
    assert names["GF2", "PMS1"] == ("blue", "green", "red", "nir")
    assert names["GF4", "PMS"] == ("pan", "blue", "green", "red", "nir")
    assert names["GF6", "WFV"] == ("blue", "green", "red", "nir", "rededge", "rededge", "coastal", "yellow")
    assert names["HJ2B", "CCD4"] == ("blue", "green", "red", "nir", "rededge")
    assert names["ZY02C", "PMS"] == ("green", "red", "nir")
    assert names["ZY3", "FWD"] == ("pan",)


def test_only_colours_with_a_sharper_grey_beside_them_have_a_pan_band():
    assert known_sensors()["GF1", "WFV4"].pan is None
    assert known_sensors()["GF7", "FWD"].pan is None
    assert known_sensors()["GF4", "PMS"].pan is None
    assert known_sensors()["GF7", "BWD"].pan.name == "PAN"
    assert known_sensors()["CBERS4A", "WPM"].pan.name == "B0"


def test_the_greatest_number_follows_from_the_valid_bits():
    greatest = {key: sensor.saturated_dn for key, sensor in known_sensors().items()}
    assert greatest["GF1", "PMS1"] == greatest["ZY303", "MUX"] == greatest["CBERS4A", "WFI"] == 1023
    assert greatest["GF1D", "PMS"] == greatest["GF6", "WFV"] == 4095
    assert greatest["HJ1A", "CCD1"] == greatest["CBERS4A", "MUX"] == 255


def test_irradiances_are_the_published_ones():
    if not CALIBRATION.is_dir():
        pytest.skip("no table of published irradiances beside the repository")
    with (CALIBRATION / "esun.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        sensor = find_sensor(row["satellite"], row["image"] if row["sensor"] == "TMS" else row["sensor"])
        bands = {band.name: band for band in (*sensor.bands, *([sensor.pan] if sensor.pan else []))}
        assert bands[row["band"]].esun == float(row["esun_W_m2_um"]), row
    assert len(rows) == 90


def test_wavelengths_are_the_measured_ones():
    if not CALIBRATION.is_dir():
        pytest.skip("no table of measured wavelengths beside the repository")
    with (CALIBRATION / "band_wavelengths_from_rsr.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    seen = defaultdict(int)
    for row in rows:
        sensor = find_sensor(row["satellite"], row["sensor"])
        place = seen[sensor.satellite, sensor.name]
        seen[sensor.satellite, sensor.name] += 1
        band = (*sensor.bands, sensor.pan)[place]
        assert band.center_wavelength_um * 1000 == pytest.approx(float(row["center_nm"]), abs=0.051), row
        assert band.full_width_half_max_um * 1000 == pytest.approx(float(row["fwhm_nm"]), abs=0.051), row
    assert len(rows) == 82
