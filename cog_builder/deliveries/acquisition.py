"""When a scene was taken and where the sun stood: what tags mean is decided by the sun itself."""

import re
from datetime import datetime, timedelta

from cog_builder.deliveries.metadata import BEIJING, Direction, ImageMetadata, Place
from cog_builder.sun import separation_deg, sun_position

_MAX_RECEIVE_DELAY = timedelta(minutes=10)
_NAME_END = re.compile(r"_(?P<date>\d{8})_L\d?[A-Z]?(?P<number>\d{8,12})$")
_OVERFLOWED = 2**31 - 1


def read_acquisition(metadata: ImageMetadata, place: Place) -> tuple[datetime, Direction, list[str]]:
    """UTC of the scene's centre, the sun's direction, and what contradicts them.

    Args:
        metadata: What the delivery says; of several readings of its tags the sun chooses.
        place: Where the scene's centre really lies.
    """
    readings = [(zone, angles) for zone in metadata.zones for angles in metadata.sun]
    expected = metadata.clock - metadata.zones[0]
    if not readings:
        computed = sun_position(expected, *place)
        return (
            expected,
            computed,
            ["sun_angles: the XML has none, computed from place and time", *_late(metadata, expected)],
        )
    off = [separation_deg(angles, sun_position(metadata.clock - zone, *place)) for zone, angles in readings]
    best = 0 if off[0] <= metadata.sun_error_deg else off.index(min(off))
    if off[best] > metadata.sun_error_deg:
        stated, computed = readings[0][1], sun_position(expected, *place)
        warning = (
            f"sun_position: XML elevation {stated[0]:.2f}° azimuth {stated[1]:.2f}°, "
            f"computed {computed[0]:.2f}° {computed[1]:.2f}° for {expected:%Y-%m-%dT%H:%M:%SZ}"
        )
        return expected, stated, [warning, *_late(metadata, expected)]
    zone, sun = readings[best]
    warnings = []
    if zone != metadata.zones[0]:
        found, wanted = (_named(value) for value in (zone, metadata.zones[0]))
        warnings.append(f"time_zone: CenterTime is {found} by the sun angles, expected {wanted}")
    if sun != metadata.sun[0]:
        warnings.append(f"sun_angles: {sun[0]:g}° is the elevation by time and place, expected {metadata.sun[0][0]:g}°")
    acquired = metadata.clock - zone
    return acquired, sun, [*warnings, *_late(metadata, acquired)]


def _named(zone: timedelta) -> str:
    return "Beijing time" if zone == BEIJING else "UTC"


def _late(metadata: ImageMetadata, acquired: datetime) -> list[str]:
    received = metadata.receive_time
    if received is None or min(abs(received - acquired), abs(received - BEIJING - acquired)) <= _MAX_RECEIVE_DELAY:
        return []
    return [f"receive_time: ReceiveTime is {received:%Y-%m-%d %H:%M:%S}, expected {acquired:%H:%M:%S} UTC"]


def name_warnings(metadata: ImageMetadata, acquired: datetime) -> list[str]:
    """What the delivered name says otherwise; the XML is believed."""
    name = _NAME_END.search(metadata.title)
    if name is None:
        return []
    warnings = []
    if name["date"] != f"{acquired:%Y%m%d}":
        warnings.append(f"name_date: the name says {name['date']}, the XML {acquired:%Y%m%d} UTC")
    if metadata.product_id.isdigit() and int(name["number"]) not in (int(metadata.product_id), _OVERFLOWED):
        warnings.append(f"product_number: the name says {name['number']}, the XML {metadata.product_id}")
    return warnings
