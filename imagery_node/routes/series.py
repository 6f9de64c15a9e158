"""The time series of a place: statistics of its pixels, date by date."""

from collections.abc import Iterator
from threading import Event
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from catalog.access import Access
from catalog.gate import require_reader
from imagery_node.cog_cache import CogCache
from imagery_node.dated_scenes import scenes_by_date
from imagery_node.heavy_lane import HeavyAnswer, HeavyLane
from imagery_node.parameter import read_id
from imagery_node.renders import complete
from imagery_node.routes.tiles import DATETIME, RENDERING
from imagery_node.scene_index import SceneIndex
from imagery_node.series import MAX_DATES, Measured, Series
from imagery_node.series_document import CSV, JSON, write_csv, write_json
from imagery_node.series_request import SeriesRequest, read_series

LAYER_SERIES = "/raster/layers/{layer}/timeseries"


def series_routes(index: SceneIndex, cogs: CogCache, lane: HeavyLane, access: Access) -> APIRouter:
    """The statistics of a place; they give values of pixels, of protected items to readers only."""
    router = APIRouter(tags=["series"])

    def answer(request: Request, layer: str, asked: SeriesRequest) -> Response:
        snapshot = index.newest()
        found = snapshot.layer(read_id(layer))
        rendering = asked.rendering
        if isinstance(rendering, str):
            rendering = complete(rendering, snapshot, found.collections)
        dates = scenes_by_date(
            snapshot,
            found,
            asked.bbox,
            asked.when,
            at_most=MAX_DATES,
            touching=asked.area.geometry,
            max_cloud=asked.max_cloud,
        )
        for collection in {scene.collection for dated in dates for scene in dated.scenes}:
            require_reader(request.scope, access, collection)
        measured = Measured(asked.area, rendering, scaled=asked.scaled, clear_only=asked.clear_only)
        head = {
            "layer": found.layer_id,
            "asset": rendering.asset,
            "expression": rendering.expression,
            "scaled": asked.scaled,
            "clear_only": asked.clear_only,
        }

        def work(given_up: Event) -> Iterator[bytes]:
            rows = Series(snapshot, cogs, measured).begin(dates, given_up)
            return write_csv(rows) if asked.media_type == CSV else write_json(head, rows)

        headers = {"cache-control": "public, no-cache", "vary": "Accept"}
        return HeavyAnswer(lane, work, media_type=asked.media_type, headers=headers)

    @router.get(
        LAYER_SERIES,
        summary="Statistics of a place on every date",
        openapi_extra={"parameters": [_POINT, _BBOX, *_PARAMETERS]},
        response_class=Response,
        responses=_RESPONSES,
    )
    def measure_place(request: Request, layer: str) -> Response:
        """The pixel at a point, or the pixels in a box, on every date, the oldest first.

        Pixels are not resampled: those whose centre lies in the area are counted on the grid of the date's finest
        scene. Scenes of one date are laid over each other. A series that breaks off was not finished in its time.
        """
        query, accept = request.scope["query_string"], request.headers.get("accept", "")
        return answer(request, layer, read_series(query, None, accept))

    @router.post(
        LAYER_SERIES,
        summary="Statistics of an area on every date",
        openapi_extra={"parameters": _PARAMETERS, "requestBody": _BODY},
        response_class=Response,
        responses=_RESPONSES,
    )
    async def measure_area(request: Request, layer: str) -> Response:
        """As with GET, of a Polygon or MultiPolygon, or of a Feature with one."""
        query, accept = request.scope["query_string"], request.headers.get("accept", "")
        body = await request.body()

        def answer_body() -> Response:
            return answer(request, layer, read_series(query, body, accept))

        return await run_in_threadpool(answer_body)

    return router


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


_FLAG = {"type": "string", "enum": ["true", "false"], "default": "true"}
_POINT = _query("point", "lon,lat in degrees; instead of `bbox`.", {"type": "string", "maxLength": 256})
_BBOX = _query("bbox", "west,south,east,north in degrees; instead of `point`.", {"type": "string", "maxLength": 256})
_VALUES = {each["name"]: each for each in RENDERING if each["name"] in {"render", "assets", "bidx", "expression"}}
_PARAMETERS = [
    {**DATETIME, "description": f"{DATETIME['description']} Up to {MAX_DATES} dates are answered."},
    _VALUES["render"],
    {**_VALUES["assets"], "schema": {**_VALUES["assets"]["schema"], "default": "analytic"}},
    {**_VALUES["bidx"], "description": "Bands to measure, counted from 1; all of them without."},
    _VALUES["expression"],
    _query("scaled", "Values as the item scales them, such as reflectance; `false`: as they are stored.", _FLAG),
    _query("clear", "Only pixels without cloud and shadow, by the quality asset.", _FLAG),
    _query("max_cloud", "Percent of cloud a whole scene may have.", {"type": "number", "minimum": 0, "maximum": 100}),
    _query("f", "In place of the header Accept.", {"type": "string", "enum": ["json", "csv"]}),
]
_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "object", "required": ["type"]}}},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The series.", "content": {JSON: {"schema": {"type": "object"}}, CSV: {}}},
    404: {"description": "No such layer or rendering."},
}
