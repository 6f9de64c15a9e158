"""The gate before publishing: the files of a built scene are what its Item says, to the last block."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from cog_builder.errors import InvalidCogError

_COG_ASSETS = ("analytic", "sharp", "visual", "quality")
_LARGEST_WITHOUT_OVERVIEW_PX = 512
_THREADS = 2


def check_scene(folder: Path, item: dict[str, Any]) -> None:
    """Open every COG of a version folder, compare it with the Item and decode every block of every level.

    Raises:
        InvalidCogError: Naming the scene, the file, what was found and what was expected.
    """
    for key in _COG_ASSETS:
        if key in item["assets"]:
            check_cog(folder / item["assets"][key]["href"], item["assets"][key], scene=item["id"])


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
