"""Named areas, such as counties: what the files under `HOME/areas` say, read again when they change."""

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from catalog.durable import write_file
from catalog.errors import UnknownAreaError
from catalog.extent import BoundingBox

logger = logging.getLogger(__name__)

AREA_SUFFIX = ".geojson"

_FIRST_LINE = b'{"type":"FeatureCollection","features":['
_LAST_LINE = b"]}"
_OUTLINE = b',"geometry":'
"""In a text of JSON it would be written with backslashes."""


@dataclass(frozen=True)
class Area:
    """One area that questions may be about."""

    area_id: str
    name: str
    name_en: str | None
    bbox: BoundingBox
    km2: float
    outline: bytes
    """A valid Polygon or MultiPolygon in degrees, as GeoJSON: most areas are listed more often than looked at."""

    @property
    def geometry(self) -> BaseGeometry:
        """The outline, read for the caller alone."""
        return shapely.from_geojson(self.outline)

    @classmethod
    def of_line(cls, line: bytes) -> Self:
        """Out of a file of ours."""
        head, _, outline = line.removesuffix(b",").partition(_OUTLINE)
        feature = orjson.loads(head + b"}")
        properties = feature["properties"]
        return cls(
            area_id=feature["id"],
            name=properties["name"],
            name_en=properties.get("name_en"),
            bbox=tuple(feature["bbox"]),
            km2=properties["km2"],
            outline=outline.removesuffix(b"}"),
        )

    def head(self) -> dict[str, Any]:
        """Everything but the outline."""
        english = {"name_en": self.name_en} if self.name_en else {}
        return {"id": self.area_id, "name": self.name, **english, "bbox": list(self.bbox), "km2": self.km2}

    def feature(self) -> dict[str, Any]:
        """As GeoJSON, to be written by orjson."""
        properties = self.head()
        del properties["id"], properties["bbox"]
        return {
            "type": "Feature",
            "id": self.area_id,
            "bbox": list(self.bbox),
            "properties": properties,
            "geometry": orjson.Fragment(self.outline),  # stays the last member: `of_line` looks for it there
        }


def folder_of_areas(home: Path) -> Path:
    """Where the files lie; deleting one takes its areas away."""
    return home / "areas"


class _Stamp(NamedTuple):
    """What changes with a file."""

    modified_ns: int
    size: int
    inode: int


class AreaBook:
    """The areas of a folder; safe for many threads. Looking is cheap: a file is read again only when it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: dict[Path, tuple[_Stamp, list[Area]]] = {}
        self._areas: dict[str, Area] = {}

    def areas(self) -> Mapping[str, Area]:
        """All of them, by id."""
        with self._lock:
            stamps = _stamps(self._folder)
            if stamps != {path: stamp for path, (stamp, _) in self._files.items()}:
                self._files = {path: (stamp, self._read(path, stamp)) for path, stamp in stamps.items()}
                found = [area for _, areas in self._files.values() for area in areas]
                self._areas = {area.area_id: area for area in sorted(found, key=lambda area: area.area_id)}
            return self._areas

    def area(self, area_id: str) -> Area:
        """One of them.

        Raises:
            UnknownAreaError: There is none of that id.
        """
        try:
            return self.areas()[area_id]
        except KeyError as error:
            raise UnknownAreaError(f"there is no area {area_id!r:.140}") from error

    def search(self, words: str) -> list[Area]:
        """Those whose id and names have every one of the words, in any letter case, by id."""
        wanted = words.casefold().split()
        return [area for area in self.areas().values() if all(word in _text(area) for word in wanted)]

    def _read(self, path: Path, stamp: _Stamp) -> list[Area]:
        known = self._files.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        return read_areas(path)


def write_areas(path: Path, areas: Iterable[Area]) -> None:
    """Write a file of ours: a FeatureCollection with one area on each line, so that outlines need not be read."""
    lines = b",\n".join(orjson.dumps(area.feature()) for area in areas)
    write_file(path, b"\n".join([_FIRST_LINE, lines, _LAST_LINE, b""]))


def read_areas(path: Path) -> list[Area]:
    """The areas of one file of ours; none, and an error in the log, where it cannot be used."""
    try:
        first, *lines, last = path.read_bytes().splitlines()
        if (first, last) != (_FIRST_LINE, _LAST_LINE):
            raise ValueError("`catalog areas` did not write it")
        return [Area.of_line(line) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.error("the areas of %s are left out, load them again: %s", path.name, error)
        return []


def _stamps(folder: Path) -> dict[Path, _Stamp]:
    found = {path: path.stat() for path in sorted(folder.glob(f"*{AREA_SUFFIX}"))}
    return {path: _Stamp(stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in found.items()}


def _text(area: Area) -> str:
    return f"{area.area_id} {area.name} {area.name_en or ''}".casefold()
