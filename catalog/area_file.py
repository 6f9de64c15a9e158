"""`catalog areas`: an operator's GeoJSON of counties or other areas, checked and kept under `HOME/areas`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from catalog.area import AREA_SUFFIX, Area, folder_of_areas, read_areas, write_areas
from catalog.coverage import MAX_AREA_VERTICES, check_area, search_box
from catalog.durable import move_file, naming_a_full_disk
from catalog.errors import DiskFullError, InvalidAreaError, InvalidSearchError
from catalog.geometry import read_geometry
from catalog.item import is_id
from catalog.staging import staging_folder
from catalog.surface import area_km2

MAX_VERTICES = 1_000_000
"""Of all areas of one file; 2900 counties at the detail of a 1:1 000 000 map have about 600 000."""

MAX_AREAS = 10_000
MAX_PARTS = 20_000
"""Polygons and holes of one area: a county on the coast may have thousands of islands."""

MAX_BYTES = 256 * 1024 * 1024
MAX_NAME_LENGTH = 200

_DEGREES = ("CRS84", "EPSG::4326", "EPSG::4490", "EPSG:4326", "EPSG:4490")
"""How old GeoJSON files name longitude and latitude; CGCS2000 is WGS 84 within a decimetre."""


@dataclass(frozen=True)
class AreaProperties:
    """Where the features of a file say what an area is called."""

    identity: str = "id"
    """A property, or the feature's own `id` where there is none of that name."""
    name: str = "name"
    name_en: str = "name_en"
    """May be missing."""


def load_areas(source: Path, *, home: Path, properties: AreaProperties) -> int:
    """Take in the areas of a FeatureCollection, in place of those of an earlier file of this name; returns how many.

    Raises:
        InvalidAreaError: Naming the feature and what is wrong with it; nothing was taken.
        DiskFullError: There is no room; nothing was taken.
    """
    folder = folder_of_areas(home)
    target = folder / f"{source.stem}{AREA_SUFFIX}"
    areas: dict[str, Area] = {}
    vertices = 0
    for area in _areas(source, properties):
        vertices += int(shapely.get_num_coordinates(area.geometry))
        if vertices > MAX_VERTICES:
            raise InvalidAreaError(f"{source}: more than {MAX_VERTICES} vertices; simplify the areas or split the file")
        if area.area_id in areas:
            raise InvalidAreaError(f"{source}: two areas have the id {area.area_id}; merge them or name them apart")
        areas[area.area_id] = area
    others = [path for path in folder.glob(f"*{AREA_SUFFIX}") if path != target]
    taken = areas.keys() & {area.area_id for path in others for area in read_areas(path)}
    if taken:
        raise InvalidAreaError(f"{source}: area {min(taken)} is in another file of {folder}; remove that one first")
    with naming_a_full_disk(source.name, DiskFullError), staging_folder(home) as staged:
        write_areas(staged / target.name, areas.values())
        move_file(staged / target.name, target)
    return len(areas)


def _areas(source: Path, properties: AreaProperties) -> Iterator[Area]:
    for number, feature in enumerate(_features(source), 1):
        try:
            yield _area(feature, properties)
        except (ValueError, InvalidSearchError) as error:
            raise InvalidAreaError(f"{source}: feature {number}: {error}") from error


def _features(source: Path) -> list[Any]:
    if source.stat().st_size > MAX_BYTES:
        raise InvalidAreaError(f"{source}: larger than {MAX_BYTES >> 20} MiB; simplify the areas or split the file")
    try:
        document = orjson.loads(source.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InvalidAreaError(f"{source}: not JSON: {error}") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not 1 <= len(features) <= MAX_AREAS:
        raise InvalidAreaError(f"{source}: expected a GeoJSON FeatureCollection of 1–{MAX_AREAS} features")
    crs = document.get("crs")
    if crs is not None and not str(crs.get("properties", {}).get("name")).endswith(_DEGREES):
        raise InvalidAreaError(f"{source}: its crs is {crs!r:.200}, expected degrees of WGS 84 or CGCS2000")
    return features


def _area(feature: object, names: AreaProperties) -> Area:
    if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
        raise ValueError("expected a GeoJSON Feature with properties")
    properties = feature["properties"]
    stated = properties.get(names.identity, feature.get("id"))
    area_id = str(stated) if type(stated) is int else stated
    if not isinstance(area_id, str) or not is_id(area_id):
        raise ValueError(f"{names.identity} is {stated!r:.140}, expected 1–128 letters, digits, '.', '_' or '-'")
    geometry = _geometry(feature.get("geometry"))
    return Area(
        area_id=area_id,
        name=_name(properties, names.name),
        name_en=_name(properties, names.name_en) if properties.get(names.name_en) else None,
        bbox=search_box(geometry),
        km2=round(area_km2(geometry), 6),
        outline=shapely.to_geojson(geometry).encode(),
    )


def _geometry(document: object) -> BaseGeometry:
    geometry = read_geometry(
        document, max_vertices=MAX_AREA_VERTICES, max_parts=MAX_PARTS, max_repaired=MAX_AREA_VERTICES
    )
    check_area(geometry)
    return shapely.force_2d(geometry)


def _name(properties: Mapping[str, Any], field: str) -> str:
    name = properties.get(field)
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise ValueError(f"{field} is {name!r:.140}, expected a text of 1–{MAX_NAME_LENGTH} characters")
    return name
