from datetime import UTC, datetime, timedelta

import pytest

from cog_builder.elevation import ConstantHeight
from cog_builder.errors import BadMetadataError, IncompleteDeliveryError
from tests.support.deliveries import edit, opened, set_tag, the_file
from tests.support.simulated import tiny_delivery

ACQUIRED = datetime(2022, 3, 15, 3, 20, 11, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    return tiny_delivery("gf1-pms", tmp_path, packing="folder")


def set_everywhere(folder, tag, value):
    for xml in folder.glob("*.xml"):
        set_tag(xml, tag, value)


class TestTimeAndSun:
    def test_the_time_is_utc_although_the_xml_says_beijing(self, folder, tmp_path):
        assert "11:20:11" in the_file(folder, "-MSS1.xml").read_text()
        scene = opened(folder, tmp_path)
        assert scene.acquired == ACQUIRED
        assert scene.id == "GF1_PMS1_20220315T032011_L1A6312201"

    def test_the_sun_decides_when_the_xml_says_utc(self, folder, tmp_path):
        set_everywhere(folder, "CenterTime", "2022-03-15 03:20:11")
        scene = opened(folder, tmp_path)
        assert scene.acquired == ACQUIRED
        assert scene.warnings == ("time_zone: CenterTime is UTC by the sun angles, expected Beijing time",)

    def test_a_sun_that_fits_no_time_zone_is_a_warning(self, folder, tmp_path):
        set_everywhere(folder, "SolarZenith", "20.25")
        scene = opened(folder, tmp_path)
        [warning] = scene.warnings
        assert warning.startswith("sun_position: XML elevation 69.75° azimuth ")
        assert warning.endswith("for 2022-03-15T03:20:11Z")
        assert scene.sun_elevation == 69.75
        assert scene.acquired == ACQUIRED

    @pytest.mark.parametrize(("offset_deg", "warned"), [(0.3, False), (-0.3, False), (0.7, True), (-0.7, True)])
    def test_half_a_degree_is_the_limit(self, folder, tmp_path, offset_deg, warned):
        xml = the_file(folder, "-MSS1.xml").read_text()
        zenith = float(xml.partition("<SolarZenith>")[2].partition("<")[0])
        set_everywhere(folder, "SolarZenith", f"{zenith + offset_deg:.4f}")
        assert bool(opened(folder, tmp_path).warnings) is warned

    def test_a_receive_time_of_another_day_is_a_warning(self, folder, tmp_path):
        set_everywhere(folder, "ReceiveTime", "2022-03-16 03:20:11")
        [warning] = opened(folder, tmp_path).warnings
        assert warning.startswith("receive_time: ReceiveTime is 2022-03-16 03:20:11")

    def test_a_receive_time_in_beijing_time_is_none(self, folder, tmp_path):
        set_everywhere(folder, "ReceiveTime", "2022-03-15 11:20:12")
        assert opened(folder, tmp_path).warnings == ()

    def test_the_date_in_the_name_is_compared_in_utc(self, tmp_path):
        late = datetime(2020, 5, 10, 17, 3, 20, tzinfo=UTC)
        place = {"longitude": -91.0, "latitude": 17.6, "elevation": ConstantHeight(100.0)}
        folder = tiny_delivery("gf1-wfv", tmp_path, packing="folder", acquired=late, **place)
        scene = opened(folder, tmp_path)
        assert "_W91.0_N17.6_20200510_" in scene.title
        assert "2020-05-11 01:03:20" in the_file(folder, ".xml").read_text()
        assert scene.acquired == late
        assert scene.warnings == ()


class TestNames:
    def test_an_overflowed_number_in_the_name_gives_way_to_the_xml(self, folder, tmp_path):
        overflowed = folder.name.replace("L1A0006312201", "L1A2147483647")
        for path in list(folder.iterdir()):
            path.rename(folder / path.name.replace(folder.name, overflowed))
        scene = opened(folder, tmp_path)
        assert scene.title == overflowed
        assert scene.id.endswith("_L1A6312201")
        assert scene.warnings == ()

    def test_another_number_or_date_in_the_name_is_a_warning(self, folder, tmp_path):
        for path in list(folder.iterdir()):
            path.rename(folder / path.name.replace("20220315_L1A0006312201", "20220316_L1A0006312202"))
        assert opened(folder, tmp_path).warnings == (
            "name_date: the name says 20220316, the XML 20220315 UTC",
            "product_number: the name says 0006312202, the XML 6312201",
        )

    def test_two_deliveries_of_one_scene_have_one_id(self, folder, tmp_path):
        scene = opened(folder, tmp_path)
        other = folder.rename(tmp_path / "again")
        for path in list(other.iterdir()):
            path.rename(other / path.name.replace(folder.name, "copy"))
        (tmp_path / "workspace").rmdir()
        assert opened(other, tmp_path).id == scene.id


class TestCalibration:
    def test_the_xml_wins_over_the_table(self, folder, tmp_path):
        for ending, gains in (("-MSS1.xml", "0.11,0.12,0.13,0.14"), ("-PAN1.xml", "0.15")):
            edit(the_file(folder, ending), "</ProductMetaData>", f"<AbsCeof>{gains}</AbsCeof></ProductMetaData>")
        scene = opened(folder, tmp_path)
        assert scene.calibration_source == "XML AbsCeof"
        assert (scene.main.gains, scene.pan.gains) == ((0.11, 0.12, 0.13, 0.14), (0.15,))

    def test_images_may_have_different_sources(self, folder, tmp_path):
        for ending, gains in (("-MSS1.xml", "0.11,0.12,0.13,0.14"), ("-PAN1.xml", "NULL")):
            edit(the_file(folder, ending), "</ProductMetaData>", f"<AbsCeof>{gains}</AbsCeof></ProductMetaData>")
        assert opened(folder, tmp_path).calibration_source == "XML AbsCeof; pan: table 2022"

    def test_a_later_year_uses_the_last_table_and_says_so(self, tmp_path):
        later = ACQUIRED + timedelta(days=731)
        folder = tiny_delivery("gf1-wfv", tmp_path, packing="folder", acquired=later)
        assert opened(folder, tmp_path).calibration_source == "table 2022 for 2024"


class TestContradictionsAreRefused:
    @pytest.mark.parametrize(
        ("tag", "value", "said"),
        [
            ("WidthInPixels", "161", r"-MSS1\.tiff: 160 columns, expected 161 as .*-MSS1\.xml has it"),
            ("HeightInPixels", "149", r"-MSS1\.tiff: 150 rows, expected 149"),
            ("Bands", "1,2,3", r"-MSS1\.xml: 3 bands, expected the 4 of PMS1"),
        ],
    )
    def test_between_tiff_and_xml(self, folder, tmp_path, tag, value, said):
        set_tag(the_file(folder, "-MSS1.xml"), tag, value)
        with pytest.raises(BadMetadataError, match=said):
            opened(folder, tmp_path)

    def test_between_multispectral_and_pan(self, folder, tmp_path):
        set_tag(the_file(folder, "-PAN1.xml"), "ProductID", "6312202")
        said = r"-PAN1\.xml: product number 6312202, expected 6312201 as in .*-MSS1\.xml"
        with pytest.raises(BadMetadataError, match=said):
            opened(folder, tmp_path)

    def test_between_the_cameras_of_two_images(self, folder, tmp_path):
        set_tag(the_file(folder, "-PAN1.xml"), "SensorID", "PMS2")
        with pytest.raises(IncompleteDeliveryError, match=r"no pan image .-PAN., expected one beside .*-MSS1"):
            opened(folder, tmp_path)

    def test_between_rpb_and_xml(self, folder, tmp_path):
        rpb = the_file(folder, "-PAN1.rpb")
        line = next(line for line in rpb.read_text().splitlines() if "longOffset" in line)
        edit(rpb, line, "\tlongOffset = 100.4;")
        with pytest.raises(
            BadMetadataError, match=r"-PAN1: the RPC looks at 100\.4.*expected 116\.4.* as .*-PAN1\.xml has it"
        ):
            opened(folder, tmp_path)

    def test_between_the_camera_models_of_two_images(self, folder, tmp_path):
        ms, pan = the_file(folder, "-MSS1.rpb"), the_file(folder, "-PAN1.rpb")
        texts = ms.read_text(), pan.read_text()
        ms.write_text(texts[1])
        pan.write_text(texts[0])
        with pytest.raises(
            BadMetadataError, match=r"ground sample distance of 8 m, expected about 2|RPC files may be swapped"
        ):
            opened(folder, tmp_path)

    def test_between_the_places_of_two_images(self, folder, tmp_path):
        rpb = the_file(folder, "-PAN1.rpb")
        line = next(line for line in rpb.read_text().splitlines() if "longOffset" in line)
        edit(rpb, line, f"\tlongOffset = {float(line.split('=')[1].strip(' ;')) + 0.05:.9f};")
        with pytest.raises(BadMetadataError, match=r"-PAN1\.tiff: its centre lies 4\d+ m from that of .*-MSS1\.tiff"):
            opened(folder, tmp_path)

    def test_between_the_times_of_two_images(self, folder, tmp_path):
        set_tag(the_file(folder, "-PAN1.xml"), "CenterTime", "2022-03-16 11:20:11")
        with pytest.raises(BadMetadataError, match=r"-PAN1\.tiff: taken 1 day.* apart from .*-MSS1\.tiff"):
            opened(folder, tmp_path)

    @pytest.mark.parametrize("gsd", ["0.5", "80"])
    def test_between_stated_and_seen_size_of_a_pixel(self, folder, tmp_path, gsd):
        set_tag(the_file(folder, "-MSS1.xml"), "ImageGSD", gsd)
        with pytest.raises(
            BadMetadataError, match=rf"-MSS1\.xml: a ground sample distance of {gsd} m, expected about [78]"
        ):
            opened(folder, tmp_path)

    def test_of_two_scenes_in_one_delivery(self, folder, tmp_path):
        for path in list(folder.glob("*-MSS1*")):
            (folder / path.name.replace("GF1_PMS1_E116.4", "GF1_PMS1_E116.5")).write_bytes(path.read_bytes())
        with pytest.raises(BadMetadataError, match="expected one scene; deliver each scene by itself"):
            opened(folder, tmp_path)
