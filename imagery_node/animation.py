"""An animation of a place: a layer's picture on each date, as its tiles show it, with the date and the credit line."""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from threading import Event
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from catalog.search import BoundingBox
from imagery_node.cog_cache import CogCache
from imagery_node.composite import scenes_drawn
from imagery_node.dated_scenes import scenes_by_date
from imagery_node.errors import BadParameterError, NotFoundError
from imagery_node.grid import Bounds, to_web_mercator
from imagery_node.label import write_label
from imagery_node.layer import Layer
from imagery_node.mosaic import Picture
from imagery_node.mosaic_rule import MosaicRule
from imagery_node.parameter import MAX_IMAGE_BYTES, MAX_IMAGE_PX, MAX_SIDE_PX, Query, read_box, read_query, read_whole
from imagery_node.rendering import Rendering
from imagery_node.renders import complete
from imagery_node.scene_index import SceneList, Snapshot
from imagery_node.tile_drawing import draw_scenes
from imagery_node.tile_request import LAYER_PARAMETERS, read_layer_look
from imagery_node.when import When, parse_when

MAX_FRAMES = 24
"""L20; L07 holds over all frames together."""
MIN_DELAY_MS, MAX_DELAY_MS = 20, 10_000
USUAL_DELAY_MS = 1000
USUAL_WIDTH_PX = 512
MAX_LATITUDE = 85.05
"""Of the square map."""
MIN_SIDE_M = 0.01
"""Of a place on that map: below, its shape is lost in rounding."""
MAX_DISTORTION = 4.0
"""So many times longer may a pixel be than wide on that map: overviews have square ones."""

Media = Literal["webp", "gif"]
MEDIA_TYPES: Mapping[Media, str] = {"webp": "image/webp", "gif": "image/gif"}

_COMPOSITE_BYTES, _FEATHER_BYTES = 12, 48
"""Memory for a pixel while it is drawn: of each scene of a composite, and of a feathered picture."""
_PAPER = 255
"""Where nothing was imaged."""
_ENCODING: Mapping[Media, Mapping[str, Any]] = {"webp": {"quality": 75, "method": 2}, "gif": {}}
_DEGREES = "OGC:CRS84"


@dataclass(frozen=True)
class AnimationRequest:
    """What an address asks for."""

    bbox: BoundingBox
    bounds: Bounds
    """The same in EPSG:3857."""
    shape: tuple[int, int]
    """(height, width) of the frames, in pixels."""
    delay_ms: int
    look: Mapping[str, Any]
    """From `read_layer_look`."""

    def rule_on(self, layer: Layer) -> MosaicRule:
        """The mosaic rule that holds."""
        rule: MosaicRule = self.look["rule"] or layer.rule
        return rule.feathered(self.look["feather_px"])


class Frame(NamedTuple):
    """One date, before it is drawn."""

    date: date
    scenes: SceneList


@dataclass(frozen=True)
class Film:
    """All that the frames of an animation are made of; equal films give equal animations."""

    request: AnimationRequest
    rule: MosaicRule
    rendering: Rendering
    frames: tuple[Frame, ...]


def read_animation(query: bytes) -> AnimationRequest:
    """Read an address.

    Raises:
        BadParameterError: A parameter is malformed or out of its bounds.
    """
    values = read_query(query, {"bbox": False, "width": False, "height": False, "delay": False, **LAYER_PARAMETERS})
    if "bbox" not in values:
        raise BadParameterError("give bbox=west,south,east,north in degrees", limit="bbox")
    bbox = read_box(values["bbox"][0])
    bounds = _on_map(bbox)
    delay_ms = USUAL_DELAY_MS
    if "delay" in values:
        delay_ms = read_whole(values["delay"][0], what="delay", least=MIN_DELAY_MS, most=MAX_DELAY_MS)
    return AnimationRequest(bbox, bounds, _read_shape(values, bounds), delay_ms, read_layer_look(values))


def plan_film(snapshot: Snapshot, layer: Layer, request: AnimationRequest, *, scenes_per_frame: int) -> Film:
    """Which scenes each frame is drawn from: those of a tile that is asked for with its date.

    Raises:
        NotFoundError: Nothing was imaged here then, or there is no such rendering.
        BadParameterError: There would be too many frames, or too many pixels in all of them.
    """
    rule, when = request.rule_on(layer), request.look["when"]
    rendering = complete(request.look["rendering"] or layer.render or Rendering(), snapshot, layer.collections)
    dates = scenes_by_date(snapshot, layer, request.bbox, when, at_most=MAX_FRAMES)
    if not dates:
        raise NotFoundError("nothing was imaged here then")
    height, width = request.shape
    if width * height * len(dates) > MAX_IMAGE_PX:
        raise BadParameterError(
            f"{len(dates)} frames of {width} × {height} are {width * height * len(dates):.3g} pixels, at most "
            f"{MAX_IMAGE_PX:.3g} are drawn: ask for a smaller picture or fewer dates",
            limit="width",
        )
    frames = [
        Frame(
            day, snapshot.scenes(layer, request.bbox, _on(day), at_most=scenes_drawn(rule, scenes_per_frame), rule=rule)
        )
        for day, _ in dates
    ]
    for frame in frames:
        _check_memory(frame, rule, width * height)
    return Film(request, rule, rendering, tuple(frames))


def draw_film(film: Film, snapshot: Snapshot, cogs: CogCache, given_up: Event) -> Iterator[tuple[Frame, Picture]]:
    """Draw the frames on which anything shows, the oldest first.

    Raises:
        UnreadableAssetError: No scene of a date can be read that has pixels here.
        BadRenderingError: A scene has no such bands.
        DeadlineError: It was given up.
    """
    place = film.request.bounds, film.request.shape
    for frame in film.frames:
        scenes = frame.scenes.scenes
        picture = draw_scenes(snapshot, scenes, film.rule, film.rendering, *place, cogs, given_up)
        if picture.valid.any():
            yield frame, picture


def encode_film(pictures: Iterable[tuple[date, Picture]], media: Media, *, delay_ms: int, credit: str) -> bytes:
    """Frames with their dates and a credit line as one file that plays without end; white where nothing was imaged."""
    images = []
    for day, picture in pictures:
        image = Image.fromarray(np.where(picture.valid[..., None], picture.pixels, np.uint8(_PAPER)))
        write_label(image, day.isoformat(), credit)
        images.append(image)
    first, *others = images
    file = io.BytesIO()
    first.save(file, media, save_all=True, append_images=others, duration=delay_ms, loop=0, **_ENCODING[media])
    return file.getvalue()


def _check_memory(frame: Frame, rule: MosaicRule, pixels: int) -> None:
    """Refuse what would take too much of it (L08)."""
    scenes = len(frame.scenes.scenes)
    each = _COMPOSITE_BYTES * scenes if rule.kind == "composite" else _FEATHER_BYTES if rule.feather_px else 0
    if pixels * each > MAX_IMAGE_BYTES:
        raise BadParameterError(
            f"{frame.date}: {scenes} scenes by the rule {rule.name} on {pixels} pixels, at most "
            f"{MAX_IMAGE_BYTES // each} are drawn: ask for a smaller picture",
            limit="width",
        )


def _read_shape(values: Query, bounds: Bounds) -> tuple[int, int]:
    """Height and width: one follows from the other and the shape of the place, unless both are given."""
    width, height = (
        read_whole(values[name][0], what=name, least=1, most=MAX_SIDE_PX) if name in values else None
        for name in ("width", "height")
    )
    left, bottom, right, top = bounds
    slope = (top - bottom) / (right - left)
    if width is None:
        width = USUAL_WIDTH_PX if height is None else round(height / slope)
    height, width = _side(height or round(width * slope)), _side(width)
    if not 1 / MAX_DISTORTION <= height / (width * slope) <= MAX_DISTORTION:
        raise BadParameterError(
            f"the frames would be {width} × {height} pixels of {right - left:.4g} × {top - bottom:.4g} m on the map, "
            f"expected pixels at most {MAX_DISTORTION:g} times longer than wide: leave width or height out, or ask for "
            "a box that is less narrow",
            limit="width",
        )
    return height, width


def _side(pixels: int) -> int:
    return min(max(pixels, 1), MAX_SIDE_PX)


def _on_map(bbox: BoundingBox) -> Bounds:
    """A box in EPSG:3857."""
    west, south, east, north = bbox
    if west > east or max(-south, north) > MAX_LATITUDE:
        raise BadParameterError(
            f"bbox must lie between the latitudes ±{MAX_LATITUDE}, on one side of the antimeridian", limit="bbox"
        )
    left, bottom, right, top = to_web_mercator(_DEGREES).transform_bounds(*bbox)
    if min(right - left, top - bottom) < MIN_SIDE_M:
        raise BadParameterError(f"bbox is narrower than {MIN_SIDE_M:g} m", limit="bbox")
    return left, bottom, right, top


def _on(day: date) -> When:
    return parse_when(day.isoformat())
