"""The bounds of what a caller may write: one checked reader per kind of value."""

import math
import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Path
from rasterio.crs import CRS

from catalog.geometry import read_bbox
from catalog.item import ID_PATTERN, MAX_ID_LENGTH, is_id
from catalog.reference_system import MAP_CODES
from catalog.request_limits import check_parameters
from catalog.search import BoundingBox
from imagery_node.errors import BadParameterError

MAX_SIDE_PX = 4096
MAX_IMAGE_PX = 16_800_000
MAX_IMAGE_BYTES = 256 * 1024 * 1024
MAX_SOURCE_PX = 64_000_000
MAX_ASSETS = 8
_MAX_NUMBERS = 8
NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
CRS_PATTERN = (
    r"^(\[?EPSG:\d{4,6}\]?|\[?OGC:CRS84\]?"
    r"|https?://www\.opengis\.net/def/crs/(EPSG/0/\d{4,6}|OGC/1\.3/CRS84)"
    r"|urn:ogc:def:crs:(EPSG::\d{4,6}|OGC:1\.3:CRS84))$"
)

Query = dict[str, list[str]]
Id = Annotated[str, Path(pattern=ID_PATTERN, max_length=MAX_ID_LENGTH)]
"""An id in the path of a route that FastAPI checks."""

_NAME = re.compile(NAME_PATTERN, re.ASCII)
_CRS = re.compile(CRS_PATTERN, re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"\d{1,10}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,3})?", re.ASCII)
_EPSG = {
    *MAP_CODES,
    *(4610, *range(2327, 2391)),  # Xian 1980, still asked for
    *(4214, *range(2401, 2443)),  # Beijing 1954
    3395,  # World Mercator
}


def read_query(raw: bytes, known: Mapping[str, bool]) -> Query:
    """Query string → values by name, each list in the order given; `known` as for `check_parameters`.

    Raises:
        BadParameterError: The text is not UTF-8.
        RefusedRequestError: A name is unknown, or repeated although it must not be.
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise BadParameterError("the query is not percent-encoded UTF-8", limit="parameters") from error
    check_parameters([name for name, _ in pairs], known)
    query: Query = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return query


def read_id(text: str) -> str:
    """An id of a layer, collection or item.

    Raises:
        BadParameterError: It has characters no id of ours has.
    """
    if not is_id(text):
        raise BadParameterError(f"the id is {text!r:.80}, expected 1–128 letters, digits, '.', '_' or '-'", limit="id")
    return text


def read_name(text: str, *, what: str = "assets") -> str:
    """An asset key, or the name of a rendering.

    Raises:
        BadParameterError: It has characters no name of ours has.
    """
    if not _NAME.fullmatch(text):
        raise BadParameterError(f"{what} is {text!r:.80}, expected 1–64 letters, digits, '_' or '-'", limit=what)
    return text


def read_bands(values: list[str]) -> tuple[int, ...]:
    """Band numbers from `bidx=3&bidx=2` or `bidx=3,2`.

    Raises:
        BadParameterError: They are not whole numbers.
    """
    parts = [part for value in values for part in value.split(",")]
    if not all(_WHOLE.fullmatch(part) for part in parts):
        raise BadParameterError(f"bidx is {values!r:.80}, expected whole numbers counted from 1", limit="bidx")
    return tuple(int(part) for part in parts)


def read_rescale(values: list[str]) -> tuple[tuple[float, float], ...]:
    """Stretch from `rescale=0,2000`, once for all bands or once per band.

    Raises:
        BadParameterError: They are not pairs of finite numbers.
    """
    try:
        pairs = [(low, high) for low, high in map(_numbers, values)]
    except ValueError as error:
        raise BadParameterError(f"rescale is {values!r:.80}, expected min,max", limit="rescale") from error
    return tuple(pairs)


def read_number(text: str, *, what: str) -> float:
    """One finite decimal number.

    Raises:
        BadParameterError: It is something else.
    """
    try:
        (number,) = _numbers(text)
    except ValueError as error:
        raise BadParameterError(f"{what} is {text!r:.80}, expected a number", limit=what) from error
    return number


def read_whole(text: str, *, what: str, most: int, least: int = 0) -> int:
    """One whole number from `least` to `most`.

    Raises:
        BadParameterError: It is something else.
    """
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise BadParameterError(f"{what} is {text!r:.80}, expected a whole number {least}–{most}", limit=what)
    return int(text)


def read_crs(text: str | None) -> CRS | None:
    """A coordinate reference system by code; caller text never reaches the CRS parser.

    Raises:
        BadParameterError: Not one of the forms we know, or a code we do not serve.
    """
    if text is None:
        return None
    if not _CRS.fullmatch(text):
        raise BadParameterError("a CRS is written EPSG:<4–6 digits> or OGC:CRS84", limit="crs")
    if "CRS84" in text.upper():
        return CRS.from_user_input("OGC:CRS84")
    code = int(re.findall(r"\d+", text)[-1])
    if code not in _EPSG:
        raise BadParameterError(f"EPSG:{code} is not among the reference systems served here", limit="crs")
    return CRS.from_epsg(code)


def read_box(text: str, *, in_degrees: bool = True) -> BoundingBox:
    """West, south, east, north; in degrees, west > east crosses the antimeridian.

    Raises:
        BadParameterError: Not four (or six, with heights) finite numbers that enclose an area, on the earth if in
            degrees.
    """
    try:
        numbers = _numbers(text)
        if in_degrees:
            return read_bbox(numbers)
        left, bottom, right, top = numbers
    except ValueError as error:
        raise BadParameterError(f"bbox: {error}", limit="bbox") from error
    if left >= right or bottom >= top:
        raise BadParameterError("bbox must have left < right and bottom < top", limit="bbox")
    return left, bottom, right, top


def read_point(text: str, *, in_degrees: bool = True) -> tuple[float, float]:
    """Longitude and latitude, or x and y.

    Raises:
        BadParameterError: Not two finite numbers, on the earth if in degrees.
    """
    try:
        x, y = _numbers(text)
    except ValueError as error:
        raise BadParameterError(f"the point is {text!r:.80}, expected two numbers lon,lat", limit="point") from error
    if in_degrees and not (-180 <= x <= 180 and -90 <= y <= 90):
        raise BadParameterError(f"the point is {text!r:.80}, expected -180…180,-90…90", limit="point")
    return x, y


def _numbers(text: str) -> list[float]:
    """Finite decimal numbers separated by commas; no 'nan', '_' or blanks, which `float` would take."""
    parts = text.split(",")
    if len(parts) > _MAX_NUMBERS or not all(_NUMBER.fullmatch(part) for part in parts):
        raise ValueError(f"{text[:80]!r} is not a list of numbers separated by commas")
    numbers = [float(part) for part in parts]
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{text[:80]!r} holds a number that is not finite")
    return numbers
