"""Tiny deliveries of each product, built: what another program finds in the files.

`test_gdal_validator` asks GDAL's own validator about their layout, `test_truth` measures them against ground truth.
"""

import math
from datetime import UTC, datetime

import morecantile
import numpy as np
import pytest
import rasterio
from pyproj import CRS, Transformer
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom
from rio_cogeo import cog_validate

from catalog.item import check_built_item
from cog_builder.check import check_scene
from cog_builder.elevation import ConstantHeight
from tests.support.built import Built, FlatWorld, build, built, pixels_of
from tests.support.deliveries import the_file
from tests.support.schemas import check_document, stac_validator
from tests.support.simulated import Patchwork, tiny_delivery
from tests.support.tiffs import read_tiff, write_tiff

FLAT = FlatWorld()
KINDS = ("gf1-pms", "gf1-wfv", "gf2-pms")
COGS = [(kind, key) for kind in KINDS for key in ("analytic", "quality", "visual")]
COGS += [("gf1-pms", "sharp"), ("gf2-pms", "sharp")]
GSD_M = {"gf1-pms": (8.0, 2.0), "gf1-wfv": (16.0, 16.0), "gf2-pms": (3.24, 0.81)}
ROUNDING = 4e-4
"""Reflectance of a digital number, about."""

every_product = pytest.mark.parametrize("kind", KINDS)
every_cog = pytest.mark.parametrize(("kind", "key"), COGS)


def centres(cog):
    """Longitude and latitude of the pixel centres."""
    with rasterio.open(cog) as image:
        col, row = np.meshgrid(np.arange(image.width) + 0.5, np.arange(image.height) + 0.5)
        x, y = image.transform @ (col, row)
        return Transformer.from_crs(image.crs.to_epsg(), 4326, always_xy=True).transform(x, y)


class Places:
    """Given places, as a world wants to be asked."""

    def __init__(self, longitude, latitude):
        self.height, self.width = longitude.shape
        self.places = longitude, latitude

    def degrees(self, col, row):
        return self.places


def expected_reflectance(cog):
    return Patchwork().reflectance(Places(*centres(cog)), None)


def check_place_and_values(cog):
    """Compare with the function that made the raw pixels; a shift of a fiftieth of a pixel would show."""
    found = pixels_of(cog)
    inner = (found > 0).all(-1)
    assert inner.mean() > 0.6
    expected = expected_reflectance(cog)
    off = found * 1e-4 - expected
    assert abs(off[inner].mean()) < 0.0015 * expected[inner].mean()
    assert np.sqrt((off[inner] ** 2).mean()) < ROUNDING
    down, across = np.gradient(expected[..., 0])
    gradients = np.stack([across[inner], down[inner]], -1)
    shift = np.linalg.lstsq(gradients, -off[..., 0][inner], rcond=None)[0]
    assert np.abs(shift).max() < 0.02


@every_product
def test_the_item_is_one_of_ours_and_valid_stac(kind):
    scene = built(kind)
    check_built_item(scene.item)
    check_document({**scene.item, "links": [{"rel": "collection", "href": "../../collection.json"}]}, stac_validator())
    check_scene(scene.folder, scene.item)


@every_cog
def test_every_file_is_a_strict_cog(kind, key):
    path = built(kind).folder / f"{key}.tif"
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as cog:
        assert cog.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


@every_cog
def test_a_file_says_what_it_holds(kind, key):
    scene = built(kind)
    asset = scene.item["assets"][key]
    with rasterio.open(scene.folder / f"{key}.tif") as cog:
        assert f"EPSG:{cog.crs.to_epsg()}" == asset["proj:code"]
        assert list(cog.shape) == asset["proj:shape"]
        assert list(cog.bounds) == asset["proj:bbox"]
        assert cog.tags()["TITLE"] == scene.item["properties"]["title"]
        assert all(cog.descriptions)
        names = [band["name"] for band in asset["bands"]]
        if key in {"analytic", "sharp"}:
            assert [description.split()[0] for description in cog.descriptions] == names
            assert (cog.nodata, set(cog.dtypes), set(cog.scales)) == (0, {"uint16"}, {0.0001})
        elif key == "visual":
            assert (list(cog.descriptions), cog.nodata) == (names, None)
            assert cog.mask_flag_enums[0] == [rasterio.enums.MaskFlags.per_dataset]
        else:
            assert (cog.nodata, cog.dtypes) == (1, ("uint8",))
        assert bool(cog.overviews(1)) == (max(cog.shape) > 512)


@every_product
def test_reflectance_comes_back_in_its_place(kind):
    scene = built(kind)
    check_place_and_values(scene.folder / "analytic.tif")
    if kind != "gf1-wfv":
        check_place_and_values(scene.folder / "sharp.tif")


@every_product
def test_the_grids_are_whole_multiples_of_the_pixel_in_the_national_crs(kind):
    scene = built(kind)
    for key, pixel_m in zip(("analytic", "sharp"), GSD_M[kind], strict=True):
        if key in scene.item["assets"]:
            with rasterio.open(scene.folder / f"{key}.tif") as cog:
                assert cog.crs.to_epsg() == (4509 if kind == "gf1-wfv" else 4548)
                assert (cog.transform.a, cog.transform.e) == (pixel_m, -pixel_m)
                for edge in (cog.transform.c, cog.transform.f):
                    assert edge / pixel_m == pytest.approx(round(edge / pixel_m), abs=1e-6)


@every_product
def test_the_pictures_blocks_are_map_tiles(kind):
    tms = morecantile.tms.get("WebMercatorQuad")
    with rasterio.open(built(kind).folder / "visual.tif") as cog:
        assert set(cog.block_shapes) == {(256, 256)}
        latitude = built(kind).item["bbox"][1]
        gsd_m = GSD_M[kind][1] / math.cos(math.radians(latitude))
        zoom = min(range(25), key=lambda z: abs(math.log2(tms.matrix(z).cellSize / gsd_m)))
        overviews = len(cog.overviews(1))
        assert cog.overviews(1) == [2**level for level in range(1, overviews + 1)]
        for level in range(overviews + 1):
            cell = tms.matrix(zoom - level).cellSize
            assert cog.transform.a * 2**level == pytest.approx(cell, rel=1e-12)
            for edge, origin in ((cog.transform.c, -20037508.342789244), (cog.transform.f, 20037508.342789244)):
                tiles = (edge - origin) / (256 * cell)
                assert tiles == pytest.approx(round(tiles), abs=1e-6)
        assert max(cog.shape) // 2**overviews <= 512


@every_product
def test_the_footprint_holds_the_valid_pixels_of_every_file(kind):
    scene = built(kind)
    for key in ("analytic", "visual"):
        with rasterio.open(scene.folder / f"{key}.tif") as cog:
            valid = cog.dataset_mask() > 0
            outline = transform_geom("EPSG:4326", cog.crs, scene.item["geometry"])
            inside = geometry_mask([outline], cog.shape, cog.transform, invert=True)
        assert (valid & inside).sum() / (valid | inside).sum() > 0.98


class TestTheFactsOfAnItem:
    def test_of_gf1_pms(self):
        item = built("gf1-pms").item
        properties = item["properties"]
        assert item["id"] == "GF1_PMS1_20220315T032011_L1A6312201"
        assert item["collection"] == "gf1-pms"
        assert properties["title"] == "GF1_PMS1_E116.4_N39.9_20220315_L1A0006312201"
        assert properties["datetime"] == "2022-03-15T03:20:11Z"
        assert (properties["platform"], properties["instruments"]) == ("gaofen-1", ["pms1"])
        assert (properties["gsd"], properties["version"]) == (2.0, "1")
        assert (properties["view:sun_elevation"], properties["view:sun_azimuth"]) == (45.5012, 157.151)
        assert properties["view:incidence_angle"] == pytest.approx(1.652, abs=0.001)
        assert properties["view:azimuth"] == pytest.approx(101.5, abs=1)  # of the camera, not of the track
        assert properties["view:off_nadir"] == pytest.approx(1.5, abs=0.01)
        assert properties["proj:code"] == "EPSG:4548"
        assert properties["proj:transform"] == item["assets"]["analytic"]["proj:transform"]
        assert properties["eo:cloud_cover"] == 0
        assert "imagery_node:warnings" not in properties
        assert datetime.fromisoformat(properties["created"]) <= datetime.now(UTC)
        assert item["links"] == []

    def test_of_gf2_pms_in_the_newer_dialect(self):
        item = built("gf2-pms").item
        properties = item["properties"]
        assert item["id"] == "GF2_PMS2_20241012T032247_L1A14547890001"
        assert properties["title"] == "GF2_PMS2_E116.4_N39.9_20241012_L1A14547890001"
        assert properties["datetime"] == "2024-10-12T03:22:47Z"
        assert properties["imagery_node:calibration_source"] == "XML AbsCeof"
        assert (properties["gsd"], item["assets"]["analytic"]["gsd"]) == (0.81, 3.24)

    def test_of_gf1_wfv(self):
        item = built("gf1-wfv").item
        assert item["id"] == "GF1_WFV3_20220315T032011_L1A4819777"
        assert item["properties"]["instruments"] == ["wfv3"]
        assert item["assets"].keys() == {"visual", "analytic", "quality", "thumbnail", "metadata", "rpc"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Built:
    folder = tmp_path_factory.mktemp("fill")
    flat = ConstantHeight(120.0)
    delivery = tiny_delivery("gf1-pms", folder, world=FLAT, elevation=flat, packing="folder")
    for ending, ratio in (("-MSS1.tiff", 1), ("-PAN1.tiff", 4)):
        path = the_file(delivery, ending)
        pixels = read_tiff(path)
        row, col = np.mgrid[: pixels.shape[0], : pixels.shape[1]] / ratio
        pixels[(row + 0.4 * col < 40) | (np.hypot(row - 100, col - 90) < 9)] = 0
        path.unlink()
        write_tiff(path, pixels)
    (folder / "scene").mkdir()
    return build(delivery, folder / "scene", elevation=flat)


class TestFill:
    """Over ground of one colour every valid pixel of every file and level has that colour, however the fill lies."""

    @pytest.mark.parametrize("key", ["analytic", "sharp"])
    def test_takes_no_part_in_reflectance(self, filled, key):
        path = filled.folder / f"{key}.tif"
        with rasterio.open(path) as cog:
            levels = len(cog.overviews(1)) + 1
        for level in range(levels):
            pixels = pixels_of(path, level)
            valid = (pixels > 0).any(-1)
            assert 0.3 < valid.mean() < 0.85
            assert (pixels[valid] > 0).all()
            assert np.abs(pixels[valid] * 1e-4 - FLAT.values).max() < 2 * ROUNDING

    def test_takes_no_part_in_the_picture(self, filled):
        with rasterio.open(filled.folder / "visual.tif") as cog:
            levels = len(cog.overviews(1)) + 1
        for level in range(levels):
            with rasterio.open(filled.folder / "visual.tif", **({"overview_level": level - 1} if level else {})) as cog:
                shown = cog.dataset_mask() > 0
                pixels = np.moveaxis(cog.read(), 0, -1)[shown].astype(int)
            assert np.abs(pixels - np.median(pixels, axis=0)).max() <= 6

    def test_is_flagged_and_outside_the_footprint(self, filled):
        quality = pixels_of(filled.folder / "quality.tif")[..., 0]
        analytic = pixels_of(filled.folder / "analytic.tif")
        assert set(np.unique(quality)) == {0, 1}
        np.testing.assert_array_equal(quality == 1, (analytic == 0).all(-1))
        with rasterio.open(filled.folder / "quality.tif") as cog:
            outline = transform_geom("EPSG:4326", cog.crs, filled.item["geometry"])
            inside = geometry_mask([outline], cog.shape, cog.transform, invert=True)
        hole = 3.14 * 9**2
        assert (inside & (quality == 1)).sum() < 1.2 * hole + 0.01 * inside.sum()


def test_a_constant_height_builds_without_an_elevation_model():
    scene = built("gf1-wfv", height_m=120.0)
    assert "constant height 120 m above the WGS 84 ellipsoid" in scene.item["properties"]["processing:lineage"]
    check_place_and_values(scene.folder / "analytic.tif")


def test_building_twice_gives_the_same_files_whatever_the_threads():
    one, other = built("gf1-pms"), built("gf1-pms", workers=1)
    for path in sorted(one.folder.rglob("*.*")):
        if path.name != "item.json":
            assert path.read_bytes() == (other.folder / path.relative_to(one.folder)).read_bytes(), path.name
    stamps = {"created", "updated"}
    first, second = (
        scene.item | {"properties": {k: v for k, v in scene.item["properties"].items() if k not in stamps}}
        for scene in (one, other)
    )
    assert first == second


def test_another_crs_is_used_when_asked_for():
    scene = built("gf1-wfv", target_crs="EPSG:32650")
    for key in ("analytic", "quality"):
        assert scene.item["assets"][key]["proj:code"] == "EPSG:32650"
    assert scene.item["assets"]["visual"]["proj:code"] == "EPSG:3857"
    check_place_and_values(scene.folder / "analytic.tif")


def test_a_scene_of_the_western_and_southern_hemisphere_is_in_its_utm_zone():
    scene = built(
        "gf1-wfv",
        longitude=-72.3,
        latitude=-36.7,
        acquired=datetime(2023, 2, 13, 14, 17, 10, tzinfo=UTC),
        height_m=200.0,
    )
    assert scene.item["id"] == "GF1_WFV3_20230213T141710_L1A4819777"
    assert CRS(scene.item["properties"]["proj:code"]) == CRS("EPSG:32718")
    west, south, east, north = scene.item["bbox"]
    assert (west + east) / 2 == pytest.approx(-72.3, abs=0.002)
    assert (south + north) / 2 == pytest.approx(-36.7, abs=0.002)
    check_place_and_values(scene.folder / "analytic.tif")
    check_scene(scene.folder, scene.item)
