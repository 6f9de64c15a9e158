"""The gate before publishing: the files of a built scene are what its Item says, to the last block.

What is wrong stops the scene; what is only odd is a named warning in its Item.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
import rasterio.features
import shapely
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from catalog.geometry import read_geometry
from cog_builder.degrees import from_degrees
from cog_builder.errors import InvalidCogError
from cog_builder.quality import CLOUD, CLOUD_SHADOW, FILL, SATURATED

_COG_ASSETS = ("analytic", "sharp", "visual", "visual-c", "quality", "count")
_LARGEST_WITHOUT_OVERVIEW_PX = 512
_THREADS = 2
_LOOKED_AT_PX = 1024
_FOOTPRINT_IOU = 0.98
_SPECK = 1 / 1000
"""Of the largest part: the footprint leaves smaller parts out."""
_SATURATED_PERCENT = 5.0
_NEARLY_EMPTY_PERCENT = 1.0

Flags = NDArray[np.uint8]


def check_scene(folder: Path, item: dict[str, Any]) -> None:
    """Open every COG of a version folder, compare it with the Item and decode every block of every level.

    Raises:
        InvalidCogError: Naming the scene, the file, what was found and what was expected.
    """
    for key in _COG_ASSETS:
        if key in item["assets"]:
            check_cog(folder / item["assets"][key]["href"], item["assets"][key], scene=item["id"])
    _check_footprint(folder, item)


def scene_warnings(folder: Path, item: dict[str, Any]) -> list[str]:
    """What is odd about the pixels of a built scene, by name; `folder` holds the files that the Item describes."""
    percent = flag_percent(folder, item)
    warnings = []
    if percent["saturated"] > _SATURATED_PERCENT:
        warnings.append(f"saturated: {percent['saturated']:.1f} % of the imaged pixels are saturated in some band")
    if percent["imaged"] < _NEARLY_EMPTY_PERCENT:
        warnings.append(f"nearly_empty: only {percent['imaged']:.2f} % of the image's rectangle was imaged")
    return warnings


def flag_percent(folder: Path, item: dict[str, Any]) -> dict[str, float]:
    """How much of a scene was `imaged`, and how much of that is `saturated`, `cloud` and `cloud_shadow`, percent."""
    flags, _, _ = _flags(folder, item)
    imaged = flags[(flags & FILL) == 0]
    bits = {"saturated": SATURATED, "cloud": CLOUD, "cloud_shadow": CLOUD_SHADOW}
    shares = {name: int(((imaged & bit) > 0).sum()) / max(imaged.size, 1) for name, bit in bits.items()}
    return {name: round(100 * share, 2) for name, share in {"imaged": imaged.size / flags.size, **shares}.items()}


def check_cog(path: Path, asset: dict[str, Any], *, scene: str) -> None:
    """Check one COG; see `check_scene`."""
    name = f"{scene}: {path.name}"
    try:
        with rasterio.open(path, driver="GTiff") as cog:
            overviews = cog.overviews(1)
            found = {
                "layout": cog.tags(ns="IMAGE_STRUCTURE").get("LAYOUT"),
                "proj:code": f"EPSG:{cog.crs.to_epsg()}" if cog.crs else None,
                "proj:shape": list(cog.shape),
                "proj:transform": [float(value) for value in tuple(cog.transform)[:6]],
                "bands": cog.count,
            }
        expected = {
            "layout": "COG",
            **{field: asset.get(field) for field in ("proj:code", "proj:shape", "proj:transform")},
            "bands": len(asset.get("bands", ())),
        }
        for field, value in expected.items():
            if found[field] != value:
                raise InvalidCogError(f"{name}: {field} is {found[field]}, expected {value}")
        if not overviews and max(found["proj:shape"]) > _LARGEST_WITHOUT_OVERVIEW_PX:
            raise InvalidCogError(f"{name}: no overviews in an image of {found['proj:shape']} pixels")
        levels: chain[int | None] = chain([None], range(len(overviews)))
        with ThreadPoolExecutor(_THREADS) as pool:
            list(
                pool.map(
                    lambda part: _decode(path, *part), [(level, part) for level in levels for part in range(_THREADS)]
                )
            )
    except RasterioError as error:
        raise InvalidCogError(f"{name}: {error}") from error


def _decode(path: Path, level: int | None, part: int) -> None:
    """Read every `_THREADS`-th block, and its mask."""
    options = {} if level is None else {"overview_level": level}
    with rasterio.Env(GDAL_CACHEMAX=16), rasterio.open(path, driver="GTiff", **options) as cog:
        masked = rasterio.enums.MaskFlags.per_dataset in cog.mask_flag_enums[0]
        for index, (_, window) in enumerate(cog.block_windows(1)):
            if index % _THREADS == part:
                cog.read(window=window)
                if masked:
                    cog.dataset_mask(window=window)


def _check_footprint(folder: Path, item: dict[str, Any]) -> None:
    """Compare the Item's geometry with the pixels that were imaged, holes among them filled."""
    flags, transform, epsg = _flags(folder, item)
    imaged = np.ascontiguousarray((flags & FILL) == 0).view(np.uint8)
    parts, _ = cv2.findContours(imaged, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [float(cv2.contourArea(part)) for part in parts]
    kept = [part for part, area in zip(parts, areas, strict=True) if area >= _SPECK * max(areas)]
    filled = cv2.drawContours(np.zeros_like(imaged), kept, -1, 1, cv2.FILLED)
    to_map = from_degrees(epsg)
    outline = shapely.transform(
        read_geometry(item["geometry"]), lambda degrees: np.column_stack(to_map.transform(*degrees.T))
    )
    stated = np.zeros_like(imaged)
    if np.isfinite(outline.bounds).all():
        stated = rasterio.features.rasterize([outline], imaged.shape, transform=transform)
    iou = (stated & filled).sum() / (stated | filled).sum()
    if iou < _FOOTPRINT_IOU:
        raise InvalidCogError(
            f"{item['id']}: quality.tif: its imaged pixels and the Item's geometry have an IoU of {iou:.3f}, "
            f"expected at least {_FOOTPRINT_IOU}"
        )


def _flags(folder: Path, item: dict[str, Any]) -> tuple[Flags, rasterio.Affine, int]:
    """`quality`, thinned out when it is large, with its transform and its EPSG code."""
    with rasterio.open(folder / item["assets"]["quality"]["href"], driver="GTiff") as quality:
        shrink = max(1.0, max(quality.shape) / _LOOKED_AT_PX)
        height, width = (math.ceil(side / shrink) for side in quality.shape)
        transform = quality.transform @ rasterio.Affine.scale(quality.width / width, quality.height / height)
        return quality.read(1, out_shape=(height, width)), transform, quality.crs.to_epsg()
