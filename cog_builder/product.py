"""The files a scene becomes: what each holds, how a block of it is drawn and how its overviews come about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.collection import collection_document
from catalog.timestamp import format_datetime
from cog_builder.cog_layout import BandInfo, CogLayout, Compression
from cog_builder.drawing import Drawn, Range, SceneDrawing, inner, widened
from cog_builder.map_grid import BLOCK_PX, TILE_PX, MapGrid, overview_count
from cog_builder.pyramid import Block, Reduce, average, nearest
from cog_builder.quality import FILL, REACH_PX, cloudy, flags
from cog_builder.scene import Scene
from cog_builder.stretch import Stretch

REFLECTANCE_SCALE = 0.0001
"""Reflectance per step of `analytic` and `sharp`."""

_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Product:
    """Files of one grid that are drawn together."""

    layouts: dict[str, CogLayout]
    """By asset key."""
    reduces: Sequence[Reduce]
    draw: Callable[[Range, Range], Sequence[Block] | None]

    @property
    def block_count(self) -> int:
        """Blocks of the full image."""
        rows, cols = next(iter(self.layouts.values())).blocks(0)
        return rows * cols


def analytic_product(scene: Scene, drawing: SceneDrawing, grid: MapGrid, compression: Compression) -> Product:
    """`analytic`: reflectance of the multispectral bands, and `quality`: their flags."""
    names = scene.sensor.common_names
    reflectance = _reflectance_layout(scene, grid, compression)
    bands = (BandInfo("bit flags: 1 fill, 2 saturated, 4 cloud (low confidence)"),)
    quality = CogLayout(grid, bands, "uint8", compression, BLOCK_PX, reflectance.overviews, FILL, _tags(scene))

    def draw(rows: Range, cols: Range) -> list[Block] | None:
        wide = drawing.colours(grid, widened(rows, REACH_PX), widened(cols, REACH_PX))
        if wide is None:
            return None
        cloud = cloudy(wide.reflectance, names)[inner(REACH_PX)]
        drawn = wide.cut(REACH_PX)
        found = flags(drawn.valid, drawn.saturated, cloud)
        return [_reflectance_block(drawn), Block(found[..., None], drawn.valid)]

    return Product({"analytic": reflectance, "quality": quality}, [average, nearest], draw)


def sharp_product(scene: Scene, drawing: SceneDrawing, grid: MapGrid, compression: Compression) -> Product:
    """`sharp`: reflectance of the multispectral bands with the detail of the pan band."""

    def draw(rows: Range, cols: Range) -> list[Block] | None:
        drawn = drawing.finest(grid, rows, cols)
        return None if drawn is None else [_reflectance_block(drawn)]

    return Product({"sharp": _reflectance_layout(scene, grid, compression)}, [average], draw)


def visual_product(scene: Scene, drawing: SceneDrawing, grid: MapGrid, overviews: int) -> Product:
    """`visual`: the finest picture of the scene, each block a whole map tile."""
    stretch = Stretch.of_collection(collection_document(scene.collection))
    names = scene.sensor.common_names
    bands = tuple(BandInfo(colour, color=colour) for colour in _COLOURS)
    layout = CogLayout(grid, bands, "uint8", "jpeg", TILE_PX, overviews, tags=_tags(scene))

    def draw(rows: Range, cols: Range) -> list[Block] | None:
        drawn = drawing.finest(grid, rows, cols)
        return None if drawn is None else [Block(stretch.picture(drawn.reflectance, names), drawn.valid)]

    return Product({"visual": layout}, [average], draw)


def _reflectance_layout(scene: Scene, grid: MapGrid, compression: Compression) -> CogLayout:
    bands = tuple(
        BandInfo(
            f"{band.name} {band.common_name}",
            REFLECTANCE_SCALE,
            band.common_name if band.common_name in _COLOURS else None,
        )
        for band in scene.sensor.bands
    )
    overviews = overview_count(grid.width, grid.height)
    return CogLayout(grid, bands, "uint16", compression, BLOCK_PX, overviews, nodata=0, tags=_tags(scene))


def _tags(scene: Scene) -> dict[str, str]:
    return {
        "TITLE": scene.title,
        "ACQUISITION_TIME_UTC": format_datetime(scene.acquired),
        "SATELLITE": scene.sensor.satellite,
        "SENSOR": scene.sensor.name,
    }


def _reflectance_block(drawn: Drawn) -> Block:
    """uint16, reflectance × 10000; 0 is kept for nodata."""
    scaled = np.clip(np.rint(drawn.reflectance / np.float32(REFLECTANCE_SCALE)), 1, 65535)
    return Block(scaled.astype(np.uint16), drawn.valid)
