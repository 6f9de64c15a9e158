"""`POST /coverage`: is this area covered, by what, and where is it not?"""

from functools import partial
from typing import Any, Literal

import orjson
import shapely
from fastapi import APIRouter
from pydantic import Field, model_validator
from shapely.geometry.base import BaseGeometry
from starlette.requests import Request
from starlette.responses import Response

from catalog.api_answer import answer as respond
from catalog.api_schema import check_names
from catalog.area import AreaBook
from catalog.coverage import Coverage, Gap, Member, Question, answer
from catalog.covering_set import SLIVER_KM2
from catalog.errors import InvalidSearchError
from catalog.filtering import read_filter
from catalog.geometry import read_geometry
from catalog.lane import Lane
from catalog.link import Addresses
from catalog.request_limits import StrictRoute
from catalog.search import MAX_COLLECTIONS, ItemStore, Search
from catalog.search_request import DATETIME, FILTER, Id, Part
from catalog.stac_link import GEOJSON
from catalog.timestamp import MAX_TEXT_LENGTH, format_datetime, parse_interval

AT_ONCE = 2
WAIT_S = 2.0
"""L03."""


class CoverageBody(Part):
    """What is to cover what."""

    intersects: dict[str, Any] | None = None
    """The area: a GeoJSON Polygon or MultiPolygon in degrees."""
    area: Id | None = None
    """The area: the id of one that `/areas` lists; instead of `intersects`."""
    datetime: str = Field(max_length=MAX_TEXT_LENGTH, description=DATETIME)
    gsd: float | None = Field(None, gt=0, le=10_000)
    """Ground sample distance in metres, at most; scenes that do not say theirs are left out."""
    cloud_cover: float | None = Field(None, ge=0, le=100)
    """Percent, at most; scenes that do not say theirs are left out."""
    collections: list[Id] | None = Field(None, min_length=1, max_length=MAX_COLLECTIONS)
    filter: dict[str, Any] | str | None = Field(None, description=FILTER)
    filter_lang: Literal["cql2-text", "cql2-json"] = Field("cql2-json", alias="filter-lang")
    group: Literal["month"] | None = None
    """Tell by month (UTC) what its own scenes cover."""

    @model_validator(mode="after")
    def _names_one_area(self) -> "CoverageBody":
        if (self.intersects is None) == (self.area is None):
            raise ValueError("give either intersects or area")
        return self

    def question(self, area: BaseGeometry) -> Question:
        """The question about an area.

        Raises:
            InvalidSearchError: `datetime` or `filter` means nothing.
        """
        try:
            interval = parse_interval(self.datetime)
        except ValueError as error:
            raise InvalidSearchError(f"datetime: {error}") from error
        return Question(
            area=area,
            interval=interval,
            collections=tuple(self.collections or ()),
            gsd_m=self.gsd,
            cloud_cover=self.cloud_cover,
            filter=None if self.filter is None else read_filter(self.filter, self.filter_lang),
            by_month=self.group == "month",
        )


def coverage_routes(store: ItemStore, areas: AreaBook, *, public_url: str | None) -> APIRouter:
    """The route."""
    router = APIRouter(route_class=StrictRoute, tags=["answers"])
    lane = Lane(AT_ONCE, wait_s=WAIT_S)

    @router.post("/coverage", summary="Whether an area is covered, by which scenes, and where not")
    async def tell_coverage(body: CoverageBody, request: Request) -> Response:
        """One answer: covered area and percent, gaps as features, months, the smallest set of scenes that covers it."""
        return await lane.run(partial(_answer, store, areas, body, Addresses.of(request, public_url)))

    return router


def _answer(store: ItemStore, areas: AreaBook, body: CoverageBody, at: Addresses) -> Response:
    named = areas.area(body.area) if body.area is not None else None
    question = body.question(named.geometry if named else _read_area(body.intersects))
    check_names(Search(collections=question.collections, filter=question.filter), store, at.stac)
    coverage = answer(store, question)
    return respond(
        {
            "type": "FeatureCollection",
            "features": [_gap_feature(number, gap) for number, gap in enumerate(coverage.gaps, 1)],
            "question": body.model_dump(exclude_none=True, exclude={"intersects"}, by_alias=True),
            **({"area": named.head()} if named else {}),
            **_figures(coverage),
            "covering_set": {
                "method": coverage.method,
                "covered_km2": _km2(sum(member.added_km2 for member in coverage.covering_set)),
                "scenes": [_scene(member, at) for member in coverage.covering_set],
            },
        },
        GEOJSON,
    )


def _read_area(document: dict[str, Any] | None) -> BaseGeometry:
    try:
        return read_geometry(document)
    except ValueError as error:
        raise InvalidSearchError(f"intersects: {error}") from error


def _figures(coverage: Coverage) -> dict[str, Any]:
    months = [
        {
            "month": month.month,
            "scenes": month.scenes,
            "covered_km2": _km2(month.covered_km2),
            "percent": _percent(month.covered_km2, coverage.km2),
            "complete": month.is_complete,
        }
        for month in coverage.months
    ]
    return {
        "complete": coverage.is_complete,
        "tolerance_km2": SLIVER_KM2,
        "area_km2": _km2(coverage.km2),
        "covered_km2": _km2(coverage.covered_km2),
        "gap_km2": _km2(coverage.km2 - coverage.covered_km2),
        "percent": _percent(coverage.covered_km2, coverage.km2),
        "scenes_considered": coverage.scenes,
        **({"months": months} if months else {}),
    }


def _gap_feature(number: int, gap: Gap) -> dict[str, Any]:
    geometry = orjson.loads(shapely.to_geojson(gap.polygon))
    return {
        "type": "Feature",
        "id": f"gap-{number}",
        "bbox": list(gap.polygon.bounds),
        "properties": {"km2": _km2(gap.km2)},
        "geometry": geometry,
    }


def _scene(member: Member, at: Addresses) -> dict[str, Any]:
    scene = member.scene
    return {
        "collection": scene.collection,
        "id": scene.item_id,
        "datetime": format_datetime(scene.acquired),
        "cloud_cover": scene.cloud_cover,
        "gsd": scene.gsd_m,
        "added_km2": _km2(member.added_km2),
        "href": at.item(scene.collection, scene.item_id),
    }


def _km2(value: float) -> float:
    """To the square metre; never below nothing."""
    return max(round(value, 6), 0.0)


def _percent(part: float, whole: float) -> float:
    return max(round(100 * part / whole, 8), 0.0)
