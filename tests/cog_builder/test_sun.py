import json
from datetime import UTC, datetime

import pytest

from cog_builder.sun import earth_sun_distance_au, separation_deg, sun_position
from tests.support.deliveries import shared


@pytest.mark.parametrize(
    ("when", "longitude", "latitude", "elevation", "azimuth"),
    [  # as real products of GF-1 and GF-2 state them, on four continents
        (datetime(2022, 6, 24, 5, 39, 9, tzinfo=UTC), 69.383, 33.304, 64.83, 106.27),
        (datetime(2020, 5, 10, 17, 3, 20, tzinfo=UTC), -90.99, 17.598, 76.43, 86.68),
        (datetime(2018, 10, 2, 2, 54, 23, tzinfo=UTC), 120.157, -0.016, 75.95, 104.56),
        (datetime(2023, 2, 13, 14, 17, 10, tzinfo=UTC), -72.306, -36.693, 46.19, 68.81),
    ],
)
def test_the_sun_stands_where_real_products_say(when, longitude, latitude, elevation, azimuth):
    assert sun_position(when, longitude, latitude) == pytest.approx((elevation, azimuth), abs=0.05)


def test_the_sun_of_a_textbook_example():
    # J. Meeus, Astronomical Algorithms, example 25.a: 1992-10-13.0, R.A. 198.38083°, declination −7.78507°
    when = datetime(1992, 10, 13, tzinfo=UTC)
    assert earth_sun_distance_au(when) == pytest.approx(0.99766, abs=1e-5)
    at_the_pole, _ = sun_position(when, 0, 90)
    assert at_the_pole == pytest.approx(-7.78507, abs=0.001)


def test_the_earth_is_nearest_the_sun_in_january_and_farthest_in_july():
    assert earth_sun_distance_au(datetime(2024, 1, 3, tzinfo=UTC)) == pytest.approx(0.98331, abs=5e-5)
    assert earth_sun_distance_au(datetime(2024, 7, 5, tzinfo=UTC)) == pytest.approx(1.01673, abs=5e-5)


@pytest.mark.parametrize("path", shared("bundles/*/truth.json"))
def test_distances_agree_with_independent_ones(path):
    truth = json.loads(path.read_text())
    distance = earth_sun_distance_au(datetime.fromisoformat(truth["datetime_utc"]))
    assert distance == pytest.approx(truth["earth_sun_distance_au"], abs=1e-4)


def test_directions_near_the_zenith_are_near_whatever_their_azimuth():
    assert separation_deg((89.9, 0), (89.9, 180)) == pytest.approx(0.2)
    assert separation_deg((0, 359), (0, 1)) == pytest.approx(2)
    assert separation_deg((-10, 40), (20, 40)) == pytest.approx(30)
