"""Pan-sharpening by smoothing filter-based intensity modulation."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cog_builder.pansharpening import blur_px, reach_px, sharpen

SIGMA = blur_px(4)
EVERYWHERE = np.ones((60, 70), np.bool_)


def colours(value=(0.1, 0.2, 0.3, 0.4)):
    return np.broadcast_to(np.array(value, np.float32), (60, 70, 4)).copy()


def stripes():
    """A pan image with detail of a few pixels."""
    row, col = np.mgrid[:60, :70]
    return (0.3 + 0.1 * np.sin(col * 1.7) * np.cos(row * 1.1)).astype(np.float32)


def test_the_pan_image_is_blurred_to_what_the_coarse_bands_saw():
    assert blur_px(4) == pytest.approx(0.6 * 15**0.5)
    assert blur_px(1) == pytest.approx(0.3)
    assert reach_px(SIGMA) >= 3 * SIGMA


def test_flat_ground_stays_as_it_is_up_to_the_edge():
    found = sharpen(colours(), np.full((60, 70), 0.27, np.float32), EVERYWHERE, sigma_px=SIGMA)
    np.testing.assert_allclose(found, colours(), rtol=1e-5)


def test_detail_of_the_pan_band_is_carried_into_every_colour():
    pan = stripes()
    found = sharpen(colours(), pan, EVERYWHERE, sigma_px=SIGMA)
    inner = (slice(10, -10), slice(10, -10))
    for band in range(4):
        assert np.corrcoef(found[inner][..., band].ravel(), pan[inner].ravel())[0, 1] > 0.99
    relative = found[inner][..., 0] / 0.1 - 1
    assert relative.std() == pytest.approx((pan[inner] / 0.3 - 1).std(), rel=0.05)


def test_a_pixels_colour_is_kept():
    found = sharpen(colours(), stripes(), EVERYWHERE, sigma_px=SIGMA)
    np.testing.assert_allclose(found / found[..., :1], colours() / 0.1, rtol=1e-5)


def test_seen_coarsely_the_sharp_image_is_the_coarse_one():
    found = sharpen(colours(), stripes(), EVERYWHERE, sigma_px=SIGMA)
    blurred = cv2.GaussianBlur(found, (0, 0), SIGMA)
    np.testing.assert_allclose(blurred[10:-10, 10:-10], colours()[10:-10, 10:-10], rtol=0.01)


@given(st.floats(0, 5000, width=32), st.integers(0, 2**32 - 1))
def test_pixels_that_are_not_valid_take_no_part(value, seed):
    valid = np.random.default_rng(seed).random((60, 70)) > 0.3
    pan = stripes()
    expected = sharpen(colours(), np.where(valid, pan, 0), valid, sigma_px=SIGMA)
    found = sharpen(colours(), np.where(valid, pan, np.float32(value)), valid, sigma_px=SIGMA)
    np.testing.assert_array_equal(found[valid], expected[valid])


def test_flat_ground_stays_as_it_is_beside_pixels_that_are_not_valid():
    valid = EVERYWHERE.copy()
    valid[:, :31] = False
    valid[20:22, 40:] = False
    pan = np.where(valid, np.float32(0.27), 0)
    found = sharpen(colours(), pan, valid, sigma_px=SIGMA)
    np.testing.assert_allclose(found[valid], colours()[valid], rtol=1e-5)


def test_black_pan_ground_divides_by_nothing():
    found = sharpen(colours(), np.zeros((60, 70), np.float32), EVERYWHERE, sigma_px=SIGMA)
    np.testing.assert_array_equal(found, colours())
