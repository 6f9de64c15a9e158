import io
from urllib.parse import urlencode

import numpy as np
import pytest
import rasterio
from morecantile import Tile
from PIL import Image
from rasterio.transform import from_bounds
from rasterio.vrt import WarpedVRT
from rio_tiler.colormap import cmap

from catalog.item import item_folder
from imagery_node.grid import WEB_MERCATOR_QUAD, get_grid
from tests.support.measured import SIDE, publish_measured, scene_transform
from tests.support.published import node_at, put_collection

TILE = Tile(x=53956, y=24834, z=16)
"""Wholly on the scenes, its pixels are a quarter as wide as the scenes'."""
CORNER = Tile(x=53955, y=24832, z=16)
"""Across the corner that is not valid, and the edge."""
NDVI = "(nir-red)/(nir+red)"
MARCH, MAY = "2024-03-01", "2024-05-01"


def address(tile=TILE, suffix=".png", *, layer="gf2-pms", **query):
    query = {"before": MARCH, "after": MAY, "expression": NDVI, "rescale": "-0.5,0.5", "colormap_name": "gray"} | query
    query = {name: value for name, value in query.items() if value is not None}
    place = f"{WEB_MERCATOR_QUAD}/{tile.z}/{tile.x}/{tile.y}{suffix}"
    return f"/raster/layers/{layer}/difference/tiles/{place}?{urlencode(query)}"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Two dates; on the later one a cloudy scene lies on a clear one."""
    with node_at(tmp_path_factory.mktemp("home")) as running:
        put_collection(running.store, "gf2-pms")
        cloudy = np.zeros((SIDE, SIDE), bool)
        cloudy[:, SIDE // 2 :] = True
        publish_measured(running.store, running.home, "MARCH", "2024-03-01T03:00:00Z", seed=1)
        publish_measured(running.store, running.home, "MAY", "2024-05-01T03:00:00Z", seed=2)
        publish_measured(running.store, running.home, "MAY-CLOUDY", "2024-05-01T04:00:00Z", seed=3, cloudy=cloudy)
        yield running


def picture(node, path):
    answer = node.get(path)
    assert answer.status_code == 200, answer.text
    return np.array(Image.open(io.BytesIO(answer.content)).convert("RGBA"))


def ndvi(node, item_id, tile):
    """NDVI on the tile's pixels, by GDAL; NaN where there is none."""
    bounds = get_grid(WEB_MERCATOR_QUAD).bounds(tile)
    path = item_folder(node.home, node.store.item("gf2-pms", item_id)) / "analytic.tif"
    options = {"crs": "EPSG:3857", "transform": from_bounds(*bounds, 256, 256), "width": 256, "height": 256}
    resampling = rasterio.enums.Resampling.bilinear
    with rasterio.open(path) as file, WarpedVRT(file, resampling=resampling, **options) as warped:
        red, nir = warped.read((3, 4)).astype(float)
    with np.errstate(invalid="ignore"):
        return (nir - red) / (nir + red)


def expect(shown, change, *, off=0.01):
    """`off`: the share of pixels at edges, whose validity or value may differ."""
    valid = np.isfinite(change)
    assert ((shown[..., 3] == 255) != valid).mean() <= off
    grey = np.clip((np.nan_to_num(change) + 0.5) * 255, 0, 255)
    both = valid & (shown[..., 3] == 255)
    assert (np.abs(shown[..., 0] - grey)[both] > 2).mean() <= off


def test_a_pixel_shows_the_later_value_minus_the_earlier_one(node):
    change = ndvi(node, "MAY-CLOUDY", TILE) - ndvi(node, "MARCH", TILE)
    assert np.isfinite(change).all()
    assert change.std() > 0.02
    expect(picture(node, address()), change)


def test_a_pixel_that_either_time_lacks_is_transparent(node):
    change = ndvi(node, "MAY-CLOUDY", CORNER) - ndvi(node, "MARCH", CORNER)
    assert 0.05 < np.isfinite(change).mean() < 0.95
    expect(picture(node, address(CORNER)), change, off=0.03)


def test_a_rule_that_prefers_clear_pixels_compares_those(node):
    expect(
        picture(node, address(rule="clear-pixels")),
        np.where(clear_of_cloud(TILE), ndvi(node, "MAY-CLOUDY", TILE), ndvi(node, "MAY", TILE))
        - ndvi(node, "MARCH", TILE),
    )


def clear_of_cloud(tile):
    """Whether a pixel's centre lies on the western half of the scenes."""
    left, bottom, right, top = get_grid(WEB_MERCATOR_QUAD).bounds(tile)
    xs, ys = from_bounds(left, bottom, right, top, 256, 256) * np.meshgrid(np.arange(256) + 0.5, np.arange(256) + 0.5)
    east, _ = rasterio.warp.transform("EPSG:3857", "EPSG:32650", xs.ravel(), ys.ravel())
    return (np.array(east) < (scene_transform() * (SIDE // 2, 0))[0]).reshape(256, 256)


def test_the_difference_with_itself_is_nothing_in_the_middle_of_the_colours(node):
    shown = picture(node, address(before=MAY, colormap_name=None))
    assert set(map(tuple, shown[..., :3].reshape(-1, 3))) == {tuple(cmap.get("rdylgn")[128])[:3]}


def test_the_dates_that_were_compared_are_told(node):
    answer = node.get(address(before="2024-02-20", after="latest"))
    assert (answer.headers["imagery-before"], answer.headers["imagery-date"]) == (MARCH, MAY)


def test_the_tag_changes_when_a_scene_of_either_time_does_and_no_pixel_is_read_while_it_holds(tmp_path):
    with node_at(tmp_path / "home") as node:
        put_collection(node.store, "gf2-pms")

        def publish(item_id, when):
            publish_measured(node.store, node.home, item_id, f"{when}T03:00:00Z")

        publish("MARCH", MARCH)
        publish("MAY", MAY)
        tags = [node.get(address()).headers["etag"]]
        for item_id, when in (("MARCH-2", MARCH), ("MAY-2", MAY)):
            publish(item_id, when)
            tags.append(node.get(address()).headers["etag"])
        publish("JULY", "2024-07-01")
        drawn = node.count("composed")
        again = node.get(address(), headers={"If-None-Match": tags[-1]})
        assert (again.status_code, node.count("composed")) == (304, drawn)
        assert len(set(tags)) == 3
        assert node.get(address(before=MAY, after=MARCH)).headers["etag"] not in tags


def test_where_a_time_has_no_scene_nothing_is_shown(node):
    assert node.get(address(before="2020/2021")).status_code == 204


def test_a_rendering_is_compared_by_its_name_over_half_of_its_stretch(tmp_path):
    with node_at(tmp_path / "home") as node:
        put_collection(node.store, "gf2-pms")
        document = node.store.collection("gf2-pms")
        ndvi_render = {"assets": ["analytic"], "expression": NDVI, "rescale": [[-1, 1]], "colormap_name": "viridis"}
        node.store.put_collection({**document, "renders": {"ndvi": ndvi_render}})
        publish_measured(node.store, node.home, "MARCH", "2024-03-01T03:00:00Z", seed=1)
        publish_measured(node.store, node.home, "MAY", "2024-05-01T03:00:00Z", seed=2)
        spelt = picture(node, address(rescale="-1,1", colormap_name=None))
        named = picture(node, address(expression=None, render="ndvi", rescale=None, colormap_name=None))
        assert np.array_equal(named, spelt)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"before": None}, "limit.datetime"),
        ({"after": None}, "limit.datetime"),
        ({"before": "yesterday"}, "limit.datetime"),
        ({"expression": None}, "limit.expression"),
        ({"expression": "nir;red"}, "bad_rendering"),
        ({"expression": None, "bidx": "1,2,3"}, "bad_rendering"),
        ({"rescale": None}, "bad_rendering"),
        ({"render": "natural"}, "limit.render"),
        ({"rule": "median"}, "limit.rule"),
        ({"feather": "3"}, "unknown_parameter"),
        ({"expression": "swir1-red"}, "bad_rendering"),
    ],
)
def test_what_cannot_be_compared_is_refused(node, query, code):
    answer = node.get(address(**query))
    assert (answer.status_code, answer.json()["code"]) == (400, code)
