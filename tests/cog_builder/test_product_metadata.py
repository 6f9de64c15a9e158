import math
import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from cog_builder.deliveries import product_metadata
from cog_builder.deliveries.metadata import Tags
from cog_builder.deliveries.placing import seen_view
from cog_builder.deliveries.product_metadata import ProductMetadata
from cog_builder.deliveries.rpb import read_rpb
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import BadMetadataError
from cog_builder.scene import ImagePart, SourceImage
from cog_builder.sensor import find_sensor
from cog_builder.sun import separation_deg, sun_position
from tests.support.deliveries import SHARED, edit, set_tag, shared, the_file
from tests.support.simulated import tiny_delivery


def read(path):
    [metadata] = product_metadata.read([(path, read_xml(path))])
    return metadata


def gains(path):
    metadata = read(path)
    calibration = metadata.coefficients(find_sensor(metadata.satellite, metadata.sensor).bands)
    return None if calibration is None else calibration.gains


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


GF4_SUN = 0.2
"""Degrees; its scenes are 500 km wide, and their corners place the middle only roughly."""
_COLUMNS = ("number", "orbit", "when", "sun_error", "incidence", "azimuth", "cloud", "gsd_m")
REAL = [
    ("GF1/GF1_PMS1_E69.4*-MSS1", "6547030", 49375, utc("2022-06-24 05:39:09"), 0.02, 3.733, 90.34, 0, 8),
    ("GF1/GF1_PMS1_E69.4*-PAN1", "6547030", 49375, utc("2022-06-24 05:39:09"), 0.02, 3.692, 93.64, 0, 2),
    ("GF1/GF1_WFV3_E89.0*", "4819525", 38136, utc("2020-05-23 05:03:08"), 0.02, 8.773, 281.85, 38, 16),
    ("GF2/GF2_PMS1_W91.0*-MSS1", "4793969", 30951, utc("2020-05-10 17:03:20"), 0.02, 15.151, 280.29, 2, 3.24),
    ("GF2/GF2_PMS1_W91.0*-PAN1", "4793969", 30951, utc("2020-05-10 17:03:20"), 0.02, 15.154, 279.95, 2, 0.81),
    ("GF2/GF2_PMS2_E120.2*-MSS2", "3492622", 22271, utc("2018-10-02 02:54:23"), 0.02, 0.966, 317.06, 1, 3.24),
    ("GF2/GF2_PMS2_E120.2*-PAN2", "3492622", 22271, utc("2018-10-02 02:54:23"), 0.02, 0.916, 312.43, 1, 0.81),
    ("GF2/GF2_PMS2_W72.3*-MSS2", "12889847001", 45882, utc("2023-02-13 14:17:10"), 0.02, 10.701, 283.25, None, 3.24),
    ("GF2/GF2_PMS2_W72.3*-PAN2", "12889847001", 45882, utc("2023-02-13 14:17:10"), 0.02, 10.698, 282.77, None, 0.81),
    ("GF4/GF4_PMS_E80.6*", "439105", 34580, utc("2021-11-21 05:44:21"), GF4_SUN, 30.879, 108.02, 3, 50),
    ("GF4/GF4_PMS_E119.9*", "773662", 59512, utc("2025-07-23 04:13:05"), GF4_SUN, 21.093, 233.73, 75, 50),
    ("GF4/GF4_PMS_E123.9*", "490782", 38583, utc("2022-04-19 03:29:30"), GF4_SUN, 25.386, 238.83, 16, 50),
    ("GF4/GF4_IRS_E80.6*", "439105", 34580, utc("2021-11-21 05:45:06"), GF4_SUN, 31.226, 107.56, 3, 400),
    ("GF4/GF4_IRS_E119.9*", "773662", 59512, utc("2025-07-23 04:13:49"), GF4_SUN, 20.71, 233.35, 75, 400),
    ("GF4/GF4_IRS_E123.9*", "490782", 38583, utc("2022-04-19 03:30:16"), GF4_SUN, 24.979, 238.54, 16, 400),
]


@pytest.fixture
def path(tmp_path):
    return the_file(tiny_delivery("gf2-pms", tmp_path, packing="folder"), "-MSS2.xml")


class TestRealFiles:
    @pytest.mark.parametrize(("pattern", *_COLUMNS), REAL, ids=[row[0] for row in REAL])
    def test_are_read_as_they_are_meant(
        self, pattern, number, orbit, when, sun_error, incidence, azimuth, cloud, gsd_m
    ):
        found = list(SHARED.glob(f"scenes/{pattern}.xml"))
        if not found:
            pytest.skip(f"no ../shared/data/scenes/{pattern}.xml")
        metadata = read(found[0])
        acquired = metadata.clock - metadata.zones[0]
        assert (metadata.product_id, metadata.orbit, acquired) == (number, orbit, when)
        assert separation_deg(metadata.sun[0], sun_position(acquired, *metadata.center)) < sun_error
        assert (metadata.incidence_angle, metadata.view_azimuth) == pytest.approx((incidence, azimuth), abs=0.01)
        assert (metadata.cloud_cover, metadata.gsd_m, metadata.level) == (cloud, gsd_m, "L1A")
        assert metadata.is_pan is ("-PAN" in pattern)
        assert (metadata.unproven, metadata.assumed) == ((), ())

    @pytest.mark.parametrize("path", shared("scenes/GF[124]/GF*[0-9].rpb"))
    def test_tell_the_view_that_the_camera_model_has(self, path):
        if not path.stat().st_size:
            pytest.skip("the public copy is emptied")
        metadata, camera = read(path.with_suffix(".xml")), read_rpb(path)
        height, width = metadata.shape
        part = ImagePart((path,), width, height, camera)
        incidence, azimuth = seen_view(SourceImage("ms", (part,), (), 1.0, None, (), 1023))
        assert incidence == pytest.approx(metadata.incidence_angle, abs=0.1)
        assert azimuth == pytest.approx(metadata.view_azimuth, abs=0.4)

    @pytest.mark.parametrize("path", shared("scenes/GF[12]/GF*[0-9].xml"))
    def test_state_an_imaging_time_in_utc_that_is_the_receive_time(self, path):
        metadata = read(path)
        assert abs((metadata.clock - metadata.zones[0] - metadata.receive_time).total_seconds()) <= 1
        assert metadata.level == "L1A"

    @pytest.mark.parametrize("path", shared("scenes/GF2/GF2_PMS2_W72*2147483647-MSS2.xml"))
    def test_of_2023_hold_the_product_number_that_their_name_lost(self, path):
        metadata = read(path)
        assert metadata.product_id == "12889847001"
        assert metadata.cloud_cover is None
        assert gains(path) is None
        assert metadata.gsd_m == 3.24
        assert metadata.center == pytest.approx((-72.306, -36.693), abs=0.01)
        assert metadata.facts["ReceiveStationID"] == "KRN"

    @pytest.mark.parametrize("path", shared("scenes/GF1/*WFV3*.xml"))
    def test_of_a_wide_camera_tell_a_view_to_the_side(self, path):
        metadata = read(path)
        assert metadata.incidence_angle == pytest.approx(90 - 81.2272)
        assert metadata.cloud_cover == 38
        assert metadata.orbit == 38136
        assert not metadata.is_pan

    @pytest.mark.parametrize("path", shared("scenes/GF2/order.xml") + shared("scenes/GF3/*.xml"))
    def test_of_another_kind_are_not_taken_for_a_product(self, path):
        assert product_metadata.read([(path, read_xml(path))]) == []


@pytest.mark.parametrize("wrappers", [["ProductMetaDatas"], ["ProductMetaDatas", "GroupProductCheckData"]])
def test_a_wrapped_document_is_understood(path, wrappers):
    root = outer = ET.fromstring(path.read_text())
    for tag in wrappers:
        inner, outer = outer, ET.Element(tag)
        outer.append(inner)
    assert product_metadata.read([(path, outer)]) == product_metadata.read([(path, root)])


def test_a_namespace_changes_nothing(path):
    plain = read(path)
    edit(path, "<ProductMetaData>", '<ProductMetaData xmlns="http://example.com/product">')
    assert read(path) == plain


@pytest.mark.parametrize(
    ("text", "cloud"), [("0", 0), ("7.5", 7.5), ("100", 100), ("101", None), ("-1", None), ("", None), ("NULL", None)]
)
def test_cloud_cover_is_unknown_outside_0_to_100(path, text, cloud):
    set_tag(path, "CloudPercent", text)
    assert read(path).cloud_cover == cloud


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1,0.2,0.3,0.4", (0.1, 0.2, 0.3, 0.4)),
        (" 1e-1, 0.2 ,0.3,0.4", (0.1, 0.2, 0.3, 0.4)),
        ("0.1;0.2;0.3;0.4;", (0.1, 0.2, 0.3, 0.4)),
        ("0.1 0.2\n0.3\t0.4", (0.1, 0.2, 0.3, 0.4)),
        ("0.1，0.2，0.3、0.4", (0.1, 0.2, 0.3, 0.4)),
        ("NULL,NULL,NULL,NULL", None),
        ("NULL", None),
        ("", None),
    ],
)
def test_gains_are_read_when_there_are_any(path, text, expected):
    set_tag(path, "AbsCeof", text)
    assert gains(path) == expected


def test_the_view_looks_away_from_nadir_by_what_is_missing_to_90(path):
    set_tag(path, "SatelliteZenith", "74.85")
    assert read(path).incidence_angle == 15.15


def test_azimuths_are_turned_into_0_to_360(path):
    set_tag(path, "SolarAzimuth", "-12.5")
    assert read(path).sun[0][1] == 347.5


def test_the_centre_is_found_from_corners_on_both_sides_of_the_date_line(path):
    metadata = read(path)
    tags = {tag: text for tag, text in metadata.tags.texts.items() if not tag.startswith("Center")}
    for corner, longitude in (("TopLeft", 179.9), ("TopRight", -179.7), ("BottomRight", -179.7), ("BottomLeft", 179.9)):
        tags[corner + "Longitude"] = str(longitude)
    longitude, _ = ProductMetadata(Tags(path, tags)).center
    assert math.isclose(longitude % 360, 180.1)


def test_times_are_beijing_times_without_saying_so(path):
    set_tag(path, "CenterTime", "2020-05-11 01:03:20")
    metadata = read(path)
    assert metadata.clock - metadata.zones[0] == datetime(2020, 5, 10, 17, 3, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tag", "value", "fact"),
    [
        ("SolarZenith", "112", "sun"),
        ("SolarZenith", "NaN", "sun"),
        ("SolarZenith", "NULL", "sun"),
        ("SolarAzimuth", "500", "sun"),
        ("SatelliteZenith", "-3", "incidence_angle"),
        ("WidthInPixels", "0", "shape"),
        ("HeightInPixels", "12.5", "shape"),
        ("HeightInPixels", "٣٠٠", "shape"),
        ("ImageGSD", "0", "gsd_m"),
        ("ProductID", "../../x", "product_id"),
        ("ProductID", "", "product_id"),
        ("OrbitID", "-4", "orbit"),
        ("CenterTime", "2024-13-45 00:00:00", "clock"),
        ("CenterTime", "2024-10-12T03:22:47Z", "clock"),
        ("CenterLatitude", "95", "center"),
    ],
)
def test_an_impossible_value_is_refused_with_file_and_tag(path, tag, value, fact):
    set_tag(path, tag, value)
    with pytest.raises(BadMetadataError, match=rf"GF2_PMS2.*-MSS2\.xml: <{tag}> is .*, expected"):
        getattr(read(path), fact)


def test_a_newer_gain_tag_is_read_too(path):
    edit(path, "AbsCeof>", "AGain>")
    assert gains(path) == (0.1743, 0.1784, 0.1668, 0.1912)


def test_without_a_centre_time_the_middle_of_start_and_end_stands_for_it(path):
    set_tag(path, "CenterTime", "")
    set_tag(path, "StartTime", "2024-10-12 11:22:44")
    set_tag(path, "EndTime", "2024-10-12 11:22:51")
    metadata = read(path)
    assert metadata.clock - metadata.zones[0] == datetime(2024, 10, 12, 3, 22, 47, 500_000, tzinfo=UTC)
    assert metadata.assumed == (
        "center_time: no CenterTime, expected one; the middle of StartTime and EndTime stands for it",
    )


def test_the_receive_time_alone_is_taken_for_utc_first(path):
    for tag in ("CenterTime", "StartTime", "EndTime"):
        set_tag(path, tag, "NULL")
    set_tag(path, "ReceiveTime", "2024-10-12T03:22:47")
    metadata = read(path)
    assert (metadata.clock, metadata.zones[0].total_seconds()) == (datetime(2024, 10, 12, 3, 22, 47, tzinfo=UTC), 0)
    assert metadata.assumed == ("center_time: no CenterTime, expected one; ReceiveTime stands for it",)


@pytest.mark.parametrize(
    ("name", "sensor_id", "sensor", "pan"),
    [
        ("GF7_DLC_E1.0_N2.0_20200319_L1A0000178402-BWDMUX", "DLC", "BWD", False),
        ("GF7_DLC_E1.0_N2.0_20200319_L1A0000178402-BWDPAN", "DLC", "BWD", True),
        ("GF7_DLC_E1.0_N2.0_20200319_L1A0000178402-FWDPAN", "DLC", "FWD", True),
        ("ZY3_TLC_E1.0_N2.0_20130319_L1A0001545076-NAD", "TLC", "NAD", False),
        ("ZY302_TMS_E1.0_N2.0_20180619_L1A0000311608-MUX", "TMS", "MUX", False),
        ("ZY302_TMS_E1.0_N2.0_20180619_L1A0000311608-FWD", "FWD", "FWD", False),
        ("GF4_IRS_E1.0_N2.0_20211121_L1A0000439105", "PMI", "IRS", False),
        ("GF4_PMS_E1.0_N2.0_20211121_L1A0000439105", "PMI", "PMS", False),
        ("ZY1E_VNIC_E1.0_N2.0_20200509_L1B0000080809-PAN", "VNIC", "VNIC", True),
    ],
)
def test_cameras_that_share_a_word_are_told_apart_by_the_file(path, name, sensor_id, sensor, pan):
    set_tag(path, "SensorID", sensor_id)
    metadata = read(path.rename(path.with_name(f"{name}.xml")))
    assert (metadata.sensor, metadata.is_pan) == (sensor, pan)


@pytest.mark.parametrize(("tag", "text", "level"), [("Level", "LEVEL2C", "L2C"), ("ProductLevel", "L1B", "L1B")])
def test_the_level_has_two_names_and_two_spellings(path, tag, text, level):
    edit(path, "ProductLevel>", f"{tag}>")
    set_tag(path, tag, text)
    assert read(path).level == level


def test_the_orbit_has_two_names(path):
    number = read(path).orbit
    edit(path, "OrbitID>", "POrbitID>")
    assert read(path).orbit == number


@pytest.mark.parametrize("value", ["0.1,0.2,0.3", "0.1,0.2,0.3,0", "0.1,0.2,0.3,x", "0.1,0.2,NULL,0.4"])
def test_gains_that_are_none_are_refused_with_file_and_tag(path, value):
    set_tag(path, "AbsCeof", value)
    with pytest.raises(BadMetadataError, match=r"GF2_PMS2.*-MSS2\.xml: <AbsCeof> is .*, expected"):
        gains(path)


@pytest.mark.parametrize("path", shared("scenes/GF4/GF4_*.xml"))
def test_real_files_of_gf4_hold_the_elevation_and_nothing_to_calibrate_with(path):
    metadata = read(path)
    assert metadata.sensor == path.name.split("_")[1]
    assert metadata.sun[0][0] == float(metadata.tags.text("SolarZenith"))
    assert metadata.coefficients(()) is None
