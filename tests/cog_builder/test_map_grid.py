"""Which CRS and which pixels a scene is drawn on."""

import morecantile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS
from rasterio import Affine

from cog_builder.errors import GeolocationError
from cog_builder.map_grid import (
    MapGrid,
    cgcs2000_tile_grid,
    choose_crs,
    delivered_grid,
    overview_count,
    snapped_grid,
    tile_grid,
)

BEIJING = np.array([116.38, 116.42]), np.array([39.88, 39.92])


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


@pytest.mark.parametrize("epsg", [4490, 4326])
def test_scenes_in_degrees_share_their_pixels_too(epsg):
    first = snapped_grid(epsg, *BEIJING, 8.0)
    second = snapped_grid(epsg, BEIJING[0] + 0.0123, BEIJING[1] - 0.0057, 8.0)
    assert first.pixel == second.pixel == pytest.approx(8 / 111319.490793, rel=1e-11)
    for grid in (first, second):
        for edge in (grid.left, grid.top):
            assert edge / grid.pixel == pytest.approx(round(edge / grid.pixel), abs=1e-6)


def test_a_grid_in_degrees_holds_its_points_and_no_more():
    grid = snapped_grid(4490, *BEIJING, 8.0)
    left, bottom, right, top = grid.bounds
    step = 2 ** overview_count(grid.width, grid.height)
    assert 0 <= 116.38 - left < grid.pixel
    assert 0 <= top - 39.92 < grid.pixel
    assert 0 <= right - 116.42 < (step + 1) * grid.pixel
    assert 0 <= 39.88 - bottom < (step + 1) * grid.pixel
    longitude, latitude = grid.to_degrees(np.array([0.0, 10.0]), np.array([0.0, 20.0]))
    assert longitude.tolist() == [grid.left, grid.left + 10 * grid.pixel]
    assert latitude.tolist() == [grid.top, grid.top - 20 * grid.pixel]


def test_the_zone_number_leads_the_easting():
    plain, numbered = (snapped_grid(epsg, *BEIJING, 8.0) for epsg in (4548, 4527))
    assert numbered.left - plain.left == 39_000_000
    assert (numbered.top, numbered.width, numbered.height) == (plain.top, plain.width, plain.height)


@pytest.mark.parametrize("epsg", [4548, 4498, 32650, 3857, 4490])
def test_pixels_are_as_large_on_the_ground_as_the_ellipsoid_says(epsg):
    grid = snapped_grid(epsg, *BEIJING, 8.0)
    col, row = np.array([100.0, 101.0, 100.0]), np.array([50.0, 50.0, 51.0])
    longitude, latitude = grid.to_degrees(col, row)
    geod = CRS("EPSG:4490").get_geod()
    across, down = (geod.inv(longitude[0], latitude[0], longitude[i], latitude[i])[2] for i in (1, 2))
    assert grid.pixel_m(50.5) == pytest.approx((across, down), rel=0.005)


def test_a_crs_that_does_not_reach_the_scene_is_refused():
    with pytest.raises(GeolocationError, match=r"EPSG:4534 does not reach longitude 165\.00, latitude 0\.00"):
        snapped_grid(4534, np.array([164.9, 165.1]), np.array([-0.1, 0.1]), 8.0)


@pytest.mark.parametrize(
    ("epsg", "transform"),
    [
        (32650, Affine(2.1, 0, 447_001.3, 0, -2.1, 4_418_003.7)),
        (4490, Affine(7.2e-5, 0, 116.38, 0, -7.2e-5, 39.92)),
    ],
)
def test_a_delivered_grid_keeps_its_pixels(epsg, transform):
    grid = delivered_grid(epsg, transform, 1301, 700)
    assert grid.epsg == epsg
    assert grid.transform == transform
    assert (grid.width, grid.height) == (1304, 700)
    assert delivered_grid(epsg, transform, 512, 300).height == 300


def test_a_delivered_grid_that_cannot_be_kept_is_refused():
    with pytest.raises(GeolocationError, match=r"lies in EPSG:4214, .* name another CRS as target"):
        delivered_grid(4214, Affine(7e-5, 0, 116.38, 0, -7e-5, 39.92), 1000, 1000)


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
    zoom = round(np.log2(2 * 20037508.342789244 / 256 / grid.pixel))
    for level in (0, overviews):
        tile = tms.tile(*(float(v[0]) for v in grid.to_degrees(np.array([0.5]), np.array([0.5]))), zoom - level)
        assert tms.xy_bounds(tile).left == pytest.approx(grid.left, abs=1e-6)
        assert tms.xy_bounds(tile).top == pytest.approx(grid.top, abs=1e-6)
    assert grid.width % (256 * 2**overviews) == 0
    assert max(grid.width, grid.height) <= 2 * 256 * 2**overviews
    ground_m = grid.pixel * np.cos(np.radians(latitude + side / 2))
    assert 2**-0.51 < ground_m / gsd_m < 2**0.51


C_TILES = [
    (116.3913, 39.9075, 12, 3372, 569),
    (116.3913, 39.9075, 18, 215825, 36476),
    (87.6168, 43.8256, 12, 3044, 525),
    (112.338, 16.832, 12, 3326, 832),
    (112.28, 3.97, 12, 3325, 978),
]
"""(longitude, latitude, level, column, row) of the national grid, worked out apart from this project."""
C_LEVELS = {16.0: 13, 8.0: 14, 5.8: 15, 2.1: 16, 2.0: 16, 1.0: 17, 0.8: 18, 0.5: 18}
"""Level by ground sampling distance, as the national service has it."""


@pytest.mark.parametrize("gsd_m", C_LEVELS)
def test_the_level_of_the_national_grid_goes_by_the_equator(gsd_m):
    for latitude in (4.0, 53.0):
        grid, _ = cgcs2000_tile_grid(np.array([116.0, 116.1]), np.array([latitude, latitude + 0.1]), gsd_m)
        assert (grid.epsg, grid.pixel) == (4490, 0.703125 / 2 ** (C_LEVELS[gsd_m] - 1))


@pytest.mark.parametrize(("longitude", "latitude", "level", "col", "row"), C_TILES)
def test_a_small_scene_lies_on_the_very_tile_of_the_national_grid(longitude, latitude, level, col, row):
    gsd_m = {12: 38.2, 18: 0.6}[level]
    grid, overviews = cgcs2000_tile_grid(np.array([longitude, longitude]), np.array([latitude, latitude]), gsd_m)
    assert (overviews, grid.width, grid.height) == (0, 256, 256)
    assert (grid.left + 180) / 360 * 2**level == col
    assert (90 - grid.top) / 360 * 2**level == row


@given(st.floats(-179, 178), st.floats(-88, 87), st.floats(0.001, 1.0), st.sampled_from([0.8, 2.0, 16.0]))
def test_every_block_of_every_level_is_a_tile_of_the_national_grid(longitude, latitude, side, gsd_m):
    grid, overviews = cgcs2000_tile_grid(
        np.array([longitude, longitude + side]), np.array([latitude, latitude + side]), gsd_m
    )
    level = C_LEVELS[gsd_m] - overviews
    assert level >= 1
    col, row = (grid.left + 180) / 360 * 2**level, (90 - grid.top) / 360 * 2**level
    assert (col, row) == (int(col), int(row))
    assert 0 <= col < 2**level
    assert 0 <= row < 2 ** (level - 1)
    assert grid.width % (256 * 2**overviews) == grid.height % (256 * 2**overviews) == 0
    assert max(grid.width, grid.height) <= 2 * 256 * 2**overviews
    left, bottom, right, top = grid.bounds
    assert left - 1e-9 <= longitude <= longitude + side <= right + 1e-9
    assert bottom - 1e-9 <= latitude <= latitude + side <= top + 1e-9
