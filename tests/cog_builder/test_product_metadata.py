import math
import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from cog_builder.deliveries import product_metadata
from cog_builder.deliveries.metadata import Tags
from cog_builder.deliveries.product_metadata import ProductMetadata
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import BadMetadataError
from cog_builder.sensor import find_sensor
from tests.support.deliveries import set_tag, shared, the_file
from tests.support.simulated import tiny_delivery


def read(path):
    [metadata] = product_metadata.read([(path, read_xml(path))])
    return metadata


def gains(path):
    metadata = read(path)
    calibration = metadata.calibration(find_sensor(metadata.satellite, metadata.sensor).bands)
    return None if calibration is None else calibration.gains


@pytest.fixture
def path(tmp_path):
    return the_file(tiny_delivery("gf2-pms", tmp_path, packing="folder"), "-MSS2.xml")


class TestRealFiles:
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


def test_a_wrapped_document_is_understood(path):
    root = ET.fromstring(path.read_text())
    outer = ET.Element("GroupProductCheckData")
    ET.SubElement(outer, "ProductMetaDatas").append(root)
    assert product_metadata.read([(path, outer)]) == product_metadata.read([(path, root)])


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


@pytest.mark.parametrize("value", ["0.1,0.2,0.3", "0.1,0.2,0.3,0", "0.1,0.2,0.3,x"])
def test_gains_that_are_none_are_refused_with_file_and_tag(path, value):
    set_tag(path, "AbsCeof", value)
    with pytest.raises(BadMetadataError, match=r"GF2_PMS2.*-MSS2\.xml: <AbsCeof> is .*, expected"):
        gains(path)


@pytest.mark.parametrize("path", shared("scenes/GF4/GF4_*.xml"))
def test_real_files_of_gf4_hold_the_elevation_and_nothing_to_calibrate_with(path):
    metadata = read(path)
    assert metadata.sensor == path.name.split("_")[1]
    assert metadata.sun[0][0] == float(metadata.tags.text("SolarZenith"))
    assert metadata.calibration(()) is None
