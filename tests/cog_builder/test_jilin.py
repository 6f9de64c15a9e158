"""The `MetaData/ProductInfo` dialect: its time zone, its two images of one document, and what it does not tell."""

from datetime import UTC, datetime, timedelta

import pytest

from cog_builder.deliveries import jilin, open_delivery
from cog_builder.deliveries.xml_document import read_xml
from cog_builder.errors import BadMetadataError, IncompleteDeliveryError
from tests.support.deliveries import edit, opened, set_tag, the_file
from tests.support.dialects import WHEN, product_delivery


@pytest.fixture
def delivery(tmp_path):
    return product_delivery("jl1-pms", "JL1GF03A", "PMS", tmp_path)


@pytest.fixture
def document(delivery):
    return the_file(delivery, "_meta.xml")


def read(path):
    return jilin.read([(path, read_xml(path))])


def scene_of(folder, tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    [scene] = open_delivery(folder, workspace, allow_uncalibrated=True)
    return scene


def test_one_document_describes_both_images(delivery, tmp_path):
    scene = scene_of(delivery, tmp_path)
    assert scene.title == delivery.name
    assert [(image.name, image.gsd_m) for image in scene.images] == [
        (f"{delivery.name}_L1_MSS.tif", 2.88),
        (f"{delivery.name}_L1_PAN.tif", 0.72),
    ]
    assert (scene.id, scene.acquired) == ("JL1_PMS_20220315T032011_L16312201", WHEN)
    assert (scene.cloud_cover, scene.calibration_source) == (0, "none")
    assert scene.warnings == ("sun_angles: the XML has none, computed from place and time",)


def test_nobody_knows_the_gains(delivery, tmp_path):
    with pytest.raises(BadMetadataError, match="--allow-uncalibrated"):
        opened(delivery, tmp_path)


@pytest.mark.parametrize(
    ("written", "zones"),
    [
        ('TimeZone="+0800"', [timedelta(hours=8)]),
        ('TimeZone="+00:00"', [timedelta(0)]),
        ('TimeZone="-0330"', [-timedelta(hours=3, minutes=30)]),
        ('Other="1"', [timedelta(hours=8), timedelta(0)]),
    ],
)
def test_the_time_zone_that_is_written_is_honoured(document, written, zones):
    edit(document, 'TimeZone="+0800"', written)
    image = read(document)[0]
    assert list(image.zones) == zones
    assert ("time_zone" in image.unproven) == (len(zones) > 1)


def test_a_document_in_utc_gives_the_same_moment(document, tmp_path):
    edit(document, 'TimeZone="+0800"', 'TimeZone="+0000"')
    edit(document, "<StartTime>2022-03-15 11", "<StartTime>2022-03-15 03")
    edit(document, "<EndTime>2022-03-15 11", "<EndTime>2022-03-15 03")
    assert scene_of(document.parent, tmp_path).acquired == WHEN


def test_an_unwritten_time_zone_stays_unproven_where_no_sun_is_told(document, tmp_path):
    edit(document, ' TimeZone="+0800"', "")
    assert "time_zone" in scene_of(document.parent, tmp_path).unproven


def test_sun_angles_are_used_where_they_are_told(document, tmp_path):
    edit(document, ' TimeZone="+0800"', "")
    edit(document, "<OrbitID>", "<SolarZenith>44.4988</SolarZenith><SolarAzimuth>157.1513</SolarAzimuth><OrbitID>")
    scene = scene_of(document.parent, tmp_path)
    assert (scene.sun_elevation, scene.sun_azimuth) == (pytest.approx(45.5012), 157.1513)
    assert scene.warnings == ()
    assert not {"time_zone", "sun_angles"} & set(scene.unproven)


def test_the_centre_time_is_believed_before_the_middle_of_start_and_end(document):
    edit(document, "<OrbitID>", "<CenterTime>2022-03-15 11:20:15</CenterTime><OrbitID>")
    assert read(document)[0].clock == datetime(2022, 3, 15, 11, 20, 15, tzinfo=UTC)


def test_a_document_per_image_is_of_that_image(document):
    multispectral = document.rename(document.with_name(document.name.replace("_meta", "_L1_MSS_meta")))
    set_tag(multispectral, "ImageRowGSD", "2.88")
    [image] = read(multispectral)
    assert (image.is_pan, image.gsd_m) == (False, 2.88)
    stems = {path.stem.casefold() for path in document.parent.glob("*.tif")}
    assert image.files(stems) == ((f"{document.parent.name}_l1_mss".casefold(),),)


def test_the_roll_gives_the_view(document):
    set_tag(document, "RollSatelliteAngle", "-20")
    assert read(document)[0].incidence_angle == pytest.approx(22.1, abs=0.1)


@pytest.mark.parametrize(("kind", "complaint"), [("MSS", "no multispectral image"), ("PAN", "no pan image")])
def test_a_missing_image_is_named(delivery, tmp_path, kind, complaint):
    the_file(delivery, f"_{kind}.tif").unlink()
    with pytest.raises(IncompleteDeliveryError, match=complaint):
        scene_of(delivery, tmp_path)


@pytest.mark.parametrize(
    ("tag", "text", "complaint"),
    [
        ("ImageRowGSD", "0", "<ImageRowGSD> is 0"),
        ("StartTime", "noon", "<StartTime> is noon"),
        ("ProductID", "", "<ProductID> is missing"),
        ("ProductLevel", "RAW", "<ProductLevel> is RAW"),
        ("CenterLatitude", "91", "<CenterLatitude> is 91"),
        ("RollSatelliteAngle", "70", "<RollSatelliteAngle> is 70"),
    ],
)
def test_a_bad_value_is_refused_by_file_and_tag(document, tmp_path, tag, text, complaint):
    set_tag(document, tag, text)
    with pytest.raises(BadMetadataError, match=complaint) as refusal:
        scene_of(document.parent, tmp_path)
    assert document.stem in str(refusal.value)


def test_a_bad_time_zone_is_refused(document, tmp_path):
    edit(document, 'TimeZone="+0800"', 'TimeZone="Beijing"')
    with pytest.raises(BadMetadataError, match="<MetaData TimeZone> is Beijing"):
        scene_of(document.parent, tmp_path)
