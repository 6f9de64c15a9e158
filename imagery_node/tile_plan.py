"""Plan: what a tile will show, known from the catalogue before any pixel is read."""

import hashlib
from dataclasses import dataclass, replace

from imagery_node.composite import scenes_drawn
from imagery_node.difference import compare
from imagery_node.errors import BadParameterError, NotFoundError
from imagery_node.layer import Layer
from imagery_node.mosaic import Picture
from imagery_node.mosaic_rule import NEWEST, MosaicRule
from imagery_node.rendering import Rendering
from imagery_node.renders import complete
from imagery_node.scene_index import SceneList, Snapshot
from imagery_node.source_file import Location
from imagery_node.tile_request import TileRequest
from imagery_node.when import ALWAYS, When

ENGINE_VERSION = "2"
"""Part of every ETag: raise it when the same scenes come to give other pixels."""

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Plan:
    """What a tile will show."""

    request: TileRequest
    rendering: Rendering
    """The one asked for, completed."""
    rule: MosaicRule
    scenes: SceneList
    etag: bytes
    headers: tuple[Header, ...]
    may_be_stored: bool
    """False once no stored block was found to be this tile."""
    compared: int | None = None
    """Of a difference: so many of the scenes are of the later time, the others of the earlier one."""
    cells: tuple[str | None, ...] | None = None
    """Tags of the pyramid's cells that the tile is made of in place of scenes; None for each where nothing is."""
    file: Location | None = None
    """Where the stored block may be; None until someone looked."""
    seconds: float = 0.0
    """Time it took to make."""
    generation: tuple[int, int] | None = None
    """That of the pyramids for which it holds; None: for all."""


def plan_tile(snapshot: Snapshot, request: TileRequest, *, scenes_per_tile: int, dated_max_age_s: int) -> Plan:
    """Plan a tile of a layer or of an item.

    Raises:
        NotFoundError: There is no such layer, rendering or asset, or the item is of another time.
        UnknownItemError: The item is not listed.
        BadRenderingError: The rendering cannot be shown as a tile.
    """
    if request.layer_id is None:
        return _plan_item(snapshot, request, dated_max_age_s)
    layer = snapshot.layer(request.layer_id)
    rule = request.rule_on(layer)
    rendering = complete(request.rendering or layer.render or Rendering(), snapshot, layer.collections)
    bbox = request.grid.bbox(request.tile)
    if request.before is not None:
        return _plan_difference(snapshot, request, layer, rendering, rule, scenes_per_tile, dated_max_age_s)
    scenes = snapshot.scenes(layer, bbox, request.when, at_most=scenes_drawn(rule, scenes_per_tile), rule=rule)
    plan = _plan(request, rendering, rule, scenes, max_age_s(layer, request.when, dated_max_age_s))
    plan.headers += ((b"mosaic-rule", rule.citation.encode()),)
    return plan


def _plan_difference(
    snapshot: Snapshot,
    request: TileRequest,
    layer: Layer,
    rendering: Rendering,
    rule: MosaicRule,
    scenes_per_tile: int,
    dated_max_age_s: int,
) -> Plan:
    if rule.kind == "composite":
        raise BadParameterError(
            f"a difference is of scenes, not of the composite {rule.name}: choose a rule", limit="rule"
        )
    times = request.when, request.before or ALWAYS
    bbox = request.grid.bbox(request.tile)
    after, before = (snapshot.scenes(layer, bbox, when, at_most=scenes_per_tile, rule=rule) for when in times)
    scenes = SceneList(after.scenes + before.scenes, after.shown_date, complete=after.complete and before.complete)
    rendering = compare(rendering, request.colours or Rendering())
    age_s = min(max_age_s(layer, when, dated_max_age_s) for when in times)
    plan = _plan(request, rendering, replace(rule, feather_px=0), scenes, age_s, compared=len(after.scenes))
    plan.headers += ((b"mosaic-rule", rule.citation.encode()),)
    if before.shown_date:
        plan.headers += ((b"imagery-before", before.shown_date.isoformat().encode()),)
    return plan


def is_complete(scenes: SceneList, picture: Picture) -> bool:
    """Whether a picture of these scenes shows what it would if every scene of the place were drawn."""
    return (scenes.complete or (scenes.rest_beneath and picture.full)) and not picture.unreadable


def max_age_s(layer: Layer, when: When, dated_max_age_s: int) -> int:
    """How long clients may show a layer's tile without asking again."""
    if layer.max_age_s is not None:
        return layer.max_age_s
    return dated_max_age_s if layer.at(when).interval is not None else 0


def cache_control(max_age_s: int) -> Header:
    """The header that says so."""
    caching = f"public, max-age={max_age_s}, must-revalidate" if max_age_s else "public, no-cache"
    return b"cache-control", caching.encode()


def _plan_item(snapshot: Snapshot, request: TileRequest, dated_max_age_s: int) -> Plan:
    collection, item_id = request.item or ("", "")
    rendering = complete(request.rendering or Rendering(), snapshot, [collection])
    scene = snapshot.scene(collection, item_id, request.when)
    if snapshot.raster(scene, rendering.asset) is None:
        raise NotFoundError(f"item {scene.item_id} has no asset {rendering.asset!r}")
    scenes = SceneList((scene,), request.when.nearest_date([scene.acquired]), complete=True)
    return _plan(request, rendering, NEWEST, scenes, dated_max_age_s if request.when.interval else 0)


def _plan(
    request: TileRequest,
    rendering: Rendering,
    rule: MosaicRule,
    scenes: SceneList,
    max_age_s: int,
    *,
    compared: int | None = None,
) -> Plan:
    etag = _etag(request, rendering, rule, scenes, compared)
    headers = [(b"etag", etag), cache_control(max_age_s)]
    if scenes.shown_date:
        headers.append((b"imagery-date", scenes.shown_date.isoformat().encode()))
    plain = rendering == Rendering(asset=rendering.asset)
    on_top = rule.kind == "order" and not rule.clear_pixels_first and not rule.feather_px
    stored = bool(scenes.scenes) and request.scale == 1 and request.format != "png" and plain and on_top
    return Plan(request, rendering, rule, scenes, etag, tuple(headers), may_be_stored=stored, compared=compared)


def _etag(
    request: TileRequest, rendering: Rendering, rule: MosaicRule, scenes: SceneList, compared: int | None
) -> bytes:
    """Changes exactly when the bytes may: the interval asked for is not in it, only the scenes it selects."""
    versions = [(scene.collection, scene.item_id, scene.version) for scene in scenes.scenes]
    place = request.grid.name, request.tile, request.scale, request.format
    whole = scenes.complete, scenes.rest_beneath  # what the tile says of itself is kept with it
    told = (ENGINE_VERSION, *place, rendering, rule, versions, whole, compared)
    return b'"%s"' % hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest().encode()
