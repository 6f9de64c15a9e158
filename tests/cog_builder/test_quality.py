"""The flags of a pixel, and the simple rule for clouds."""

import numpy as np
import pytest

from cog_builder.quality import CLOUD, FILL, SATURATED, cloudy, flags

NAMES = ("blue", "green", "red", "nir")
CLOUD_TOP = (0.45, 0.44, 0.43, 0.5)
GROUND = {
    "meadow": (0.09, 0.09, 0.07, 0.35),
    "sea": (0.10, 0.07, 0.04, 0.02),
    "bare soil": (0.14, 0.17, 0.22, 0.28),
    "desert": (0.22, 0.28, 0.36, 0.42),
    "town": (0.15, 0.15, 0.16, 0.18),
}


def field(reflectance, shape=(30, 40)):
    return np.broadcast_to(np.array(reflectance, np.float32), (*shape, 4)).copy()


def test_flags_add_up_and_fill_stands_alone():
    valid = np.array([[True, True, True, True, False, False]])
    saturated = np.array([[False, True, False, True, False, True]])
    cloud = np.array([[False, False, True, True, False, True]])
    found = flags(valid, saturated, cloud)
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, SATURATED, CLOUD, SATURATED + CLOUD, FILL, FILL]]
    assert (FILL, SATURATED, CLOUD) == (1, 2, 4)


@pytest.mark.parametrize("reflectance", GROUND.values(), ids=GROUND)
def test_clear_ground_is_not_cloudy(reflectance):
    assert not cloudy(field(reflectance), NAMES).any()


def test_a_cloud_over_a_meadow_is_found_where_it_is():
    scene = field(GROUND["meadow"])
    scene[10:20, 15:30] = CLOUD_TOP
    expected = np.zeros((30, 40), np.bool_)
    expected[10:20, 15:30] = True
    found = cloudy(scene, NAMES)
    assert found.dtype == np.bool_
    assert (found != expected).sum() <= 12  # the four corners are rounded off


def test_a_single_bright_pixel_is_a_roof():
    scene = field(GROUND["town"])
    scene[15, 20] = CLOUD_TOP
    assert not cloudy(scene, NAMES).any()


def test_bands_are_found_by_their_names():
    scene = field(CLOUD_TOP)
    swapped = scene[..., [3, 2, 1, 0]]
    np.testing.assert_array_equal(cloudy(swapped, ("nir", "red", "green", "blue")), cloudy(scene, NAMES))
