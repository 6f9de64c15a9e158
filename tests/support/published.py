"""Published scenes with tiny real COGs: a visual on the tile grid, an analytic on a UTM grid, and their catalogue."""

import json
from contextlib import contextmanager

import numpy as np
import rasterio
import requests
import shapely
from morecantile import Tile
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.transform import from_bounds
from rasterio.warp import transform_bounds

from catalog.item import item_folder
from catalog.settings import CatalogSettings
from catalog.store import open_store
from imagery_node.app import create_app
from imagery_node.grid import WEB_MERCATOR_QUAD, get_grid
from imagery_node.settings import ImageryNodeSettings
from tests.support.node import serving
from tests.support.stac import some_collection

CORNER = Tile(x=13488, y=6204, z=14)
"""North-western tile of the 2 × 2 tiles that every scene covers."""
INSIDE = (116.38, 39.97)
"""Longitude and latitude in that tile."""
RENDERS = {
    "visual": {"assets": ["visual"]},
    "natural": {"assets": ["analytic"], "bidx": [3, 2, 1], "rescale": [[0, 1000], [0, 2000], [0, 3000]]},
    "false-colour": {"assets": ["analytic"], "bidx": [4, 3, 2], "rescale": [[0, 2000]]},
    "of-two": {"assets": ["visual", "analytic"]},
}

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_BANDS = [{"name": name, "data_type": "uint16", "nodata": 0} for name in ("blue", "green", "red", "nir")]


def address(tile=CORNER, suffix="", *, dx=0, dy=0):
    """The end of a tile's address, so many tiles east and south of another one."""
    return f"tiles/{WEB_MERCATOR_QUAD}/{tile.z}/{tile.x + dx}/{tile.y + dy}{suffix}"


def put_collection(store, collection):
    """A collection with renderings."""
    store.put_collection({**some_collection(collection), "renders": RENDERS})


def publish_scene(store, home, item_id, when, *, collection="gf2-pms", colour=(90, 120, 150), east=0, **properties):
    """Write the files of a scene and list it; its south-eastern tile is half empty.

    `east` moves it by so many tiles; `properties` replace those of the item, with `cloud_cover` for short.
    """
    if "cloud_cover" in properties:
        properties["eo:cloud_cover"] = properties.pop("cloud_cover")
    grid = get_grid(WEB_MERCATOR_QUAD)
    first = Tile(x=CORNER.x + east, y=CORNER.y, z=CORNER.z)
    last = Tile(x=first.x + 1, y=first.y + 1, z=first.z)
    left, _, _, top = grid.bounds(first)
    _, bottom, right, _ = grid.bounds(last)
    west, _, _, north = grid.bbox(first)
    _, south, east_, _ = grid.bbox(last)
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": item_id,
        "collection": collection,
        "geometry": json.loads(shapely.to_geojson(shapely.box(west + 1e-6, south + 1e-6, east_ - 1e-6, north - 1e-6))),
        "bbox": [west, south, east_, north],
        "properties": {
            "datetime": when,
            "version": "1",
            "title": f"{item_id} 测试",
            "platform": "gaofen-2",
            "instruments": ["pms1"],
            "gsd": 6.5,
            **properties,
        },
        "links": [],
        "assets": {
            "visual": {"href": "./visual.tif", "type": _COG},
            "analytic": {"href": "./analytic.tif", "type": _COG, "bands": _BANDS},
            "metadata": {"href": "./scene.xml", "type": "application/xml"},
        },
    }
    folder = item_folder(home, item)
    folder.mkdir(parents=True)
    _write_visual(folder / "visual.tif", colour, (left, bottom, right, top))
    _write_analytic(folder / "analytic.tif", (left, bottom, right, top))
    (folder / "scene.xml").write_text("<scene/>")
    return store.register(item)


@contextmanager
def node_at(home, *, catalog=None, **settings):
    """A node of this home on a real port, with the application behind it and a store to publish with."""
    store = open_store(home)
    app = create_app(ImageryNodeSettings(home=home, **settings), catalog or CatalogSettings())
    with serving(app) as url:
        yield Published(url, app, store, home)
    store.close()


class Published:
    """A running node and its catalogue."""

    def __init__(self, url, app, store, home):
        self.url, self.app, self.store, self.home = url, app, store, home

    def get(self, path, method="GET", **options):
        """Ask, whatever the status."""
        return requests.request(method, self.url + path, timeout=30, **options)

    def publish(self, item_id, when, **properties):
        """List a scene, as another process would."""
        return publish_scene(self.store, self.home, item_id, when, **properties)

    def count(self, lane):
        """How many tile answers came about in one way."""
        return self.app.state.tiles.counts[lane]


def _write_visual(path, colour, bounds):
    """512 × 512 JPEG with a mask, in blocks that are the tiles."""
    pixels = np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, 512, 512)).copy()
    pixels[:, :, ::16] //= 2  # stripes, so that no tile is one flat colour
    valid = np.full((512, 512), 255, np.uint8)
    valid[256:, 384:] = 0
    profile = {"width": 512, "height": 512, "count": 3, "dtype": "uint8", "crs": "EPSG:3857"}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=from_bounds(*bounds, 512, 512), **profile) as flat:
            flat.write(pixels)
            flat.write_mask(valid)
        with memory.open() as flat:
            copy_raster(
                flat, path, driver="COG", COMPRESS="JPEG", BLOCKSIZE="256", TILING_SCHEME="GoogleMapsCompatible",
                ADD_ALPHA="NO",
            )  # fmt: skip


def _write_analytic(path, bounds):
    """300 × 300 uint16 in four bands: 100, 200, 300, 400 plus the column, so that no two pixels of a row are alike."""
    bounds = transform_bounds("EPSG:3857", "EPSG:32650", *bounds)
    pixels = (np.array([100, 200, 300, 400])[:, None, None] + np.arange(300)).astype(np.uint16)
    profile = {"width": 300, "height": 300, "count": 4, "dtype": "uint16", "crs": "EPSG:32650", "nodata": 0}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=from_bounds(*bounds, 300, 300), **profile) as flat:
            flat.write(np.broadcast_to(pixels, (4, 300, 300)))
            flat.descriptions = ("blue", "green", "red", "nir")
        with memory.open() as flat:
            copy_raster(flat, path, driver="COG", COMPRESS="DEFLATE", PREDICTOR="2", BLOCKSIZE="128")
