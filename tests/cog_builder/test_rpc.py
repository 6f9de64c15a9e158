"""The camera model against GDAL's RPC transformer."""

import numpy as np
import pytest
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from cog_builder.errors import GeolocationError
from tests.support.cameras import tilted_camera


def as_rasterio(rpc):
    return RPC(
        height_off=rpc.height_offset_m,
        height_scale=rpc.height_scale_m,
        lat_off=rpc.latitude_offset,
        lat_scale=rpc.latitude_scale,
        long_off=rpc.longitude_offset,
        long_scale=rpc.longitude_scale,
        line_off=rpc.line_offset,
        line_scale=rpc.line_scale,
        samp_off=rpc.sample_offset,
        samp_scale=rpc.sample_scale,
        line_num_coeff=list(rpc.line_numerator),
        line_den_coeff=list(rpc.line_denominator),
        samp_num_coeff=list(rpc.sample_numerator),
        samp_den_coeff=list(rpc.sample_denominator),
    )


def test_ground_points_fall_where_gdal_puts_them():
    rpc = tilted_camera()
    rng = np.random.default_rng(1)
    longitude = rpc.longitude_offset + rng.uniform(-0.9, 0.9, 50) * rpc.longitude_scale
    latitude = rpc.latitude_offset + rng.uniform(-0.9, 0.9, 50) * rpc.latitude_scale
    height_m = rng.uniform(0, 900, 50)
    col, row = rpc.project(longitude, latitude, height_m)
    with RPCTransformer(as_rasterio(rpc)) as gdal:
        rows, cols = gdal.rowcol(longitude, latitude, height_m, op=float)
    # GDAL counts from the corner of the first pixel, an RPC from its centre.
    assert np.abs(np.asarray(cols) - 0.5 - col).max() < 1e-6
    assert np.abs(np.asarray(rows) - 0.5 - row).max() < 1e-6


def test_locating_a_projected_point_gives_it_back():
    rpc = tilted_camera()
    col, row = np.meshgrid(np.linspace(0, 700, 9), np.linspace(0, 500, 7))
    longitude, latitude = rpc.locate(col, row, 350.0)
    back_col, back_row = rpc.project(longitude, latitude, 350.0)
    assert np.abs(back_col - col).max() < 1e-4
    assert np.abs(back_row - row).max() < 1e-4


def test_coefficients_that_are_no_camera_are_refused():
    flat = tilted_camera(line_numerator=(0.0,) * 20)
    with pytest.raises(GeolocationError, match="cannot be inverted"):
        flat.locate(np.array([10.0]), np.array([10.0]), 0.0)
