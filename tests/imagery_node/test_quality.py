"""Clear pixels, and flags warped without being mixed."""

import numpy as np
from rasterio.transform import from_origin
from rasterio.warp import Resampling

from cog_builder import quality as written
from imagery_node import quality
from imagery_node.cog_cache import CogCache
from imagery_node.grid import PixelGrid, get_grid
from imagery_node.quality import clear_pixels
from imagery_node.warp import pick, touched
from tests.support.mosaics import warp_plainly
from tests.support.rasters import BEIJING_UTM, write_cog

GRID = get_grid("WebMercatorQuad")


def flag_file(path, flags, dtype="uint8", **options):
    transform = from_origin(*BEIJING_UTM, 8, 8)
    options = {"nodata": 1, "OVERVIEW_RESAMPLING": "NEAREST", "COMPRESS": "DEFLATE", **options}
    return CogCache(4, 1 << 26), write_cog(path, flags[None].astype(dtype), transform=transform, **options)


def target_over(cog, zoom):
    left, _, _, top = cog.web_bounds
    side = GRID.pixel_sides[zoom]
    return PixelGrid(left + 300, top - 300, side, side, (200, 220))


def test_the_bits_are_those_that_the_builder_writes():
    assert (quality.CLOUD, quality.CLOUD_SHADOW) == (written.CLOUD, written.CLOUD_SHADOW)


def test_clear_is_what_is_neither_cloud_nor_shadow(tmp_path):
    flags = np.repeat(np.array([0, 1, 2, 4, 8, 6, 10, 12], np.uint8), 30)[None].repeat(400, 0)
    cache, path = flag_file(tmp_path / "q.tif", flags)
    cog = cache.open(path)
    clear = clear_pixels(cog, target_over(cog, 14), cache)
    values, _ = pick(cog, (0,), target_over(cog, 14), cache)
    at = {value: clear[values[..., 0] == value] for value in (0, 1, 2, 4, 8, 6, 10, 12)}
    assert {value: bool(each.all()) for value, each in at.items()} == {
        0: True, 1: True, 2: True, 4: False, 8: False, 6: False, 10: False, 12: False,
    }  # fmt: skip
    assert all(len(each) and each.all() == each.any() for each in at.values())


def test_a_scene_without_flags_or_with_other_values_is_clear(tmp_path):
    cache, path = flag_file(tmp_path / "q.tif", np.full((300, 300), 4.0), "float32")
    cog = cache.open(path)
    for file in (None, cog):
        assert clear_pixels(file, target_over(cog, 14), cache).all()


def test_flags_are_those_of_gdals_nearest_neighbour(tmp_path):
    """But for 3 % of pixels at edges of flags, where positions differ by a part of a pixel."""
    flags = np.random.default_rng(1).integers(0, 14, (300, 400)).repeat(3, 0).repeat(3, 1)
    cache, path = flag_file(tmp_path / "q.tif", flags, OVERVIEWS="NONE")
    cog = cache.open(path)
    for zoom in (12, 14, 16):
        grid = target_over(cog, zoom)
        assert touched(cog, grid)
        values, valid = pick(cog, (0,), grid, cache)
        bounds = (grid.left, grid.top - 200 * grid.pixel_height, grid.left + 220 * grid.pixel_width, grid.top)
        expected = warp_plainly(path, bounds, grid.shape, Resampling.nearest)
        known = np.isfinite(expected[..., 0])
        assert (valid != known).mean() < 0.01
        both = valid & known
        assert (values[..., 0][both] != expected[..., 0][both]).mean() < 0.03
