"""What a tile address asks for, read and checked once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from morecantile import Tile

from imagery_node.encoding import Format
from imagery_node.errors import BadParameterError
from imagery_node.grid import Grid, get_grid
from imagery_node.parameter import Query, read_bands, read_id, read_name, read_query, read_rescale
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
}
"""Parameters of a rendering; True for those that may be repeated."""

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
    rendering: Rendering | str
    """Or the name of one of the collection's."""
    when: When = ALWAYS
    layer_id: str | None = None
    item: tuple[str, str] | None = None
    """Collection and item id; set when `layer_id` is not."""


def read_layer_tile(path: Mapping[str, str], query: bytes) -> TileRequest:
    """Read the address of a layer's tile.

    Raises:
        UnknownGridError: No such grid.
        TileOutsideGridError: The grid has no such tile.
        BadParameterError: A parameter is malformed or out of its bounds.
    """
    values = read_query(query, {"datetime": False, **RENDERING_PARAMETERS})
    return TileRequest(
        **_read_place(path),
        rendering=read_rendering(values),
        when=parse_when(*values.get("datetime", [None])),
        layer_id=read_id(path["layer"]),
    )


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
    return Rendering(
        asset=read_name(values["assets"][0]) if "assets" in values else "visual",
        indexes=read_bands(values["bidx"]) if "bidx" in values else None,
        expression=values["expression"][0] if "expression" in values else None,
        rescale=read_rescale(values["rescale"]) if "rescale" in values else None,
        colormap=values["colormap_name"][0] if "colormap_name" in values else None,
    )


def _read_place(path: Mapping[str, str]) -> dict[str, Any]:
    grid = get_grid(path["tms"])
    row = _ROW.fullmatch(path["y"])
    if not (row and _WHOLE.fullmatch(path["z"]) and _WHOLE.fullmatch(path["x"])):
        raise BadParameterError("a tile is {z}/{x}/{y}[@2x][.png|.jpg|.webp] in whole numbers", limit="tile")
    tile = Tile(x=int(path["x"]), y=int(row[1]), z=int(path["z"]))
    grid.check(tile)
    return {"grid": grid, "tile": tile, "scale": 2 if row[2] else 1, "format": _FORMATS.get(row[3])}
