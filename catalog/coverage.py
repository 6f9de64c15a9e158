"""How far scenes cover an area: figures, gaps, months, and the smallest set of scenes that does it.

Longitude and latitude are compared as a plane, as GeoJSON says; sizes are exact on the ellipsoid (`catalog.surface`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from catalog.covering_set import SLIVER_KM2, Method, covering_set
from catalog.errors import InvalidSearchError, SlowSearchError, TooLargeError
from catalog.extent import BoundingBox, Interval
from catalog.filtering import Filter
from catalog.search import MAX_LIMIT, Footprint, ItemStore, Search
from catalog.surface import area_km2, areas_km2

MAX_SCENES = 5_000
"""One answer is made of so many scenes at most."""

MAX_LOOKED_AT = 100_000
"""So many scenes may lie around the area in the time asked for, whatever their clouds and resolution."""

MAX_AREA_VERTICES = 100_000
MAX_FOOTPRINT_VERTICES = 1_000_000
MAX_MONTHS = 120
DEADLINE_S = 10.0
"""L03; looked at between steps of the work, each of which is bounded by the numbers above."""

_CHUNK = 500

Geometries = NDArray[np.object_]


@dataclass(frozen=True)
class Question:
    """What is to cover what."""

    area: BaseGeometry
    """A Polygon or MultiPolygon in degrees."""
    interval: Interval
    collections: tuple[str, ...] = ()
    gsd_m: float | None = None
    """At most; a scene that does not say its own is left out."""
    cloud_cover: float | None = None
    """Percent, at most; a scene that does not say its own is left out."""
    filter: Filter | None = None
    by_month: bool = False


@dataclass(frozen=True)
class Gap:
    """A piece of the area that no scene covers."""

    polygon: BaseGeometry
    km2: float


@dataclass(frozen=True)
class Month:
    """What the scenes of a month cover by themselves."""

    month: str
    """Year and month, UTC, such as `2024-07`."""
    scenes: int
    covered_km2: float
    is_complete: bool


@dataclass(frozen=True)
class Member:
    """A scene of the covering set."""

    scene: Footprint
    added_km2: float
    """What it covers that the members before it do not."""


@dataclass(frozen=True)
class Coverage:
    """The answer."""

    km2: float
    covered_km2: float
    gaps: list[Gap]
    """Pieces of more than a sliver, the largest first."""
    scenes: int
    """How many were considered."""
    covering_set: list[Member]
    method: Method
    months: list[Month]

    @property
    def is_complete(self) -> bool:
        """Whether no gap is larger than a sliver."""
        return not self.gaps


def answer(store: ItemStore, question: Question) -> Coverage:
    """Look for the scenes and measure what they cover.

    Raises:
        InvalidSearchError: The question means nothing.
        TooLargeError: It is about more scenes, vertices or months than an answer may cost.
        SlowSearchError: It takes too long.
    """
    check_time = _clock(DEADLINE_S)
    check_area(question.area)
    months = _months(question.interval) if question.by_month else []
    scenes = _scenes(store, question, check_time)
    return measure(question.area, scenes, months=months, check_time=check_time)


def measure(
    area: BaseGeometry,
    scenes: Sequence[Footprint],
    *,
    months: Sequence[str] = (),
    check_time: Callable[[], None] = lambda: None,
) -> Coverage:
    """Measure what scenes cover of an area; of scenes that cover as much, those with less cloud, then the newer."""
    scenes = sorted(scenes, key=_preference)
    geometries = np.array([scene.geometry for scene in scenes], dtype=object)
    covered = _union(geometries, check_time)
    bare = _bare(area, covered)
    gaps = sorted((gap for gap in bare if gap.km2 > SLIVER_KM2), key=lambda gap: -gap.km2)
    check_time()
    by_month = [_month(month, area, scenes, geometries, check_time) for month in months]
    chosen = covering_set(area, geometries, check_time=check_time)
    km2 = area_km2(area)
    return Coverage(
        km2=km2,
        covered_km2=km2 - sum(gap.km2 for gap in bare),
        gaps=gaps,
        scenes=len(scenes),
        covering_set=[Member(scenes[n], km2) for n, km2 in zip(chosen.numbers, chosen.added_km2, strict=True)],
        method=chosen.method,
        months=by_month,
    )


def check_area(area: BaseGeometry) -> None:
    """Refuse what is no area, or one that cannot be measured.

    Raises:
        InvalidSearchError: It is not made of polygons, or lies around the antimeridian in one piece.
        TooLargeError: It has too many vertices.
    """
    if area.geom_type not in {"Polygon", "MultiPolygon"}:
        raise InvalidSearchError(f"the area is a {area.geom_type}, expected a Polygon or MultiPolygon")
    if (vertices := int(shapely.get_num_coordinates(area))) > MAX_AREA_VERTICES:
        raise TooLargeError(f"the area has {vertices} vertices, at most {MAX_AREA_VERTICES} are measured")
    if area_km2(area) <= SLIVER_KM2:
        raise InvalidSearchError(f"the area is smaller than {SLIVER_KM2 * 1e6:g} m²")
    if any(east - west > 180 for west, _, east, _ in shapely.bounds(shapely.get_parts(area))):
        raise InvalidSearchError(
            "a polygon of the area is wider than 180°; one across the antimeridian must be cut there (RFC 7946, 3.1.9)"
        )


def search_box(area: BaseGeometry) -> BoundingBox:
    """The box around an area; west > east where it lies on both sides of the antimeridian."""
    west, south, east, north = area.bounds
    if east - west > 180:
        bounds = shapely.bounds(shapely.get_parts(area))
        eastern, western = bounds[bounds[:, 0] >= 0], bounds[bounds[:, 2] <= 0]
        if len(eastern) + len(western) == len(bounds):
            west, east = float(eastern[:, 0].min()), float(western[:, 2].max())
    return west, south, east, north


def _clock(seconds: float) -> Callable[[], None]:
    end = time.monotonic() + seconds

    def check_time() -> None:
        if time.monotonic() > end:
            raise SlowSearchError(f"the answer takes longer than {seconds:g} s; ask for less ground or time")

    return check_time


def _scenes(store: ItemStore, question: Question, check_time: Callable[[], None]) -> list[Footprint]:
    """The scenes that the question is about."""
    box = search_box(question.area)
    near = store.footprints(question.collections or None, box, question.interval, MAX_LOOKED_AT + 1)
    if len(near) > MAX_LOOKED_AT:
        raise TooLargeError(f"more than {MAX_LOOKED_AT} scenes lie around the area; ask for less ground or time")
    check_time()
    meant = [scene for scene in near if _is_meant(scene, question)]
    if question.filter is not None:
        named = set(_named(store, question, box, check_time))
        meant = [scene for scene in meant if (scene.collection, scene.item_id) in named]
    shapely.prepare(question.area)
    touching = shapely.intersects(question.area, [scene.geometry for scene in meant])
    meant = [scene for scene, touches in zip(meant, touching, strict=True) if touches]
    if len(meant) > MAX_SCENES:
        raise TooLargeError(f"{len(meant)} scenes touch the area, at most {MAX_SCENES} are measured; ask for fewer")
    vertices = int(shapely.get_num_coordinates([scene.geometry for scene in meant]).sum())
    if vertices > MAX_FOOTPRINT_VERTICES:
        raise TooLargeError(f"the footprints have {vertices} vertices, at most {MAX_FOOTPRINT_VERTICES} are measured")
    return meant


def _is_meant(scene: Footprint, question: Question) -> bool:
    if question.gsd_m is not None and scene.gsd_m > question.gsd_m:
        return False
    cloud_cover = np.inf if scene.cloud_cover is None else scene.cloud_cover
    return question.cloud_cover is None or bool(cloud_cover <= question.cloud_cover)


def _named(
    store: ItemStore, question: Question, box: BoundingBox, check_time: Callable[[], None]
) -> Iterator[tuple[str, str]]:
    """Collection and id of what the filter finds."""
    token: str | None = None
    for _ in range(MAX_LOOKED_AT // MAX_LIMIT + 1):
        page = store.search(
            Search(question.collections, (), box, None, question.interval, MAX_LIMIT, token, question.filter)
        )
        yield from ((item["collection"], item["id"]) for item in page.items)
        check_time()
        token = page.next_token
        if token is None:
            return


def _preference(scene: Footprint) -> tuple[Any, ...]:
    unknown = scene.cloud_cover is None
    return unknown, scene.cloud_cover or 0.0, -scene.acquired.timestamp(), scene.collection, scene.item_id


def _union(geometries: Geometries, check_time: Callable[[], None]) -> BaseGeometry:
    """Neighbours first, so that no step is large."""
    if len(geometries) <= _CHUNK:
        return shapely.union_all(geometries)
    xy = shapely.get_coordinates(shapely.centroid(geometries))
    near_each_other = geometries[np.lexsort((xy[:, 1], np.floor(xy[:, 0])))]
    parts = []
    for start in range(0, len(geometries), _CHUNK):
        check_time()
        parts.append(shapely.union_all(near_each_other[start : start + _CHUNK]))
    return shapely.union_all(parts)


def _bare(area: BaseGeometry, covered: BaseGeometry) -> list[Gap]:
    parts = shapely.get_parts(shapely.difference(area, covered))
    return [Gap(polygon, float(km2)) for polygon, km2 in zip(parts, areas_km2(parts), strict=True)]


def _month(
    month: str,
    area: BaseGeometry,
    scenes: Sequence[Footprint],
    geometries: Geometries,
    check_time: Callable[[], None],
) -> Month:
    check_time()
    of_month = [number for number, scene in enumerate(scenes) if f"{scene.acquired.astimezone(UTC):%Y-%m}" == month]
    bare = _bare(area, _union(geometries[of_month], check_time))
    covered_km2 = area_km2(area) - sum(gap.km2 for gap in bare)
    return Month(month, len(of_month), covered_km2, all(gap.km2 <= SLIVER_KM2 for gap in bare))


def _months(interval: Interval) -> list[str]:
    """Year and month of every month that an interval touches."""
    start, end = interval
    if start is None or end is None:
        raise InvalidSearchError("months can be told of an interval that has both ends")
    first, last = (_month_number(when) for when in (start, end))
    if last - first >= MAX_MONTHS:
        raise TooLargeError(f"the interval touches {last - first + 1} months, at most {MAX_MONTHS} are told")
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(first, last + 1)]


def _month_number(when: datetime) -> int:
    utc = when.astimezone(UTC)
    return utc.year * 12 + utc.month - 1
