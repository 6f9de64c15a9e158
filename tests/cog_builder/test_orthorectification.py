"""Orthorectification against GDAL's own RPC + DEM warp, and the treatment of fill."""

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from cog_builder.elevation import DemFile
from cog_builder.map_grid import snapped_grid
from cog_builder.orthorectification import Placement, resample
from tests.cog_builder.test_rpc import as_rasterio
from tests.support.cameras import HEIGHT, LATITUDE, LONGITUDE, WIDTH, tilted_camera


class ArrayRaster:
    """Raw pixels in memory."""

    def __init__(self, pixels):
        self.pixels = pixels
        self.shape = pixels.shape

    def read(self, rows, cols):
        return self.pixels[slice(*rows), slice(*cols)]


@pytest.fixture
def dem(tmp_path):
    """Hills of 400 m on a grid of 100 m."""
    path = tmp_path / "dem.tif"
    side = np.linspace(0, 12, 200)
    heights = 300 + 200 * np.sin(side)[:, None] * np.cos(1.3 * side)[None, :]
    profile = {"driver": "GTiff", "width": 200, "height": 200, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(
        path, "w", **profile, transform=from_origin(LONGITUDE - 0.1, LATITUDE + 0.1, 0.001, 0.001)
    ) as file:
        file.write(heights.astype("float32"), 1)
    return path


def smooth_picture():
    row, col = np.mgrid[:HEIGHT, :WIDTH]
    bands = [1000 + 400 * np.sin(row / (9 + k)) * np.cos(col / (7 + k)) + row * 0.5 + col * 0.3 for k in range(3)]
    return np.stack(bands, -1).astype("uint16")


def grid_around(rpc):
    col, row = np.meshgrid([-0.5, WIDTH - 0.5], [-0.5, HEIGHT - 0.5])
    longitude, latitude = rpc.locate(col.ravel(), row.ravel(), 300.0)
    return snapped_grid(32650, longitude, latitude, 8.0)


def draw_whole(raw, rpc, elevation, grid):
    col, row = Placement(rpc, elevation, (HEIGHT, WIDTH)).source_positions(grid, (0, grid.height), (0, grid.width))
    return resample(ArrayRaster(raw), col, row, saturated_dn=60000, interpolation=cv2.INTER_CUBIC)


def test_a_scene_over_hills_lies_where_gdal_puts_it(dem):
    rpc, raw = tilted_camera(), smooth_picture()
    grid = grid_around(rpc)
    ours = draw_whole(raw, rpc, DemFile(dem).around((116.3, 39.8, 116.5, 40.0), max_cells=10**6), grid)
    theirs = np.zeros((3, grid.height, grid.width), np.float32)
    reproject(
        np.moveaxis(raw, -1, 0).astype(np.float32),
        theirs,
        rpcs=as_rasterio(rpc),
        src_crs="EPSG:4326",
        dst_crs="EPSG:32650",
        dst_transform=grid.transform,
        resampling=Resampling.cubic,
        RPC_DEM=str(dem),
        tolerance=0,
        init_dest_nodata=True,
        dst_nodata=0,
    )
    both = ours.valid & (theirs > 0).all(0)
    assert both.sum() > 0.95 * WIDTH * HEIGHT
    assert abs(int(ours.valid.sum()) - int((theirs > 0).all(0).sum())) < 0.01 * WIDTH * HEIGHT
    shift = registration_shift_px(ours.values[..., 0], theirs[0], both)
    assert np.abs(shift).max() < 0.02
    assert np.abs(ours.values[both] - np.moveaxis(theirs, 0, -1)[both]).mean() < 2


def registration_shift_px(ours, theirs, both):
    """Least-squares (column, row) shift between two pictures, from gradients."""
    down, across = np.gradient(theirs)
    inner = both & np.isfinite(across)
    for axis in (0, 1):
        for step in (-2, 2):
            inner &= np.roll(both, step, axis)
    gradients = np.stack([across[inner], down[inner]], -1)
    return np.linalg.lstsq(gradients, (theirs - ours)[inner], rcond=None)[0]


def test_blocks_drawn_apart_equal_the_whole(dem):
    rpc = tilted_camera()
    grid = grid_around(rpc)
    placement = Placement(rpc, DemFile(dem).around((116.3, 39.8, 116.5, 40.0), max_cells=10**6), (HEIGHT, WIDTH))
    whole_col, whole_row = placement.source_positions(grid, (0, 256), (0, 256))
    for top in (0, 128):
        col, row = placement.source_positions(grid, (top, top + 128), (64, 192))
        assert np.abs(col - whole_col[top : top + 128, 64:192]).max() < 0.05
        assert np.abs(row - whole_row[top : top + 128, 64:192]).max() < 0.05


@given(st.integers(0, 2**32 - 1))
def test_fill_never_mixes_into_a_valid_pixel(seed):
    rng = np.random.default_rng(seed)
    raw = np.full((60, 80, 2), 500, np.uint16)
    top, left = rng.integers(0, 50), rng.integers(0, 70)
    raw[top : top + rng.integers(1, 12), left : left + rng.integers(1, 12)] = 0
    raw[:, : rng.integers(0, 5)] = 0
    col, row = np.meshgrid(np.linspace(-3, 83, 150), np.linspace(-3, 63, 120))
    turn = rng.uniform(-0.3, 0.3)
    drawn = resample(
        ArrayRaster(raw), col + turn * row, row - turn * col, saturated_dn=1023, interpolation=cv2.INTER_CUBIC
    )
    assert np.abs(drawn.values[drawn.valid] - 500).max() < 1e-2
    position = np.rint(np.stack([row - turn * col, col + turn * row])).astype(int)
    inside = (position >= 0).all(0) & (position[0] < 60) & (position[1] < 80)
    imaged = np.zeros_like(inside)
    imaged[inside] = raw[position[0][inside], position[1][inside], 0] > 0
    assert (drawn.valid == imaged).mean() > 0.98
    assert not drawn.valid[~inside].any()


def test_saturated_raw_pixels_are_flagged_around_them_only():
    raw = np.full((40, 40, 4), 300, np.uint16)
    raw[20, 20, 2] = 1023
    col, row = np.meshgrid(np.arange(40) + 0.25, np.arange(40) + 0.25)
    drawn = resample(ArrayRaster(raw), col, row, saturated_dn=1023, interpolation=cv2.INTER_CUBIC)
    assert drawn.saturated[19:21, 19:21].all()
    assert drawn.saturated.sum() == 4


def test_a_block_beside_the_image_is_empty():
    raw = np.full((10, 10, 1), 300, np.uint16)
    col, row = np.meshgrid(np.arange(50.0, 60), np.arange(10.0))
    assert resample(ArrayRaster(raw), col, row, saturated_dn=1023, interpolation=cv2.INTER_CUBIC) is None


def test_blocks_that_are_left_out_show_nothing_and_far_ones_are_left_out(dem):
    rpc, elevation = tilted_camera(), DemFile(dem, "ellipsoid").around((115.0, 38.0, 118.0, 41.0), max_cells=10**6)
    placement, grid = Placement(rpc, elevation, (HEIGHT, WIDTH)), grid_around(rpc)
    left_out = 0
    for top in range(-2048, grid.height + 2048, 128):
        for left in range(-2048, grid.width + 2048, 128):
            rows, cols = (top, top + 128), (left, left + 128)
            if placement.is_beside(grid, rows, cols):
                left_out += 1
                col, row = placement.source_positions(grid, rows, cols)
                assert not ((col > -1) & (row > -1) & (col < WIDTH) & (row < HEIGHT)).any()
    assert left_out > 900
