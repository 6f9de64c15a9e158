from concurrent.futures import ThreadPoolExecutor
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

        def source():
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
    sources = [paint("a", 10, cols=(0, 200)), paint("hidden", 20, cols=(20, 60)), lambda: None, paint("c", 30)]
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
    sources = [paint("a", 10, cols=(0, 9)), lambda: given_up.set(), paint("b", 20)]
    with pytest.raises(DeadlineError, match="source 3 of 3"):
        draw(sources, BOUNDS, (256, 256), Rendering(), cache, given_up)
    assert paint.opened == ["a"]


def test_P04_a_source_that_cannot_be_read_is_an_error_and_not_a_hole(tmp_path, paint, cache):
    path = tmp_path / "cut.tif"
    transform = from_origin(BOUNDS[0] - 20, BOUNDS[3] + 20, SIDE, SIDE)
    write_cog(path, landscape(900, 900, 3, "uint8"), crs="EPSG:3857", transform=transform)
    path.write_bytes(path.read_bytes()[: int(open_cog(path).levels[0].offsets[0, 0, 0]) + 100])
    with pytest.raises(UnreadableAssetError, match=r"cut\.tif"):
        draw([paint("a", 10, cols=(0, 9)), lambda: cache.open(path)], BOUNDS, (256, 256), Rendering(), cache)


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
        return draw([partial(cache.open, path)], GRID.bounds(tile), (256, 256), rendering, cache).pixels.tobytes()

    alone = [pixels(CogCache(2, 1 << 28), tile) for tile in tiles[: len(tiles) // 3]] * 3
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(partial(pixels, small), tiles)) == alone


def _tiles_over(bounds, zoom):
    side = GRID.pixel_sides[zoom] * 256
    cols = range(int((bounds[0] - GRID.left) / side), int((bounds[2] - GRID.left) / side) + 1)
    rows = range(int((GRID.top - bounds[3]) / side), int((GRID.top - bounds[1]) / side) + 1)
    return [Tile(col, row, zoom) for col in cols for row in rows]
