"""Layers: which there are, their TileJSON, the scenes under a tile, the dates of a place."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from imagery_node.errors import BadParameterError
from imagery_node.grid import get_grid
from imagery_node.layer_document import (
    MAX_SCENES_LISTED,
    Document,
    dates_document,
    layer_document,
    scenes_document,
    tilejson,
)
from imagery_node.parameter import read_box, read_id, read_point, read_query
from imagery_node.renders import complete
from imagery_node.routes.tiles import DATETIME, LAYER_TILE, RENDERING
from imagery_node.scene_index import SceneIndex
from imagery_node.settings import ImageryNodeSettings
from imagery_node.tile_request import RENDERING_PARAMETERS, read_layer_tile, read_rendering
from imagery_node.tile_service import TileService
from imagery_node.when import ALWAYS, parse_when

_BBOX = {
    "name": "bbox",
    "in": "query",
    "description": "west,south,east,north in degrees; instead of `point`.",
    "schema": {"type": "string", "maxLength": 256},
}
_POINT = {**_BBOX, "name": "point", "description": "lon,lat in degrees; instead of `bbox`."}


def layer_routes(index: SceneIndex, tiles: TileService, settings: ImageryNodeSettings) -> APIRouter:
    """The routes below /raster/layers, but for the tiles themselves."""
    router = APIRouter(prefix="/raster/layers", tags=["layers"])

    @router.get("", summary="All layers")
    def list_layers(request: Request) -> Document:
        """Whose node this is, and every layer with addresses to copy: XYZ, TileJSON, QGIS connection, dates."""
        read_query(request.scope["query_string"], {})
        snapshot = index.newest()
        base_url = public_url(request, settings)
        site = {
            "name": settings.site_name,
            "attribution": settings.attribution,
            "review_number": settings.review_number,
        }
        layers = [
            layer_document(layer, snapshot, base_url, attribution=settings.credit_line)
            for layer in snapshot.layers.values()
        ]
        return {"site": site, "layers": layers}

    @router.get(
        "/{layer}/{tms}/tilejson.json",
        summary="TileJSON of a layer",
        openapi_extra={"parameters": [DATETIME, *RENDERING]},
    )
    def describe_tiles(request: Request, layer: str, tms: str) -> Document:
        """TileJSON whose tile address carries the time and the rendering asked for here."""
        values = read_query(request.scope["query_string"], {"datetime": False, **RENDERING_PARAMETERS})
        parse_when(*values.get("datetime", [None]))
        rendering = read_rendering(values)
        get_grid(tms)
        snapshot = index.newest()
        asked = snapshot.layer(read_id(layer))
        complete(rendering, snapshot, asked.collections)
        found = layer_document(asked, snapshot, public_url(request, settings), attribution=settings.credit_line)
        query = f"?{request.url.query}" if values else ""
        return tilejson(
            found["title"],
            found["urls"]["xyz"] + query,
            tuple(found["bbox"]),
            (found["minzoom"], found["maxzoom"]),
            attribution=found["attribution"],
        )

    @router.get(
        LAYER_TILE.removeprefix(router.prefix) + "/scenes",
        summary="The scenes under a tile",
        openapi_extra={"parameters": [DATETIME, *RENDERING]},
    )
    async def list_scenes(request: Request, layer: str, tms: str, z: str, x: str, y: str) -> Document:
        """The scenes a tile is made of, topmost first, and whether each has pixels in it."""
        place = {"layer": layer, "tms": tms, "z": z, "x": x, "y": y}
        asked = read_layer_tile(place, request.scope["query_string"])
        snapshot, scenes, picture = await tiles.draw(asked)
        return await run_in_threadpool(scenes_document, scenes, picture.used, snapshot, public_url(request, settings))

    @router.get(
        "/{layer}/dates", summary="The dates of a place", openapi_extra={"parameters": [_BBOX, _POINT, DATETIME]}
    )
    def list_dates(request: Request, layer: str) -> Document:
        """The acquisition dates at a place, newest first, with the number of scenes and their satellites."""
        values = read_query(request.scope["query_string"], {"bbox": False, "point": False, "datetime": False})
        if ("bbox" in values) == ("point" in values):
            raise BadParameterError("give either bbox=west,south,east,north or point=lon,lat", limit="bbox")
        when = parse_when(*values["datetime"]) if "datetime" in values else ALWAYS
        snapshot = index.newest()
        found_layer = snapshot.layer(read_id(layer))
        bbox = read_box(values["bbox"][0]) if "bbox" in values else read_point(values["point"][0]) * 2
        footprints, _ = snapshot.footprints(found_layer, bbox, when, limit=MAX_SCENES_LISTED + 1)
        return dates_document(footprints, snapshot)

    return router


def public_url(request: Request, settings: ImageryNodeSettings) -> str:
    """The node's own address for links: the one that is set, else the one the caller used."""
    base: Any = settings.public_url or request.base_url
    return str(base).rstrip("/")
