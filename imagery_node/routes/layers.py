"""Layers: which there are, their TileJSON, the scenes under a tile, the dates of a place."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from catalog.access import Access
from catalog.gate import is_reader
from imagery_node.errors import BadParameterError
from imagery_node.grid import WEB_MERCATOR_QUAD, get_grid
from imagery_node.layer import Layer
from imagery_node.layer_document import (
    MAX_SCENES_LISTED,
    Document,
    dates_document,
    finest_zoom,
    layer_document,
    pixel_document,
    scenes_document,
    tilejson,
)
from imagery_node.parameter import read_box, read_id, read_point, read_query
from imagery_node.renders import complete
from imagery_node.routes.tiles import DATETIME, LAYER_TILE, RENDERING, RULE
from imagery_node.scene_index import SceneIndex, Snapshot
from imagery_node.settings import ImageryNodeSettings
from imagery_node.tile_request import LAYER_PARAMETERS, TileRequest, read_layer_look, read_layer_tile
from imagery_node.tile_service import TileService
from imagery_node.when import ALWAYS, parse_when

_BBOX = {
    "name": "bbox",
    "in": "query",
    "description": "west,south,east,north in degrees; instead of `point`.",
    "schema": {"type": "string", "maxLength": 256},
}
_LON, _LAT = (
    {
        "name": name,
        "in": "query",
        "required": True,
        "description": f"Degrees, {side} positive.",
        "schema": {"type": "number", "minimum": -most, "maximum": most},
    }
    for name, side, most in (("lon", "east", 180), ("lat", "north", 90))
)
_POINT = {**_BBOX, "name": "point", "description": "lon,lat in degrees; instead of `bbox`."}


def layer_routes(index: SceneIndex, tiles: TileService, settings: ImageryNodeSettings, access: Access) -> APIRouter:
    """The routes below /raster/layers, but for the tiles themselves; values of protected items are for readers."""
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
        openapi_extra={"parameters": [DATETIME, *RULE, *RENDERING]},
    )
    def describe_tiles(request: Request, layer: str, tms: str) -> Document:
        """TileJSON whose tile address carries the time and the rendering asked for here."""
        values = read_query(request.scope["query_string"], LAYER_PARAMETERS)
        rendering = read_layer_look(values)["rendering"]
        get_grid(tms)
        snapshot = index.newest()
        asked = snapshot.layer(read_id(layer))
        if rendering:
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
        openapi_extra={"parameters": [DATETIME, *RULE, *RENDERING]},
    )
    async def list_scenes(request: Request, layer: str, tms: str, z: str, x: str, y: str) -> Document:
        """The scenes a tile is made of, topmost first, and whether each has pixels in it."""
        place = {"layer": layer, "tms": tms, "z": z, "x": x, "y": y}
        asked = read_layer_tile(place, request.scope["query_string"])
        snapshot, scenes, picture = await tiles.draw(asked)
        return await run_in_threadpool(scenes_document, scenes, picture, snapshot, public_url(request, settings))

    @router.get(
        "/{layer}/point",
        summary="What shows at a place",
        openapi_extra={"parameters": [_LON, _LAT, DATETIME, *RULE, *RENDERING]},
    )
    async def look_up(request: Request, layer: str) -> Document:
        """Colour and values of the map pixel at a place, at the finest zoom, and the scenes they are of, with dates.

        Values of protected collections are told to readers only.
        """
        values = read_query(request.scope["query_string"], {"lon": False, "lat": False, **LAYER_PARAMETERS})
        if "lon" not in values or "lat" not in values:
            raise BadParameterError("give lon= and lat= in degrees", limit="point")
        lon, lat = read_point(f"{values.pop('lon')[0]},{values.pop('lat')[0]}")
        snapshot = index.newest()
        zoom = await run_in_threadpool(_finest_zoom, snapshot, snapshot.layer(read_id(layer)), lat)
        grid = get_grid(WEB_MERCATOR_QUAD)
        tile, row, col = grid.pixel_at(lon, lat, zoom)
        asked = TileRequest(grid, tile, scale=1, format=None, layer_id=layer, **read_layer_look(values))
        snapshot, plan, picture, found = await tiles.draw_pixel(asked, row, col)
        if not is_reader(request.scope) and any(
            plan.scenes.scenes[position].collection in access.protected for position in picture.used
        ):
            found = {}
        base_url = public_url(request, settings)
        return await run_in_threadpool(pixel_document, plan.scenes, picture, found, snapshot, base_url)

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


def _finest_zoom(snapshot: Snapshot, layer: Layer, lat: float) -> int:
    return finest_zoom(snapshot.finest_gsd_m(layer), (0, lat, 0, lat))


def public_url(request: Request, settings: ImageryNodeSettings) -> str:
    """The node's own address for links: the one that is set, else the one the caller used."""
    base: Any = settings.public_url or request.base_url
    return str(base).rstrip("/")
