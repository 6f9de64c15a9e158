"""Reflectance → colours."""

import numpy as np
import pytest

from catalog.collection import collection_document, packaged_collections
from cog_builder.stretch import Stretch

NAMES = ("B1", "B2", "B3", "B4")
DOCUMENT = {
    "imagery_node:stretch": {
        "bands": ["B3", "B2", "B1"],
        "low": [0.02, 0.04, 0.06],
        "high": [0.42, 0.34, 0.26],
        "gamma": 2.0,
    }
}
STRETCH = Stretch.of_collection(DOCUMENT)


def shown(*reflectance, stretch=STRETCH):
    """Red, green, blue of one pixel given as blue, green, red, nir."""
    return stretch.picture(np.array(reflectance, np.float32).reshape(1, 1, 4), NAMES)[0, 0].tolist()


def test_each_colour_has_its_own_band_and_range():
    assert shown(0.06, 0.04, 0.02, 0.9) == [1, 1, 1]
    assert shown(0.26, 0.34, 0.42, 0.0) == [255, 255, 255]
    # A quarter of the range is half as bright as white at gamma 2: 1 + 254 · √0.25 = 128.
    assert shown(0.06, 0.115, 0.42, 0.0) == [255, 128, 1]


def test_bands_are_found_by_name_wherever_they_lie():
    pixel = np.array([[[0.42, 0.06, 0.115]]], np.float32)
    assert STRETCH.picture(pixel, ("B3", "B1", "B2"))[0, 0].tolist() == [255, 128, 1]


def test_one_band_three_times_is_grey():
    grey = {"bands": ["P"] * 3, "low": [0.1] * 3, "high": [0.3] * 3, "gamma": 1.0}
    picture = Stretch.of_collection({"imagery_node:stretch": grey}).picture(np.full((1, 1, 1), 0.2, np.float32), ("P",))
    assert picture[0, 0].tolist() == [128, 128, 128]


def test_what_lies_outside_the_range_is_clipped_and_never_pure_black():
    assert shown(-0.5, 0.0, -1e6, 0.0) == [1, 1, 1]
    assert shown(3.0, 1.2, 1e6, 0.0) == [255, 255, 255]


def test_brighter_ground_is_never_shown_darker():
    ramp = np.repeat(np.linspace(0, 0.5, 400, dtype=np.float32)[None, :, None], 4, axis=2)
    assert (np.diff(STRETCH.picture(ramp, NAMES).astype(int), axis=1) >= 0).all()


@pytest.mark.parametrize("collection", packaged_collections())
def test_every_collection_has_a_stretch_that_shows_ordinary_ground(collection):
    document = collection_document(collection)
    bands = document["item_assets"]["analytic"]["bands"]
    ordinary = {"blue": (0.09, 0.15), "green": (0.09, 0.17), "red": (0.07, 0.2), "nir": (0.35, 0.25)}
    ground = np.array([ordinary.get(band["eo:common_name"], (0.1, 0.2)) for band in bands], np.float32).T[None]
    picture = Stretch.of_collection(document).picture(ground, [band["name"] for band in bands])
    assert 20 < picture.min() < picture.max() < 235


class TestBalanced:
    def test_it_shows_gain_times_reflectance_plus_offset(self):
        gains, offsets = {"B3": 0.8, "B2": 1.25, "B1": 1.1}, {"B3": -0.02, "B2": 0.01, "B1": 0.0}
        ground = np.random.default_rng(1).uniform(0.05, 0.3, (40, 40, 4)).astype(np.float32)
        balanced = ground.copy()
        for index, band in enumerate(("B1", "B2", "B3")):
            balanced[..., index] = gains[band] * ground[..., index] + offsets[band]
        expected = STRETCH.picture(balanced, NAMES).astype(int)
        found = STRETCH.balanced(gains, offsets).picture(ground, NAMES)
        assert np.abs(found - expected).max() <= 1
        assert (found == expected).mean() > 0.999

    def test_with_gains_of_one_and_no_offset_it_is_the_same(self):
        assert STRETCH.balanced(dict.fromkeys(NAMES, 1.0), dict.fromkeys(NAMES, 0.0)) == STRETCH
