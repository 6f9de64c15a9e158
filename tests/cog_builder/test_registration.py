"""Sub-pixel shifts between two images of the same ground."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cog_builder.pansharpening import blur_px
from cog_builder.registration import NO_SHIFT, Shift, agree, measure_shift

SIGMA = blur_px(4)
SIGMAS = (SIGMA, SIGMA)
SIDE = 256
MARGIN = 32
EVERYWHERE = np.ones((SIDE, SIDE), np.bool_)


def ground(seed=0):
    """A sharp image of detail from two pixels up, brightness 0.2."""
    rng = np.random.default_rng(seed)
    side = SIDE + 2 * MARGIN
    fine, wide = (cv2.GaussianBlur(rng.standard_normal((side, side)), (0, 0), sigma) for sigma in (1.5, 9))
    return (0.2 + 0.02 * fine / fine.std() + 0.02 * wide / wide.std()).astype(np.float32)


def pair(col, row, seed=0):
    """The pan image, and what the colours show whose ground lies at pixel + (col, row)."""
    sharp = ground(seed)
    inner = (slice(MARGIN, -MARGIN),) * 2
    coarse = cv2.GaussianBlur(sharp, (0, 0), SIGMA)
    y, x = np.mgrid[: len(sharp), : len(sharp)].astype(np.float32)
    moved = cv2.remap(coarse, x - np.float32(col), y - np.float32(row), cv2.INTER_LANCZOS4)
    return sharp[inner], moved[inner]


def test_images_that_lie_right_are_not_shifted():
    pan, grey = pair(0, 0)
    assert measure_shift(grey, pan, EVERYWHERE, SIGMAS).length < 0.02


@settings(deadline=None, max_examples=20)
@given(st.floats(-8, 8, width=32), st.floats(-8, 8, width=32), st.integers(0, 5))
def test_a_shift_is_found_to_a_twentieth_of_a_pan_pixel(col, row, seed):
    pan, grey = pair(col, row, seed)
    found = measure_shift(grey, pan, EVERYWHERE, SIGMAS)
    assert found.col == pytest.approx(col, abs=0.05)
    assert found.row == pytest.approx(row, abs=0.05)


def test_brightness_and_contrast_do_not_matter():
    pan, grey = pair(1.7, -0.6)
    found = measure_shift(0.3 * grey + 0.1, pan, EVERYWHERE, SIGMAS)
    assert (found + Shift(-1.7, 0.6)).length < 0.05


def test_what_lies_in_pixels_that_are_not_usable_does_not_matter():
    pan, grey = pair(1.7, -0.6)
    usable = EVERYWHERE.copy()
    usable[60:140, 90:200] = False
    pan, grey = np.where(usable, pan, np.float32(0)), np.where(usable, grey, np.float32(3))
    assert (measure_shift(grey, pan, usable, SIGMAS) + Shift(-1.7, 0.6)).length < 0.1


def test_two_images_of_unlike_ground_have_no_shift():
    assert measure_shift(pair(0, 0, seed=1)[1], pair(0, 0, seed=2)[0], EVERYWHERE, SIGMAS) is None


def test_ground_without_detail_has_no_shift():
    flat = np.full((SIDE, SIDE), 0.2, np.float32)
    assert measure_shift(flat, flat, EVERYWHERE, SIGMAS) is None
    assert measure_shift(0 * flat, 0 * flat, EVERYWHERE, SIGMAS) is None


def test_a_piece_that_shows_next_to_nothing_has_no_shift():
    pan, grey = pair(0, 0)
    assert measure_shift(grey, pan, ~EVERYWHERE, SIGMAS) is None
    corner = ~EVERYWHERE
    corner[:90, :90] = True
    assert measure_shift(grey, pan, corner, SIGMAS) is None


def test_the_middle_of_the_pieces_counts():
    found = agree([Shift(1.6, 0.1), None, Shift(1.7, 0.0), Shift(1.71, 0.02), Shift(-4.0, 3.0), Shift(1.72, -0.01)])
    assert found.refused is None
    assert (found.shift + Shift(-1.7, 0)).length < 0.05


@pytest.mark.parametrize("shift", [Shift(0.03, -0.03), Shift(0, 0.049)])
def test_a_shift_too_small_to_matter_is_none_at_all(shift):
    assert agree([shift] * 5).shift == NO_SHIFT
    assert agree([shift] * 5).refused is None


def test_a_shift_that_is_less_than_the_doubt_about_it_is_none_at_all():
    assert agree([Shift(0.1 + off, 0) for off in (-0.2, -0.19, 0, 0.19, 0.2)]).shift == NO_SHIFT


@pytest.mark.parametrize(
    ("shifts", "reason"),
    [
        ([], "0 of 0 places can be compared, expected 3"),
        ([None] * 14 + [Shift(1, 1)] * 2, "2 of 16 places can be compared, expected 3"),
        ([Shift(0, 0), Shift(1, 0), Shift(0, 1), Shift(2, 2), Shift(-1, 1)], "places differ by 1.00 px"),
        ([Shift(5, 4)] * 6, "the colours lie 6.4 px beside the pan image, expected at most 5"),
    ],
)
def test_a_shift_that_is_not_sane_is_refused(shifts, reason):
    found = agree(shifts)
    assert found.shift == NO_SHIFT
    assert found.refused.startswith(reason)
