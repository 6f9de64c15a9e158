"""Pan-sharpening by component substitution, on made-up ground whose sharp colours are known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cog_builder.pansharpening import Sample, Sharpening, blur_px, blurred, fit_sharpening

SIGMA = blur_px(4)
SIGMAS = (SIGMA, SIGMA)
SHAPE = (160, 176)
EVERYWHERE = np.ones(SHAPE, np.bool_)
WEIGHTS = np.array([0.2, 0.25, 0.25, 0.3], np.float32)


def texture(seed, sigma_px):
    """Random detail of one size, standard deviation 1."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32), (0, 0), sigma_px)
    return noise / noise.std()


def ground(seed=0):
    """Sharp reflectance in four bands: fields of unlike colours, and detail that changes near infrared most."""
    fields = np.stack([0.1 + 0.02 * texture(seed * 10 + band, 25) for band in range(4)], -1)
    return fields + 0.01 * texture(seed + 99, 1.2)[..., None] * np.array([0.5, 0.7, 0.9, 1.6], np.float32)


def seen_coarsely(sharp):
    return cv2.GaussianBlur(sharp, (0, 0), SIGMA)


def sample(seed=0):
    sharp = ground(seed)
    return Sample(seen_coarsely(sharp), sharp @ WEIGHTS, EVERYWHERE)


def error(made, real):
    """Relative, root of the mean over pixels and bands, away from the edge."""
    inner = (slice(20, -20), slice(20, -20))
    off = (made - real)[inner] / real[inner].mean((0, 1))
    return float(np.sqrt((off**2).mean()))


def test_the_pan_image_is_blurred_to_what_the_coarse_bands_saw():
    assert pytest.approx(0.6 * 15**0.5) == SIGMA
    assert blur_px(1) == pytest.approx(0.3)


def test_the_weights_of_the_bands_in_the_pan_image_are_found():
    found = fit_sharpening([sample(1), sample(2)], 4, SIGMAS)
    np.testing.assert_allclose(found.weights, WEIGHTS, atol=0.01)
    assert found.constant == pytest.approx(0, abs=1e-3)


def test_detail_goes_into_every_band_by_its_share():
    found = fit_sharpening([sample(1), sample(2)], 4, SIGMAS)
    shares = np.array([0.5, 0.7, 0.9, 1.6])
    np.testing.assert_allclose(found.gains, shares / (WEIGHTS @ shares), rtol=0.1)


def test_sharp_colours_are_nearer_to_the_truth_than_by_a_ratio():
    seen, sharp = sample(3), ground(3)
    ours = fit_sharpening([sample(1), sample(2)], 4, SIGMAS).sharpen(seen.colours, seen.pan, ~EVERYWHERE)
    smooth, _ = blurred(seen.pan, EVERYWHERE, SIGMAS)
    by_ratio = seen.colours * (seen.pan / smooth)[..., None]
    brovey = seen.colours * (seen.pan / (seen.colours @ WEIGHTS))[..., None]
    assert error(ours, sharp) < 0.5 * min(error(by_ratio, sharp), error(brovey, sharp), error(seen.colours, sharp))


def test_flat_ground_stays_as_it_is():
    colours = np.broadcast_to(np.array([0.1, 0.2, 0.3, 0.4], np.float32), (*SHAPE, 4))
    pan = np.full(SHAPE, 0.27, np.float32)
    found = fit_sharpening([Sample(colours, pan, EVERYWHERE)], 4, SIGMAS)
    np.testing.assert_allclose(found.sharpen(colours, pan, ~EVERYWHERE), colours, rtol=1e-5)


def test_detail_on_otherwise_flat_ground_keeps_its_colour():
    colours = np.broadcast_to(np.array([0.1, 0.2, 0.3, 0.4], np.float32), (*SHAPE, 4))
    pan = np.full(SHAPE, 0.27, np.float32)
    found = fit_sharpening([Sample(colours, pan, EVERYWHERE)], 4, SIGMAS)
    np.testing.assert_allclose(found.sharpen(colours, pan * 1.1, ~EVERYWHERE), colours * 1.1, rtol=1e-4)


def test_saturated_pixels_keep_their_colours():
    seen = sample()
    saturated = np.zeros(SHAPE, np.bool_)
    saturated[40:60, 50:90] = True
    sharp = fit_sharpening([seen], 4, SIGMAS).sharpen(seen.colours, seen.pan, saturated)
    np.testing.assert_array_equal(sharp[saturated], seen.colours[saturated])
    assert (sharp[~saturated] != seen.colours[~saturated]).any()


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 5000, width=32), st.integers(0, 2**32 - 1))
def test_pixels_that_are_not_usable_take_no_part(value, seed):
    seen = sample()
    row, col = np.random.default_rng(seed).integers(0, 100, 2)
    usable = EVERYWHERE.copy()
    usable[row : row + 50, col : col + 60] = False
    fitted = [
        fit_sharpening(
            [Sample(np.where(usable[..., None], seen.colours, fill), np.where(usable, seen.pan, fill), usable)],
            4,
            SIGMAS,
        )
        for fill in (np.float32(0), np.float32(value))
    ]
    np.testing.assert_array_equal(fitted[0].weights, fitted[1].weights)
    np.testing.assert_array_equal(fitted[0].gains, fitted[1].gains)


def test_digital_numbers_are_sharpened_like_reflectance():
    seen = sample()
    numbers = Sample(seen.colours * 4000, seen.pan * 4000, EVERYWHERE)
    found, expected = fit_sharpening([numbers], 4, SIGMAS), fit_sharpening([seen], 4, SIGMAS)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-3)
    np.testing.assert_allclose(found.gains, expected.gains, rtol=1e-3)


def test_a_scene_without_any_usable_pixel_is_no_trouble():
    nothing = fit_sharpening([], 4, SIGMAS)
    dark = fit_sharpening([Sample(ground(), ground()[..., 0], ~EVERYWHERE)], 4, SIGMAS)
    for found in (nothing, dark):
        assert np.isfinite([*found.weights, *found.gains, found.constant]).all()


def test_any_number_of_bands_can_be_sharpened():
    colours = np.concatenate([sample(1).colours, sample(2).colours], axis=-1)
    pan = colours.mean(-1) + 0.01 * texture(5, 1)
    found = fit_sharpening([Sample(colours, pan, EVERYWHERE)], 8, SIGMAS)
    assert found.sharpen(colours, pan, ~EVERYWHERE).shape == (*SHAPE, 8)


def test_every_pixel_is_sharpened_by_itself():
    sharpening = Sharpening(WEIGHTS, 0.01, np.array([0.5, 0.7, 0.9, 1.6], np.float32))
    seen = sample()
    whole = sharpening.sharpen(seen.colours, seen.pan, ~EVERYWHERE)
    part = (slice(30, 90), slice(50, 140))
    cut = sharpening.sharpen(seen.colours[part], seen.pan[part], ~EVERYWHERE[part])
    np.testing.assert_allclose(cut, whole[part], rtol=1e-6)


def test_a_blurred_image_says_where_only_usable_pixels_went_into_it():
    usable = EVERYWHERE.copy()
    usable[:, :80] = False
    image = np.where(usable, np.float32(0.3), 0)
    smooth, sure = blurred(image, usable, SIGMAS)
    np.testing.assert_allclose(smooth[usable], 0.3, rtol=1e-5)
    assert not sure[:, :82].any()
    assert sure[20:-20, 90:-20].all()
