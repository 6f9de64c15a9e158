"""The files a scene becomes: what each holds, how a block of it is drawn and how its overviews come about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.asset_key import VISUAL
from catalog.timestamp import format_datetime
from cog_builder.calibration import REFLECTANCE_SCALE
from cog_builder.cloud_detector import CloudDetector
from cog_builder.cog_layout import BandInfo, CogLayout, Lossless, Lossy
from cog_builder.drawing import Drawn, Range, SceneDrawing
from cog_builder.map_grid import BLOCK_PX, TILE_PX, MapGrid, overview_count
from cog_builder.pyramid import Block, Reduce, average, nearest
from cog_builder.quality import FILL, FLAGS_TEXT, CloudSearch, flags
from cog_builder.scene import Scene
from cog_builder.stretch import Stretch

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


def analytic_product(
    scene: Scene, drawing: SceneDrawing, grid: MapGrid, compression: Lossless, detector: CloudDetector
) -> Product:
    """`analytic`: reflectance of the multispectral bands, and `quality`: their flags."""
    reflectance = _reflectance_layout(scene, grid, compression)
    bands = (BandInfo(f"bit flags: {FLAGS_TEXT}"),)
    quality = CogLayout(grid, bands, "uint8", compression, BLOCK_PX, reflectance.overviews, FILL, _tags(scene))
    clouds = CloudSearch(detector, scene, drawing.main, grid)

    def draw(rows: Range, cols: Range) -> list[Block] | None:
        drawn = drawing.colours(grid, rows, cols)
        if drawn is None:
            return None
        found = flags(drawn.valid, drawn.saturated, clouds.flags(rows, cols))
        return [_reflectance_block(drawn), Block(found[..., None], drawn.valid)]

    return Product({"analytic": reflectance, "quality": quality}, [average, nearest], draw)


def sharp_product(scene: Scene, drawing: SceneDrawing, grid: MapGrid, compression: Lossless) -> Product:
    """`sharp`: reflectance of the multispectral bands with the detail of the pan band."""

    def draw(rows: Range, cols: Range) -> list[Block] | None:
        drawn = drawing.finest(grid, rows, cols)
        return None if drawn is None else [_reflectance_block(drawn)]

    return Product({"sharp": _reflectance_layout(scene, grid, compression)}, [average], draw)


def visual_product(
    scene: Scene,
    drawing: SceneDrawing,
    grid: MapGrid,
    overviews: int,
    stretch: Stretch,
    *,
    key: str = VISUAL,
    compression: Lossy = "jpeg",
) -> Product:
    """`visual` or `visual-c`: the finest picture of the scene, each block a whole map tile."""
    names = tuple(band.name for band in scene.main.bands)
    bands = tuple(BandInfo(colour, color=colour) for colour in _COLOURS)
    layout = CogLayout(grid, bands, "uint8", compression, TILE_PX, overviews, tags=_tags(scene))

    def draw(rows: Range, cols: Range) -> list[Block] | None:
        drawn = drawing.finest(grid, rows, cols)
        return None if drawn is None else [Block(stretch.picture(drawn.reflectance, names), drawn.valid)]

    return Product({key: layout}, [average], draw)


def _reflectance_layout(scene: Scene, grid: MapGrid, compression: Lossless) -> CogLayout:
    bands = tuple(
        BandInfo(
            " ".join(filter(None, (band.name, band.common_name))),
            1.0 if scene.main.gains is None else REFLECTANCE_SCALE,
            band.common_name if band.common_name in _COLOURS else None,
        )
        for band in scene.main.bands
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
