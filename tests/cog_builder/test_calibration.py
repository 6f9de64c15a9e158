"""Reflectance against a hand computation."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from cog_builder.calibration import calibration
from tests.support.deliveries import opened
from tests.support.simulated import tiny_delivery


@pytest.fixture
def scene(tmp_path):
    """1992-10-13, when the earth is 0.99766 AU from the sun (Meeus, example 25.a), the sun 30° high."""
    scene = opened(tiny_delivery("gf1-pms", tmp_path, packing="folder"), tmp_path)
    bands = tuple(
        replace(band, esun=esun) for band, esun in zip(scene.sensor.bands, (2000, 1800, 1500, 1000), strict=True)
    )
    return replace(
        scene,
        acquired=datetime(1992, 10, 13, tzinfo=UTC),
        sun_elevation=30.0,
        main=replace(scene.main, bands=bands, gains=(0.2, 0.15, 0.12, 0.1), offsets=(5.0, 0.0, 0.0, -2.0)),
        pan=replace(scene.pan, bands=(replace(scene.sensor.pan, esun=1250),), gains=(0.18,), offsets=(1.0,)),
    )


def test_reflectance_is_pi_radiance_distance_squared_over_irradiance_and_sine_of_the_suns_height(scene):
    dn = np.array([[[100, 200, 300, 400], [1023, 0, 1, 2]]], np.float32)
    # Radiance: 0.2·100 + 5 = 25, 0.15·200 = 30, 0.12·300 = 36, 0.1·400 − 2 = 38; 1023 → 209.6, 0, 0.12, −1.8.
    # Reflectance: π · 0.99766² / sin 30° = 6.253822 times radiance / ESUN.
    expected = [
        [6.253822 * 25 / 2000, 6.253822 * 30 / 1800, 6.253822 * 36 / 1500, 6.253822 * 38 / 1000],
        [6.253822 * 209.6 / 2000, 0, 6.253822 * 0.12 / 1500, 6.253822 * -1.8 / 1000],
    ]
    found = calibration(scene, scene.main).reflectance(dn)
    assert found.shape == dn.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected, rtol=2e-5, atol=1e-7)


def test_the_pan_image_has_its_own_line(scene):
    line = calibration(scene, scene.pan)
    found = line.reflectance(np.full((2, 3, 1), 500, np.float32))
    assert found == pytest.approx(math.pi * 0.99766**2 * (0.18 * 500 + 1) / (1250 * 0.5), rel=2e-5)
