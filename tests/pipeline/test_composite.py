"""Four cloudy dates become one published composite, which equals numpy's on the scenes' own pixels."""

import json
from datetime import UTC, datetime
from pathlib import Path

import morecantile
import numpy as np
import pytest
import rasterio
from rasterio.windows import from_bounds

from catalog.item import check_built_item
from catalog.settings import CatalogSettings
from cog_builder.check import check_scene
from tests.support.command import in_process, told
from tests.support.published import node_at
from tests.support.schemas import check_document, stac_validator
from tests.support.simulated import LATITUDE, LONGITUDE, tiny_delivery, tiny_dem

BBOX = (LONGITUDE - 0.01, LATITUDE - 0.008, LONGITUDE + 0.011, LATITUDE + 0.009)
ASKED = ("gf1-wfv", "--bbox", ",".join(map(str, BBOX)), "--workers", "2", "--json")
DATES = [datetime(2024, month, 3, 3, 20, 11, tzinfo=UTC) for month in (1, 4, 5, 6)]
FILL, CLOUDS = 1, 4 | 8


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Four dates of a place, one in winter and three in the second quarter; the last one carries fewest clouds."""
    root = tmp_path_factory.mktemp("composite")
    deliveries = [
        tiny_delivery("gf1-wfv", root, acquired=when, product_id=4819700 + number, cloud_percent=cloud, seed=number + 1)
        for number, (when, cloud) in enumerate(zip(DATES, (0.0, 45.0, 35.0, 25.0), strict=True))
    ]
    done = in_process("publish", *deliveries, "--home", root / "home", "--dem", tiny_dem(), "--json")
    assert done.returncode == 0, done.stdout
    return root / "home"


def compose(home, *options, dask="none"):
    done = in_process("composite", *ASKED, "--home", home, "--dask", dask, *options)
    (outcome,) = told(done).values()
    return done.returncode, outcome


@pytest.fixture(scope="module")
def median(home):
    code, outcome = compose(home, "--datetime", "2024Q2", dask="local")
    assert (code, outcome["state"], outcome["scenes"]) == (0, "published", 3), outcome
    return Path(home, "scenes", outcome["collection"], outcome["item_id"], outcome["version"])


def scenes(home):
    folders = sorted(path.parent for path in home.glob("scenes/gf1-wfv/*/1/item.json"))
    items = [json.loads((folder / "item.json").read_text()) for folder in folders]
    return [folder for folder, item in zip(folders, items, strict=True) if item["properties"]["datetime"] > "2024-02"]


def pixels(folder, name, onto):
    """A file of a scene on the grid of a composite, whose pixels are the scenes' own."""
    with rasterio.open(onto) as target, rasterio.open(folder / f"{name}.tif") as file:
        window = from_bounds(*target.bounds, file.transform).round_offsets().round_lengths()
        return file.read(window=window, boundless=True, fill_value=file.nodata)


def test_the_median_is_numpys_on_the_scenes_own_pixels(home, median):
    folders = scenes(home)
    values = np.stack([pixels(folder, "analytic", median / "analytic.tif") for folder in folders])
    flags = np.stack([pixels(folder, "quality", median / "analytic.tif")[0] for folder in folders])
    valid = (values != 0).all(axis=1)
    clear = valid & (flags & CLOUDS == 0)
    usable = np.where(clear.any(axis=0), clear, valid)
    shown = usable.any(axis=0)
    expected = np.ma.median(np.ma.masked_array(values, np.broadcast_to(~usable[:, None], values.shape)), axis=0)
    with rasterio.open(median / "analytic.tif") as file:
        np.testing.assert_array_equal(file.read()[:, shown], np.rint(expected.filled(0))[:, shown])
        assert not file.read()[:, ~shown].any()
    with rasterio.open(median / "count.tif") as file:
        np.testing.assert_array_equal(file.read(1), clear.sum(axis=0))
        assert set(np.unique(file.read(1))) >= {1, 2, 3}
    with rasterio.open(median / "quality.tif") as file:
        np.testing.assert_array_equal(file.read(1) == FILL, ~shown)
        np.testing.assert_array_equal((file.read(1) & CLOUDS) != 0, shown & ~clear.any(axis=0))


def test_the_item_says_what_it_is_made_of(home, median):
    item = json.loads((median / "item.json").read_text())
    check_built_item(item)
    check_scene(median, item)
    properties = item["properties"]
    assert properties["start_datetime"] == "2024-04-03T03:20:11Z"
    assert properties["end_datetime"] == "2024-06-03T03:20:11Z"
    assert properties["start_datetime"] < properties["datetime"] < properties["end_datetime"]
    assert properties["processing:level"] == "L3"
    assert "odc-stac" in properties["processing:software"]
    assert properties["imagery_node:composite"]["scenes"] == 3
    places = [(median / link["href"]).resolve() for link in item["links"]]
    assert [link["rel"] for link in item["links"]] == ["derived_from"] * 3
    assert sorted(places) == [folder / "item.json" for folder in scenes(home)]


def test_the_service_shows_it_as_any_item_but_not_in_the_layer_of_everything(home, median):
    collection, item_id = median.parts[-3:-1]
    with node_at(home, catalog=CatalogSettings()) as node:
        item = node.get(f"/stac/collections/{collection}/items/{item_id}").json()
        check_document(item, stac_validator())
        check_document(node.get(f"/stac/collections/{collection}").json(), stac_validator())
        sources = [link["href"] for link in item["links"] if link["rel"] == "derived_from"]
        assert {node.get(href.removeprefix(node.url)).json()["collection"] for href in sources} == {"gf1-wfv"}
        layers = {layer["id"]: layer for layer in node.get("/raster/layers").json()["layers"]}
        assert collection not in layers["img"]["collections"]
        assert {"visual", "natural", "ndvi"} <= set(layers[collection]["renders"])
        x, y, z = morecantile.tms.get("WebMercatorQuad").tile(LONGITUDE, LATITUDE, 13)
        tile = f"/raster/layers/{collection}/tiles/WebMercatorQuad/{z}/{x}/{y}"
        assert node.get(tile).status_code == 200
        assert node.get(f"{tile}?render=ndvi").status_code == 200


def test_a_second_time_nothing_is_done(home, median):
    code, outcome = compose(home, "--datetime", "2024Q2")
    assert (code, outcome["state"], outcome["item_id"]) == (0, "already_published", median.parts[-2])


def test_files_alone_can_be_had_in_another_grid_and_published_later(home, tmp_path):
    options = ("--datetime", "2024-04/2024-05", "--rule", "max-ndvi", "--crs", "EPSG:32650", "--resolution", "30")
    code, outcome = compose(home, *options, "--out", tmp_path)
    assert (code, outcome["state"], outcome["scenes"]) == (0, "built", 2), outcome
    with rasterio.open(Path(outcome["folder"]) / "analytic.tif") as file:
        assert (file.crs.to_epsg(), file.res) == (32650, (30, 30))
        assert file.read().any()
    again, outcome = compose(home, *options, "--out", tmp_path)
    assert (again, outcome["state"]) == (0, "already_built")
    done = in_process("publish", outcome["folder"], "--home", home, "--json")
    assert next(iter(told(done).values()))["state"] == "published", done.stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--datetime", "2024-10-12"), "period"),
        (("--datetime", "2020"), "no scene"),
        (("--datetime", "2024", "--crs", "EPSG:2154"), "crs"),
        (("--datetime", "2024", "--assets", "sharp"), "sharp"),
        (("--datetime", "2024", "--bbox", "179,1,-179,2"), "antimeridian"),
        (("--datetime", "2024", "--bbox", "1,2,3"), "bbox"),
        (("--datetime", "2024", "--bbox", "116,39,117,40", "--resolution", "0.2"), "pixels"),
        (("--datetime", "2024", "--bbox", "-170,-80,170,80"), "does not reach"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(home, options, reason):
    code, outcome = compose(home, *options)
    assert (code, outcome["state"]) == (1, "refused")
    assert reason in outcome["reason"]


def test_scenes_of_several_collections_are_not_mixed(home, tmp_path):
    other = tiny_delivery("gf1-pms", tmp_path, acquired=DATES[1])
    assert in_process("publish", other, "--home", home, "--dem", tiny_dem()).returncode == 0
    done = in_process("composite", "img", *ASKED[1:], "--home", home, "--datetime", "2024Q2")
    (outcome,) = told(done).values()
    assert (outcome["state"], outcome["code"]) == ("refused", "bad_parameter")
    assert "gf1-pms, gf1-wfv" in outcome["reason"]
