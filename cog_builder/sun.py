"""Where the sun stands, and how far away it is.

Low-precision solar coordinates of J. Meeus, Astronomical Algorithms, 2nd edition, chapter 25 (0.01°), with the
equation of time left to sidereal time (chapter 12); the same method as the NOAA solar calculator. Refraction is not
applied: scene metadata state the geometric position. UTC stands for terrestrial time, which costs less than 0.001°.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import asin, atan2, cos, degrees, radians, sin, sqrt

_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_DAYS_PER_CENTURY = 36525.0


def sun_position(when: datetime, longitude: float, latitude: float) -> tuple[float, float]:
    """The sun's (elevation above the horizon, azimuth clockwise from north), in degrees, good to about 0.02°.

    Args:
        when: Time zone aware.
        longitude: Degrees east.
        latitude: Degrees north.
    """
    sun = _sun_at(when)
    days = _days_since_j2000(when)
    sidereal = 280.46061837 + 360.98564736629 * days
    hour_angle = radians(sidereal + longitude) - sun.right_ascension
    phi = radians(latitude)
    east = -cos(sun.declination) * sin(hour_angle)
    north = sin(sun.declination) * cos(phi) - cos(sun.declination) * cos(hour_angle) * sin(phi)
    up = sin(sun.declination) * sin(phi) + cos(sun.declination) * cos(hour_angle) * cos(phi)
    return degrees(asin(max(-1.0, min(1.0, up)))), degrees(atan2(east, north)) % 360


def earth_sun_distance_au(when: datetime) -> float:
    """Distance of the Earth from the sun in astronomical units, good to about 0.0001."""
    return _sun_at(when).distance_au


def separation_deg(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Angle between two directions given as (elevation, azimuth): unlike azimuth alone, well defined at the zenith."""
    half_height = sin(radians(one[0] - other[0]) / 2)
    half_turn = sin(radians(one[1] - other[1]) / 2)
    haversine = half_height**2 + cos(radians(one[0])) * cos(radians(other[0])) * half_turn**2
    return degrees(2 * asin(min(1.0, sqrt(haversine))))


@dataclass(frozen=True)
class _Sun:
    right_ascension: float
    """Radians."""
    declination: float
    """Radians."""
    distance_au: float


def _sun_at(when: datetime) -> _Sun:
    t = _days_since_j2000(when) / _DAYS_PER_CENTURY
    mean_longitude = 280.46646 + 36000.76983 * t + 0.0003032 * t**2
    mean_anomaly = radians(357.52911 + 35999.05029 * t - 0.0001537 * t**2)
    eccentricity = 0.016708634 - 0.000042037 * t - 0.0000001267 * t**2
    center = (
        (1.914602 - 0.004817 * t - 0.000014 * t**2) * sin(mean_anomaly)
        + (0.019993 - 0.000101 * t) * sin(2 * mean_anomaly)
        + 0.000289 * sin(3 * mean_anomaly)
    )
    node = radians(125.04 - 1934.136 * t)
    longitude = radians(mean_longitude + center - 0.00569 - 0.00478 * sin(node))
    obliquity = radians(23.43929111 - 0.013004167 * t + 0.00256 * cos(node))
    true_anomaly = mean_anomaly + radians(center)
    return _Sun(
        right_ascension=atan2(cos(obliquity) * sin(longitude), cos(longitude)),
        declination=asin(sin(obliquity) * sin(longitude)),
        distance_au=1.000001018 * (1 - eccentricity**2) / (1 + eccentricity * cos(true_anomaly)),
    )


def _days_since_j2000(when: datetime) -> float:
    return (when - _J2000).total_seconds() / 86400
