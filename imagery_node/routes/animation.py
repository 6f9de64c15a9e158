"""A place over time as an animation."""

import hashlib
from collections.abc import Iterator
from threading import Event

from fastapi import APIRouter, Request
from starlette.responses import Response

from catalog.entity_tag import names_tag
from imagery_node.animation import (
    MAX_DELAY_MS,
    MAX_FRAMES,
    MEDIA_TYPES,
    MIN_DELAY_MS,
    USUAL_DELAY_MS,
    USUAL_WIDTH_PX,
    Media,
    draw_film,
    encode_film,
    plan_film,
    read_animation,
)
from imagery_node.cog_cache import CogCache
from imagery_node.errors import NotFoundError
from imagery_node.heavy_lane import HeavyAnswer, HeavyLane
from imagery_node.parameter import MAX_SIDE_PX, read_id
from imagery_node.routes.tiles import DATETIME, RENDERING, RULE
from imagery_node.scene_index import SceneIndex
from imagery_node.settings import ImageryNodeSettings
from imagery_node.tile_plan import ENGINE_VERSION, is_complete

LAYER_ANIMATION = "/raster/layers/{layer}/animation.{media}"


def animation_routes(index: SceneIndex, cogs: CogCache, lane: HeavyLane, settings: ImageryNodeSettings) -> APIRouter:
    """The one route."""
    router = APIRouter(tags=["series"])

    @router.get(
        LAYER_ANIMATION,
        summary="An animation of a place",
        openapi_extra={"parameters": [*_PARAMETERS, DATETIME, *RULE, *RENDERING]},
        response_class=Response,
        responses=_RESPONSES,
    )
    def animate(request: Request, layer: str, media: Media) -> Response:
        """A frame for each date on which something shows, as the tiles of that date show it, with date and credit line.

        Its ETag changes when a scene under it does.
        """
        asked = read_animation(request.scope["query_string"])
        snapshot = index.newest()
        film = plan_film(snapshot, snapshot.layer(read_id(layer)), asked, scenes_per_frame=settings.scenes_per_tile)
        told = repr((ENGINE_VERSION, media, film, settings.credit_line)).encode()
        etag = f'"{hashlib.blake2b(told, digest_size=16).hexdigest()}"'
        headers = {"etag": etag, "cache-control": "public, no-cache"}
        if names_tag(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)

        def work(given_up: Event) -> Iterator[bytes]:
            drawn = list(draw_film(film, snapshot, cogs, given_up))
            if not drawn:
                raise NotFoundError("nothing was imaged here then")
            if not all(is_complete(frame.scenes, picture) for frame, picture in drawn):
                answer.headers["imagery-complete"] = "false"
            if any(picture.unreadable for _, picture in drawn):
                del answer.headers["etag"]
            pictures = ((frame.date, picture) for frame, picture in drawn)
            yield encode_film(pictures, media, delay_ms=asked.delay_ms, credit=settings.credit_line)

        answer = HeavyAnswer(lane, work, media_type=MEDIA_TYPES[media], headers=headers)
        return answer

    return router


_SIDE = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE_PX}
_PARAMETERS = [
    {
        "name": "bbox",
        "in": "query",
        "required": True,
        "description": f"west,south,east,north in degrees. Up to {MAX_FRAMES} dates of it are shown.",
        "schema": {"type": "string", "maxLength": 256},
    },
    {"name": "width", "in": "query", "description": "Pixels.", "schema": {**_SIDE, "default": USUAL_WIDTH_PX}},
    {"name": "height", "in": "query", "description": "Pixels; without it as the place is.", "schema": _SIDE},
    {
        "name": "delay",
        "in": "query",
        "description": "Milliseconds that each date is shown.",
        "schema": {
            "type": "integer",
            "minimum": MIN_DELAY_MS,
            "maximum": MAX_DELAY_MS,
            "default": USUAL_DELAY_MS,
        },
    },
]
_RESPONSES: dict[int | str, dict[str, object]] = {
    200: {"description": "The animation.", "content": {media: {} for media in MEDIA_TYPES.values()}},
    304: {"description": "The animation the client has is the newest."},
    404: {"description": "No such layer or rendering, or nothing was imaged here then."},
}
