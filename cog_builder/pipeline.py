"""One scene from delivery to COGs and Item: the steps in order. The only file that knows them all."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from catalog.asset_key import ANALYTIC, QUALITY, VISUAL, VISUAL_C
from catalog.collection import collection_document
from catalog.durable import naming_a_full_disk
from catalog.item import with_warnings
from cog_builder.balance import Balance, Neighbour, solve_balance
from cog_builder.check import flag_percent, scene_warnings
from cog_builder.cloud_detector import load_cloud_detector
from cog_builder.cog import CogWriter
from cog_builder.corners import corner_warning
from cog_builder.deliveries import open_delivery
from cog_builder.drawing import SceneDrawing, scene_drawing
from cog_builder.elevation import Elevation
from cog_builder.errors import BadMetadataError, DiskFullError, GeolocationError, UnreadableImageError
from cog_builder.footprint import Floats, image_outline, rough_bbox, valid_footprint
from cog_builder.fusion import fit_fusion
from cog_builder.map_grid import MapGrid, cgcs2000_tile_grid, choose_crs, delivered_grid, snapped_grid, tile_grid
from cog_builder.orthorectification import RawPixels
from cog_builder.product import Product, analytic_product, sharp_product, visual_product
from cog_builder.pyramid import Pyramid
from cog_builder.scene import Scene, SourceImage
from cog_builder.settings import CogBuilderSettings
from cog_builder.source_raster import decode_part
from cog_builder.stac_item import scene_item, write_item
from cog_builder.stretch import Stretch, read_sample
from cog_builder.thumbnail import write_thumbnail

Progress = Callable[[str, float], None]
"""Told (scene, share done 0–1) from any thread."""


def build_delivery(
    delivery: Path,
    folder: Path,
    *,
    elevation: Elevation | None,
    settings: CogBuilderSettings,
    progress: Progress = lambda scene, share: None,
) -> dict[str, Any]:
    """Read a delivery of one scene and build it.

    Args:
        delivery: Archive or folder as received.
        folder: Where the version folder's files go; must exist and be empty, on a disk with room for the raw pixels.
        elevation: Heights of the ground; images that were delivered on a map do without.
        settings: How to build.
        progress: Told how far it is.

    Returns:
        The Item, as written to `item.json`.

    Raises:
        CogBuilderError: The delivery is refused or cannot be built; `folder` is left as it is then.
    """
    with tempfile.TemporaryDirectory(prefix="delivery-", dir=folder) as workspace:
        scenes = open_delivery(delivery, Path(workspace), allow_uncalibrated=settings.allow_uncalibrated)
        if len(scenes) > 1:
            raise BadMetadataError(f"{delivery.name}: holds {len(scenes)} scenes, expected one")
        return build_scene(
            scenes[0], folder, Path(workspace), elevation=elevation, settings=settings, progress=progress
        )


def build_scene(
    scene: Scene,
    folder: Path,
    workspace: Path,
    *,
    elevation: Elevation | None,
    settings: CogBuilderSettings,
    progress: Progress,
    neighbours: Sequence[Neighbour] = (),
) -> dict[str, Any]:
    """Calibrate, orthorectify, sharpen, flag and write one scene; see `build_delivery`.

    Its picture is balanced with the `neighbours`, published scenes of its collection.
    """
    if elevation is None and any(image.map_reference is None for image in scene.images):
        raise GeolocationError(
            f"{scene.title}: no elevation for the orthorectification; expected an elevation model (--dem FILE) or a "
            f"constant height (--height METRES)"
        )
    try:
        with naming_a_full_disk(scene.title, DiskFullError):
            return _Build(scene, folder, workspace, elevation, settings, progress, neighbours).run()
    except (GeolocationError, UnreadableImageError) as error:
        raise type(error)(f"{scene.title}: {error}") from error


@dataclass
class _Build:
    scene: Scene
    folder: Path
    workspace: Path
    elevation: Elevation | None
    settings: CogBuilderSettings
    progress: Progress
    neighbours: Sequence[Neighbour]

    def run(self) -> dict[str, Any]:
        scene = self.scene
        ground = self._ground()
        outlines = [image_outline(image, ground) for image in scene.images]
        longitude, latitude = (np.concatenate(values) for values in zip(*outlines, strict=True))
        drawing = scene_drawing(scene, self._decoded(), ground)
        epsg = self.settings.epsg or choose_crs(float(longitude.mean()), float(latitude.mean()), scene.finest_gsd_m)
        lossless, detector = self.settings.lossless, load_cloud_detector(self.settings.cloud_detector)
        grids = [self._grid(image, outline, epsg) for image, outline in zip(scene.images, outlines, strict=True)]
        if drawing.pan is not None:
            drawing, warnings = fit_fusion(drawing, drawing.pan, grids[1])
            scene = replace(scene, warnings=(*scene.warnings, *warnings))
        products = [analytic_product(scene, drawing, grids[0], lossless, detector)]
        if scene.pan is not None:
            products.append(sharp_product(scene, drawing, grids[1], lossless))
        stretch = Stretch.of_collection(collection_document(scene.collection))
        advance = self._advance([*products, *self._pictures(drawing, longitude, latitude, stretch)])
        self._write(products, advance)
        stretch, balance = self._matched(stretch)
        self._write(self._pictures(drawing, longitude, latitude, stretch), advance)
        footprint = valid_footprint(self.folder / "quality.tif")
        write_thumbnail(self.folder / "visual.tif", self.folder / "thumbnail.webp")
        self._keep_side_files()
        item = scene_item(scene, self.folder, geometry=footprint, elevation=ground, balance=balance)
        item["properties"]["imagery_node:flagged_percent"] = flag_percent(self.folder, item)
        if scene.pan is not None:
            shift_px = [round(drawing.shift.col, 3), round(drawing.shift.row, 3)]
            item["properties"]["imagery_node:registration"] = {"shift_px": shift_px}
        item = with_warnings(item, [*self._corner_warnings(outlines[0]), *scene_warnings(self.folder, item)])
        write_item(item, self.folder)
        return item

    def _pictures(self, drawing: SceneDrawing, longitude: Floats, latitude: Floats, stretch: Stretch) -> list[Product]:
        """`visual` and, where it was asked for, `visual-c`."""
        scene, settings = self.scene, self.settings
        grids = {VISUAL: tile_grid(longitude, latitude, scene.finest_gsd_m)}
        if settings.c_grid:
            grids[VISUAL_C] = cgcs2000_tile_grid(longitude, latitude, scene.finest_gsd_m)
        return [
            visual_product(scene, drawing, *grid, stretch, key=key, compression=settings.lossy)
            for key, grid in grids.items()
        ]

    def _corner_warnings(self, outline: tuple[Floats, Floats]) -> list[str]:
        """Corners on a map may be those of the map; only a camera model is checked against them."""
        if self.scene.main.map_reference is not None or not self.scene.corners:
            return []
        warning = corner_warning(self.scene.corners, outline)
        return [] if warning is None else [warning]

    def _matched(self, stretch: Stretch) -> tuple[Stretch, Balance | None]:
        """How the picture is shown, by the reflectance just written: to match its neighbours, where there are any."""
        analytic, quality = (self.folder / f"{key}.tif" for key in (ANALYTIC, QUALITY))
        names = [band.name for band in self.scene.main.bands]
        if self.scene.main.gains is None:
            return stretch.fitted(read_sample(analytic), names), None
        if not self.neighbours:
            return stretch, None
        balance = solve_balance(analytic, quality, names, self.neighbours, shown=stretch.bands)
        return stretch if balance is None else stretch.balanced(balance.gains, balance.offsets), balance

    def _decoded(self) -> list[list[RawPixels]]:
        """The pixels of every part of every image; files are decoded side by side, each in its own child process."""
        images = self.scene.images
        with ThreadPoolExecutor(self.settings.decoders) as pool:
            jobs = [
                [pool.submit(decode_part, part, len(image.bands), self.workspace) for part in image.parts]
                for image in images
            ]
            return [[job.result() for job in parts] for parts in jobs]

    def _grid(self, image: SourceImage, outline: tuple[Floats, Floats], epsg: int) -> MapGrid:
        """Where an image is drawn: on its own pixels when it came on a map and nobody wants another."""
        delivered = image.map_extent()
        if delivered is not None and self.settings.epsg in (None, delivered[0].epsg):
            reference, width, height = delivered
            return delivered_grid(reference.epsg, reference.transform, width, height)
        return snapped_grid(epsg, *outline, image.gsd_m)

    def _advance(self, products: list[Product]) -> Callable[[], None]:
        """To be called for every block of all these."""
        total, done = sum(product.block_count for product in products), itertools.count(1)
        return lambda: self.progress(self.scene.title, next(done) / total)

    def _write(self, products: list[Product], advance: Callable[[], None]) -> None:
        for product in products:
            writers = [CogWriter(self.folder / f"{key}.tif", layout) for key, layout in product.layouts.items()]
            Pyramid(writers, product.reduces, product.draw, advance).write(self.settings.threads)

    def _ground(self) -> Elevation | None:
        parts = [part for image in self.scene.images if image.map_reference is None for part in image.parts]
        if self.elevation is None or not parts:
            return None
        west, south, east, north = zip(*map(rough_bbox, parts), strict=True)
        return self.elevation.around((min(west), min(south), max(east), max(north)), max_cells=self.settings.dem_cells)

    def _keep_side_files(self) -> None:
        source = self.folder / "source"
        source.mkdir()
        for path in self.scene.side_files:
            shutil.copyfile(path, source / path.name)
