"""The simulated camera against its own polynomials, and the RPC file against the builder's reader."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cog_builder.deliveries.rpb import read_rpb
from cog_builder.simulation.camera import Camera
from cog_builder.simulation.metadata import rpb


@settings(max_examples=25, deadline=None)
@given(
    longitude=st.floats(-179, 179),
    latitude=st.floats(-75, 75),
    view_deg=st.floats(-25, 25),
    track_deg=st.floats(8, 16),
    height_m=st.floats(-400, 6000),
)
def test_the_polynomials_follow_the_camera_everywhere(longitude, latitude, view_deg, track_deg, height_m):
    camera = Camera(longitude, latitude, 100.0, 4500, 4400, 8.0, view_deg, 645_000, track_deg)
    rpc = camera.rpc(height_offset_m=500, height_scale_m=7000)
    col, row = np.meshgrid(np.linspace(0, 4499, 9), np.linspace(0, 4399, 9))
    places = rpc.locate(col, row, height_m)
    exact_col, exact_row = camera.image_position(*places, np.full_like(col, height_m))
    assert np.abs(exact_col - col).max() < 0.05
    assert np.abs(exact_row - row).max() < 0.05


def test_high_ground_leans_away_from_the_satellite():
    from_the_west = Camera(116.4, 39.9, 0.0, 1000, 1000, 2.0, 15.0, 645_000)
    place = np.array([116.4]), np.array([39.9])
    low, _ = from_the_west.image_position(*place, np.array([0.0]))
    high, _ = from_the_west.image_position(*place, np.array([100.0]))
    assert (high - low)[0] == pytest.approx(100 * np.tan(np.radians(15)) / 2.0, rel=0.01)


def test_high_ground_leans_forward_where_the_camera_looks_ahead():
    ahead = Camera(116.4, 39.9, 0.0, 1000, 1000, 2.0, 0.0, 505_000, pitch_deg=26.0)
    place = np.array([116.4]), np.array([39.9])
    _, low = ahead.image_position(*place, np.array([0.0]))
    _, high = ahead.image_position(*place, np.array([100.0]))
    assert (high - low)[0] == pytest.approx(100 * np.tan(np.radians(26)) / 2.0, rel=0.01)


def test_the_image_centre_looks_at_the_place_at_its_height():
    camera = Camera(-71.2, -33.4, 820.0, 1200, 900, 16.0, 8.0, 645_000)
    col, row = camera.rpc().project(np.array([-71.2]), np.array([-33.4]), 820.0)
    assert (col[0], row[0]) == (pytest.approx(599.5, abs=0.01), pytest.approx(449.5, abs=0.01))


def test_the_rpc_file_reads_back_without_loss(tmp_path):
    rpc = Camera(116.4, 39.9, 50.0, 7300, 6908, 3.24, -3.0, 631_000).rpc()
    path = tmp_path / "x.rpb"
    path.write_text(rpb(rpc), encoding="ascii")
    again = read_rpb(path)
    for field in fields(rpc):
        assert getattr(again, field.name) == pytest.approx(getattr(rpc, field.name), rel=1e-12, abs=1e-14)
