"""Scene + COGs → STAC Item."""

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rasterio
from shapely.geometry.base import BaseGeometry

from catalog.asset_key import VISUAL_C
from catalog.collection import collection_document
from catalog.item import ITEM_FILE, STEREO
from catalog.timestamp import format_datetime
from cog_builder.balance import Balance
from cog_builder.calibration import REFLECTANCE_SCALE
from cog_builder.elevation import Elevation
from cog_builder.footprint import as_geojson
from cog_builder.pansharpening import METHOD
from cog_builder.quality import FLAGS_TEXT
from cog_builder.scene import Scene
from cog_builder.sensor import Band

_EXTENSIONS = {
    "eo": "v1.1.0",  # not 2.0: clients find bands by their common names only through eo:bands (docs/decisions/0007)
    "file": "v2.1.0",
    "processing": "v1.2.0",
    "projection": "v2.0.0",
    "raster": "v2.0.0",
    "sat": "v1.2.0",
    "version": "v1.2.0",
    "view": "v1.1.0",
}
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
_SIDE_FILE_TYPES = {".xml": "application/xml", ".rpb": "text/plain", ".txt": "text/plain"}


def scene_item(
    scene: Scene,
    folder: Path,
    *,
    geometry: BaseGeometry,
    elevation: Elevation | None,
    balance: Balance | None = None,
) -> dict[str, Any]:
    """The Item of a scene whose files lie in `folder`; hrefs are relative to it.

    Args:
        scene: What was delivered.
        folder: The finished version folder, all but `item.json`.
        geometry: Valid-pixel footprint in degrees.
        elevation: Where the heights of the orthorectification come from.
        balance: What its picture was balanced with.
    """
    assets = _assets(scene, folder)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [
            f"https://stac-extensions.github.io/{name}/{release}/schema.json"
            for name, release in _EXTENSIONS.items()
            if name not in _unused_extensions(scene)
        ],
        "id": scene.id,
        "collection": scene.collection,
        "geometry": as_geojson(geometry),
        "bbox": [round(value, 7) for value in geometry.bounds],
        "properties": _properties(scene, elevation, balance, assets["analytic"]),
        "links": [],
        "assets": assets,
    }


def _properties(
    scene: Scene, elevation: Elevation | None, balance: Balance | None, analytic: dict[str, Any]
) -> dict[str, Any]:
    """What is known of the scene; its map is that of the asset `analytic`."""
    now = format_datetime(datetime.now(UTC).replace(microsecond=0))
    properties: dict[str, Any] = {
        "title": scene.title,
        "datetime": format_datetime(scene.acquired),
        "created": now,
        "updated": now,
        "platform": scene.sensor.platform,
        "constellation": scene.sensor.constellation,
        "instruments": [scene.sensor.instrument],
        "gsd": scene.finest_gsd_m,
        "license": "other",
        "providers": collection_document(scene.collection)["providers"],
        "version": "1",
        "eo:cloud_cover": scene.cloud_cover,
        "sat:absolute_orbit": scene.orbit,
        "view:sun_elevation": round(scene.sun_elevation, 4),
        "view:sun_azimuth": round(scene.sun_azimuth, 4),
        "view:incidence_angle": None if scene.incidence_angle is None else round(scene.incidence_angle, 4),
        "view:off_nadir": None if scene.off_nadir is None else round(scene.off_nadir, 4),
        "view:azimuth": None if scene.view_azimuth is None else round(scene.view_azimuth, 4),
        "proj:code": analytic["proj:code"],
        "proj:shape": analytic["proj:shape"],
        "proj:transform": analytic["proj:transform"],
        "processing:level": scene.level,
        "processing:software": {"imagery-node": version("imagery-node")},
        "processing:lineage": _lineage(scene, elevation),
        "imagery_node:balance": None if balance is None else balance.as_property(),
        "imagery_node:calibration_source": scene.calibration_source,
        "imagery_node:dialect": scene.dialect,
        "imagery_node:source": scene.facts or None,
        STEREO: _stereo(scene),
        "imagery_node:unproven": list(scene.unproven) or None,
        "imagery_node:warnings": [*scene.warnings, *(elevation.warnings if elevation else ())] or None,
    }
    return {key: value for key, value in properties.items() if value is not None}


def _lineage(scene: Scene, elevation: Elevation | None) -> str:
    """What was done, in a sentence."""
    steps = [f"Delivered {scene.level}"]
    if scene.main.gains is None:
        steps.append("digital numbers, for nobody knows the gains")
    else:
        steps.append(f"top-of-atmosphere reflectance with gains from {scene.calibration_source}")
    if elevation is not None:
        steps.append(f"orthorectified with the delivered RPC and {elevation.source}")
    else:
        steps.append("on the map it was delivered on")
    if scene.pan is not None:
        steps.append(f"pan-sharpened by {METHOD}")
    return "; ".join(steps)


def _stereo(scene: Scene) -> dict[str, Any] | None:
    """The view, and the Items of the other views that came with it."""
    if scene.stereo is None:
        return None
    others = [{"collection": collection, "id": item_id} for collection, item_id in scene.stereo.siblings]
    return {"view": scene.stereo.view, "siblings": others}


def write_item(item: dict[str, Any], folder: Path) -> None:
    """Write `item.json`, the last file of a version folder."""
    (folder / ITEM_FILE).write_text(json.dumps(item, ensure_ascii=False, indent=1), encoding="utf-8")


def _unused_extensions(scene: Scene) -> set[str]:
    """Extensions of which the Item has no field: their schemas want one."""
    unused = {"sat"} if scene.orbit is None else set()
    return unused | ({"raster"} if scene.main.gains is None else set())


def _assets(scene: Scene, folder: Path) -> dict[str, Any]:
    spectral = [_band(band) for band in scene.main.bands]
    values: dict[str, Any] = {"data_type": "uint16", "nodata": 0}
    title, roles = "Digital numbers", ["data"]
    if scene.main.gains is not None:
        values |= {"raster:scale": REFLECTANCE_SCALE, "raster:offset": 0}
        title, roles = "Top-of-atmosphere reflectance", ["data", "reflectance"]
    reflectance = {
        "bands": [{**_prefixed(band), **values} for band in spectral],
        "eo:bands": spectral,
    }
    colours = {
        "bands": [{"name": name, "eo:common_name": name, "data_type": "uint8"} for name in ("red", "green", "blue")]
    }
    coarse, fine = scene.main.gsd_m, scene.finest_gsd_m
    assets = {
        "visual": cog_asset(folder / "visual.tif", "Picture", ["visual", "overview"], fine, colours),
        "analytic": cog_asset(folder / "analytic.tif", title, roles, coarse, reflectance),
        "quality": cog_asset(
            folder / "quality.tif",
            f"Bit flags: {FLAGS_TEXT}",
            ["data-mask", "cloud", "cloud-shadow", "saturation"],
            coarse,
            {"bands": [{"name": "quality", "data_type": "uint8", "nodata": 1}]},
        ),
        "thumbnail": {
            **file_asset(folder / "thumbnail.webp"),
            "type": "image/webp",
            "title": "Thumbnail",
            "roles": ["thumbnail"],
        },
    }
    if (folder / f"{VISUAL_C}.tif").exists():
        assets[VISUAL_C] = cog_asset(
            folder / f"{VISUAL_C}.tif", "Picture in tiles of the national grid c", ["visual"], fine, colours
        )
    if scene.pan is not None:
        assets["sharp"] = cog_asset(
            folder / "sharp.tif", f"Pan-sharpened: {title[0].lower()}{title[1:]}", roles, fine, reflectance
        )
    return assets | _side_files(scene, folder)


def _side_files(scene: Scene, folder: Path) -> dict[str, Any]:
    """`metadata`, `rpc` of the main image, `metadata-pan`, `rpc-pan`; numbered where parts or bands have their own."""
    assets: dict[str, Any] = {}
    count: Counter[str] = Counter()
    pan_stems = {path.stem.casefold() for path in (scene.pan.parts[0].paths if scene.pan else ())}
    for path in scene.side_files:
        kept = folder / "source" / path.name
        key = "metadata" if path.suffix.lower() == ".xml" else "rpc"
        key += "-pan" if path.stem.casefold().removesuffix("_rpc") in pan_stems else ""
        count[key] += 1
        assets[key if count[key] == 1 else f"{key}-{count[key]}"] = {
            **file_asset(kept),
            "href": f"./source/{kept.name}",
            "type": _SIDE_FILE_TYPES[path.suffix.lower()],
            "title": f"As delivered: {kept.name}",
            "roles": ["metadata"],
        }
    return assets


def cog_asset(path: Path, title: str, roles: list[str], gsd_m: float, bands: dict[str, Any]) -> dict[str, Any]:
    """A finished COG as an asset; `bands` are the fields that describe its bands."""
    with rasterio.open(path, driver="GTiff") as cog:
        return {
            **file_asset(path),
            "type": COG_TYPE,
            "title": title,
            "roles": roles,
            "gsd": gsd_m,
            "proj:code": f"EPSG:{cog.crs.to_epsg()}",
            "proj:shape": list(cog.shape),
            "proj:transform": [float(value) for value in tuple(cog.transform)[:6]],
            "proj:bbox": [float(value) for value in cog.bounds],
            **bands,
        }


def _band(band: Band) -> dict[str, Any]:
    """A band as `eo:bands` has it."""
    return {
        "name": band.name,
        "common_name": band.common_name,
        "center_wavelength": band.center_wavelength_um,
        "full_width_half_max": band.full_width_half_max_um,
        "solar_illumination": band.esun,
    }


def _prefixed(band: dict[str, Any]) -> dict[str, Any]:
    """The same as the common `bands` of STAC 1.1 has it."""
    return {key if key == "name" else f"eo:{key}": value for key, value in band.items()}


def file_asset(path: Path) -> dict[str, Any]:
    """What every file of an Item says: where it is, how long, and its checksum."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"href": f"./{path.name}", "file:size": path.stat().st_size, "file:checksum": f"1220{digest}"}
