"""The coordinate reference systems that scenes are built in and pictures are asked for in, as EPSG codes."""

CGCS2000, WGS84, WEB_MERCATOR = 4490, 4326, 3857

GEOGRAPHIC = frozenset({CGCS2000, WGS84})
"""Those that count degrees; all others of `MAP_CODES` count metres."""

MAP_CODES = GEOGRAPHIC | {
    WEB_MERCATOR,
    *range(4491, 4555),  # CGCS2000 Gauss-Krüger, 6 and 3 degrees, with and without the zone number in the easting
    *range(32601, 32661),  # UTM north
    *range(32701, 32761),  # UTM south
}
"""What a scene may be built in: the maps of China, UTM, and the two that everybody reads."""


def read_map_code(text: str) -> int:
    """The code of a CRS that a scene may be built in, written `EPSG:4548`.

    Raises:
        ValueError: It is none of them.
    """
    code = text.removeprefix("EPSG:")
    if not (text.startswith("EPSG:") and code.isdecimal() and code.isascii() and int(code) in MAP_CODES):
        raise ValueError(
            f"{text!r:.40} is no CRS that scenes are built in; expected EPSG:4490 (CGCS2000), EPSG:4491–4554 (CGCS2000 "
            f"Gauss-Krüger), EPSG:32601–32660 or 32701–32760 (UTM), EPSG:3857 or EPSG:4326"
        )
    return int(code)


def transverse_mercator_code(
    latitude: float, meridian: float, scale: float, easting: float, northing: float
) -> int | None:
    """The code of a map by what it is computed with, on the ellipsoid of WGS 84 or CGCS2000; None for any other map.

    Programs write the names of maps and datums in many ways, and often none. Of 3- and 6-degree zones without a zone
    number, which are the same map, the former.

    Args:
        latitude: Of the origin, degrees.
        meridian: The central one, degrees.
        scale: Along it.
        easting: Of the origin, metres.
        northing: Of the origin, metres.
    """
    zone, beside = divmod(meridian + 183, 6)
    if (latitude, scale, easting, beside) == (0, 0.9996, 500_000, 0) and northing in (0, 10_000_000):
        return int(zone) + (32700 if northing else 32600)
    zone, beside = divmod(meridian, 3)
    if (latitude, scale, northing, beside) != (0, 1, 0, 0) or not 25 <= zone <= 45:
        return None
    codes = {500_000: 4509 + zone, zone * 1_000_000 + 500_000: 4488 + zone}
    if zone % 2:
        codes[(zone + 1) / 2 * 1_000_000 + 500_000] = 4478 + (zone + 1) / 2
    return None if easting not in codes else int(codes[easting])
