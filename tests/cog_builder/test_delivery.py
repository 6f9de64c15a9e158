import json
import re
import shutil

import pytest

from cog_builder.errors import BadMetadataError, IncompleteDeliveryError, UnrecognisedDeliveryError
from tests.support.deliveries import SHARED, edit, members_of, opened, set_tag, shared, tar_of, the_file
from tests.support.simulated import tiny_delivery

SUPPORTED = shared("bundles/*.tar.gz")


@pytest.fixture
def folder(tmp_path):
    return tiny_delivery("gf1-pms", tmp_path, packing="folder")


@pytest.mark.parametrize("path", SUPPORTED)
def test_a_scene_is_what_its_ground_truth_says(path, tmp_path):
    truth = json.loads((SHARED / "bundles" / path.name.replace(".tar.gz", ".truth") / "truth.json").read_text())
    scene = opened(path, tmp_path)
    assert f"{scene.acquired:%Y-%m-%dT%H:%M:%SZ}" == truth["datetime_utc"]
    assert (scene.sun_elevation, scene.sun_azimuth) == (truth["sun_elevation"], truth["sun_azimuth"])
    assert scene.cloud_cover == truth["cloud_percent"]
    assert (scene.product_id, scene.level) == (truth["product_id"], truth["level"])
    assert scene.title == path.name.removesuffix(".tar.gz")
    assert scene.calibration_source == truth["images"]["ms"]["gain_source"]
    assert scene.warnings == ()
    assert {image.kind for image in scene.images} == truth["images"].keys()
    for image in scene.images:
        expected = truth["images"][image.kind]
        assert [[path.stem] for part in image.parts for path in part.paths] == [[stem] for stem in expected["stems"]]
        assert (image.parts[0].height, image.gsd_m) == (expected["height"], expected["gsd"])
        assert list(image.gains) == expected["gains"]
        assert list(image.offsets) == expected["offsets"]
        assert [band.common_name for band in image.bands][:4] == expected["bands"][:4]
        assert [band.esun for band in image.bands] == expected["esun"]
        assert image.saturated_dn == 2 ** expected["bits"] - 1


@pytest.mark.parametrize("packing", ["folder", "tar.gz", "zip"])
@pytest.mark.parametrize("kind", ["gf1-pms", "gf1-wfv", "gf2-pms"])
def test_every_product_opens_from_every_packing(kind, packing, tmp_path):
    scene = opened(tiny_delivery(kind, tmp_path, packing=packing), tmp_path)
    assert scene.collection == kind
    assert re.fullmatch(r"GF[12]_(PMS|WFV)\d_\d{8}T\d{6}_L1A\d+", scene.id)
    assert scene.warnings == ()
    assert (scene.pan is None) == (kind == "gf1-wfv")
    assert [path.suffix for path in scene.side_files] == [".xml", ".rpb"] * len(scene.images)
    assert all(path.is_file() for path in (*scene.side_files, *(image.parts[0].paths[0] for image in scene.images)))


def test_the_name_of_the_archive_does_not_matter(tmp_path):
    archive = tiny_delivery("gf1-wfv", tmp_path, packing="zip")
    renamed = archive.rename(tmp_path / "download(3).tar.gz")
    assert opened(renamed, tmp_path).title.startswith("GF1_WFV3_")


def test_a_folder_inside_the_delivery_does_not_matter(folder, tmp_path):
    archive = tar_of(tmp_path / "x.tar.gz", members_of(folder, f"{folder.name}/"))
    assert opened(archive, tmp_path).title == folder.name


def test_letter_case_of_suffixes_does_not_matter(folder, tmp_path):
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(path.suffix.upper()))
    assert opened(folder, tmp_path).title == folder.name


def test_other_xml_files_are_not_taken_for_the_scene(folder, tmp_path):
    plain = opened(folder, tmp_path)
    ms_xml = the_file(folder, "-MSS1.xml")
    shutil.copy(ms_xml, folder / f"{folder.name}.xml")
    (folder / "aaa_order.xml").write_text("<InterfaceFile><ProductID>1</ProductID></InterfaceFile>")
    (folder / f"{ms_xml.stem}.rpb.aux.xml").write_text("<l0DataMeta/>")
    (folder / f"{ms_xml.stem}.tiff.aux.xml").write_text("<PAMDataset/>")
    (folder / "empty.xml").write_text("")
    (folder / f"{folder.name}_report.xml").write_text("<ProductMetaData><Note>good</Note></ProductMetaData>")
    shutil.rmtree(tmp_path / "workspace")
    assert opened(folder, tmp_path) == plain


def test_another_satellite_is_refused_by_name(folder, tmp_path):
    for xml in folder.glob("*.xml"):
        set_tag(xml, "SatelliteID", "XX9")
    with pytest.raises(UnrecognisedDeliveryError, match=r"-MSS1\.xml: XX9 PMS1, expected one of GF1 PMS1"):
        opened(folder, tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "beach.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(UnrecognisedDeliveryError, match="holiday: holds no TIFF and no XML; expected XML with root"):
        opened(folder, tmp_path)


@pytest.mark.parametrize("ending", ["-MSS1.tiff", "-MSS1.xml", "-MSS1.rpb", "-PAN1.tiff", "-PAN1.xml", "-PAN1.rpb"])
def test_a_missing_file_is_named(folder, tmp_path, ending):
    the_file(folder, ending).unlink()
    with pytest.raises(IncompleteDeliveryError, match=rf"{folder.name}{ending} is missing"):
        opened(folder, tmp_path)


@pytest.mark.parametrize("ending", [".tiff", ".xml", ".rpb"])
def test_a_missing_file_of_a_wide_camera_is_named(tmp_path, ending):
    folder = tiny_delivery("gf1-wfv", tmp_path, packing="folder")
    the_file(folder, ending).unlink()
    with pytest.raises(IncompleteDeliveryError, match=rf"{folder.name}{re.escape(ending)}"):
        opened(folder, tmp_path)


def test_a_missing_pan_image_is_named(folder, tmp_path):
    for path in folder.glob("*-PAN1*"):
        path.unlink()
    with pytest.raises(IncompleteDeliveryError, match=r"no pan image .-PAN., expected one beside .*-MSS1"):
        opened(folder, tmp_path)


def test_a_missing_multispectral_image_is_named(folder, tmp_path):
    for path in folder.glob("*-MSS1*"):
        path.unlink()
    with pytest.raises(IncompleteDeliveryError, match=r"no multispectral image .-MSS or -MUX., expected one of PMS1"):
        opened(folder, tmp_path)


def test_an_xml_of_another_kind_beside_the_tiff_is_refused(folder, tmp_path):
    the_file(folder, "-PAN1.xml").write_text("<InterfaceFile/>")
    said = r"-PAN1\.xml is no <ProductMetaData>.*, expected one beside .*-PAN1\.tiff"
    with pytest.raises(BadMetadataError, match=said):
        opened(folder, tmp_path)


def test_two_tiffs_of_one_name_are_refused(folder, tmp_path):
    tiff = the_file(folder, "-MSS1.tiff")
    shutil.copy(tiff, tiff.with_suffix(".tif"))
    with pytest.raises(BadMetadataError, match=r"both .*-MSS1\.tiff? and .*-MSS1\.tiff?, expected one"):
        opened(folder, tmp_path)


def test_the_xml_may_be_in_a_chinese_encoding(folder, tmp_path):
    xml = the_file(folder, "-MSS1.xml")
    edit(xml, 'encoding="UTF-8"', 'encoding="GB2312"')
    assert opened(folder, tmp_path).title == folder.name
