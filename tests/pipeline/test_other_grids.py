"""Scenes built in other reference systems and with other profiles: CGCS2000 degrees, zone numbers, grid `c`, WebP."""

import io
import math

import numpy as np
import pytest
import rasterio
import requests
from morecantile import Tile
from PIL import Image
from pyproj import Transformer
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling
from rasterio.windows import Window
from rio_cogeo import cog_validate

from catalog.item import check_built_item
from catalog.publishing import publish
from catalog.store import open_store
from cog_builder.check import check_scene
from imagery_node.cog import open_cog
from imagery_node.grid import get_grid
from imagery_node.verbatim import stored_tile
from tests.pipeline.test_built_scene import check_place_and_values
from tests.support.built import built, pixels_of
from tests.support.node import Node
from tests.support.schemas import check_document, stac_validator

OTHER_CRS = {4490: 116, 4527: 39_450_000, 4498: 20_449_000, 4507: 1_474_000, 32650: 447_000}
"""Where tiny scenes lie in each, roughly: zone numbers lead the easting of 4527 and 4498; 4507 is a far zone."""
EVERYTHING = "compact,webp,c"

every_other_crs = pytest.mark.parametrize("epsg", OTHER_CRS)


@pytest.fixture(scope="module")
def scene():
    return built("gf1-pms", profile=EVERYTHING)


@every_other_crs
def test_reflectance_comes_back_in_its_place(epsg):
    scene = built("gf1-wfv", target_crs=f"EPSG:{epsg}")
    check_place_and_values(scene.folder / "analytic.tif")


@every_other_crs
def test_the_corners_are_where_pyproj_has_them(epsg):
    scene = built("gf1-wfv", target_crs=f"EPSG:{epsg}")
    asset = scene.item["assets"]["analytic"]
    assert asset["proj:code"] == scene.item["properties"]["proj:code"] == f"EPSG:{epsg}"
    left, bottom, right, top = asset["proj:bbox"]
    assert left == pytest.approx(OTHER_CRS[epsg], rel=0.01)
    outline = np.array(scene.item["geometry"]["coordinates"][0])
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(outline[:, 0], outline[:, 1])
    pixel, step = asset["proj:transform"][0], 2
    rounding = 0.01 * pixel
    assert -rounding <= x.min() - left < 2 * pixel
    assert -rounding <= top - y.max() < 2 * pixel
    assert -rounding <= right - x.max() < (step + 1) * pixel
    assert -rounding <= y.min() - bottom < (step + 1) * pixel


@every_other_crs
def test_gdal_warps_the_scene_of_the_usual_crs_to_the_same_pixels(epsg):
    usual, other = built("gf1-wfv"), built("gf1-wfv", target_crs=f"EPSG:{epsg}")
    found = pixels_of(other.folder / "analytic.tif").astype(float)
    with rasterio.open(other.folder / "analytic.tif") as like, rasterio.open(usual.folder / "analytic.tif") as source:
        where = {"crs": like.crs, "transform": like.transform, "width": like.width, "height": like.height}
        with WarpedVRT(source, **where, resampling=Resampling.cubic) as warped:
            expected = np.moveaxis(warped.read(), 0, -1).astype(float)
    both = (found > 0).all(-1) & (expected > 0).all(-1)
    assert both.sum() > 0.98 * (found > 0).all(-1).sum()
    inner = both & np.roll(both, 4, 0) & np.roll(both, -4, 0) & np.roll(both, 4, 1) & np.roll(both, -4, 1)
    off = (found - expected)[inner]
    assert abs(off.mean()) < 0.0005 * expected[inner].mean()
    assert np.sqrt((off**2).mean()) < 6  # reflectance 0.0006: both are resampled from digital numbers once more
    down, across = np.gradient(expected[..., 0])
    shift = np.linalg.lstsq(np.stack([across[inner], down[inner]], -1), -(found - expected)[..., 0][inner])[0]
    assert np.abs(shift).max() < 0.02


def test_a_scene_in_degrees_is_ours_and_valid_and_drawn_like_any_other():
    usual, degrees = built("gf1-pms"), built("gf1-pms", target_crs="EPSG:4490")
    check_built_item(degrees.item)
    published = degrees.item | {"links": [{"rel": "collection", "href": "../../collection.json"}]}
    check_document(published, stac_validator())
    check_scene(degrees.folder, degrees.item)
    for key in ("analytic", "sharp", "quality"):
        assert cog_validate(degrees.folder / f"{key}.tif", strict=True) == (True, [], [])
        assert degrees.item["assets"][key]["proj:code"] == "EPSG:4490"
    check_place_and_values(degrees.folder / "sharp.tif")
    np.testing.assert_allclose(degrees.item["bbox"], usual.item["bbox"], atol=2e-4)
    areas = [_hectares(scene.item["geometry"]) for scene in (usual, degrees)]
    assert areas[0] == pytest.approx(areas[1], rel=0.02)
    pictures = [pixels_of(scene.folder / "visual.tif").astype(float) for scene in (usual, degrees)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 0.2  # the colours are fitted to the pan image on either grid


def _hectares(geometry):
    [ring] = geometry["coordinates"]
    x, y = Transformer.from_crs(4326, 4548, always_xy=True).transform(*np.array(ring).T)
    return abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2e4


def test_every_block_of_the_second_picture_is_a_tile_of_the_national_grid(scene):
    path = scene.folder / "visual-c.tif"
    with rasterio.open(path) as cog:
        assert cog.crs.to_epsg() == 4490
        assert set(cog.block_shapes) == {(256, 256)}
        assert cog.transform.a == -cog.transform.e == 0.703125 / 2**15  # 2 m: level 16
        overviews = len(cog.overviews(1))
        assert cog.overviews(1) == [2**level for level in range(1, overviews + 1)]
        assert overviews > 0
    for reduced in range(overviews + 1):
        level = 16 - reduced
        with rasterio.open(path, **({"overview_level": reduced - 1} if reduced else {})) as cog:
            for _, window in cog.block_windows(1):
                lon, lat = cog.transform @ (window.col_off, window.row_off)
                assert math.floor((lon + 180) / 360 * 2**level) == (lon + 180) / 360 * 2**level
                assert math.floor((90 - lat) / 360 * 2**level) == (90 - lat) / 360 * 2**level
                right, bottom = cog.transform @ (window.col_off + window.width, window.row_off + window.height)
                assert (right - lon, lat - bottom) == (360 / 2**level, 360 / 2**level)


def test_both_pictures_show_the_same(scene):
    with rasterio.open(scene.folder / "visual-c.tif") as c, rasterio.open(scene.folder / "visual.tif") as w:
        where = {"crs": c.crs, "transform": c.transform, "width": c.width, "height": c.height}
        with WarpedVRT(w, **where, resampling=Resampling.cubic, add_alpha=True) as warped:
            expected, shown = warped.read((1, 2, 3)).astype(int), warped.read(4) > 0
        found, valid = c.read().astype(int), c.dataset_mask() > 0
    assert (shown & valid).sum() / (shown | valid).sum() > 0.99
    assert np.abs(found - expected)[:, shown & valid].mean() < 1.5
    check_built_item(scene.item)
    assert scene.item["assets"]["visual-c"]["proj:code"] == "EPSG:4490"


def test_a_profile_says_how_the_files_are_compressed(scene):
    usual = built("gf1-pms")
    found = {
        path.stem: [rasterio.open(each.folder / path.name).compression.name for each in (usual, scene)]
        for path in usual.folder.glob("*.tif")
    }
    assert found.pop("visual") == ["jpeg", "webp"]
    assert set(map(tuple, found.values())) == {("deflate", "zstd")}
    assert not (usual.folder / "visual-c.tif").exists()
    for name in ("visual.tif", "visual-c.tif"):
        assert cog_validate(scene.folder / name, strict=True) == (True, [], [])
    np.testing.assert_array_equal(pixels_of(usual.folder / "sharp.tif"), pixels_of(scene.folder / "sharp.tif"))


def test_a_stored_webp_block_is_the_tile_that_gdal_reads(scene):
    path = scene.folder / "visual.tif"
    cog = open_cog(path)
    tile, window = _full_tile(path)
    body = stored_tile(cog, tile, "webp")
    assert body in path.read_bytes()
    with rasterio.open(path) as image:
        expected = np.moveaxis(image.read(window=window), 0, -1)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), expected)


def _full_tile(path):
    """A tile that the picture covers whole, and its window."""
    grid = get_grid("WebMercatorQuad")
    with rasterio.open(path) as image:
        zoom = round(math.log2(grid.pixel_sides[0] / image.transform.a))
        for _, window in image.block_windows(1):
            if image.dataset_mask(window=window).all():
                side = 256 * image.transform.a
                x, y = image.transform @ (window.col_off, window.row_off)
                return Tile(round((x - grid.left) / side), round((grid.top - y) / side), zoom), Window(
                    window.col_off, window.row_off, 256, 256
                )
    raise AssertionError("no tile is covered whole")


def test_a_node_serves_all_of_it(scene, tmp_path):
    store = open_store(tmp_path)
    publish(scene.folder, home=tmp_path, store=store, verify=check_scene)
    store.close()
    tile, _ = _full_tile(scene.folder / "visual.tif")
    with Node(tmp_path) as node:
        item = requests.get(f"{node.url}/stac/collections/gf1-pms/items/{scene.item['id']}").json()
        sent = requests.get(item["assets"]["visual-c"]["href"])
        picture = requests.get(f"{node.url}/raster/layers/img/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.webp")
        drawn = requests.get(
            f"{node.url}/raster/layers/img/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.png?assets=visual-c"
        )
    assert item["assets"]["visual-c"]["href"].endswith("/visual-c.tif")
    assert sent.headers["content-type"].startswith("image/tiff")
    assert sent.content == (scene.folder / "visual-c.tif").read_bytes()
    assert picture.headers["server-timing"] == "verbatim"
    shown = [np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), int) for answer in (picture, drawn)]
    assert np.abs(shown[0] - shown[1]).mean() < 1.5
