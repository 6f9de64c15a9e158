from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Event

import numpy as np
import pytest
from morecantile import Tile
from rasterio.transform import from_origin

from imagery_node.cog import open_cog
from imagery_node.cog_cache import CogCache
from imagery_node.errors import BadRenderingError, DeadlineError, UnreadableAssetError
from imagery_node.grid import get_grid
from imagery_node.mosaic import draw
from imagery_node.mosaic_rule import NEWEST, RULES
from imagery_node.rendering import Rendering
from tests.support.rasters import landscape, write_cog

GRID = get_grid("WebMercatorQuad")
TILE = Tile(26972, 12408, 15)
BOUNDS = GRID.bounds(TILE)
SIDE = GRID.pixel_sides[15]


@pytest.fixture
def cache():
    return CogCache(16, 1 << 26)


@pytest.fixture
def paint(tmp_path, cache):
    """Makes a source of one colour that covers columns of TILE, and says when it is opened."""
    opened = []

    def _paint(name, colour, cols=(0, 256), rows=(0, 256)):
        transform = from_origin(BOUNDS[0] + (cols[0] - 0.3) * SIDE, BOUNDS[3] - (rows[0] - 0.3) * SIDE, SIDE, SIDE)
        pixels = np.full((3, rows[1] - rows[0] + 1, cols[1] - cols[0] + 1), colour, np.uint8)
        path = write_cog(tmp_path / f"{name}.tif", pixels, crs="EPSG:3857", transform=transform, COMPRESS="DEFLATE")

        def source(asset):
            opened.append(name)
            return cache.open(path)

        return source

    _paint.opened = opened
    return _paint


def test_the_first_source_lies_on_top_and_the_next_fill_its_holes(paint, cache):
    sources = [paint("a", 10, cols=(0, 100)), paint("b", 20, cols=(50, 200)), paint("c", 30)]
    picture = draw(sources, BOUNDS, (256, 256), Rendering(), cache)
    assert picture.valid.all()
    assert picture.used == (0, 1, 2)
    assert picture.pixels[128, :, 0].tolist() == [10] * 101 + [20] * 100 + [30] * 55


def test_sources_below_a_full_picture_are_never_opened(paint, cache):
    sources = [paint("a", 10), paint("b", 20)]
    assert draw(sources, BOUNDS, (256, 256), Rendering(), cache).used == (0,)
    assert paint.opened == ["a"]


def test_a_source_that_shows_nowhere_is_not_among_the_used(paint, cache):
    sources = [paint("a", 10, cols=(0, 200)), paint("hidden", 20, cols=(20, 60)), lambda _: None, paint("c", 30)]
    picture = draw(sources, BOUNDS, (256, 256), Rendering(), cache)
    assert picture.used == (0, 3)


def test_what_no_source_shows_is_not_valid(paint, cache):
    picture = draw([paint("a", 10, cols=(100, 150), rows=(30, 60))], BOUNDS, (256, 256), Rendering(), cache)
    assert picture.valid[31:60, 101:150].all()
    assert picture.valid.sum() < 33 * 53
    assert not picture.pixels[~picture.valid].any()


def test_sources_that_do_not_overlap_give_the_same_picture_in_any_order(paint, cache):
    sources = [
        paint("a", 10, cols=(0, 60)),
        paint("b", 20, cols=(100, 180)),
        paint("c", 30, rows=(0, 30), cols=(190, 256)),
    ]
    pictures = [draw(order, BOUNDS, (256, 256), Rendering(), cache) for order in (sources, sources[::-1])]
    np.testing.assert_array_equal(pictures[0].pixels, pictures[1].pixels)
    np.testing.assert_array_equal(pictures[0].valid, pictures[1].valid)


def test_no_source_gives_an_empty_picture(cache):
    picture = draw([], BOUNDS, (256, 512), Rendering(), cache)
    assert picture.pixels.shape == (256, 512, 3)
    assert not picture.valid.any()


def test_a_drawing_that_was_given_up_opens_no_further_source(paint, cache):
    given_up = Event()
    sources = [paint("a", 10, cols=(0, 9)), lambda _: given_up.set(), paint("b", 20)]
    with pytest.raises(DeadlineError, match="source 3 of 3"):
        draw(sources, BOUNDS, (256, 256), Rendering(), cache, given_up)
    assert paint.opened == ["a"]


@pytest.fixture
def cut(tmp_path, cache):
    """A source over the whole of TILE whose blocks are cut off."""
    path = tmp_path / "cut.tif"
    transform = from_origin(BOUNDS[0] - 20, BOUNDS[3] + 20, SIDE, SIDE)
    write_cog(path, landscape(900, 900, 3, "uint8"), crs="EPSG:3857", transform=transform)
    path.write_bytes(path.read_bytes()[: int(open_cog(path).levels[0].offsets[0, 0, 0]) + 100])
    return lambda _: cache.open(path)


def test_P04_a_source_that_cannot_be_read_is_an_error_and_not_a_hole(paint, cache, cut):
    with pytest.raises(UnreadableAssetError, match=r"cut\.tif"):
        draw([cut], BOUNDS, (256, 256), Rendering(), cache)
    far = paint("far", 10, cols=(300, 400))
    with pytest.raises(UnreadableAssetError, match=r"cut\.tif"):
        draw([far, cut], BOUNDS, (256, 256), Rendering(), cache)


@pytest.mark.parametrize("rule", [NEWEST, RULES["clear-pixels"], replace(NEWEST, feather_px=8)], ids=repr)
def test_P04_a_source_that_cannot_be_read_does_not_take_the_others_with_it(paint, cache, cut, rule):
    sources = [paint("a", 10, cols=(0, 9)), cut, paint("b", 20, cols=(5, 100))]
    picture = draw(sources, BOUNDS, (256, 256), Rendering(), cache, rule=rule)
    assert (picture.used, picture.unreadable) == ((0, 2), (1,))
    assert picture.fates == ("shown", "unreadable", "shown")
    assert not picture.full
    covered = draw([paint("c", 30), cut], BOUNDS, (256, 256), Rendering(), cache, rule=NEWEST)
    assert covered.fates == ("shown", "not needed")  # which is not known to be unreadable
    assert covered.full


def test_bands_a_source_lacks_are_refused(paint, cache):
    with pytest.raises(BadRenderingError, match="3 bands"):
        draw([paint("a", 10)], BOUNDS, (256, 256), Rendering(indexes=(4,)), cache)


def test_P23_many_threads_draw_what_one_draws(tmp_path):
    path = write_cog(tmp_path / "a.tif", landscape(1500, 1500, 4), COMPRESS="DEFLATE", PREDICTOR="2", BLOCKSIZE="256")
    rendering = Rendering("analytic", indexes=(3, 2, 1), rescale=((400, 9000),))
    small = CogCache(2, 3 << 20)
    bbox = small.open(path).web_bounds
    tiles = [tile for zoom in (13, 14, 15, 16) for tile in _tiles_over(bbox, zoom)] * 3

    def pixels(cache, tile):
        return draw([lambda _: cache.open(path)], GRID.bounds(tile), (256, 256), rendering, cache).pixels.tobytes()

    alone = [pixels(CogCache(2, 1 << 28), tile) for tile in tiles[: len(tiles) // 3]] * 3
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(partial(pixels, small), tiles)) == alone


def _tiles_over(bounds, zoom):
    side = GRID.pixel_sides[zoom] * 256
    cols = range(int((bounds[0] - GRID.left) / side), int((bounds[2] - GRID.left) / side) + 1)
    rows = range(int((GRID.top - bounds[3]) / side), int((GRID.top - bounds[1]) / side) + 1)
    return [Tile(col, row, zoom) for col in cols for row in rows]


@pytest.mark.parametrize("zoom", [11, 12, 13, 14, 15, 16])
@pytest.mark.parametrize("rule", [NEWEST, replace(NEWEST, feather_px=16)], ids=["hard", "feathered"])
@pytest.mark.parametrize(("colour", "outside"), [(250, 0), (4, 255)], ids=["bright", "dark"])
def test_no_scene_has_a_rim_on_a_white_or_on_a_black_background(tmp_path, zoom, rule, colour, outside):
    """Every pixel over either background is that background or the scene: measured to 2 grey levels."""
    cache = CogCache(16, 1 << 26)
    row, col = np.mgrid[0:1000, 0:1100]
    valid = (0.2 * col + row > 250) & (row - 0.15 * col < 800) & (col + 0.3 * row < 1000)
    pixels = np.where(valid, colour, outside).astype(np.uint8)[None].repeat(3, 0)
    sources = []
    for name, shift in (("a", 0), ("b", 700)):
        transform = from_origin(447_000 + shift, 4_418_000 + shift, 2, 2)
        path = write_cog(tmp_path / f"{name}.tif", pixels, transform=transform, mask=valid, COMPRESS="DEFLATE")
        sources.append(lambda _, path=path: cache.open(path))
    measured = 0
    for tile in _tiles_over(cache.open(path).web_bounds, zoom)[:6]:
        picture = draw(sources, GRID.bounds(tile), (256, 256), Rendering(), cache, rule=rule)
        shown = np.asarray(picture.pixels, int)[picture.valid]
        measured += len(shown)
        for background in (0, 255):
            over = np.where(picture.valid[..., None], picture.pixels, background).astype(int)
            assert np.minimum(np.abs(over - colour), np.abs(over - background)).max() <= 2
        assert np.abs(shown - colour).max(initial=0) <= 2
    assert measured > 100
