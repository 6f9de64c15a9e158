"""The packaged rule for clouds and shadows: on plain fields, and measured against the clouds of the simulator."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from rasterio import Affine

from cog_builder.cloud_detector import CloudView
from cog_builder.cloud_rule import SimpleCloudRule
from cog_builder.simulation.clouds import Clouds
from cog_builder.simulation.ground import METRES_PER_DEGREE, GroundGrid
from cog_builder.simulation.landscape import Landscape
from cog_builder.sun import sun_position

NAMES = ("blue", "green", "red", "nir")
CLOUD_TOP = (0.45, 0.44, 0.43, 0.5)
GROUND = {
    "meadow": (0.09, 0.09, 0.07, 0.35),
    "sea": (0.10, 0.07, 0.04, 0.02),
    "bare soil": (0.14, 0.17, 0.22, 0.28),
    "desert": (0.22, 0.28, 0.36, 0.42),
    "town": (0.15, 0.15, 0.16, 0.18),
}
REACH = SimpleCloudRule.reach_px
GF2_ENDS_AT = (0.252, 0.343, 0.399, 0.622)
"""Where the bands of GF-2 PMS1 saturate with the coefficients of 2022."""


def field(reflectance, shape=(200, 220)):
    return np.broadcast_to(np.array(reflectance, np.float32), (*shape, len(reflectance))).copy()


def look(reflectance, *, names=NAMES, ceiling=9.0, valid=None, pixel_m=(30.0, 30.0), sun=(45.0, 150.0)):
    """(cloudy, shadowed) of one view."""
    valid = np.ones(reflectance.shape[:2], np.bool_) if valid is None else valid
    ends_at = np.broadcast_to(np.array(ceiling, np.float32), reflectance.shape[2])
    return SimpleCloudRule()(CloudView(reflectance, valid, names, ends_at, pixel_m, *sun))


def bands(reflectance, names):
    """The bands of these names out of blue, green, red and nir; pan is their mean."""
    layers = dict(zip(NAMES, np.moveaxis(reflectance, -1, 0), strict=True)) | {"pan": reflectance.mean(-1)}
    return np.stack([layers.get(name, layers["red"]) for name in names], axis=-1)


@pytest.mark.parametrize("names", [NAMES, ("green", "red", "nir"), ("blue", "green", "red")])
@pytest.mark.parametrize("ground", GROUND.values(), ids=GROUND)
def test_clear_ground_is_neither_cloudy_nor_shadowed(ground, names):
    cloudy, shadowed = look(bands(field(ground), names), names=names)
    assert not cloudy.any()
    assert not shadowed.any()


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(NAMES, id="four bands"),
        pytest.param(("green", "red", "nir"), id="no blue"),
        pytest.param(("blue", "green", "red"), id="no near infrared"),
        pytest.param(("pan",), id="pan alone"),
        pytest.param(
            ("blue", "green", "red", "nir", "rededge071", "rededge075", "coastal", "yellow"), id="GF-6 in its order"
        ),
        pytest.param((None, "nir", "red", "green", "blue"), id="another order and a band without a name"),
    ],
)
def test_a_cloud_over_a_meadow_is_found_where_it_is(names):
    scene = field(GROUND["meadow"])
    scene[90:110, 80:120] = CLOUD_TOP
    expected = np.zeros(scene.shape[:2], np.bool_)
    expected[90:110, 80:120] = True
    cloudy, _ = look(bands(scene, names), names=names)
    assert cloudy.dtype == np.bool_
    assert (cloudy != expected).sum() <= 4  # the corners are rounded off


def test_pan_alone_takes_bright_sand_for_cloud_as_its_table_says():
    cloudy, shadowed = look(field((0.4,)), names=("pan",))
    assert cloudy.all()
    assert not shadowed.any()


def test_a_single_bright_pixel_is_a_roof():
    scene = field(GROUND["town"])
    scene[90, 110] = CLOUD_TOP
    assert not look(scene)[0].any()


@pytest.mark.parametrize("ground", GROUND.values(), ids=GROUND)
def test_a_cloud_is_found_by_a_camera_that_it_blinds_and_clear_ground_is_still_clear(ground):
    scene = field(ground)
    scene[90:110, 80:120] = CLOUD_TOP
    cloudy, _ = look(np.minimum(scene, np.float32(GF2_ENDS_AT)), ceiling=GF2_ENDS_AT)
    assert cloudy[92:108, 82:118].all()
    assert not cloudy[:, :70].any()


def test_what_is_no_image_is_not_flagged():
    valid = np.ones((200, 220), np.bool_)
    valid[:, :100] = False
    cloudy, _ = look(field(CLOUD_TOP), valid=valid)
    assert not cloudy[:, :100].any()
    assert cloudy[:, 101:].all()


def shaded(*, sun, height_m, pixel_m=(30.0, 30.0)):
    """A meadow with a cloud of 20 × 20 pixels in the middle and its shadow; gives the place of the shadow too."""
    scene = field(GROUND["meadow"])
    cast_m = height_m / math.tan(math.radians(sun[0]))
    away = np.radians(sun[1] + 180)
    row, col = 90 - round(cast_m * math.cos(away) / pixel_m[1]), 100 + round(cast_m * math.sin(away) / pixel_m[0])
    shadow = np.zeros(scene.shape[:2], np.bool_)
    shadow[row : row + 20, col : col + 20] = True
    scene[shadow] *= np.float32(0.55)
    scene[90:110, 100:120] = CLOUD_TOP
    shadow[90:110, 100:120] = False
    return scene, shadow


@pytest.mark.parametrize("azimuth", [0, 45, 110, 150, 180, 225, 290])
def test_a_dark_place_is_a_shadow_on_the_side_of_a_cloud_away_from_the_sun(azimuth):
    scene, shadow = shaded(sun=(45.0, azimuth), height_m=1000)
    found = look(scene, sun=(45.0, azimuth))[1]
    assert (found & shadow).sum() > 0.97 * shadow.sum()
    assert not (found & ~shadow).any()
    towards_the_sun = look(scene, sun=(45.0, (azimuth + 180) % 360))[1]
    assert not towards_the_sun[shadow].any()


def test_pixels_may_be_higher_than_wide():
    scene, shadow = shaded(sun=(45.0, 120.0), height_m=1200, pixel_m=(23.0, 30.0))
    found = look(scene, sun=(45.0, 120.0), pixel_m=(23.0, 30.0))[1]
    assert (found & shadow).sum() > 0.97 * shadow.sum()


@pytest.mark.parametrize("names", [NAMES, ("green", "red", "nir"), ("red", "nir", "blue")])
def test_a_shadow_is_found_in_near_infrared_and_not_without(names):
    scene, shadow = shaded(sun=(45.0, 150.0), height_m=1000)
    assert (look(bands(scene, names), names=names)[1] & shadow).sum() > 0.97 * shadow.sum()
    assert not look(bands(scene, ("blue", "green", "red")), names=("blue", "green", "red"))[1].any()


def test_water_and_dark_ground_far_from_clouds_are_no_shadow():
    scene, shadow = shaded(sun=(45.0, 150.0), height_m=1000)
    scene[shadow] = GROUND["sea"]
    assert not look(scene)[1].any()
    scene, shadow = shaded(sun=(45.0, 150.0), height_m=1000)
    scene[90:110, 100:120] = GROUND["meadow"]
    assert not look(scene)[1].any()


def test_nothing_beyond_the_reach_matters():
    random = np.random.default_rng(3)
    scene, _ = shaded(sun=(30.0, 150.0), height_m=700)
    scene += random.normal(0, 0.02, scene.shape).astype(np.float32)
    inside = (slice(40, -40), slice(50, -50))
    whole = look(scene, sun=(30.0, 150.0))
    cut = look(np.ascontiguousarray(scene[inside]), sun=(30.0, 150.0))
    kept = slice(40 + REACH, -40 - REACH), slice(50 + REACH, -50 - REACH)
    for of_whole, of_cut in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(of_whole[kept], of_cut[REACH:-REACH, REACH:-REACH])


@pytest.mark.parametrize(
    ("when", "percent", "cloud", "shadow"),
    [
        pytest.param(datetime(2022, 7, 24, 3, 10, tzinfo=UTC), 30, (0.97, 0.98), (0.9, 0.5), id="summer"),
        pytest.param(datetime(2022, 10, 7, 3, 20, tzinfo=UTC), 12, (0.97, 0.98), (0.7, 0.5), id="autumn"),
        pytest.param(datetime(2022, 12, 20, 3, 20, tzinfo=UTC), 25, (0.97, 0.98), (0.65, 0.35), id="low sun"),
    ],
)
def test_simulated_clouds_and_shadows_are_found_with_this_precision_and_recall(when, percent, cloud, shadow):
    """(precision, recall) that eight skies of these seasons all exceed; this is one of the harder ones."""
    sky = simulated(when, percent)
    cloudy, shadowed = look(sky.scene, pixel_m=(32.0, 32.0), sun=sky.sun)
    inner = (slice(REACH, -REACH), slice(REACH, -REACH))
    cloudy, shadowed, added, tint = (layer[inner] for layer in (cloudy, shadowed, sky.added, sky.tint))
    assert (added[cloudy] > 0.15).mean() > cloud[0]
    assert cloudy[added > 0.3].mean() > cloud[1]
    assert (tint[shadowed] > 1.02).mean() > shadow[0]
    assert shadowed[(tint > 1.088) & (added < 0.15)].mean() > shadow[1]


@dataclass(frozen=True)
class Sky:
    """A landscape under simulated clouds."""

    scene: np.ndarray
    sun: tuple[float, float]
    added: np.ndarray
    """Light of the clouds themselves in blue: 0.3 is about half a cloud."""
    tint: np.ndarray
    """Blue over near infrared of white ground: 1 in the sun, above in shadows, which the sky lights: 1.088 where a
    third of the sun is gone, 1.02 where a tenth is."""


def simulated(when, percent, *, step_m=32.0, side=375):
    down, across = step_m / METRES_PER_DEGREE, step_m / METRES_PER_DEGREE / math.cos(math.radians(39.9))
    corner = Affine(across, 0, 116.4 - side / 2 * across, 0, -down, 39.9 + side / 2 * down)
    grid = GroundGrid(corner, side, side)
    sun = sun_position(when, 116.4, 39.9)
    clouds = Clouds.covering(percent, grid, seed=7, sun=sun)
    black, white = (clouds.veil(np.full((side, side, 4), ground, np.float32), grid) for ground in (0.0, 1.0))
    light = np.maximum(white - black, 1e-6)
    scene = clouds.veil(Landscape().reflectance(grid, when), grid)
    return Sky(scene, sun, black[..., 0], light[..., 0] / light[..., 3])
