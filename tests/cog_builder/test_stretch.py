"""Reflectance → colours."""

import numpy as np
import pytest

from catalog.collection import collection_document
from cog_builder.stretch import Stretch

NAMES = ("blue", "green", "red", "nir")
DOCUMENT = {"imagery_node:stretch": {"red": [0.02, 0.42], "green": [0.04, 0.34], "blue": [0.06, 0.26], "gamma": 2.0}}
STRETCH = Stretch.of_collection(DOCUMENT)


def shown(*reflectance):
    """Red, green, blue of one pixel given as blue, green, red, nir."""
    return STRETCH.picture(np.array(reflectance, np.float32).reshape(1, 1, 4), NAMES)[0, 0].tolist()


def test_each_colour_has_its_own_range_in_the_order_red_green_blue():
    assert shown(0.06, 0.04, 0.02, 0.9) == [1, 1, 1]
    assert shown(0.26, 0.34, 0.42, 0.0) == [255, 255, 255]
    # A quarter of the range is half as bright as white at gamma 2: 1 + 254 · √0.25 = 128.
    assert shown(0.06, 0.115, 0.42, 0.0) == [255, 128, 1]


def test_what_lies_outside_the_range_is_clipped_and_never_pure_black():
    assert shown(-0.5, 0.0, -1e6, 0.0) == [1, 1, 1]
    assert shown(3.0, 1.2, 1e6, 0.0) == [255, 255, 255]


def test_brighter_ground_is_never_shown_darker():
    ramp = np.repeat(np.linspace(0, 0.5, 400, dtype=np.float32)[None, :, None], 4, axis=2)
    assert (np.diff(STRETCH.picture(ramp, NAMES).astype(int), axis=1) >= 0).all()


@pytest.mark.parametrize("collection", ["gf1-pms", "gf1-wfv", "gf2-pms"])
def test_every_collection_has_a_stretch_that_shows_ordinary_ground(collection):
    stretch = Stretch.of_collection(collection_document(collection))
    ground = np.array([[[0.09, 0.09, 0.07, 0.35], [0.15, 0.17, 0.2, 0.25]]], np.float32)
    picture = stretch.picture(ground, NAMES)
    assert 20 < picture.min() < picture.max() < 235
