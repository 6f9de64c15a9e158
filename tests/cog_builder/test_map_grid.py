"""Which CRS and which pixels a scene is drawn on."""

import morecantile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from cog_builder.map_grid import MapGrid, choose_crs, overview_count, snapped_grid, tile_grid


@pytest.mark.parametrize(
    ("longitude", "latitude", "gsd_m", "epsg"),
    [
        (116.4, 39.9, 2.0, 4548),
        (116.4, 39.9, 16.0, 4509),
        (73.6, 39.0, 0.8, 4534),
        (136.4, 48.0, 0.8, 4554),
        (89.0, 23.9, 8.0, 4504),
        (69.4, 33.3, 8.0, 32642),
        (-72.3, -36.7, 3.24, 32718),
        (120.2, -1.0, 2.0, 32751),
        (179.99, 10.0, 2.0, 32660),
    ],
)
def test_the_crs_follows_place_and_pixel_size(longitude, latitude, gsd_m, epsg):
    assert choose_crs(longitude, latitude, gsd_m) == epsg


@given(st.floats(73.5, 136.49), st.floats(1, 54), st.sampled_from([0.8, 2.0, 8.0, 16.0]))
def test_the_central_meridian_is_the_nearest(longitude, latitude, gsd_m):
    parameters = CRS.from_epsg(choose_crs(longitude, latitude, gsd_m)).coordinate_operation.params
    meridian = next(p.value for p in parameters if p.name == "Longitude of natural origin")
    assert abs(meridian - longitude) <= (1.5 if gsd_m < 4 else 3) + 1e-9


def test_scenes_of_one_place_share_their_pixels():
    first = snapped_grid(4548, np.array([116.38, 116.42]), np.array([39.88, 39.92]), 8.0)
    second = snapped_grid(4548, np.array([116.39, 116.43]), np.array([39.87, 39.91]), 8.0)
    assert first.left % 8 == second.left % 8 == first.top % 8 == second.top % 8 == 0


def test_every_overview_is_exactly_half_the_level_before():
    grid = snapped_grid(4548, np.array([116.1, 116.7]), np.array([39.6, 40.1]), 8.0)
    step = 2 ** overview_count(grid.width, grid.height)
    assert step == 16
    assert grid.width % step == grid.height % step == 0
    assert max(grid.width, grid.height) // step <= 512


def test_degrees_of_a_grid_corner_come_back():
    grid = MapGrid(3857, 12957000.0, 4852000.0, 2.0, 100, 100)
    longitude, latitude = grid.to_degrees(np.array([0.0, 50.0]), np.array([0.0, 20.0]))
    x, y = morecantile.tms.get("WebMercatorQuad").xy(longitude[1], latitude[1])
    assert (x, y) == pytest.approx((12957100.0, 4851960.0), abs=1e-6)


@given(st.floats(-170, 170), st.floats(-60, 60), st.floats(0.001, 1.5), st.sampled_from([0.8, 2.0, 16.0]))
def test_every_block_of_every_level_is_a_map_tile(longitude, latitude, side, gsd_m):
    grid, overviews = tile_grid(np.array([longitude, longitude + side]), np.array([latitude, latitude + side]), gsd_m)
    tms = morecantile.tms.get("WebMercatorQuad")
    zoom = round(np.log2(2 * 20037508.342789244 / 256 / grid.pixel_m))
    for level in (0, overviews):
        tile = tms.tile(*(float(v[0]) for v in grid.to_degrees(np.array([0.5]), np.array([0.5]))), zoom - level)
        assert tms.xy_bounds(tile).left == pytest.approx(grid.left, abs=1e-6)
        assert tms.xy_bounds(tile).top == pytest.approx(grid.top, abs=1e-6)
    assert grid.width % (256 * 2**overviews) == 0
    assert max(grid.width, grid.height) <= 2 * 256 * 2**overviews
    ground_m = grid.pixel_m * np.cos(np.radians(latitude + side / 2))
    assert 2**-0.51 < ground_m / gsd_m < 2**0.51
