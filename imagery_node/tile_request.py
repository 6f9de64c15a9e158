"""What a tile address asks for, read and checked once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from morecantile import Tile

from catalog.asset_key import ANALYTIC
from imagery_node.colormap import parse_classes
from imagery_node.encoding import Format
from imagery_node.errors import BadParameterError
from imagery_node.grid import Grid, get_grid
from imagery_node.layer import Layer
from imagery_node.mosaic_rule import MAX_FEATHER_PX, MosaicRule, find_rule
from imagery_node.parameter import (
    Query,
    read_bands,
    read_id,
    read_name,
    read_number,
    read_query,
    read_rescale,
    read_whole,
)
from imagery_node.rendering import Rendering
from imagery_node.when import ALWAYS, When, parse_when

ROW_PATTERN = r"(\d{1,8})(@2x)?(?:\.(png|jpg|jpeg|webp))?"
_FORMATS: dict[str | None, Format] = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}

RENDERING_PARAMETERS = {
    "render": False,
    "assets": False,
    "bidx": True,
    "expression": False,
    "rescale": True,
    "colormap_name": False,
    "colormap": False,
    "gamma": False,
}
"""Parameters of a rendering; True for those that may be repeated."""

MEASURED_PARAMETERS = ("render", "assets", "bidx", "expression")
"""Those of them that say what is shown, not how."""

LAYER_PARAMETERS = {"datetime": False, "rule": False, "feather": False, **RENDERING_PARAMETERS}
"""Parameters of a layer's picture."""

_ROW = re.compile(ROW_PATTERN, re.ASCII)
_WHOLE = re.compile(r"\d{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TileRequest:
    """One tile of a layer or of an item."""

    grid: Grid
    tile: Tile
    scale: int
    """1, or 2 for a tile of 512 pixels."""
    format: Format | None
    """None: JPEG when the tile is full, else PNG."""
    rendering: Rendering | str | None
    """Or the name of one of the collection's; None for the layer's own."""
    when: When = ALWAYS
    layer_id: str | None = None
    item: tuple[str, str] | None = None
    """Collection and item id; set when `layer_id` is not."""
    rule: MosaicRule | None = None
    """None for the layer's own."""
    feather_px: int | None = None
    """In place of the rule's."""
    explain: bool = False
    """Tell how the tile is made instead of showing it."""
    before: When | None = None
    """Show how a value changed from then to `when`, instead of how it looks."""
    colours: Rendering | None = None
    """Stretch and colours of such a difference; `rendering` says what is compared."""

    def rule_on(self, layer: Layer) -> MosaicRule:
        """The mosaic rule that holds."""
        return (self.rule or layer.rule).feathered(self.feather_px)


def read_layer_tile(path: Mapping[str, str], query: bytes) -> TileRequest:
    """Read the address of a layer's tile.

    Raises:
        UnknownGridError: No such grid.
        TileOutsideGridError: The grid has no such tile.
        BadParameterError: A parameter is malformed or out of its bounds.
    """
    values = read_query(query, {"explain": False, **LAYER_PARAMETERS})
    return TileRequest(**_read_place(path), **read_layer_look(values), layer_id=read_id(path["layer"]))


def read_layer_look(values: Query) -> dict[str, Any]:
    """What the `LAYER_PARAMETERS` of a query say of a layer's picture, as members of a TileRequest.

    Raises:
        BadParameterError: A parameter is malformed or out of its bounds.
    """
    if values.get("explain", ["1"]) != ["1"]:
        raise BadParameterError(f"explain is {values['explain'][0]!r:.80}, expected 1", limit="explain")
    return {
        "rendering": read_rendering(values) if values.keys() & RENDERING_PARAMETERS.keys() else None,
        "when": parse_when(*values.get("datetime", [None])),
        "rule": find_rule(values["rule"][0]) if "rule" in values else None,
        "feather_px": read_whole(values["feather"][0], what="feather", most=MAX_FEATHER_PX)
        if "feather" in values
        else None,
        "explain": "explain" in values,
    }


def read_difference_tile(path: Mapping[str, str], query: bytes) -> TileRequest:
    """Read the address of a tile that compares two times of a layer; raises as `read_layer_tile`."""
    known = {"before": False, "after": False, "rule": False, "explain": False, **RENDERING_PARAMETERS}
    values = read_query(query, known)
    if not values.keys() >= {"before", "after"}:
        raise BadParameterError("give before= and after=, each an instant, a period or an interval", limit="datetime")
    if not values.keys() & {"render", "expression", "bidx"}:
        raise BadParameterError("say what is compared: render=, expression= or bidx=", limit="expression")
    colours = {name: value for name, value in values.items() if name not in MEASURED_PARAMETERS}
    look = read_layer_look({name: values[name] for name in ("rule", "explain") if name in values})
    look |= {"rendering": read_measured(values), "when": parse_when(values["after"][0])}
    return TileRequest(
        **_read_place(path),
        **look,
        layer_id=read_id(path["layer"]),
        before=parse_when(values["before"][0]),
        colours=_read_rendering(colours),
    )


def read_measured(values: Query) -> Rendering | str:
    """Read what is measured, by the `MEASURED_PARAMETERS`: bands of the reflectance unless an asset is named.

    Raises:
        BadParameterError: A parameter is malformed or out of its bounds.
    """
    named = {name: values[name] for name in MEASURED_PARAMETERS if name in values}
    return read_rendering(named if "render" in named else {"assets": [ANALYTIC], **named})


def read_item_tile(path: Mapping[str, str], query: bytes) -> TileRequest:
    """Read the address of an item's tile; raises as `read_layer_tile`."""
    values = read_query(query, {"datetime": False, **RENDERING_PARAMETERS})
    return TileRequest(
        **_read_place(path),
        rendering=read_rendering(values),
        when=parse_when(*values.get("datetime", [None])),
        item=(read_id(path["collection"]), read_id(path["item"])),
    )


def read_rendering(values: Query) -> Rendering | str:
    """Read how the pixels are to be shown: in so many words, or by the name of a rendering.

    Raises:
        BadParameterError: A parameter is malformed or out of its bounds.
    """
    if "render" in values:
        others = [name for name in RENDERING_PARAMETERS if name in values and name != "render"]
        if others:
            raise BadParameterError(f"render stands in place of {', '.join(others)}", limit="render")
        return read_name(values["render"][0], what="render")
    return _read_rendering(values)


def _read_rendering(values: Query) -> Rendering:
    """A rendering in so many words."""
    return Rendering(
        asset=read_name(values["assets"][0]) if "assets" in values else "visual",
        indexes=read_bands(values["bidx"]) if "bidx" in values else None,
        expression=values["expression"][0] if "expression" in values else None,
        rescale=read_rescale(values["rescale"]) if "rescale" in values else None,
        colormap=values["colormap_name"][0] if "colormap_name" in values else None,
        gamma=read_number(values["gamma"][0], what="gamma") if "gamma" in values else None,
        classes=parse_classes(values["colormap"][0]) if "colormap" in values else (),
    )


def _read_place(path: Mapping[str, str]) -> dict[str, Any]:
    grid = get_grid(path["tms"])
    row = _ROW.fullmatch(path["y"])
    if not (row and _WHOLE.fullmatch(path["z"]) and _WHOLE.fullmatch(path["x"])):
        raise BadParameterError("a tile is {z}/{x}/{y}[@2x][.png|.jpg|.webp] in whole numbers", limit="tile")
    tile = Tile(x=int(path["x"]), y=int(row[1]), z=int(path["z"]))
    grid.check(tile)
    return {"grid": grid, "tile": tile, "scale": 2 if row[2] else 1, "format": _FORMATS.get(row[3])}
