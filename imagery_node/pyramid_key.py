"""PyramidKey: which requests one pyramid answers, and how its scenes are drawn."""

import json
from dataclasses import dataclass, replace

from imagery_node.errors import NotFoundError
from imagery_node.grid import WEB_MERCATOR_QUAD
from imagery_node.layer import Layer
from imagery_node.mosaic_rule import RULES, MosaicRule
from imagery_node.rendering import Rendering
from imagery_node.renders import complete
from imagery_node.scene_index import Snapshot
from imagery_node.tile_request import TileRequest
from imagery_node.when import ALWAYS, When, period_of

MAX_BASE_ZOOM = 14
"""Tiles from here on are always drawn from their scenes."""

DRAWING_VERSION = "1"
"""Part of every cell's tag: raise it when the same scenes come to give other cells, and all are made again."""

_SEPARATOR = "~"
"""No id has it."""


@dataclass(frozen=True, slots=True)
class PyramidKey:
    """A layer, with a rendering and a rule where they are not the layer's own."""

    layer_id: str
    render: str = ""
    rule: str = ""

    @property
    def name(self) -> str:
        """As the book keeps it."""
        return _SEPARATOR.join((self.layer_id, self.render, self.rule)).rstrip(_SEPARATOR)

    @classmethod
    def parse(cls, name: str) -> "PyramidKey":
        """The key of a name."""
        return cls(*name.split(_SEPARATOR))

    @classmethod
    def of(cls, request: TileRequest) -> "PyramidKey | None":
        """The pyramid that would answer a request; None where only its scenes can.

        Whoever asks for a time, a difference, bands, a stretch or feathering of their own gets no pyramid.
        """
        if request.layer_id is None or request.tile.z >= MAX_BASE_ZOOM or request.grid.name != WEB_MERCATOR_QUAD:
            return None
        if request.before is not None:
            return None
        if request.when != ALWAYS or request.feather_px is not None or isinstance(request.rendering, Rendering):
            return None
        return cls(request.layer_id, request.rendering or "", request.rule.name if request.rule else "")


def without_interval(request: TileRequest, snapshot: Snapshot) -> TileRequest:
    """The request by a layer's name alone, where its interval takes in all of the layer's scenes or is a period.

    Raises:
        NotFoundError: There is no such layer.
    """
    interval = request.when.interval
    if request.layer_id is None or interval is None or request.when != When(interval=interval):
        return request
    layer = snapshot.layer(request.layer_id)
    if layer.when != ALWAYS:
        return request
    (start, end), span = interval, snapshot.span(layer)
    if span and (start is None or start <= span[0]) and (end is None or span[1] <= end):
        return replace(request, when=ALWAYS)
    period = period_of(interval)
    return replace(request, layer_id=f"{layer.layer_id}_{period}", when=ALWAYS) if period else request


@dataclass(frozen=True)
class Drawing:
    """What a pyramid's pictures depend on beside the scenes."""

    layer: Layer
    rendering: Rendering
    rule: MosaicRule

    @classmethod
    def of(cls, key: PyramidKey, snapshot: Snapshot) -> "Drawing":
        """How the pyramid of a key is drawn now.

        Raises:
            NotFoundError: There is no such layer, rendering or rule, or the layer's scenes depend on the day.
            BadRenderingError: The rendering cannot be shown as a tile.
        """
        layer = snapshot.layer(key.layer_id)
        rule = RULES.get(key.rule) if key.rule else layer.rule
        if rule is None or layer.when.nearest is not None:
            raise NotFoundError(f"no pyramid can be made of {key.name}")
        named = key.render or layer.render
        return cls(layer, complete(named or Rendering(), snapshot, layer.collections), rule)

    def definition(self) -> str:
        """It as text: the same for the same pictures of the same scenes."""
        collections = {name: name in self.layer.beneath for name in sorted(self.layer.collections)}
        drawn = repr((DRAWING_VERSION, self.rendering, self.rule, self.layer.when))
        return json.dumps({"drawn": drawn, "collections": collections})

    def effect(self) -> str:
        """What the pixels of a cell depend on beside its scenes in their order: not on the layer's name."""
        rule = self.rule
        kind = rule.name if rule.kind == "composite" else rule.kind
        return repr((kind, rule.version, rule.clear_pixels_first, rule.feather_px, self.rendering))
