"""One scene from delivery to COGs and Item: the steps in order. The only file that knows them all."""

import itertools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.durable import naming_a_full_disk
from cog_builder.cog import CogWriter
from cog_builder.deliveries import open_delivery
from cog_builder.drawing import scene_drawing
from cog_builder.elevation import Elevation
from cog_builder.errors import DiskFullError, GeolocationError, UnreadableImageError
from cog_builder.footprint import image_outline, rough_bbox, valid_footprint
from cog_builder.map_grid import choose_crs, snapped_grid, tile_grid
from cog_builder.product import Product, analytic_product, sharp_product, visual_product
from cog_builder.pyramid import Pyramid
from cog_builder.scene import Scene
from cog_builder.settings import CogBuilderSettings
from cog_builder.source_raster import decode_image
from cog_builder.stac_item import scene_item, write_item
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
    """Read a delivery and build its scene.

    Args:
        delivery: Archive or folder as received.
        folder: Where the version folder's files go; must exist and be empty, on a disk with room for the raw pixels.
        elevation: Heights of the ground.
        settings: How to build.
        progress: Told how far it is.

    Returns:
        The Item, as written to `item.json`.

    Raises:
        CogBuilderError: The delivery is refused or cannot be built; `folder` is left as it is then.
    """
    with tempfile.TemporaryDirectory(prefix="delivery-", dir=folder) as workspace:
        scene = open_delivery(delivery, Path(workspace))
        return build_scene(scene, folder, Path(workspace), elevation=elevation, settings=settings, progress=progress)


def build_scene(
    scene: Scene,
    folder: Path,
    workspace: Path,
    *,
    elevation: Elevation | None,
    settings: CogBuilderSettings,
    progress: Progress,
) -> dict[str, Any]:
    """Calibrate, orthorectify, sharpen, flag and write one scene; see `build_delivery`."""
    if elevation is None:
        raise GeolocationError(
            f"{scene.title}: no elevation for the orthorectification; expected an elevation model (--dem FILE) or a "
            f"constant height (--height METRES)"
        )
    try:
        with naming_a_full_disk(scene.title, DiskFullError):
            return _Build(scene, folder, workspace, elevation, settings, progress).run()
    except (GeolocationError, UnreadableImageError) as error:
        raise type(error)(f"{scene.title}: {error}") from error


@dataclass
class _Build:
    scene: Scene
    folder: Path
    workspace: Path
    elevation: Elevation
    settings: CogBuilderSettings
    progress: Progress

    def run(self) -> dict[str, Any]:
        scene = self.scene
        ground = self._ground()
        outlines = [image_outline(image, ground) for image in scene.images]
        longitude, latitude = (np.concatenate(values) for values in zip(*outlines, strict=True))
        raws = tuple(decode_image(image, self.workspace / f"{image.kind}.raw") for image in scene.images)
        drawing = scene_drawing(scene, raws, ground)
        epsg = self.settings.epsg or choose_crs(float(longitude.mean()), float(latitude.mean()), scene.finest_gsd_m)
        lossless = self.settings.lossless
        coarse = snapped_grid(epsg, *outlines[0], scene.multispectral.gsd_m)
        products = [analytic_product(scene, drawing, coarse, lossless)]
        if scene.pan is not None:
            fine = snapped_grid(epsg, *outlines[1], scene.pan.gsd_m)
            products.append(sharp_product(scene, drawing, fine, lossless))
        products.append(visual_product(scene, drawing, *tile_grid(longitude, latitude, scene.finest_gsd_m)))
        self._write(products)
        footprint = valid_footprint(self.folder / "quality.tif")
        write_thumbnail(self.folder / "visual.tif", self.folder / "thumbnail.webp")
        self._keep_side_files()
        item = scene_item(scene, self.folder, geometry=footprint, elevation=ground)
        write_item(item, self.folder)
        return item

    def _write(self, products: list[Product]) -> None:
        total, done = sum(product.block_count for product in products), itertools.count(1)
        for product in products:
            writers = [CogWriter(self.folder / f"{key}.tif", layout) for key, layout in product.layouts.items()]
            on_block = lambda: self.progress(self.scene.title, next(done) / total)  # noqa: E731
            Pyramid(writers, product.reduces, product.draw, on_block).write(self.settings.threads)

    def _ground(self) -> Elevation:
        west, south, east, north = zip(*(rough_bbox(image) for image in self.scene.images), strict=True)
        return self.elevation.around((min(west), min(south), max(east), max(north)), max_cells=self.settings.dem_cells)

    def _keep_side_files(self) -> None:
        source = self.folder / "source"
        source.mkdir()
        for path in self.scene.side_files:
            shutil.copyfile(path, source / path.name)
