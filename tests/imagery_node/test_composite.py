"""Composites against xarray on the very pixels of the scenes."""

import io
from threading import Event

import numpy as np
import pytest
import xarray
from PIL import Image
from rasterio.transform import from_origin

from imagery_node.cog import open_cog
from imagery_node.cog_cache import CogCache
from imagery_node.composite import MAX_COMPOSITE_SCENES, draw_composite
from imagery_node.errors import BadRenderingError, DeadlineError, UnreadableAssetError
from imagery_node.grid import PixelGrid
from imagery_node.mosaic_rule import find_rule
from imagery_node.quality import clear_pixels
from imagery_node.rendering import Rendering
from imagery_node.warp import warp
from tests.support.published import address
from tests.support.rasters import BEIJING_UTM, landscape, write_cog

MEDIAN, MAX_NDVI, CLEAREST = map(find_rule, ("median", "max-ndvi", "clearest-pixel"))
NATURAL = Rendering("analytic", indexes=(3, 2, 1), rescale=((0, 10_000),))
SHAPE = (128, 128)
FILL, CLOUD, SHADOW = 1, 4, 8


@pytest.fixture(scope="module")
def cache():
    return CogCache(256, 1 << 27)


@pytest.fixture
def scene(tmp_path, cache):
    """Makes a source of one date: reflectance, and clouds where flags say so."""

    def _scene(name, pixels, flags=None, *, east=0, names=("blue", "green", "red", "nir")):
        place = from_origin(BEIJING_UTM[0] + east, BEIJING_UTM[1], 2, 2)
        paths = {"analytic": write_cog(tmp_path / f"{name}.tif", pixels, transform=place, nodata=0, names=names)}
        if flags is not None:
            paths["quality"] = write_cog(tmp_path / f"{name}-q.tif", flags[None], transform=place, nodata=FILL)
        return lambda key: cache.open(paths[key]) if key in paths else None

    return _scene


@pytest.fixture
def bounds(scene):
    left, _, _, top = scene("place", landscape(300, 300, 1), names=("grey",))("analytic").web_bounds
    return left, top - 600, left + 600, top


@pytest.fixture
def dates(scene):
    """Six dates of a place, with clouds that move and one that stays."""
    rng = np.random.default_rng(7)

    def flags():
        found = np.zeros((300, 300), np.uint8)
        found[rng.random((10, 10)).repeat(30, 0).repeat(30, 1) < 0.4] = CLOUD
        found[rng.random((10, 10)).repeat(30, 0).repeat(30, 1) < 0.2] = SHADOW
        found[60:120, 60:120] = CLOUD
        return found

    ground = [landscape(300, 300, 4, seed=seed) for seed in range(6)]
    ground[2][:, :, :100] = 0
    return [scene(f"d{date}", pixels, flags(), east=40 * date) for date, pixels in enumerate(ground)]


def _stack(dates, bounds, cache, bands=(2, 1, 0)):
    """The values of every date on the picture's grid, NaN where a better pixel is to be taken."""
    grid = PixelGrid.over(bounds, SHAPE)
    values, valid, clear = [], [], []
    for source in dates:
        pixels, shown = warp(source("analytic"), bands, grid, cache) or (np.zeros((*SHAPE, 3)), np.zeros(SHAPE, bool))
        values.append(pixels.astype(np.float32))
        valid.append(shown)
        clear.append(shown & clear_pixels(source("quality"), grid, cache))
    usable = np.where(np.any(clear, axis=0), clear, valid)
    return xarray.DataArray(np.stack(values), dims=("time", "y", "x", "band")).where(
        xarray.DataArray(usable, dims=("time", "y", "x"))
    )


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_the_median_is_xarrays_of_the_clear_pixels(dates, bounds, cache, count):
    picture = draw_composite(MEDIAN, dates[:count], bounds, SHAPE, NATURAL, cache)
    stack = _stack(dates[:count], bounds, cache)
    expected = np.rint(stack.median("time", skipna=True).values / 10_000 * 255)
    np.testing.assert_array_equal(picture.valid, ~np.isnan(expected).any(axis=-1))
    assert np.abs(picture.pixels[picture.valid] - expected[picture.valid]).max() <= 1
    assert (picture.pixels[picture.valid] == expected[picture.valid]).mean() > 0.999
    assert not picture.pixels[~picture.valid].any()
    assert picture.used == tuple(range(count))


def test_the_highest_ndvi_is_that_of_the_clear_pixels(dates, bounds, cache):
    picture = draw_composite(MAX_NDVI, dates, bounds, SHAPE, NATURAL, cache)
    stack = _stack(dates, bounds, cache)
    infrared = _stack(dates, bounds, cache, bands=(3, 2)).values.astype(float)
    ndvi = (infrared[..., 0] - infrared[..., 1]) / (infrared[..., 0] + infrared[..., 1])
    best = np.nanargmax(np.where(np.isnan(ndvi), -9, ndvi), axis=0)
    chosen = np.take_along_axis(stack.values, best[None, ..., None], axis=0)[0]
    expected = np.rint(chosen / 10_000 * 255)
    assert np.abs(picture.pixels[picture.valid] - expected[picture.valid]).max() <= 1
    assert picture.used == tuple(np.unique(best[picture.valid]))


def test_the_clearest_pixel_is_of_the_first_scene_that_is_clear_there(dates, bounds, cache):
    picture = draw_composite(CLEAREST, dates, bounds, SHAPE, NATURAL, cache)
    stack = _stack(dates, bounds, cache).values
    first = np.argmax(~np.isnan(stack[..., 0]), axis=0)
    expected = np.rint(np.take_along_axis(stack, first[None, ..., None], axis=0)[0] / 10_000 * 255)
    assert np.abs(picture.pixels[picture.valid] - expected[picture.valid]).max() <= 1


@pytest.mark.parametrize("rule", [MEDIAN, MAX_NDVI])
def test_neighbouring_composites_meet(dates, bounds, cache, rule):
    left, bottom, right, top = bounds
    whole = draw_composite(rule, dates, bounds, SHAPE, NATURAL, cache)
    half = draw_composite(rule, dates, (left, bottom, (left + right) / 2, top), (128, 64), NATURAL, cache)
    np.testing.assert_array_equal(half.valid, whole.valid[:, :64])
    assert np.abs(half.pixels.astype(int) - whole.pixels[:, :64]).max() <= 1


def test_clouds_show_only_where_a_place_is_never_clear(scene, bounds, cache):
    cloudy = np.full((300, 300), CLOUD, np.uint8)
    half = cloudy.copy()
    half[:, 150:] = 0
    bright, ground = (np.full((4, 300, 300), value, np.uint16) for value in (9020, 1020))
    sources = [scene("white", bright, cloudy), scene("ground", ground, half), scene("bright", bright, cloudy)]
    for rule in (MEDIAN, MAX_NDVI):
        picture = draw_composite(rule, sources, bounds, SHAPE, NATURAL, cache)
        colours = {tuple(colour) for colour in picture.pixels[picture.valid]}
        assert (26, 26, 26) in colours
        assert (230, 230, 230) in colours


def test_what_is_invalid_everywhere_is_a_hole(scene, bounds, cache):
    pixels = np.full((4, 300, 300), 500, np.uint16)
    pixels[:, 100:150, 100:150] = 0
    picture = draw_composite(MEDIAN, [scene("a", pixels), scene("b", pixels)], bounds, SHAPE, NATURAL, cache)
    assert 0 < (~picture.valid).sum() < picture.valid.size / 2


def test_a_scene_without_near_infrared_shows_in_max_ndvi_only_where_no_other_does(scene, bounds, cache):
    ground, grey = (np.full((4, 300, 300), value, np.uint16) for value in (1020, 9020))
    ground[:, :, :150] = 0
    sources = [scene("grey", grey, names=("a", "b", "c", "d")), scene("colour", ground)]
    picture = draw_composite(MAX_NDVI, sources, bounds, SHAPE, NATURAL, cache)
    assert {tuple(colour) for colour in picture.pixels[picture.valid]} == {(26, 26, 26), (230, 230, 230)}
    assert picture.used == (0, 1)


def test_an_expression_is_of_the_median(dates, bounds, cache):
    ndvi = Rendering("analytic", expression="(nir-red)/(nir+red)", rescale=((-1, 1),))
    picture = draw_composite(MEDIAN, dates, bounds, SHAPE, ndvi, cache)
    nir, red = np.moveaxis(_stack(dates, bounds, cache, bands=(3, 2)).median("time").values, -1, 0)
    expected = np.rint(((nir - red) / (nir + red) + 1) / 2 * 255)
    assert np.abs(picture.pixels[picture.valid][:, 0] - expected[picture.valid]).max() <= 1


def test_P04_a_file_that_cannot_be_read_is_told_and_leaves_the_others(scene, bounds, cache, tmp_path):
    ground = np.full((4, 300, 300), 1000, np.uint16)
    path = write_cog(tmp_path / "cut.tif", landscape(300, 300, 4), nodata=0)
    path.write_bytes(path.read_bytes()[: int(open_cog(path).levels[0].offsets[0, 0, 0]) + 100])

    def broken(key):
        return cache.open(path) if key == "analytic" else None

    picture = draw_composite(MEDIAN, [broken, scene("a", ground)], bounds, SHAPE, NATURAL, cache)
    assert picture.unreadable == (0,)
    assert picture.fates == ("unreadable", "shown")
    with pytest.raises(UnreadableAssetError, match=r"cut\.tif"):
        draw_composite(MEDIAN, [broken], bounds, SHAPE, NATURAL, cache)


def test_no_more_than_a_bounded_number_of_scenes_is_looked_at(scene, bounds, cache):
    asked = []
    source = scene("a", np.full((4, 300, 300), 1000, np.uint16))
    sources = [lambda key, number=number: asked.append(number) or source(key) for number in range(40)]
    picture = draw_composite(MEDIAN, sources, bounds, SHAPE, NATURAL, cache)
    assert set(asked) == set(range(MAX_COMPOSITE_SCENES))
    assert len(picture.fates) == MAX_COMPOSITE_SCENES


def test_a_composite_of_nothing_is_empty(bounds, cache):
    picture = draw_composite(MEDIAN, [lambda key: None], bounds, SHAPE, NATURAL, cache)
    assert not picture.valid.any()
    assert picture.fates == ("no pixels",)


def test_a_composite_that_was_given_up_opens_no_further_source(bounds, cache):
    given_up = Event()
    given_up.set()
    with pytest.raises(DeadlineError, match="source 1 of 1"):
        draw_composite(MEDIAN, [lambda key: None], bounds, SHAPE, NATURAL, cache, given_up)


def test_bands_that_scenes_lack_are_refused(dates, bounds, cache):
    with pytest.raises(BadRenderingError, match="4 bands"):
        draw_composite(MEDIAN, dates, bounds, SHAPE, Rendering("analytic", (5,), rescale=((0, 1),)), cache)


@pytest.mark.parametrize("rule", ["median", "max-ndvi", "clearest-pixel"])
def test_tiles_of_a_composite_cite_the_rule(node, rule):
    answer = node.get(f"/raster/layers/gf2-pms/{address()}.png?datetime=2024&rule={rule}")
    assert (answer.status_code, answer.headers["mosaic-rule"]) == (200, f"{rule}/1")
    again = node.get(
        f"/raster/layers/gf2-pms/{address()}.png?datetime=2024&rule={rule}",
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert again.status_code == 304


def test_a_tile_of_the_median_of_two_dates_lies_between_them(node):
    tiles = [
        node.get(f"/raster/layers/gf2-pms/{address()}.png?{query}").content
        for query in ("datetime=2024-03", "datetime=2024-09", "datetime=2024&rule=median")
    ]
    old, new, median = (np.asarray(Image.open(io.BytesIO(tile)).convert("RGB"), float) for tile in tiles)
    assert np.abs(median - (old + new) / 2).max() <= 1
