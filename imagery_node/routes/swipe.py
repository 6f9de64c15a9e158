"""Two dates of a place side by side: the addresses a map client needs to swipe between them."""

from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request

from catalog.search import BoundingBox
from imagery_node.errors import BadParameterError, NotFoundError
from imagery_node.grid import WEB_MERCATOR_QUAD
from imagery_node.layer import Layer
from imagery_node.layer_document import MAX_SCENES_LISTED, Document
from imagery_node.parameter import Query, read_box, read_id, read_query
from imagery_node.renders import complete
from imagery_node.routes.layers import public_url
from imagery_node.routes.tiles import DATETIME, LAYER_TILE, RENDERING, RULE
from imagery_node.scene_index import SceneIndex, Snapshot
from imagery_node.settings import ImageryNodeSettings
from imagery_node.tile_request import LAYER_PARAMETERS, read_layer_look
from imagery_node.when import parse_when

LAYER_SWIPE = "/raster/layers/{layer}/swipe"
SIDES = ("before", "after")


def swipe_routes(index: SceneIndex, settings: ImageryNodeSettings) -> APIRouter:
    """The one route; it reads no pixel."""
    router = APIRouter(tags=["series"])

    @router.get(LAYER_SWIPE, summary="Two dates of a place", openapi_extra={"parameters": _PARAMETERS})
    def pair_dates(request: Request, layer: str) -> Document:
        """Tile addresses of two dates. What was asked for as an instant is pinned to the date it means at the place."""
        looks = {name: many for name, many in LAYER_PARAMETERS.items() if name != "datetime"}
        values = read_query(request.scope["query_string"], {**dict.fromkeys(("bbox", *SIDES), False), **looks})
        if missing := {"bbox", *SIDES} - values.keys():
            raise BadParameterError(f"give {min(missing)}=", limit=min(missing))
        bbox, whens = read_box(values.pop("bbox")[0]), {side: values.pop(side)[0] for side in SIDES}
        snapshot = index.newest()
        found = snapshot.layer(read_id(layer))
        look = read_layer_look(values)
        if look["rendering"]:
            complete(look["rendering"], snapshot, found.collections)
        root = public_url(request, settings)
        sides = {side: _side(snapshot, found, bbox, text, values, root) for side, text in whens.items()}
        return {"layer": found.layer_id, "bbox": bbox, "attribution": settings.credit_line, **sides}

    return router


def _side(snapshot: Snapshot, layer: Layer, bbox: BoundingBox, text: str, look: Query, root: str) -> Document:
    """One of the two.

    Raises:
        NotFoundError: The layer has nothing here and then.
    """
    scenes, shown_date = snapshot.footprints(layer, bbox, parse_when(text), limit=MAX_SCENES_LISTED)
    if not scenes:
        raise NotFoundError(f"layer {layer.layer_id} has nothing here at {text}")
    query = urlencode({"datetime": shown_date or text, **look}, doseq=True, quote_via=quote)
    place = {"layer": layer.layer_id, "tms": WEB_MERCATOR_QUAD, "z": "{z}", "x": "{x}", "y": "{y}"}
    return {
        "datetime": text,
        "date": shown_date,
        "scenes": len(scenes),
        "tiles": [f"{root}{LAYER_TILE.format(**place)}?{query}"],
        "tilejson": f"{root}/raster/layers/{layer.layer_id}/{WEB_MERCATOR_QUAD}/tilejson.json?{query}",
    }


_PARAMETERS = [
    {
        "name": "bbox",
        "in": "query",
        "required": True,
        "description": "west,south,east,north in degrees.",
        "schema": {"type": "string", "maxLength": 256},
    },
    *({**DATETIME, "name": side, "required": True} for side in SIDES),
    *RULE,
    *RENDERING,
]
