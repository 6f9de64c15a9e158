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
