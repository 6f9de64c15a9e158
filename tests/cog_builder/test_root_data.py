"""The `root/data` dialect: the real document, one TIFF per band, coefficients in free text, and pixels left alone."""

import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from cog_builder.calibration import calibration
from cog_builder.deliveries import open_delivery, root_data
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import BadMetadataError, GeolocationError, IncompleteDeliveryError
from cog_builder.pipeline import build_delivery
from cog_builder.sensor import find_sensor
from cog_builder.settings import CogBuilderSettings
from tests.support.deliveries import edit, opened, set_tag, shared, the_file
from tests.support.dialects import WHEN, product_delivery
from tests.support.tiffs import positions, read_tiff, write_tiff


@pytest.fixture
def mux(tmp_path):
    return product_delivery("cb04-mux", "CB04", "MUX", tmp_path)


@pytest.fixture
def ccd(tmp_path):
    return product_delivery("hj1a-ccd", "HJ1A", "CCD2", tmp_path)


def read(path):
    [metadata] = root_data.read([(path, read_xml(path))])
    return metadata


def gains(path):
    metadata = read(path)
    found = metadata.coefficients(find_sensor(metadata.satellite, metadata.sensor).bands)
    return None if found is None else found.gains


@pytest.mark.parametrize("path", shared("scenes/CB04/*.xml"))
def test_the_real_document_of_cbers_4_is_read_right(path):
    metadata = read(path)
    assert (metadata.satellite, metadata.sensor, metadata.level) == ("CB04", "MUX", "L2")
    assert (metadata.product_id, metadata.orbit, metadata.band_count, metadata.gsd_m) == ("19603", None, 4, 20)
    assert metadata.clock == datetime(2015, 10, 23, 7, 14, 7, 660_000, tzinfo=UTC)
    assert metadata.sun[0] == (66.954, 267.523)
    assert metadata.center == (47.874427, -13.678494)
    assert metadata.corners == (
        (47.438452, -13.079004),
        (48.544165, -13.249301),
        (48.312252, -14.277147),
        (47.201428, -14.106054),
    )
    assert gains(path) == (0.626647, 0.653898, 0.647728, 0.498509)
    assert (metadata.incidence_angle, metadata.view_azimuth, metadata.cloud_cover) == (0, None, None)
    assert metadata.facts["zone"] == "38S"


@pytest.mark.parametrize("path", shared("scenes/CB04/*.xml"))
def test_its_wrong_sun_angles_are_a_warning_and_its_time_is_utc(path, tmp_path):
    folder = tmp_path / "CB04"
    folder.mkdir()
    shutil.copy(path, folder)
    middle = {"crs": "EPSG:32738", "transform": from_origin(810_922, 8_485_963, 20, 20)}
    write_tiff(folder / f"{path.stem}.tif", np.full((60, 60, 4), 90, np.uint8), **middle)
    scene = opened(folder, tmp_path)
    assert scene.acquired == datetime(2015, 10, 23, 7, 14, 7, 660_000, tzinfo=UTC)
    [warning] = scene.warnings
    assert warning.startswith("sun_position: XML elevation 66.95° azimuth 267.52°, computed 70.6")
    assert {"time_zone", "sun_angles"} <= set(scene.unproven)


def test_a_band_a_file_is_one_image_in_band_order(ccd, tmp_path):
    scene = opened(ccd, tmp_path)
    [part] = scene.main.parts
    assert [path.name for path in part.paths] == [f"{ccd.name}-{number}.tif" for number in (1, 2, 3, 4)]
    assert scene.acquired == WHEN
    assert (scene.cloud_cover, scene.incidence_angle, scene.calibration_source) == (None, None, "table 2017 for 2022")
    assert any(scene.main.offsets)


def test_a_missing_band_is_named(ccd, tmp_path):
    the_file(ccd, "-3.tif").unlink()
    with pytest.raises(IncompleteDeliveryError, match=r"HJ1A-CCD2.*-3\.tif missing"):
        opened(ccd, tmp_path)


def test_no_band_at_all_is_incomplete(ccd, tmp_path):
    for path in ccd.glob("*.tif"):
        path.unlink()
    with pytest.raises(IncompleteDeliveryError, match="no TIFF"):
        opened(ccd, tmp_path)


def test_a_band_that_lies_elsewhere_is_refused(ccd, tmp_path):
    with rasterio.open(the_file(ccd, "-2.tif"), "r+") as band:
        band.transform = band.transform @ rasterio.Affine.translation(1, 0)
    with pytest.raises(BadMetadataError, match=r"-2\.tif: lies elsewhere on the map"):
        opened(ccd, tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(gain2,L=DN*g)B1: 0.5, B2:0.25,B3 : 1.5 B4:2e-1", (0.5, 0.25, 1.5, 0.2)),
        ("(gain2, L = DN * g ,W)B4:4, B3:3, B2:2, B1:1", (1, 2, 3, 4)),
        ("(gain2,Labdata,L=DN/A+L0)B1:0.7,B2:0.7,B3:1.0,B4:0.7", None),
        ("None", None),
    ],
)
def test_coefficients_are_picked_out_of_free_text(mux, text, expected):
    document = the_file(mux, ".XML")
    set_tag(document, "absCalibType", text)
    assert gains(document) == expected


@pytest.mark.parametrize("text", ["(L=DN*g)B1:1,B2:1,B3:1", "(L=DN*g)B1:1,B2:0,B3:1,B4:1", "(L=DN*g)B1:1e,B2:1"])
def test_coefficients_that_do_not_fit_are_refused(mux, text):
    document = the_file(mux, ".XML")
    set_tag(document, "absCalibType", text)
    with pytest.raises(BadMetadataError, match="<absCalibType>"):
        gains(document)


def test_cloud_is_read_where_it_is_told(mux):
    document = the_file(mux, ".XML")
    edit(document, "<delStatus>0</delStatus>", "<cloudAmount>12</cloudAmount>")
    assert read(document).cloud_cover == 12
    set_tag(document, "cloudAmount", "101")
    assert read(document).cloud_cover is None


def test_views_of_cameras_that_look_where_the_satellite_does(mux, ccd):
    document = the_file(mux, ".XML")
    set_tag(document, "satOffNadir", "10.0")
    assert read(document).incidence_angle == pytest.approx(11.02, abs=0.01)
    assert read(the_file(ccd, ".XML")).incidence_angle is None


def test_documents_of_sensor_corrected_pixels_are_raw(mux, tmp_path):
    set_tag(the_file(mux, ".XML"), "productLevel", "SC")
    with pytest.raises(IncompleteDeliveryError, match="is missing"):
        opened(mux, tmp_path)


def test_a_processed_image_without_a_map_is_refused(mux, tmp_path):
    tiff = the_file(mux, ".tiff")
    write_tiff(tiff, read_tiff(tiff))
    with pytest.raises(GeolocationError, match="without coordinates"):
        opened(mux, tmp_path)


@pytest.mark.parametrize(
    ("tag", "text", "complaint"),
    [
        ("sunElevation", "95", "<sunElevation> is 95, expected 0 to 90"),
        ("sunAzimuthElevation", "", "<sunAzimuthElevation> is missing"),
        ("sceneDate", "yesterday", "<sceneDate> is yesterday"),
        ("pixelSpacing", "-20", "<pixelSpacing> is -20"),
        ("productId", "L2", "<productId> is L2, expected a whole number"),
        ("productLevel", "RAW", "<productLevel> is RAW"),
        ("satOffNadir", "80", "<satOffNadir> is 80"),
        ("sceneCenterLat", "99", "<sceneCenterLat> is 99"),
        ("bands", "1,2,3", "3 bands, expected the 4 of MUX"),
    ],
)
def test_a_bad_value_is_refused_by_file_and_tag(mux, tmp_path, tag, text, complaint):
    document = the_file(mux, ".XML")
    set_tag(document, tag, text)
    with pytest.raises(BadMetadataError, match=complaint) as refusal:
        opened(mux, tmp_path)
    assert document.stem in str(refusal.value)


@pytest.mark.parametrize("delivery", ["mux", "ccd"])
def test_pixels_stay_where_and_what_they_are(request, tmp_path, delivery):
    folder = request.getfixturevalue(delivery)
    written = []
    for number, path in enumerate(sorted(folder.glob("*.tif*"))):
        with rasterio.open(path, "r+") as tiff:
            pixels = positions(tiff.height, tiff.width, tiff.count).transpose(2, 0, 1) % 200 + 1 + number
            tiff.write(np.where(tiff.read() > 0, pixels, 0).astype(np.uint8))
            written.append(tiff.read())
            transform, crs = tiff.transform, tiff.crs
    delivered = np.concatenate(written)
    built = tmp_path / "built"
    built.mkdir()
    build_delivery(folder, built, elevation=None, settings=CogBuilderSettings(workers=1))
    [scene] = open_delivery(folder, tmp_path)
    line = calibration(scene, scene.main)
    expected = np.rint(line.reflectance(delivered.transpose(1, 2, 0).astype(np.float32)) * 10_000)
    with rasterio.open(built / "analytic.tif") as analytic:
        rows, cols = delivered.shape[1:]
        found = analytic.read()[:, :rows, :cols].transpose(1, 2, 0)
        assert (analytic.crs, analytic.transform) == (crs, transform)
        assert not analytic.read()[:, rows:].any()
    imaged = (delivered > 0).all(0)
    assert np.abs(found[imaged] - np.clip(expected[imaged], 1, 65_535)).max() <= 1
    assert not found[~imaged].any()
