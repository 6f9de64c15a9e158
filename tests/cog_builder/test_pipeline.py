"""The steps together: what is left behind, what is told on the way, and what is refused."""

import numpy as np
import pytest
import rasterio

from cog_builder.elevation import ConstantHeight, DemFile
from cog_builder.errors import GeolocationError, UnreadableImageError
from cog_builder.pipeline import build_delivery
from cog_builder.settings import CogBuilderSettings
from tests.support.built import build, hills
from tests.support.deliveries import the_file
from tests.support.simulated import tiny_delivery, tiny_dem
from tests.support.tiffs import read_tiff, write_tiff

TITLE = "GF1_WFV3_E116.4_N39.9_20220315_L1A0004819777"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "scene"
    folder.mkdir()
    return folder


@pytest.fixture
def delivery(tmp_path):
    return tiny_delivery("gf1-wfv", tmp_path, packing="folder")


def blacken(tiff):
    """Turn a raw image into fill."""
    pixels = read_tiff(tiff)
    tiff.unlink()
    write_tiff(tiff, np.zeros_like(pixels))


def test_a_folder_gets_the_files_of_the_scene_and_nothing_else(delivery, folder):
    told = []
    build_delivery(
        delivery,
        folder,
        elevation=hills(),
        settings=CogBuilderSettings(workers=2),
        progress=lambda scene, share: told.append((scene, share)),
    )
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "analytic.tif",
        "item.json",
        "quality.tif",
        "source",
        f"source/{TITLE}.rpb",
        f"source/{TITLE}.xml",
        "thumbnail.webp",
        "visual.tif",
    ]
    assert {scene for scene, _ in told} == {TITLE}
    shares = sorted(share for _, share in told)
    assert shares[-1] == 1
    assert np.diff([0, *shares]) == pytest.approx(1 / len(shares))
    assert not list(delivery.glob("*.aux.xml"))


class TestAScene:
    """Refused with its name, leaving no item."""

    def refusal(self, error, delivery, folder, elevation=None):
        with pytest.raises(error, match=f"^{TITLE}.*: ") as refusal:
            build(delivery, folder, elevation=elevation)
        assert not (folder / "item.json").exists()
        assert not list(folder.glob("*.spool"))
        assert not list(folder.glob("delivery-*"))
        return str(refusal.value)

    def test_without_any_elevation(self, delivery, folder):
        said = self.refusal(GeolocationError, delivery, folder)
        assert "no elevation for the orthorectification; expected an elevation model (--dem FILE)" in said
        assert list(folder.iterdir()) == []

    def test_with_the_elevation_of_another_place(self, delivery, folder, tmp_path):
        elsewhere = tmp_path / "elsewhere.tif"
        with rasterio.open(tiny_dem()) as dem:
            profile = dem.profile | {"transform": rasterio.Affine.translation(20, 0) @ dem.transform}
            with rasterio.open(elsewhere, "w", **profile) as moved:
                moved.write(dem.read())
        said = self.refusal(GeolocationError, delivery, folder, DemFile(elsewhere))
        assert "elsewhere.tif: the elevation model covers 136.3400, 39.8400, 136.4600, 39.9600" in said
        assert "the scene needs 116.3" in said

    def test_with_a_hole_in_its_elevation(self, delivery, folder, tmp_path):
        holed = tmp_path / "holed.tif"
        with rasterio.open(tiny_dem()) as dem, rasterio.open(holed, "w", **dem.profile | {"nodata": -9999}) as file:
            heights = dem.read()
            heights[0, 118:122, 118:122] = -9999
            file.write(heights)
        said = self.refusal(GeolocationError, delivery, folder, DemFile(holed, "ellipsoid"))
        assert "holed.tif (ellipsoid heights): no height at 116.40" in said

    def test_of_fill_only(self, delivery, folder):
        blacken(the_file(delivery, ".tiff"))
        assert "nothing but fill" in self.refusal(UnreadableImageError, delivery, folder, ConstantHeight(250))

    def test_whose_tiff_does_not_decode(self, delivery, folder):
        tiff = the_file(delivery, ".tiff")
        pixels = read_tiff(tiff)
        tiff.unlink()
        write_tiff(tiff, pixels, compress="deflate")
        data = bytearray(tiff.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 5000] = bytes(5000)
        tiff.write_bytes(data)
        said = self.refusal(UnreadableImageError, delivery, folder, ConstantHeight(250))
        assert f"{TITLE}.tiff: cannot be decoded" in said


def test_a_scene_whose_pan_image_is_fill_only_is_refused(tmp_path, folder):
    delivery = tiny_delivery("gf1-pms", tmp_path, packing="folder")
    blacken(the_file(delivery, "-PAN1.tiff"))
    with pytest.raises(UnreadableImageError, match=r"GF1_PMS1_.*: no pixel to show"):
        build(delivery, folder, elevation=hills())
