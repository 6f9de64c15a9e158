"""The `sensor_corrected_metadata` dialect: what its tags mean, which documents are scenes, and its RPC text."""

import math
import warnings
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from cog_builder.deliveries import sensor_corrected
from cog_builder.deliveries.rpc_text import read_rpc_text
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import BadMetadataError, IncompleteDeliveryError, UnrecognisedDeliveryError
from tests.support.deliveries import edit, opened, shared, the_file
from tests.support.dialects import WHEN, product_delivery

MUX_STEM = "zy303a_mux_024210_004130_20200824112715_01_sec_0001_2008252213"


@pytest.fixture
def delivery(tmp_path):
    return product_delivery("zy3-sensor-corrected", "ZY3-3", "MUX", tmp_path)


@pytest.fixture
def document(delivery):
    return delivery / f"{delivery.name}.xml"


def read(path):
    [metadata] = sensor_corrected.read([(path, read_xml(path))])
    return metadata


@pytest.mark.parametrize("bundle", shared("bundles/zy303a_mux_*.tar.gz"))
def test_a_zy3_bundle_is_read_as_its_truth_has_it(bundle, tmp_path):
    scene = opened(bundle, tmp_path)
    assert scene.title == MUX_STEM
    assert scene.id == "ZY303_MUX_20200824T032715_L1A2008252213"
    assert (scene.sensor.satellite, scene.sensor.name, scene.level) == ("ZY303", "MUX", "L1A")
    assert scene.acquired == datetime(2020, 8, 24, 3, 27, 15, tzinfo=UTC)
    assert (scene.product_id, scene.orbit, scene.cloud_cover) == ("2008252213", 24210, 5)
    assert (scene.sun_elevation, scene.sun_azimuth) == (59.0501, 155.852)
    assert scene.incidence_angle == pytest.approx(3.73, abs=0.01)
    assert scene.view_azimuth == pytest.approx(90.3, abs=0.5)
    assert (scene.main.gains, scene.calibration_source) == ((0.20223, 0.19506, 0.21429, 0.21654), "table 2020")
    assert scene.main.gsd_m == 5.8
    assert scene.corners[0] == (116.38562461, 39.91514663)
    assert {path.name for path in scene.side_files} == {f"{MUX_STEM}.xml", f"{MUX_STEM}_rpc.txt"}
    assert (scene.unproven, scene.warnings) == ((), ())


@pytest.mark.parametrize("bundle", shared("bundles/zy303a_mux_*.tar.gz"))
def test_its_rpc_text_reads_as_gdal_reads_it(bundle, tmp_path):
    rpc = opened(bundle, tmp_path).main.parts[0].geometry
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "workspace" / f"{MUX_STEM}.tif") as tiff:
            gdal = tiff.rpcs
    assert (rpc.line_offset, rpc.sample_offset) == (gdal.line_off, gdal.samp_off)
    assert (rpc.latitude_offset, rpc.longitude_offset, rpc.height_offset_m) == (
        gdal.lat_off,
        gdal.long_off,
        gdal.height_off,
    )
    assert (rpc.line_scale, rpc.sample_scale, rpc.height_scale_m) == (
        gdal.line_scale,
        gdal.samp_scale,
        gdal.height_scale,
    )
    assert rpc.line_numerator == tuple(gdal.line_num_coeff)
    assert rpc.sample_denominator == tuple(gdal.samp_den_coeff)


@pytest.mark.parametrize("bundle", shared("bundles/zy303a_mux_*.tar.gz"))
def test_its_document_says_what_the_camera_model_computes(bundle, tmp_path):
    opened(bundle, tmp_path)
    metadata = read(tmp_path / "workspace" / f"{MUX_STEM}.xml")
    assert (metadata.incidence_angle, metadata.view_azimuth) == (3.733, 90.3444)
    assert (metadata.shape, metadata.center) == ((360, 360), (116.395, 39.904))


def test_longitudes_are_found_under_both_spellings(document):
    misspelt = read(document)
    edit(document, "Longtitude", "Longitude")
    assert read(document).corners == misspelt.corners != ()
    edit(document, "Longitude", "Length")
    assert (read(document).corners, read(document).center) == ((), None)


def test_chinese_text_survives(document):
    assert "传感器校正产品".encode("gb2312") in document.read_bytes()
    assert read(document).tags.text("ProductName") == "传感器校正产品"


def test_the_sun_decides_that_a_document_is_in_utc(document, tmp_path):
    edit(document, "<CenterTime>2022-03-15 11:20:11", "<CenterTime>2022-03-15 03:20:11")
    scene = opened(document.parent, tmp_path)
    assert scene.acquired == WHEN
    assert scene.warnings == ("time_zone: CenterTime is UTC by the sun angles, expected Beijing time",)
    assert scene.unproven == ()


def test_the_sun_decides_that_an_altitude_is_a_zenith(document, tmp_path):
    as_written = read(document).sun[0]
    edit(document, f"<SunAltitude>{as_written[0]:.4f}", f"<SunAltitude>{90 - as_written[0]:.4f}")
    scene = opened(document.parent, tmp_path)
    assert scene.sun_elevation == pytest.approx(as_written[0], abs=1e-9)
    assert scene.warnings[0].startswith("sun_angles:")


def test_what_no_sun_can_tell_stays_unproven(document, tmp_path):
    edit(document, "<CenterTime>2022-03-15 11:20:11", "<CenterTime>2022-03-15 16:20:11")
    scene = opened(document.parent, tmp_path)
    assert scene.unproven == ("time_zone", "sun_angles")
    assert scene.warnings[0].startswith("sun_position:")


@pytest.mark.parametrize("name", ["_rad.xml", "_Check.xml", "-Check.xml"])
def test_reports_beside_a_scene_are_no_scenes(document, tmp_path, name):
    report = document.with_name(document.stem + name)
    report.write_bytes(document.read_bytes().replace(b"<SatelliteID>ZY3-3", b"<SatelliteID>NONE"))
    assert opened(document.parent, tmp_path).title == document.stem


def test_the_time_of_acquisition_stands_in_for_that_of_the_middle_line(document):
    edit(document, "CenterTime", "OtherTime")
    assert read(document).clock == datetime(2022, 3, 15, 11, 20, 11, tzinfo=UTC)


@pytest.mark.parametrize(("text", "level"), [("SC", "L1A"), ("sec", "L1A"), ("LEVEL1A", "L1A"), ("L1L", "L1L")])
def test_levels_have_many_spellings(document, text, level):
    edit(document, "<ProductLevel>SC", f"<ProductLevel>{text}")
    assert read(document).level == level


def test_an_orthorectified_product_lies_on_its_map(tmp_path):
    scene = opened(product_delivery("zy3-ortho", "ZY3-2", "MUX", tmp_path), tmp_path)
    assert (scene.level, scene.main.map_reference.epsg) == ("L4", 32650)


@pytest.mark.parametrize(
    ("product", "sensor", "expected"),
    [
        ("zy3-sensor-corrected-nad", "NAD", ("ZY303", "NAD")),
        ("zy3-sensor-corrected", "MUX", ("ZY303", "MUX")),
    ],
)
def test_each_camera_is_a_scene_of_its_own(tmp_path, product, sensor, expected):
    scene = opened(product_delivery(product, "ZY3-3", sensor, tmp_path), tmp_path)
    assert (scene.sensor.satellite, scene.sensor.name, scene.pan) == (*expected, None)


def test_the_gf7_cameras_are_told_apart_by_the_file_name(document):
    forward = document.rename(document.with_name("GF7_DLC_E106.2_N38.6_20191224_L1L0000024554-FWDPAN.xml"))
    assert (read(forward).sensor, read(forward).is_pan) == ("FWDPAN", True)
    backward = forward.rename(forward.with_name("GF7_DLC_E106.2_N38.6_20191224_L1L0000024554-BWDMUX.xml"))
    assert (read(backward).sensor, read(backward).is_pan) == ("BWDMUX", False)


def test_a_sasmac_document_is_named_after_its_tiff_with_meta_behind(document):
    stem = "ZY3_01a_mynbavp_278116_20140827_183905_0008_SASMAC_CHN_sec_rel_001_14082905653"
    metadata = read(document.rename(document.with_name(f"{stem}-meta.xml")))
    assert metadata.title == stem
    assert metadata.files({stem.casefold()}) == ((stem.casefold(),),)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("<SunAltitude>45.5012", "<SunAltitude>91", "<SunAltitude> is 91, expected 0 to 90"),
        ("<SunAzimuth>157.1513", "<SunAzimuth>x", "<SunAzimuth> is x, expected a finite number"),
        ("<SatAltitude>88.381", "<SatAltitude>-1", "<SatAltitude> is -1, expected 0 to 90"),
        ("<Line>5.8", "<Line>0", "<ImageGSD/Line> is 0"),
        ("<OrbitID>56566", "<OrbitID>many", "<OrbitID> is many, expected a whole number"),
        ("<CenterTime>2022-03-15 11", "<CenterTime>15.3.2022 11", "<TimeStamp/CenterTime> is 15.3.2022"),
        ("<ProduceID>6312201", "<ProduceID>", "<processInfo/ProduceID> is missing"),
        ("<ProductLevel>SC", "<ProductLevel>RAW", "<ProductLevel> is RAW, expected SC or a level"),
        ("<HeightInPixels>64", "<HeightInPixels>65", "64 rows, expected 65"),
    ],
)
def test_a_bad_value_is_refused_by_file_and_tag(document, tmp_path, old, new, complaint):
    edit(document, old, new)
    with pytest.raises(BadMetadataError, match=complaint.replace("(", r"\(")) as refusal:
        opened(document.parent, tmp_path)
    assert document.stem in str(refusal.value)


def test_an_unknown_satellite_is_refused_by_name(document, tmp_path):
    edit(document, "<SatelliteID>ZY3-3", "<SatelliteID>ZY9-9")
    with pytest.raises(UnrecognisedDeliveryError, match="ZY9-9 MUX"):
        opened(document.parent, tmp_path)


def test_raw_pixels_without_rpc_text_are_incomplete(delivery, tmp_path):
    the_file(delivery, "_rpc.txt").unlink()
    with pytest.raises(IncompleteDeliveryError, match="is missing"):
        opened(delivery, tmp_path)


def test_simulated_rpc_text_reads_back(delivery):
    rpc = read_rpc_text(the_file(delivery, "_rpc.txt"))
    col, row = rpc.project(np.array([116.4]), np.array([39.9]), 250.0)
    assert math.isclose(col[0], 35.5, abs_tol=2)
    assert math.isclose(row[0], 31.5, abs_tol=2)
