"""The `prdf` dialect: the real documents, one image from the files of its bands, cameras side by side, pixels kept."""

from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from cog_builder.calibration import calibration
from cog_builder.deliveries import open_delivery, prdf
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import BadMetadataError, IncompleteDeliveryError, UnrecognisedDeliveryError
from cog_builder.pipeline import build_delivery
from cog_builder.sensor import find_sensor
from cog_builder.settings import CogBuilderSettings
from cog_builder.source_raster import read_map_references
from cog_builder.sun import separation_deg, sun_position
from tests.support.deliveries import edit, opened, set_tag, shared, the_file
from tests.support.dialects import WHEN, product_delivery

CAMERAS = {
    # satellite and camera → bands, ground sample distance, gains
    "4_AWFI": ("13 14 15 16", 64, (1.4351, 1.4351, 1.3903, 1.3903)),
    "4_MUX": ("5 6 7 8", 20, (1.51123, 1.5762, 1.55192, 1.1761)),
    "4_PAN10M": ("2 3 4", 10, None),
    "4_PAN5M": ("1", 5, None),
    "4A_MUX": ("5 6 7 8", 16, (0.947982, 0.965583, 0.946315, 0.739644)),
    "4A_WFI": ("13 14 15 16", 55, (0.245, 0.287, 0.264, 0.211)),
    "4A_WPM": ("1 2 3 4", 8, None),
    "4A_WPM pan": ("0", 2, None),
}
REAL = [
    # name after CBERS_, centre time, (rows, columns), sun (elevation, azimuth), centre (longitude, latitude)
    ("4_AWFI_20170409_167_123_L4", "14:09:23.630940", (14092, 16398), (53.4479, 43.9164), (-57.142906, -19.789333)),
    ("4_AWFI_20201031_003_075_L2", "03:16:39.935702", (14268, 16442), (49.7395, 156.063), (110.911317, 23.032599)),
    ("4_MUX_20170528_090_084_L2", "09:01:17.925443", (7039, 7362), (70.3079, 66.2923), (24.257145, 14.423188)),
    ("4_MUX_20201031_003_073_L2", "03:16:10.854295", (7037, 7345), (48.4855, 156.103), (110.645911, 24.247247)),
    ("4_PAN10M_20160322_156_117_L2", "13:29:12.414764", (12727, 8518), (60.5691, 59.5122), (-46.184256, -15.181934)),
    ("4_PAN10M_20190510_027_076_L2", "04:31:09.719958", (12778, 8609), (66.525, 95.7233), (86.581554, 21.582737)),
    ("4_PAN5M_20161009_219_050_L2", "17:14:38.580328", (25788, 17591), (38.3015, 167.751), (-92.191052, 44.619562)),
    ("4_PAN5M_20190510_027_076_L2", "04:31:07.658174", (25536, 17208), (66.525, 95.7266), (86.590086, 21.58414)),
    ("4A_MUX_20200808_201_137_L4", "13:26:08.950786", (7504, 7289), (47.8578, 35.2135), (-44.419073, -19.013028)),
    ("4A_WFI_20200801_221_156_L4", "14:32:46.533860", None, (32.84475, 29.477), (-62.969126, -33.623844)),
    ("4A_WPM_20200730_209_139_L4", "13:51:24.147711", (14584, 14198), (44.3213, 32.9762), (-51.04506, -20.572043)),
    ("4A_WPM_20200730_209_139_L4 pan", "13:51:24.147711", (58336, 56794), (44.3535, 32.9856), (-51.037402, -20.53839)),
]


def read(folder):
    return prdf.read([(path, read_xml(path)) for path in sorted(folder.glob("*.xml"))])


def bands_of(image):
    sensor = find_sensor(image.satellite, image.sensor)
    return (sensor.pan,) if image.is_pan else sensor.bands


def real_images():
    documents = [case.values[0] for case in shared("scenes/CBERS4*/*.xml")]
    if documents == [None]:
        pytest.skip("../shared/data/scenes is not here")
    return prdf.read([(path, read_xml(path)) for path in documents])


@pytest.mark.parametrize(("name", "time", "shape", "sun", "center"), REAL, ids=[row[0] for row in REAL])
def test_a_real_product_is_read_right(name, time, shape, sun, center):
    title, _, pan = f"CBERS_{name}".partition(" ")
    _, satellite, sensor, day, path, row, level = title.split("_")
    bands, gsd_m, gains = CAMERAS[f"{satellite}_{sensor}{' pan' * bool(pan)}"]
    [image] = [image for image in real_images() if image.title == title and image.bands == tuple(bands.split())]
    assert (image.satellite, image.sensor, image.level) == (f"CBERS{satellite}", sensor, level)
    assert (image.product_id, image.is_pan, image.gsd_m) == (path + row, bool(pan), gsd_m)
    assert image.clock == datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC)
    assert image.shape == shape
    assert image.sun == (pytest.approx(sun, abs=2e-3),)
    assert image.center == pytest.approx(center, abs=1e-6)
    found = image.coefficients(bands_of(image))
    assert (found if found is None else found.gains) == gains
    assert len(image.corners) == 4
    assert (image.cloud_cover, image.incidence_angle, image.unproven) == (None, None, ())


def test_every_real_document_belongs_to_one_of_these_products():
    names = [f"{image.title.removeprefix('CBERS_')}{' pan' * image.is_pan}" for image in real_images()]
    assert names == [row[0] for row in REAL]


def test_real_times_are_utc_and_the_agency_computes_the_sun_roughly():
    for image in real_images():
        [stated] = image.sun
        assert separation_deg(stated, sun_position(image.clock, *image.center)) < 0.72 < image.sun_error_deg


def test_the_orbit_is_told_where_it_is_not_zero():
    orbits = {image.title: image.orbit for image in real_images()}
    assert orbits.pop("CBERS_4_PAN10M_20160322_156_117_L2") == 6761
    assert set(orbits.values()) == {None}


@pytest.mark.parametrize("path", shared("rasters/cbers4a_wpm_brazil/BAND*.tif"))
def test_real_pixels_lie_on_a_known_map(path):
    [reference] = read_map_references([path])
    assert reference.epsg == 32720
    assert reference.transform.a == (2 if path.stem == "BAND0" else 8)


@pytest.fixture
def mux(tmp_path):
    return product_delivery("cbers4-mux", "CBERS4", "MUX", tmp_path)


@pytest.fixture
def wpm(tmp_path):
    return product_delivery("cbers4a-wpm", "CBERS4A", "WPM", tmp_path)


@pytest.fixture
def wfi(tmp_path):
    return product_delivery("cbers4a-wfi", "CBERS4A", "WFI", tmp_path)


def scene_of(folder, tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    [scene] = open_delivery(folder, workspace, allow_uncalibrated=True)
    return scene


def test_bands_are_one_image_in_their_order(mux, tmp_path):
    scene = opened(mux, tmp_path)
    [part] = scene.main.parts
    assert [path.name for path in part.paths] == [f"{mux.name}_BAND{number}.tif" for number in (5, 6, 7, 8)]
    assert (scene.title, scene.id) == (mux.name, "CBERS4_MUX_20220315T032011_L2482100")
    assert (scene.acquired, scene.warnings, scene.stereo) == (WHEN, (), None)
    assert scene.calibration_source == "XML absoluteCalibrationCoefficient"
    assert len(scene.side_files) == 4


def test_the_sharper_band_is_the_pan_image(wpm, tmp_path):
    scene = scene_of(wpm, tmp_path)
    assert [band.name for band in scene.main.bands] == ["B1", "B2", "B3", "B4"]
    assert (scene.pan.parts[0].name, scene.pan.gsd_m) == (f"{wpm.name}_BAND0.tif", 2)
    assert scene.main.gains is None


def test_products_without_coefficients_are_taken_only_when_asked(wpm, tmp_path):
    with pytest.raises(BadMetadataError, match="--allow-uncalibrated"):
        opened(wpm, tmp_path)


@pytest.mark.parametrize("ending", ["_BAND7.tif", "_BAND5.tif", "_BAND8.xml"])
def test_a_missing_file_of_a_band_is_named(mux, tmp_path, ending):
    the_file(mux, ending).unlink()
    with pytest.raises(IncompleteDeliveryError, match=f"{mux.name}{ending} missing"):
        opened(mux, tmp_path)


def test_a_missing_pan_band_is_named(wpm, tmp_path):
    for ending in ("_BAND0.tif", "_BAND0.xml"):
        the_file(wpm, ending).unlink()
    with pytest.raises(IncompleteDeliveryError, match=f"{wpm.name}_BAND0.tif, {wpm.name}_BAND0.xml missing"):
        scene_of(wpm, tmp_path)


def test_a_missing_half_of_a_band_is_named(wfi, tmp_path):
    the_file(wfi, "_RIGHT_BAND14.tif").unlink()
    with pytest.raises(IncompleteDeliveryError, match=r"_RIGHT_BAND14\.tif missing"):
        opened(wfi, tmp_path)


def test_two_cameras_are_two_parts_of_one_image(wfi, tmp_path):
    scene = opened(wfi, tmp_path)
    left, right = scene.main.parts
    assert [path.name for path in left.paths] == [f"{wfi.name}_LEFT_BAND{number}.tif" for number in (13, 14, 15, 16)]
    assert right.name == f"{wfi.name}_RIGHT_BAND13.tif"
    assert right.geometry.transform.c > left.geometry.transform.c
    assert scene.warnings == ()


def test_the_sun_of_two_cameras_is_the_one_between_them_also_across_north(wfi):
    document = the_file(wfi, "_BAND13.xml")
    text = document.read_text()
    azimuth = text.partition("<sunAzimuth>")[2].partition("<")[0]
    first, _, rest = text.partition(f"<sunAzimuth>{azimuth}")
    document.write_text(f"{first}<sunAzimuth>350{rest.replace(f'<sunAzimuth>{azimuth}', '<sunAzimuth>20')}")
    [image] = read(wfi)
    assert image.sun[0][1] == pytest.approx(5)


def test_coefficients_of_two_cameras_that_differ_are_refused(wfi):
    document = the_file(wfi, "_BAND13.xml")
    text = document.read_text()
    opening = '<band name="15">'
    value = text.partition(opening)[2].partition("<")[0]
    document.write_text(text.replace(f"{opening}{value}", f"{opening}9.9", 1))
    [image] = read(wfi)
    with pytest.raises(BadMetadataError, match="absoluteCalibrationCoefficient"):
        image.coefficients(bands_of(image))


def test_a_wide_camera_that_comes_in_one_piece_is_one_part(wfi):
    [image] = read(wfi)
    whole = tuple(f"{wfi.name}_BAND{number}".casefold() for number in (13, 14, 15, 16))
    assert image.files(set(whole)) == (whole,)


def test_a_document_without_band_number_is_refused(mux, tmp_path):
    document = the_file(mux, "_BAND5.xml")
    document.rename(document.with_name(f"{mux.name}.xml"))
    with pytest.raises(BadMetadataError, match="without its number"):
        opened(mux, tmp_path)


def test_other_satellites_of_the_agency_are_refused_by_name(mux, tmp_path):
    for document in mux.glob("*.xml"):
        edit(document, "<name>CBERS</name>", "<name>AMAZONIA</name>")
        edit(document, "<number>4</number>", "<number>1</number>")
    with pytest.raises(UnrecognisedDeliveryError, match="AMAZONIA1 MUX"):
        opened(mux, tmp_path)


@pytest.mark.parametrize(
    ("tag", "text", "complaint"),
    [
        ("elevation", "95", "<image/sunPosition/elevation> is 95"),
        ("center", "yesterday", "<image/timeStamp/center> is yesterday"),
        ("level", "raw", "<image/level> is RAW"),
        ("verticalPixelSize", "0", "<image/verticalPixelSize> is 0"),
        ("path", "ten", "<image/path> is ten"),
        ('band name="5"', "-1", r"<image/absoluteCalibrationCoefficient/band\[5\]> is -1"),
        ("lines", "12", "rows, expected 12"),
    ],
)
def test_a_bad_value_is_refused_by_file_and_tag(mux, tmp_path, tag, text, complaint):
    document = the_file(mux, "_BAND5.xml")
    if tag.startswith("band"):
        found = document.read_text().partition(f"<{tag}>")[2].partition("<")[0]
        edit(document, f"<{tag}>{found}", f"<{tag}>{text}")
    else:
        set_tag(document, tag, text)
    with pytest.raises(BadMetadataError, match=complaint) as refusal:
        opened(mux, tmp_path)
    assert document.stem in str(refusal.value)


def test_pixels_stay_where_and_what_they_are(mux, tmp_path):
    built, scene = build(mux, tmp_path)
    found, transform, delivered = analytic_and(built, sorted(mux.glob("*.tif")))
    with rasterio.open(the_file(mux, "_BAND5.tif")) as band:
        assert transform == band.transform
    assert_kept(scene, found, delivered)


def test_both_cameras_keep_their_pixels_and_share_the_seam(wfi, tmp_path):
    built, scene = build(wfi, tmp_path)
    left, right = scene.main.parts
    whole, transform, left_dn = analytic_and(built, left.paths)
    assert transform == left.geometry.transform
    assert_kept(scene, whole, left_dn)
    offset = round((right.geometry.transform.c - transform.c) / transform.a)
    shifted, _, right_dn = analytic_and(built, right.paths, first_col=offset)
    assert_kept(scene, shifted, right_dn)
    assert offset + right.width > left.width


def build(folder, tmp_path):
    built = tmp_path / "built"
    built.mkdir()
    build_delivery(folder, built, elevation=None, settings=CogBuilderSettings(workers=1))
    [scene] = open_delivery(folder, tmp_path)
    return built, scene


def analytic_and(built, tiffs, first_col=0):
    """(row, column, band) pixels built and delivered, over the delivered files, and the built transform."""
    bands = []
    for path in tiffs:
        with rasterio.open(path) as band:
            bands.append(band.read(1))
    delivered = np.stack(bands, -1)
    with rasterio.open(built / "analytic.tif") as analytic:
        pixels = analytic.read(window=Window(first_col, 0, delivered.shape[1], delivered.shape[0]))
        return pixels.transpose(1, 2, 0), analytic.transform, delivered


def assert_kept(scene, found, delivered):
    """Each built pixel is the calibrated number that was delivered there, and fill is fill."""
    expected = np.rint(calibration(scene, scene.main).reflectance(delivered.astype(np.float32)) * 10_000)
    imaged = (delivered > 0).all(-1)
    assert 0.3 < imaged.mean() < 0.9
    assert np.abs(found[imaged] - expected[imaged]).max() <= 1
    assert not found[~imaged].any()
