"""Deliveries with several images: which make scenes of their own, which belong together, which are left out."""

import re

import pytest

from cog_builder.deliveries import open_delivery
from cog_builder.errors import IncompleteDeliveryError, UnrecognisedDeliveryError
from tests.support.deliveries import edit, opened, set_tag, the_file
from tests.support.tiffs import read_tiff, write_tiff
from tests.support.variants import delivered, rewritten, scenes_of


class TestSeveralScenes:
    def test_the_two_cameras_of_gf7_are_a_sharpened_scene_and_one_beside_it(self, tmp_path):
        scenes = scenes_of(delivered(tmp_path, "gf7", "GF7", "DLC"), tmp_path)
        back, forward = scenes["BWD"], scenes["FWD"]
        assert ([image.kind for image in back.images], forward.pan) == (["ms", "pan"], None)
        assert back.stereo.siblings == ((forward.collection, forward.id),)
        assert forward.stereo.siblings == ((back.collection, back.id),)
        assert (back.stereo.view, forward.stereo.view) == ("backward", "forward")
        assert [band.common_name for band in forward.main.bands] == ["pan"]

    @pytest.mark.parametrize(
        ("variant", "satellite", "sensor", "views"),
        [
            ("zy3-tlc", "ZY3", "NAD", {"NAD": "nadir", "FWD": "forward", "BWD": "backward"}),
            (
                "zy3-tms",
                "ZY302",
                "TMS",
                {"NAD": "nadir", "FWD": "forward", "BWD": "backward", "MUX": "multispectral"},
            ),
        ],
    )
    def test_the_views_of_zy3_are_scenes_that_know_each_other(self, tmp_path, variant, satellite, sensor, views):
        scenes = scenes_of(delivered(tmp_path, variant, satellite, sensor), tmp_path)
        assert {name: scene.stereo.view for name, scene in scenes.items()} == views
        for scene in scenes.values():
            others = {(other.collection, other.id) for other in scenes.values() if other is not scene}
            assert set(scene.stereo.siblings) == others
            assert scene.warnings == ()
        assert scenes["FWD"].incidence_angle == pytest.approx(22, abs=0.2)
        assert abs(scenes["FWD"].view_azimuth - scenes["BWD"].view_azimuth) == pytest.approx(180, abs=10)

    def test_a_view_without_gains_is_left_out_unless_numbers_are_allowed(self, tmp_path):
        folder = delivered(tmp_path, "gf7", "GF7", "DLC")
        rewritten("<AGain>[^<]*<", "<AGain>NULL<")(folder)
        [scene] = scenes_of(folder, tmp_path).values()
        [warning] = scene.warnings
        assert (scene.sensor.name, scene.calibration_source) == ("BWD", "table 2022")
        assert re.match(r"left_out: GF7_DLC.*-FWDPAN\.tiff: .*no calibration coefficients.*--allow-unc", warning)
        both = open_delivery(folder, tmp_path, allow_uncalibrated=True)
        assert {scene.sensor.name: scene.calibration_source for scene in both} == {"BWD": "table 2022", "FWD": "none"}

    def test_half_of_a_sharpened_scene_is_refused_although_another_scene_is_whole(self, tmp_path):
        folder = delivered(tmp_path, "gf7", "GF7", "DLC")
        for ending in (".tiff", ".xml", ".rpb"):
            the_file(folder, f"-BWDPAN{ending}").unlink()
        with pytest.raises(IncompleteDeliveryError, match=r"no pan image .-PAN., expected one beside .*-BWDMUX"):
            scenes_of(folder, tmp_path)


class TestGf4:
    def infrared(self, folder):
        """Put the images of the infrared camera beside the others, whose XML calls it the same."""
        for path in list(folder.glob("GF4_PMS_*")):
            if path.suffix in (".xml", ".rpb"):
                (folder / path.name.replace("GF4_PMS_", "GF4_IRS_")).write_bytes(path.read_bytes())
        xml = the_file(folder, ".xml") if len(list(folder.glob("*.xml"))) == 1 else next(folder.glob("GF4_IRS_*.xml"))
        for tag, text in (("Bands", "1"), ("WidthInPixels", "20"), ("HeightInPixels", "18"), ("ImageGSD", "400")):
            set_tag(xml, tag, text)
        tiff = next(folder.glob("GF4_PMS_*.tiff"))
        write_tiff(tiff.with_name(tiff.name.replace("GF4_PMS_", "GF4_IRS_")), read_tiff(tiff)[:18, :20, :1])

    @pytest.mark.parametrize("word", ["PMS", "PMI", "B1"])
    def test_the_infrared_image_is_left_out_with_a_warning(self, tmp_path, word):
        folder = delivered(tmp_path, "gf4-pms", "GF4", "PMS")
        self.infrared(folder)
        folder = folder.rename(folder.with_name(folder.name.replace("PMS", word)))
        [scene] = scenes_of(folder, tmp_path).values()
        [warning] = scene.warnings
        assert re.fullmatch(r"left_out: GF4_IRS_.*\.tiff: GF4 IRS sees the heat of the ground; .*", warning)
        assert scene.id == "GF4_PMS_20220315T032011_L1A6312201"
        assert [band.common_name for band in scene.main.bands] == ["pan", "blue", "green", "red", "nir"]
        assert not [path for path in scene.side_files if "IRS" in path.name]

    def test_alone_it_is_refused_by_name(self, tmp_path):
        folder = delivered(tmp_path, "gf4-pms", "GF4", "PMS")
        self.infrared(folder)
        for path in folder.glob("GF4_PMS_*"):
            path.unlink()
        with pytest.raises(UnrecognisedDeliveryError, match="GF4 IRS sees the heat of the ground"):
            scenes_of(folder, tmp_path)

    def test_the_gains_are_those_of_the_integration_times(self, tmp_path):
        folder = delivered(tmp_path, "gf4-pms", "GF4", "PMS")
        [scene] = scenes_of(folder, tmp_path).values()
        assert scene.calibration_source.startswith("table 2021 for 2022: B1 6 ms, B2 30 ms, B3 20 ms")


class TestOneDocumentForSeveralImages:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = delivered(tmp_path, "gf1-pms", "GF1", "PMS1")
        products = [re.search("<ProductMetaData>.*</ProductMetaData>", path.read_text(), re.DOTALL)[0]
                    for path in sorted(folder.glob("*.xml"))]  # fmt: skip
        inner = f"<ProductMetaDatas>{''.join(products)}</ProductMetaDatas>"
        (folder / f"{folder.name}.xml").write_text(f"<GroupProductCheckData>{inner}</GroupProductCheckData>")
        return folder

    def test_each_image_is_found_by_its_kind(self, folder, tmp_path):
        for path in folder.glob("*1.xml"):
            if path.stem != folder.name:
                path.unlink()
        scene = opened(folder, tmp_path)
        assert (scene.main.gsd_m, scene.pan.gsd_m) == (8, 2)
        assert (scene.main.name, scene.pan.name) == (f"{folder.name}-MSS1.tiff", f"{folder.name}-PAN1.tiff")
        assert scene.warnings == ()

    def test_each_image_is_found_by_the_file_it_names(self, folder, tmp_path):
        for path in list(folder.glob("*1.*")):
            if path.suffix == ".xml" and path.stem != folder.name:
                path.unlink()
            elif path.stem != folder.name:
                path.rename(path.with_name(f"{'colour' if 'MSS' in path.name else 'grey'}{path.suffix}"))
        for bands, stem in (("1,2,3,4", "colour"), ("5", "grey")):
            edit(
                folder / f"{folder.name}.xml",
                f"<Bands>{bands}</Bands>",
                f"<Bands>{bands}</Bands><DataFile>D:\\out\\{stem}.tiff</DataFile>",
            )
        scene = opened(folder, tmp_path)
        assert (scene.main.name, scene.pan.name) == ("colour.tiff", "grey.tiff")

    def test_documents_of_single_images_are_believed_before_it(self, folder, tmp_path):
        edit(folder / f"{folder.name}.xml", "<ImageGSD>8</ImageGSD>", "<ImageGSD>9</ImageGSD>")
        scene = opened(folder, tmp_path)
        assert scene.main.gsd_m == 8
        assert [path.name for path in scene.side_files if path.suffix == ".xml"] == [
            f"{folder.name}-MSS1.xml",
            f"{folder.name}-PAN1.xml",
        ]


def test_a_missing_part_of_a_wide_image_is_told(tmp_path):
    folder = delivered(tmp_path, "gf6-wfv", "GF6", "WFV")
    the_file(folder, "-2.tiff").unlink()
    with pytest.raises(IncompleteDeliveryError, match=r"-3\.tiff is here, but not every part of GF6_WFV_.* before it"):
        opened(folder, tmp_path)


@pytest.mark.parametrize(("satellite", "reason"), [("GF3", "GF-3 is a radar satellite"), ("LT1A", "LT-1A is a radar")])
def test_a_radar_satellite_in_the_document_is_refused_for_what_it_is(tmp_path, satellite, reason):
    folder = delivered(tmp_path, "gf1b-pms", "GF1B", "PMS")
    for xml in folder.glob("*.xml"):
        set_tag(xml, "SatelliteID", satellite)
    with pytest.raises(UnrecognisedDeliveryError, match=reason):
        opened(folder, tmp_path)
