"""Geometries and boxes from outside: counted and bounded before any native code sees them (L09, L10)."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from catalog.extent import BoundingBox

MAX_VERTICES = 10_000
MAX_PARTS = 100
"""Rings, lines, points and members of a collection together."""

MAX_REPAIRED_VERTICES = 250
"""Repair costs more than the square of the vertices when they cross at random: 0.05 s here, an hour at 10 000."""

_DEPTHS = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
"""How many lists enclose the positions of each GeoJSON type."""


class Ground(NamedTuple):
    """A footprint as an index wants it."""

    wkb: bytes
    bounds: BoundingBox
    """From −180 to 180 when the footprint crosses the antimeridian."""
    sides: tuple[BoundingBox, ...]
    """The bounds on each side of the antimeridian that the footprint lies on."""


def read_geometry(
    document: object,
    *,
    max_vertices: int = MAX_VERTICES,
    max_parts: int = MAX_PARTS,
    max_repaired: int = MAX_REPAIRED_VERTICES,
) -> BaseGeometry:
    """A GeoJSON geometry of any type, in degrees, repaired once when it is not valid.

    Args:
        document: From outside.
        max_vertices: Of a geometry that is taken.
        max_parts: Of a geometry that is taken.
        max_repaired: Vertices of one that is repaired.

    Raises:
        ValueError: It is not GeoJSON, too large, outside the earth or empty.
    """
    if not isinstance(document, dict):
        raise ValueError("a geometry must be a GeoJSON object")
    members = [document]
    if document.get("type") == "GeometryCollection":
        members = document.get("geometries", [])
        if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
            raise ValueError("the geometries of a GeometryCollection must be a list of geometries")
    _check_counts(members, max_vertices, max_parts)
    try:
        geometry = shapely.from_geojson(orjson.dumps(document))
    except (shapely.errors.GEOSException, TypeError) as error:
        raise ValueError(f"the geometry is not GeoJSON: {error}") from error
    if not geometry.is_valid:
        if shapely.get_num_coordinates(geometry) > max_repaired:
            raise ValueError(f"the geometry is not valid ({shapely.is_valid_reason(geometry)}) and too large to repair")
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    if geometry.is_empty:
        raise ValueError("the geometry is empty")
    return geometry


def read_grounds(places: Sequence[tuple[object, object]]) -> list[Ground | ValueError]:
    """The ground under footprints, each of a GeoJSON geometry and its bbox, or why it is refused.

    Polygons of one ring are read together, which is several times as fast.
    """
    geometries = _plain_polygons([geometry for geometry, _ in places])
    encoded = zip(shapely.to_wkb(geometries), map(tuple, shapely.bounds(geometries).tolist()), strict=True)
    grounds: list[Ground | ValueError] = []
    for (document, bbox), (wkb, bounds) in zip(places, encoded, strict=True):
        try:
            west, _, east, _ = box = _footprint_bbox(bbox)
            plain = wkb is not None and west <= east
            grounds.append(Ground(wkb, bounds, (bounds,)) if plain else _ground(read_geometry(document), box))
        except (ValueError, TypeError) as error:
            grounds.append(ValueError(str(error)))
    return grounds


def read_bbox(values: Sequence[float]) -> BoundingBox:
    """West, south, east, north out of 4 or 6 numbers; west > east crosses the antimeridian.

    Raises:
        ValueError: It is not 4 or 6 finite numbers on the earth enclosing an area.
    """
    if len(values) not in {4, 6} or not all(map(is_number, values)):
        raise ValueError(f"a bbox must be 4 or 6 finite numbers, found {list(values)!r:.200}")
    half = len(values) // 2
    (west, south), (east, north) = values[:2], values[half : half + 2]
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90):
        raise ValueError(f"bbox {list(values)} is outside longitude −180…180, latitude −90…90")
    if south >= north or west == east:
        raise ValueError(f"bbox {list(values)} must have south < north and west ≠ east")
    return float(west), float(south), float(east), float(north)


def split_bbox(bbox: BoundingBox) -> list[BoundingBox]:
    """The box itself, or its two halves when it crosses the antimeridian."""
    west, south, east, north = bbox
    if west <= east:
        return [bbox]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def bbox_area(bbox: BoundingBox) -> BaseGeometry:
    """The ground inside a box; a box without width or height gives a line or point."""
    parts = [
        shapely.box(w, s, e, n) if w < e and s < n else shapely.MultiPoint([(w, s), (e, n)]).envelope
        for w, s, e, n in split_bbox(bbox)
    ]
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def split_footprint(geometry: BaseGeometry, bbox: BoundingBox) -> list[BaseGeometry]:
    """The geometry itself, or what lies on either side of the antimeridian when its bbox crosses it."""
    if bbox[0] <= bbox[2]:
        return [geometry]
    eastward = shapely.make_valid(shapely.transform(geometry, _eastward), method="structure", keep_collapsed=False)
    sides = (
        shapely.intersection(eastward, shapely.box(-180, -90, 180, 90)),
        shapely.transform(shapely.intersection(eastward, shapely.box(180, -90, 540, 90)), lambda xy: xy - (360, 0)),
    )
    return [side for side in sides if not side.is_empty]


def _eastward(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360.0, xy[:, 0]), xy[:, 1]])


def _footprint_bbox(bbox: object) -> BoundingBox:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f"bbox is {bbox!r:.80}, expected 4 numbers")
    return read_bbox(bbox)


def _ground(geometry: BaseGeometry, bbox: BoundingBox) -> Ground:
    if geometry.geom_type not in {"Polygon", "MultiPolygon"}:
        raise ValueError(f"geometry is a {geometry.geom_type}, expected a Polygon or MultiPolygon with an area")
    sides = split_footprint(geometry, bbox)
    whole = sides[0] if len(sides) == 1 else shapely.union_all(sides)
    return Ground(shapely.to_wkb(whole), whole.bounds, tuple(side.bounds for side in sides))


def _plain_polygons(documents: Sequence[object]) -> NDArray[np.object_]:
    """The good polygons of one ring; None in place of anything else."""
    rings = [_plain_ring(document) for document in documents]
    polygons = np.full(len(documents), None)
    polygons[[ring is not None for ring in rings]] = _polygons([ring for ring in rings if ring is not None])
    return polygons


def _plain_ring(document: object) -> list[float] | None:
    """x, y, x, y … of a polygon of one ring of few positions, without heights; None of anything else."""
    if not isinstance(document, dict) or document.get("type") != "Polygon":
        return None
    rings = document.get("coordinates")
    if not isinstance(rings, list) or len(rings) != 1 or not isinstance(rings[0], list):
        return None
    ring = rings[0]
    if not 4 <= len(ring) <= MAX_REPAIRED_VERTICES or set(map(type, ring)) != {list} or set(map(len, ring)) != {2}:
        return None
    numbers = list(itertools.chain.from_iterable(ring))
    return numbers if set(map(type, numbers)) == {float} else None


def _polygons(rings: list[list[float]]) -> NDArray[np.object_]:
    """One for each ring; None where it is not closed, not on the earth or not valid."""
    polygons = np.full(len(rings), None)
    if not rings:
        return polygons
    counts = np.array([len(ring) // 2 for ring in rings])
    ends = np.cumsum(counts)
    starts = ends - counts
    xy = np.fromiter(itertools.chain.from_iterable(rings), np.float64, 2 * ends[-1]).reshape(-1, 2)
    on_earth = np.logical_and.reduceat((np.abs(xy) <= (180.0, 90.0)).all(axis=1), starts)
    good = on_earth & (xy[starts] == xy[ends - 1]).all(axis=1)
    of_ring = np.repeat(np.cumsum(good) - 1, counts)
    positions = np.repeat(good, counts)
    polygons[good] = shapely.polygons(shapely.linearrings(xy[positions], indices=of_ring[positions]))
    polygons[~shapely.is_valid(polygons)] = None
    return polygons


def _check_counts(members: list[dict[str, Any]], max_vertices: int, max_parts: int) -> None:
    vertices, parts = 0, 0
    for member in members:
        kind = member.get("type")
        if not isinstance(kind, str) or kind not in _DEPTHS:
            raise ValueError(f"unknown geometry type {kind!r:.40}, expected one of {', '.join(_DEPTHS)}")
        depth = _DEPTHS[kind]
        for line in _lines(member.get("coordinates"), max(depth - 1, 0)):
            parts += 1
            positions = line if depth else [line]
            if not isinstance(positions, list):
                raise ValueError(f"the coordinates of a {kind} are not nested as GeoJSON says")
            vertices += len(positions)
            if parts > max_parts or vertices > max_vertices:
                raise ValueError(f"the geometry has more than {max_vertices} vertices or {max_parts} parts")
            for position in positions:
                _check_position(position)


def _lines(coordinates: object, depth: int) -> Iterator[object]:
    if depth == 0:
        yield coordinates
    elif isinstance(coordinates, list):
        for part in coordinates:
            yield from _lines(part, depth - 1)
    else:
        raise ValueError("the coordinates of the geometry are not nested as GeoJSON says")


def _check_position(position: object) -> None:
    if not isinstance(position, list) or len(position) not in {2, 3} or not all(is_number(v) for v in position):
        raise ValueError(f"a position must be 2 or 3 finite numbers, found {position!r:.80}")
    if not (-180 <= position[0] <= 180 and -90 <= position[1] <= 90):
        raise ValueError(f"position {position[:2]} is outside longitude −180…180, latitude −90…90")


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number."""
    return type(value) in {int, float} and -math.inf < value < math.inf  # type: ignore[operator]  # a number by type
