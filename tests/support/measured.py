"""Published scenes of which every value is known: reflectance and flags on a UTM grid, scene by scene where we like."""

import json

import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from catalog.item import item_folder
from tests.support.rasters import BEIJING_UTM, UTM_50N, landscape, write_cog

PIXEL_M = 8
SIDE = 300
"""Pixels of a scene, in both directions."""
SCALE = 0.0001
BANDS = ("blue", "green", "red", "nir")
CLOUD = 4

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def scene_transform(east=0.0, south=0.0, pixel_m=PIXEL_M):
    """Pixel corner → UTM, so many metres from the usual place."""
    return from_origin(BEIJING_UTM[0] + east, BEIJING_UTM[1] - south, pixel_m, pixel_m)


def list_measured(
    store, item_id, when, *, collection="gf2-pms", crs=UTM_50N, transform=None, quality=True, **properties
):
    """List a scene without writing its files."""
    item = _item(item_id, when, collection, crs, transform or scene_transform(), quality, properties)
    store.register(item)


def publish_measured(
    store, home, item_id, when, *, collection="gf2-pms", seed=1, cloudy=None, crs=UTM_50N, transform=None,
    quality=True, **properties,
):  # fmt: skip
    """Write and list one scene; gives its pixels (band, row, column), 0 where not valid.

    `cloudy` is (row, column), True where the flags say cloud. The upper left corner of every scene is not valid.
    """
    pixels = landscape(SIDE, SIDE, len(BANDS), seed=seed)
    pixels[:, :40, :60] = 0
    transform = transform or scene_transform()
    item = _item(item_id, when, collection, crs, transform, quality, properties)
    folder = item_folder(home, item)
    folder.mkdir(parents=True)
    options = {"crs": crs, "transform": transform, "COMPRESS": "DEFLATE", "PREDICTOR": "2", "BLOCKSIZE": "128"}
    write_cog(folder / "analytic.tif", pixels, nodata=0, names=BANDS, **options)
    if quality:
        flags = np.where(pixels[:1] == 0, 1, 0).astype(np.uint8)
        if cloudy is not None:
            flags[0, cloudy & (flags[0] == 0)] = CLOUD
        write_cog(folder / "quality.tif", flags, nodata=1, **options)
    store.register(item)
    return pixels


def _item(item_id, when, collection, crs, transform, quality, properties):
    bounds = rasterio.transform.array_bounds(SIDE, SIDE, transform)
    west, south, east, north = transform_bounds(crs, "OGC:CRS84", *bounds, densify_pts=21)
    bands = [{"name": n, "data_type": "uint16", "nodata": 0, "raster:scale": SCALE, "raster:offset": 0} for n in BANDS]
    flags = {"quality": {"href": "./quality.tif", "type": _COG}} if quality else {}
    usual = {"datetime": when, "version": "1", "title": item_id, "gsd": float(abs(transform.a))}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": item_id,
        "collection": collection,
        "geometry": json.loads(shapely.to_geojson(shapely.box(west, south, east, north))),
        "bbox": [west, south, east, north],
        "properties": usual | properties,
        "links": [],
        "assets": {"analytic": {"href": "./analytic.tif", "type": _COG, "bands": bands}} | flags,
    }
