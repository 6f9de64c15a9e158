"""Corners that a delivery states against the image that its camera model sees."""

import math
import re

import numpy as np
import pytest

from cog_builder.corners import corner_warning
from cog_builder.deliveries.rpb import read_rpb
from tests.support.deliveries import shared

METRES_PER_DEGREE = 111_320.0
PRINTED = ("TopLeft", "TopRight", "BottomRight", "BottomLeft")


def outline(side_m, *, longitude=116.4, latitude=39.9, turned=0.2):
    """Points over a turned square, and its corners."""
    along = np.linspace(-0.5, 0.5, 65)
    east, north = (axis.ravel() * side_m for axis in np.meshgrid(along, -along))
    points = _degrees(east, north, longitude, latitude, turned)
    east, north = np.array([-0.5, 0.5, 0.5, -0.5]) * side_m, np.array([0.5, 0.5, -0.5, -0.5]) * side_m
    return points, list(zip(*_degrees(east, north, longitude, latitude, turned), strict=True))


def _degrees(east, north, longitude, latitude, turned):
    cos, sin = math.cos(turned), math.sin(turned)
    x, y = cos * east - sin * north, sin * east + cos * north
    return (
        longitude + x / METRES_PER_DEGREE / math.cos(math.radians(latitude)),
        latitude + y / METRES_PER_DEGREE,
    )


def moved(corners, metres, which=slice(None)):
    """Some corners, so far south."""
    found = np.array(corners)
    found[which, 1] -= metres / METRES_PER_DEGREE
    return [tuple(corner) for corner in found]


def test_corners_where_the_image_is_are_no_news_in_any_order():
    points, corners = outline(36_000)
    assert corner_warning(corners, points) is None
    assert corner_warning(corners[2:] + corners[:2], points) is None
    assert corner_warning(corners[::-1], points) is None
    assert corner_warning((), points) is None


@pytest.mark.parametrize(("side_m", "bound_m"), [(36_000, 2546), (512_000, 36_204), (1_500, 500)])
def test_the_bound_grows_with_the_image_and_never_falls_below_what_hills_do(side_m, bound_m):
    points, corners = outline(side_m, turned=0.0)
    assert corner_warning(moved(corners, 0.97 * bound_m, slice(2, 4)), points) is None
    found = corner_warning(moved(corners, 1.03 * bound_m, slice(2, 4)), points)
    assert found is not None
    assert re.match(r"corners: .* are \d+\.\d km apart, expected at most \d+\.\d km", found)


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param([(116.4, 39.9)] * 4, id="all in the middle"),
        pytest.param([(0.0, 0.0)] * 4, id="never filled in"),
        pytest.param([(39.7, 116.2), (39.7, 116.6), (40.1, 116.6), (40.1, 116.2)], id="latitude first"),
    ],
)
def test_corners_that_are_no_image_are_told(corners):
    assert corner_warning(corners, outline(36_000)[0])


def test_one_wrong_corner_is_told():
    points, corners = outline(36_000)
    assert corner_warning([*corners[:3], (corners[3][0] + 1, corners[3][1])], points)


def test_a_longitude_may_be_counted_the_other_way_around():
    points, corners = outline(36_000, longitude=179.5)
    assert corner_warning([(longitude - 360, latitude) for longitude, latitude in corners], points) is None


@pytest.mark.parametrize("rpb", shared("scenes/**/*.rpb"))
def test_real_scenes_that_are_good_pass(rpb):
    text = rpb.with_suffix(".xml").read_text(errors="replace")
    width, height = (float(_tag(text, f"{side}InPixels")) for side in ("Width", "Height"))
    corners = [tuple(float(_tag(text, f"{corner}{axis}")) for axis in ("Longitude", "Latitude")) for corner in PRINTED]
    col, row = (axis.ravel() for axis in np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9)))
    rpc = read_rpb(rpb)
    assert corner_warning(corners, rpc.locate(col, row, np.full(col.shape, rpc.height_offset_m))) is None


def _tag(text, name):
    return re.search(f"<{name}>([^<]+)<", text)[1]
