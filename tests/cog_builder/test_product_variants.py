"""`ProductMetaData` deliveries in the ways in which satellites, years and shops vary them."""

import re
from datetime import UTC, datetime

import pytest
import rasterio

from cog_builder.errors import UnrecognisedDeliveryError
from tests.support.deliveries import members_of, opened, set_tag, the_file, zip_of
from tests.support.tiffs import read_tiff, write_tiff
from tests.support.variants import delivered, renamed, rewritten, scenes_of


def nested(folder):
    inner = folder / folder.name / "product"
    inner.mkdir(parents=True)
    for path in [path for path in folder.iterdir() if path.is_file()]:
        path.rename(inner / path.name)


def windows_lines(folder):
    for xml in folder.glob("*.xml"):
        xml.write_bytes(b"\xef\xbb\xbf" + xml.read_bytes().replace(b"\n", b"\r\n"))


def tiled(folder):
    for tiff in folder.glob("*.tiff"):
        pixels = read_tiff(tiff)
        tiff.unlink()
        write_tiff(tiff, pixels, tiled=True, blockxsize=64, blockysize=64, compress="deflate", interleave="band")


def more_documents(folder):
    (folder / "order.xml").write_text("<InterfaceFile><BitNumber>10</BitNumber></InterfaceFile>")
    (folder / f"{folder.name}_Check.xml").write_text("<CheckResult>fine</CheckResult>")
    (folder / "damaged.xml").write_text("<ProductMetaData><Sat")
    (folder / f"{folder.name}.xml").write_bytes(the_file(folder, "-MSS1.xml").read_bytes())
    the_file(folder, "-MSS1.tiff").with_suffix(".tiff.aux.xml").write_text("<PAMDataset/>")


HARMLESS = {
    "Windows lines and a byte order mark": windows_lines,
    "endings in capitals": renamed(lambda path: path.with_suffix(path.suffix.upper())),
    "names in small letters": renamed(lambda path: path.with_name(path.name.lower())),
    ".tif": renamed(lambda path: path.with_suffix(".tif") if path.suffix == ".tiff" else path),
    "files in folders": nested,
    "tiles instead of strips": tiled,
    "more documents": more_documents,
    "no bands": rewritten(r"<Bands>[^<]*</Bands>", "<Bands/>"),
    "no corners": rewritten(r"<(Top|Bottom)(Left|Right)(Latitude|Longitude)>[^<]*</\1\2\3>", ""),
    "no view": rewritten(r"<Satellite(Zenith|Azimuth)>[^<]*</Satellite\1>", ""),
    "ImageGSDLine": rewritten("ImageGSD>", "ImageGSDLine>"),
    "times with a T": rewritten(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", r"\1T\2"),
    "GB2312": rewritten('encoding="UTF-8"', 'encoding="GB2312"'),
    "L1A": rewritten("LEVEL1A", "L1A"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_does_not_matter_changes_nothing(change, tmp_path):
    folder = delivered(tmp_path, "gf1-pms", "GF1", "PMS1")
    plain = opened(folder, tmp_path)
    (tmp_path / "workspace").rmdir()
    change(folder)
    scene = opened(folder, tmp_path)
    assert (scene.id, scene.warnings, scene.incidence_angle) == (plain.id, (), plain.incidence_angle)
    assert [image.gains for image in scene.images] == [image.gains for image in plain.images]


def test_a_missing_centre_time_is_a_warning(tmp_path):
    folder = delivered(tmp_path, "gf1-pms", "GF1", "PMS1")
    rewritten(r"<CenterTime>[^<]*</CenterTime>", "<CenterTime/>")(folder)
    scene = opened(folder, tmp_path)
    assert [warning.partition(":")[0] for warning in scene.warnings] == ["center_time"]
    assert abs((scene.acquired - datetime(2022, 3, 15, 3, 20, 11, tzinfo=UTC)).total_seconds()) <= 1


class TestRefusedByName:
    def radar(self, folder):
        name = "GF3_SAY_FSI_023228_W65.3_S18.7_20210107_L2_HHHV_L20005379609"
        (folder / f"{name}.meta.xml").write_text("<product><satellite>GF3</satellite></product>")
        write_tiff(folder / f"{name.replace('HHHV', 'HH')}.tiff", read_tiff(the_file(folder, ".tiff"))[:, :, :1])

    def test_radar_by_its_files(self, tmp_path):
        folder = delivered(tmp_path, "gf1-wfv", "GF1", "WFV1")
        self.radar(folder)
        for path in folder.glob("GF1_*"):
            path.unlink()
        with pytest.raises(UnrecognisedDeliveryError, match="GF-3 is a radar satellite; radar comes later"):
            scenes_of(folder, tmp_path)

    def test_radar_by_its_document_alone(self, tmp_path):
        (tmp_path / "x.xml").write_text("<product><satellite>GF3</satellite></product>")
        delivery = zip_of(tmp_path / "x.zip", [("meta.xml", (tmp_path / "x.xml").read_bytes())])
        with pytest.raises(UnrecognisedDeliveryError, match=r"x\.zip: GF-3 is a radar satellite; radar comes later"):
            scenes_of(delivery, tmp_path)

    @pytest.mark.parametrize(
        ("satellite", "sensor", "said"),
        [("ZY1E", "AHSI", "is a hyperspectral camera; hyperspectral comes later"), ("GF5B", "VIMS", "sees heat")],
    )
    def test_a_camera_by_what_the_document_says(self, tmp_path, satellite, sensor, said):
        folder = delivered(tmp_path, "gf1-wfv", "GF1", "WFV1")
        xml = the_file(folder, ".xml")
        set_tag(xml, "SatelliteID", satellite)
        set_tag(xml, "SensorID", sensor)
        with pytest.raises(UnrecognisedDeliveryError, match=f"{satellite} {sensor} {said}"):
            scenes_of(folder, tmp_path)

    def test_hyperspectral_by_the_name_of_the_delivery(self, tmp_path):
        delivery = zip_of(tmp_path / "GF5_AHSI_E112.73_N29.83_20190122_003766_L10000036541.zip", [("a.txt", b"x")])
        with pytest.raises(UnrecognisedDeliveryError, match="GF5 AHSI is a hyperspectral camera"):
            scenes_of(delivery, tmp_path)


class TestOnAMap:
    def test_colours_and_pan_are_still_one_sharpened_scene(self, tmp_path):
        folder = delivered(tmp_path, "gf2-pms-l4a", "GF2", "PMS2")
        scene = opened(folder, tmp_path)
        assert (scene.level, scene.main.map_reference.epsg, scene.pan.map_reference.epsg) == ("L4A", 32650, 32650)
        assert scene.side_files == tuple(sorted(folder.glob("*.xml")))

    def test_the_zip_of_superview_has_folders_in_it(self, tmp_path):
        folder = delivered(tmp_path, "sv1-pms", "SV1-01", "PMS")
        assert "<ReceiveTime>2022-03-15T03:20:11</ReceiveTime>" in the_file(folder, "-PAN.xml").read_text()
        delivery = zip_of(tmp_path / f"{folder.name}.zip", members_of(folder, f"{folder.name}/images/"))
        scene = opened(delivery, tmp_path)
        assert scene.id == "SV1_PMS_20220315T032011_L2A6312201"
        assert (scene.sensor.platform, scene.level, scene.warnings) == ("superview-1", "L2A", ())
        assert scene.unproven == ("view_angles",)


class TestUnproven:
    def test_time_and_sun_are_proven_by_the_sun_and_the_view_by_the_camera_model(self, tmp_path):
        scene = opened(delivered(tmp_path, "gf6-pms", "GF6", "PMS"), tmp_path)
        assert (scene.unproven, scene.warnings) == ((), ())

    def test_a_sun_that_contradicts_leaves_time_and_angles_unproven(self, tmp_path):
        folder = delivered(tmp_path, "gf6-pms", "GF6", "PMS")
        rewritten(r"<SolarZenith>[^<]*<", "<SolarZenith>20<")(folder)
        scene = opened(folder, tmp_path)
        assert scene.unproven == ("time_zone", "sun_angles")
        assert scene.warnings[0].startswith("sun_position: ")

    def test_the_sun_finds_an_elevation_in_the_tag_of_the_zenith(self, tmp_path):
        folder = delivered(tmp_path, "hj2a-ccd", "HJ2A", "CCD2")
        zenith = float(re.search("<SolarZenith>(.*?)<", the_file(folder, ".xml").read_text())[1])
        set_tag(the_file(folder, ".xml"), "SolarZenith", f"{90 - zenith:.4f}")
        scene = opened(folder, tmp_path)
        assert scene.sun_elevation == pytest.approx(90 - zenith, abs=1e-3)
        assert [warning.partition(":")[0] for warning in scene.warnings] == ["sun_angles"]

    def test_a_view_that_is_counted_from_the_vertical_is_a_warning(self, tmp_path):
        folder = delivered(tmp_path, "zy1e-vnic", "ZY1E", "VNIC")
        rewritten(r"<SatelliteZenith>[^<]*<", "<SatelliteZenith>1.62<")(folder)
        scene = opened(folder, tmp_path)
        assert scene.warnings == ("view_angles: the XML says 88.38° from the vertical, the camera model 1.68°",)
        assert scene.incidence_angle == pytest.approx(1.68, abs=0.1)


def test_the_table_of_another_satellite_counts_by_utc_years(tmp_path):
    folder = delivered(tmp_path, "gf1-wfv", "GF1", "WFV1")
    for tag, value in (("CenterTime", "2020-01-01 07:59:59"), ("ReceiveTime", "2019-12-31 23:59:59")):
        set_tag(the_file(folder, ".xml"), tag, value)
    assert opened(folder, tmp_path).calibration_source == "table 2019"


def test_three_parts_are_one_image(tmp_path):
    folder = delivered(tmp_path, "gf6-wfv", "GF6", "WFV", width=150)
    scene = opened(folder, tmp_path)
    assert [part.name[-7:] for part in scene.main.parts] == ["-1.tiff", "-2.tiff", "-3.tiff"]
    assert [part.width for part in scene.main.parts] == [62, 74, 62]
    with rasterio.open(scene.main.parts[1].paths[0]) as middle:
        assert middle.count == len(scene.main.bands) == 8
