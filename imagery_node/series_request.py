"""What the address of a time series asks for, read and checked once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from catalog.geometry import bbox_area, read_geometry
from catalog.request_limits import strict_json
from catalog.search import BoundingBox
from imagery_node.area import Area
from imagery_node.errors import BadParameterError
from imagery_node.parameter import Query, read_box, read_number, read_point, read_query
from imagery_node.rendering import Rendering
from imagery_node.series_document import CSV, JSON
from imagery_node.tile_request import MEASURED_PARAMETERS, RENDERING_PARAMETERS, read_measured
from imagery_node.when import When, parse_when

PARAMETERS = {
    "datetime": False,
    **{name: RENDERING_PARAMETERS[name] for name in MEASURED_PARAMETERS},
    "scaled": False,
    "clear": False,
    "max_cloud": False,
    "f": False,
}
"""Of a series, beside its place; True for what may be repeated."""

_FORMATS = {"json": JSON, "csv": CSV}
_FLAGS = {"true": True, "false": False}
_ALL_CLOUDS = 100.0

Value = TypeVar("Value")


@dataclass(frozen=True)
class SeriesRequest:
    """A series of a layer."""

    area: Area
    bbox: BoundingBox
    """Of the area."""
    when: When
    rendering: Rendering | str
    scaled: bool
    clear_only: bool
    max_cloud: float | None
    media_type: str


def read_series(query: bytes, body: bytes | None, accept: str) -> SeriesRequest:
    """Read a request.

    Args:
        query: Of the address.
        body: GeoJSON of the area; None where the address has the place.
        accept: The header, which decides where `f` is not given.

    Raises:
        BadParameterError: A parameter or the body is malformed or out of its bounds.
        RefusedRequestError: A parameter is unknown or repeated, or the body is not JSON of one meaning.
    """
    places = {"point": False, "bbox": False} if body is None else {}
    values = read_query(query, {**places, **PARAMETERS})
    area, bbox = _read_place(values) if body is None else _read_area(strict_json(body))
    max_cloud = read_number(values["max_cloud"][0], what="max_cloud") if "max_cloud" in values else None
    if max_cloud is not None and not 0 <= max_cloud <= _ALL_CLOUDS:
        raise BadParameterError(f"max_cloud is {max_cloud:g}, expected 0–100 percent", limit="max_cloud")
    return SeriesRequest(
        area=area,
        bbox=bbox,
        when=parse_when(*values.get("datetime", [None])),
        rendering=read_measured(values),
        scaled=_read_word(values, "scaled", _FLAGS, usual=True),
        clear_only=_read_word(values, "clear", _FLAGS, usual=True),
        max_cloud=max_cloud,
        media_type=_read_word(values, "f", _FORMATS, usual=CSV if accept.startswith(CSV) else JSON),
    )


def _read_place(values: Query) -> tuple[Area, BoundingBox]:
    """The point or box of the address."""
    if ("bbox" in values) == ("point" in values):
        raise BadParameterError("give either bbox=west,south,east,north or point=lon,lat", limit="bbox")
    if "point" in values:
        lon, lat = read_point(values["point"][0])
        return Area(read_geometry({"type": "Point", "coordinates": [lon, lat]})), (lon, lat, lon, lat)
    bbox = read_box(values["bbox"][0])
    return Area(bbox_area(bbox)), bbox


def _read_area(document: Any) -> tuple[Area, BoundingBox]:
    """The polygons of a body."""
    if isinstance(document, Mapping) and document.get("type") == "Feature":
        document = document.get("geometry")
    try:
        geometry = read_geometry(document)
    except ValueError as error:
        raise BadParameterError(str(error), limit="geometry") from error
    if geometry.geom_type not in {"Polygon", "MultiPolygon"}:
        raise BadParameterError(
            f"the area is a {geometry.geom_type}, expected a Polygon or MultiPolygon", limit="geometry"
        )
    west, south, east, north = geometry.bounds
    return Area(geometry), (west, south, east, north)


def _read_word(values: Query, name: str, words: Mapping[str, Value], *, usual: Value) -> Value:
    """One of some words; `usual` where none is given."""
    if name not in values:
        return usual
    word = values[name][0]
    if word not in words:
        raise BadParameterError(f"{name} is {word!r:.80}, expected {' or '.join(words)}", limit=name)
    return words[word]
