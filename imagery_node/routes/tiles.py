"""Tiles of layers and of items, answered without FastAPI's machinery, which costs more than a stored tile."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from catalog.item import ID_PATTERN, MAX_ID_LENGTH
from imagery_node.colormap import MAX_TEXT_LENGTH, colormap_names
from imagery_node.expression import MAX_LENGTH
from imagery_node.grid import GRID_NAMES, MAX_ZOOM
from imagery_node.mosaic_rule import MAX_FEATHER_PX, RULES
from imagery_node.parameter import NAME_PATTERN
from imagery_node.rendering import MAX_GAMMA, MAX_INDEXES, MIN_GAMMA
from imagery_node.shared_work import CallerLeftError
from imagery_node.tile_request import (
    ROW_PATTERN,
    TileRequest,
    read_difference_tile,
    read_item_tile,
    read_layer_tile,
)
from imagery_node.tile_service import TileService

LAYER_TILE = "/raster/layers/{layer}/tiles/{tms}/{z}/{x}/{y}"
LAYER_DIFFERENCE = "/raster/layers/{layer}/difference/tiles/{tms}/{z}/{x}/{y}"
ITEM_TILE = "/raster/collections/{collection}/items/{item}/tiles/{tms}/{z}/{x}/{y}"

Schema = dict[str, Any]


def tile_routes(tiles: TileService) -> list[APIRoute]:
    """The routes of all kinds of tile."""
    looks = [DATETIME, *RULE, EXPLAIN, *RENDERING]
    layer, *item = [_path(name, f"Id of the {name}.", _ID) for name in ("layer", "collection", "item")]
    return [
        route
        for method in ("GET", "HEAD")
        for route in (
            TileRoute(
                method, LAYER_TILE, tiles, read_layer_tile, [layer, *_PLACE, *looks], summary="A tile of a layer"
            ),
            TileRoute(
                method,
                ITEM_TILE,
                tiles,
                read_item_tile,
                [*item, *_PLACE, ITEM_DATETIME, *RENDERING],
                summary="A tile of an item",
            ),
            TileRoute(
                method,
                LAYER_DIFFERENCE,
                tiles,
                read_difference_tile,
                [layer, *_PLACE, *_TIMES, RULE[0], EXPLAIN, *RENDERING],
                summary="A tile of how a layer changed",
            ),
        )
    ]


class TileRoute(APIRoute):
    """A route that FastAPI documents and matches, but does not handle."""

    def __init__(
        self,
        method: str,
        path: str,
        tiles: TileService,
        read: Callable[[Mapping[str, str], bytes], TileRequest],
        parameters: list[Schema],
        *,
        summary: str,
    ) -> None:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            query: bytes = scope["query_string"]
            known = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
            request = partial(read, scope["path_params"], query)

            async def left() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass

            try:
                status, headers, body = await tiles.answer((scope["path"], query), request, known, left)
            except CallerLeftError:
                return
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

        super().__init__(
            path,
            _documented,
            methods=[method],
            summary=summary,
            tags=["tiles"],
            name=read.__name__,
            response_class=Response,
            responses=_RESPONSES,
            openapi_extra={"parameters": parameters},
            include_in_schema=method == "GET",
        )
        self.app = answer


def _documented() -> None:
    """A map tile with an ETag that changes exactly when a scene under it does.

    The topmost scene is decided by the layer; without an extension a full tile is a JPEG, any other a PNG.
    """


def _path(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


DATETIME = _query(
    "datetime",
    "Instant (the acquisition date nearest to it is shown), interval `a/b`, `../b`, `a/..`, period such as `2026`, "
    "`2026-03` or `2026Q3`, `latest` (the newest date of the place) or `latest-clear` (of scenes with little cloud).",
    {"type": "string", "maxLength": 64},
)
ITEM_TIME = (
    "An item that was not acquired then is answered 404. Instant (any on the item's UTC date), interval `a/b`, `../b`, "
    "`a/..`, period, or `latest`, which every item is."
)
ITEM_DATETIME = {**DATETIME, "description": ITEM_TIME}
RULE = [
    _query(
        "rule",
        "Mosaic rule in place of the layer's own: which scene lies on top (`clear-pixels`: a cloudy pixel gives way to "
        "a clear one below; `nearest`: of all dates the one nearest to an instant in `datetime`), or a composite.",
        {"type": "string", "enum": list(RULES)},
    ),
    _query(
        "feather",
        "Pixels of the map over which a scene fades into those below it.",
        {"type": "integer", "minimum": 0, "maximum": MAX_FEATHER_PX},
    ),
]
EXPLAIN = _query(
    "explain",
    "1: a JSON document tells how the tile comes about: scenes and what became of each, blocks, bytes, milliseconds.",
    {"type": "string", "enum": ["1"]},
)
RENDERING = [
    _query(
        "render",
        "Rendering by its name in the collection, in place of the parameters below; `/raster/layers` lists the names.",
        {"type": "string", "pattern": NAME_PATTERN},
    ),
    _query("assets", "Asset to show.", {"type": "string", "pattern": NAME_PATTERN, "default": "visual"}),
    _query(
        "bidx",
        "Bands to show, counted from 1; one is grey, three are red, green, blue.",
        {"type": "array", "maxItems": MAX_INDEXES, "items": {"type": "integer", "minimum": 1}},
    ),
    _query("expression", "Band arithmetic such as `(b4-b3)/(b4+b3)`.", {"type": "string", "maxLength": MAX_LENGTH}),
    _query(
        "rescale",
        "`min,max` shown as darkest and brightest; once, or once per band.",
        {"type": "array", "maxItems": MAX_INDEXES, "items": {"type": "string", "maxLength": 64}},
    ),
    _query("colormap_name", "Colour map of a single band.", {"type": "string", "enum": sorted(colormap_names())}),
    _query(
        "colormap",
        "Classes of a single band's values as JSON, `[[[low, high], colour], …]`: low included, high not, a colour as "
        "`#rrggbb` or `[r, g, b]`; other values are transparent.",
        {"type": "string", "maxLength": MAX_TEXT_LENGTH},
    ),
    _query(
        "gamma",
        "Above 1 the stretched values become brighter, below 1 darker.",
        {"type": "number", "minimum": MIN_GAMMA, "maximum": MAX_GAMMA},
    ),
]
_TIMES = [
    {**DATETIME, "name": name, "required": True, "description": f"{meaning} Written as `datetime` of a tile."}
    for name, meaning in (("before", "The earlier time."), ("after", "The later time, whose values count positive."))
]
_ID = {"type": "string", "pattern": ID_PATTERN, "maxLength": MAX_ID_LENGTH}
_PLACE = [
    _path("tms", "Grid.", {"type": "string", "enum": list(GRID_NAMES)}),
    _path("z", "Zoom.", {"type": "integer", "minimum": 0, "maximum": MAX_ZOOM}),
    _path("x", "Column.", {"type": "integer", "minimum": 0}),
    _path(
        "y",
        "Row, then `@2x` for 512 pixels and an extension, both optional.",
        {"type": "string", "pattern": f"^{ROW_PATTERN}$"},
    ),
]
_RESPONSES: dict[int | str, Schema] = {
    200: {
        "description": "The tile; its headers name the mosaic rule, the date of an instant, and what is missing.",
        "content": {f"image/{kind}": {} for kind in ("png", "jpeg", "webp")},
    },
    204: {"description": "The grid has this tile, but nothing was imaged here."},
    304: {"description": "The tile the client has is the newest."},
    404: {"description": "No such layer, item, asset, rendering or tile of the grid, or the item is of another time."},
}
