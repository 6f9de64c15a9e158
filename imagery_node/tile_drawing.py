"""A planned tile is drawn: as arrays, as bytes with what they cost, or one pixel of it with its values."""

from collections.abc import Sequence
from functools import partial
from threading import Event
from time import perf_counter

from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache, ReadCount
from imagery_node.composite import draw_composite
from imagery_node.difference import draw_difference
from imagery_node.encoding import choose_format, encode
from imagery_node.grid import TILE_SIDE, Bounds, PixelGrid
from imagery_node.mosaic import Picture, Source, draw
from imagery_node.mosaic_rule import MosaicRule
from imagery_node.rendering import Rendering
from imagery_node.scene_index import Scene, Snapshot
from imagery_node.tile_answer import Drawn
from imagery_node.tile_plan import Plan, is_complete
from imagery_node.warp import warp

Values = dict[str, float]
"""Values of a pixel by the names of their bands."""


def draw_tile(snapshot: Snapshot, plan: Plan, cogs: CogCache, given_up: Event) -> Picture:
    """The picture of a tile; raises as `mosaic.draw`, and SupersededError when a scene became another meanwhile."""
    side = TILE_SIDE * plan.request.scale
    return _draw(snapshot, plan, plan.request.grid.bounds(plan.request.tile), (side, side), cogs, given_up)


def draw_and_encode(snapshot: Snapshot, plan: Plan, cogs: CogCache, given_up: Event) -> tuple[Picture, Drawn]:
    """A tile as arrays and as bytes, with what it cost; raises as `draw_tile`."""
    read = ReadCount()
    begun = perf_counter()
    picture = draw_tile(snapshot, plan, cogs.counted(read), given_up)
    drawn = perf_counter()
    body = encode(picture, plan.request.format or choose_format(picture)) if picture.valid.any() else b""
    return picture, Drawn(
        body,
        is_complete(plan.scenes, picture),
        tuple(plan.scenes.scenes[position] for position in picture.unreadable),
        read,
        draw_s=drawn - begun - read.seconds,
        encode_s=perf_counter() - drawn,
    )


def draw_pixel(
    snapshot: Snapshot, plan: Plan, at: tuple[int, int], cogs: CogCache, given_up: Event
) -> tuple[Picture, Values]:
    """One pixel (row, column) of a tile, and the values of the topmost scene that shows in it, none without one."""
    left, _, _, top = plan.request.grid.bounds(plan.request.tile)
    side = plan.request.grid.pixel_sides[plan.request.tile.z]
    left, top = left + at[1] * side, top - at[0] * side
    bounds = left, top - side, left + side, top
    picture = _draw(snapshot, plan, bounds, (1, 1), cogs, given_up)
    for position in picture.used[:1]:
        cog = open_asset(snapshot, cogs, plan.scenes.scenes[position], plan.rendering.asset)
        warped = warp(cog, tuple(range(len(cog.band_names))), PixelGrid.over(bounds, (1, 1)), cogs) if cog else None
        if cog and warped:
            names = [name or f"b{number}" for number, name in enumerate(cog.band_names, 1)]
            return picture, dict(zip(names, map(float, warped[0][0, 0]), strict=True))
    return picture, {}


def open_asset(snapshot: Snapshot, cogs: CogCache, scene: Scene, asset: str) -> Cog | None:
    """The file of an asset; None when the scene has no such asset."""
    file = snapshot.raster(scene, asset)
    return cogs.open(file) if file else None


def draw_scenes(
    snapshot: Snapshot,
    scenes: Sequence[Scene],
    rule: MosaicRule,
    rendering: Rendering,
    bounds: Bounds,
    shape: tuple[int, int],
    cogs: CogCache,
    given_up: Event,
) -> Picture:
    """One picture of scenes, topmost first; raises as `draw_tile`."""
    sources: list[Source] = [partial(open_asset, snapshot, cogs, scene) for scene in scenes]
    if rule.kind == "composite":
        return draw_composite(rule, sources, bounds, shape, rendering, cogs, given_up)
    return draw(sources, bounds, shape, rendering, cogs, given_up, rule=rule)


def _draw(
    snapshot: Snapshot, plan: Plan, bounds: Bounds, shape: tuple[int, int], cogs: CogCache, given_up: Event
) -> Picture:
    scenes, after = plan.scenes.scenes, plan.compared
    if after is None:
        return draw_scenes(snapshot, scenes, plan.rule, plan.rendering, bounds, shape, cogs, given_up)
    sources: list[Source] = [partial(open_asset, snapshot, cogs, scene) for scene in scenes]
    times, clear_first = (sources[:after], sources[after:]), plan.rule.clear_pixels_first
    return draw_difference(*times, bounds, shape, plan.rendering, cogs, given_up, clear_first=clear_first)
