"""What a tile request is answered with: status, headers, and how long each step took."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from imagery_node.cog_cache import ReadCount
from imagery_node.encoding import MEDIA_TYPES, Format
from imagery_node.mosaic import Picture
from imagery_node.scene_index import Scene
from imagery_node.tile_plan import Header, Plan

_NAMED = 10
"""So many unreadable scenes are named in a header; `/scenes` lists all."""


class Answer(NamedTuple):
    """One answer over HTTP."""

    status: int
    headers: list[Header]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn tile."""

    body: bytes
    """Nothing when no scene has a valid pixel here."""
    complete: bool = True
    """False: scenes that may show here are not in it."""
    unreadable: tuple[Scene, ...] = ()
    """Those of them that could not be read now."""
    read: ReadCount = field(default_factory=ReadCount)
    draw_s: float = 0.0
    """Time for the picture, without reading."""
    encode_s: float = 0.0


def respond(lane: str, status: int, plan: Plan, drawn: Drawn, *, timed: bool = False) -> Answer:
    """The answer to a tile request; `lane` says how it came about, `timed` adds how long it took."""
    headers = list(plan.headers)
    if drawn.unreadable:  # without a validator, so that the next request draws it again
        headers = [header for header in headers if header[0] not in {b"etag", b"cache-control"}]
        named = " ".join(f"{scene.collection}/{scene.item_id}" for scene in drawn.unreadable[:_NAMED])
        headers += [(b"cache-control", b"no-cache, max-age=0"), (b"imagery-unreadable", named.encode())]
    if not drawn.complete:
        headers.append((b"imagery-complete", b"false"))
    phases = [f"{name};dur={ms}" for name, ms in milliseconds(plan, drawn).items()] if timed else []
    headers.append((b"server-timing", ", ".join([lane, *phases]).encode()))
    if drawn.body:
        media_type = MEDIA_TYPES[plan.request.format or _format_of(drawn.body)]
        headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(drawn.body)).encode())]
    return Answer(status, headers, drawn.body)


def explain(lane: str, plan: Plan, picture: Picture, drawn: Drawn) -> Answer:
    """How a tile comes about, as JSON: the rule, each scene and what became of it, what was read, and the time."""
    document = {
        "layer": plan.request.layer_id,
        "lane": lane,
        "rule": plan.rule.document(),
        "date": plan.scenes.shown_date,
        "complete": drawn.complete,
        "etag": plan.etag.decode().strip('"'),
        "scenes": [_fate(scene, position, picture) for position, scene in enumerate(plan.scenes.scenes)],
        "read": {
            "files_opened": drawn.read.files_opened,
            "blocks_used": drawn.read.blocks_used,
            "blocks_decoded": drawn.read.blocks_decoded,
            "bytes": drawn.read.bytes_read,
        },
        "milliseconds": milliseconds(plan, drawn),
    }
    body = orjson.dumps(document)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    return Answer(200, headers, body)


def milliseconds(plan: Plan, drawn: Drawn) -> dict[str, float]:
    """How long each step took."""
    steps = {"plan": plan.seconds, "read": drawn.read.seconds, "draw": drawn.draw_s, "encode": drawn.encode_s}
    return {name: round(seconds * 1000, 2) for name, seconds in steps.items()}


def _fate(scene: Scene, position: int, picture: Picture) -> dict[str, Any]:
    return {
        "item": scene.item_id,
        "collection": scene.collection,
        "version": scene.version,
        "datetime": scene.acquired,
        "fate": picture.fates[position],
    }


def _format_of(body: bytes) -> Format:
    return "png" if body.startswith(b"\x89PNG") else "jpeg"
