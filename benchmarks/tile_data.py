"""What the tile benchmark draws: a simulated scene the node publishes itself, and an unaligned one it only lists."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.vrt import WarpedVRT

from catalog.asset_key import SHARP, VISUAL
from catalog.sidecar import scene_folders
from cog_builder.elevation import ConstantHeight
from cog_builder.simulation import Landscape, SimulationRequest, simulate_delivery

FOLDER = Path(__file__).resolve().parent / "data" / "tiles"

STRETCH = 300, 3000
"""Reflectance × 10000 shown as black and as white."""

_PLACE = 116.42, 39.88
_HEIGHT_M = 50.0
_UTM = "EPSG:32650"
_PIXELS = 800
_NATURAL = (3, 2, 1)


@dataclass(frozen=True)
class SceneFiles:
    """One scene: how the node names it, and where its files are."""

    item: dict[str, Any]
    folder: Path

    def path(self, asset: str) -> Path:
        """The file of an asset."""
        href: str = self.item["assets"][asset]["href"]
        return self.folder / href


@dataclass(frozen=True)
class TileData:
    """A node's home and the two scenes it knows."""

    home: Path
    published: SceneFiles
    """Made by the node: `visual` in Web Mercator blocks, `sharp` as uint16 in Gauss-Krüger."""
    listed: SceneFiles
    """Made by GDAL's COG driver: `visual` as 8-bit red, green, blue and alpha in UTM."""

    @property
    def environment(self) -> dict[str, str]:
        """Lets the node read the listed scene."""
        return {"CATALOG_ASSET_ROOTS": str(self.listed.folder)}


def tile_data() -> TileData:
    """The data, made when missing (a minute or two)."""
    home, listed_item = FOLDER / "home", FOLDER / "listed" / "item.json"
    if not listed_item.exists():
        print(f"making the data in {FOLDER}", file=sys.stderr)
        shutil.rmtree(FOLDER, ignore_errors=True)
        _publish_simulated(home)
        _list_unaligned(home, _published(home), listed_item.parent)
    return TileData(home, _published(home), SceneFiles(json.loads(listed_item.read_text()), listed_item.parent))


def _publish_simulated(home: Path) -> None:
    request = SimulationRequest(
        "GF1",
        "PMS1",
        datetime(2022, 4, 20, 3, 12, 41, tzinfo=UTC),
        *_PLACE,
        _PIXELS,
        _PIXELS,
        Landscape(*_PLACE),
        ConstantHeight(_HEIGHT_M),
        product_id=6391527,
        cloud_percent=5.0,
    )
    delivery = simulate_delivery(request, FOLDER / "deliveries")
    _node("publish", delivery, "--height", str(_HEIGHT_M), "--home", home)


def _published(home: Path) -> SceneFiles:
    (scene,) = scene_folders(home)
    return SceneFiles(json.loads((scene / "1" / "item.json").read_text()), scene / "1")


def _list_unaligned(home: Path, source: SceneFiles, folder: Path) -> None:
    """Show the published scene on a UTM grid, as an agency's own 8-bit product would be."""
    folder.mkdir()
    with rasterio.open(source.path(SHARP)) as file, WarpedVRT(file, crs=_UTM, resampling=Resampling.cubic) as warped:
        values, valid = warped.read(_NATURAL), warped.dataset_mask()
        profile = {"width": warped.width, "height": warped.height, "crs": warped.crs, "transform": warped.transform}
    low, high = STRETCH
    colours = np.clip((values - np.float32(low)) * (254 / (high - low)) + 1, 1, 255).astype(np.uint8) * (valid > 0)
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", count=4, dtype="uint8", **profile) as plain:
            plain.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
            plain.write(np.concatenate([colours, valid[None]]))
        with memory.open() as plain:
            copy_raster(
                plain,
                folder / "visual.tif",
                driver="COG",
                compress="DEFLATE",
                predictor="2",
                blocksize=512,
                overview_resampling="average",
            )
    item = {key: source.item[key] for key in ("type", "stac_version", "geometry", "bbox")} | {
        "id": "unaligned",
        "collection": "benchmark",
        "properties": {"datetime": source.item["properties"]["datetime"], "gsd": 2.0},
        "links": [],
        "assets": {VISUAL: {"href": str(folder / "visual.tif"), "type": "image/tiff; application=geotiff"}},
    }
    listing = folder / "items.ndjson"
    listing.write_text(json.dumps(item))
    _node("catalog", "load", listing, "--home", home, CATALOG_ASSET_ROOTS=str(folder))
    (folder / "item.json").write_text(json.dumps(item))


def _node(*arguments: str | Path, **environment: str) -> None:
    command = [sys.executable, "-m", "imagery_node.cli", *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, **environment})
