"""Mosaic tiles over HTTP: rules, periods, dated layers, scenes that cannot be read, explanations, single pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from imagery_node.grid import WEB_MERCATOR_QUAD, get_grid
from tests.support.published import CORNER, INSIDE, address, node_at, put_collection

IMG = "/raster/layers/img"
GF2 = "/raster/layers/gf2-pms"
HOLED = address(dx=1, dy=1, suffix=".png")
"""Half of it is imaged."""


def items(node, query="", layer=GF2):
    answer = node.get(f"{layer}/{address()}/scenes?{query}").json()
    return [scene["item"] for scene in answer["scenes"]]


def pixels(answer):
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", "CLOUDY OLD"),
        ("rule=newest", "CLOUDY OLD"),
        ("rule=oldest", "OLD CLOUDY"),
        ("rule=clearest", "OLD CLOUDY"),
        ("rule=newest-clear", "OLD CLOUDY"),
        ("rule=nearest&datetime=2024-08-01", "CLOUDY OLD"),
        ("rule=nearest&datetime=2024-04-01", "OLD CLOUDY"),
        ("rule=median", "OLD CLOUDY"),
    ],
)
def test_a_request_may_choose_the_rule_and_the_tile_names_it(node, query, order):
    assert items(node, query) == order.split()
    rule = query.partition("&")[0].removeprefix("rule=") or "newest"
    assert node.get(f"{GF2}/{address()}?{query}").headers["mosaic-rule"] == f"{rule}/1"


@pytest.mark.parametrize(
    ("datetime", "order"),
    [("2024", "CLOUDY OLD"), ("2024Q1", "OLD"), ("2024-09", "CLOUDY"), ("2023", ""), ("latest-clear", "OLD")],
)
def test_periods_and_the_latest_clear_date_select_scenes(node, datetime, order):
    assert items(node, f"datetime={datetime}") == order.split()


def test_the_latest_clear_date_is_said_and_only_its_clear_scenes_show(tmp_path):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("CLEAR", "2024-03-01T03:00:00Z", cloud_cover=20)
        node.publish("CLOUDY-TOO", "2024-03-01T04:00:00Z", cloud_cover=21)
        node.publish("CLOUDY", "2024-09-01T04:00:00Z", cloud_cover=50)
        assert items(node, "datetime=latest-clear") == ["CLEAR"]
        assert node.get(f"{GF2}/{address()}?datetime=latest-clear").headers["imagery-date"] == "2024-03-01"
        node.store.recall("gf2-pms", "CLEAR", reason="test")
        assert node.get(f"{GF2}/{address()}?datetime=latest-clear").status_code == 204
        node.publish("UNKNOWN", "2023-03-01T03:00:00Z")
        assert items(node, "datetime=latest-clear") == ["UNKNOWN"]


def test_a_layer_has_a_name_for_every_period(node):
    for name, order in (("gf2-pms_2024", "CLOUDY OLD"), ("gf2-pms_2024Q1", "OLD"), ("gf2-pms_2024-09", "CLOUDY")):
        layer = f"/raster/layers/{name}"
        assert items(node, layer=layer) == order.split()
        period = name.partition("_")[2]
        dated = node.get(f"{layer}/{address()}")
        assert dated.content == node.get(f"{GF2}/{address()}?datetime={period}").content
        assert "max-age=60" in dated.headers["cache-control"]
        assert node.get(f"{layer}/WebMercatorQuad/tilejson.json").json()["name"].endswith(period)
    assert items(node, "datetime=2024-05-01/..", layer="/raster/layers/gf2-pms_2024") == ["CLOUDY"]
    assert items(node, "datetime=2024-05-01/..", layer="/raster/layers/gf2-pms_2024Q1") == []
    assert items(node, "datetime=latest", layer="/raster/layers/gf2-pms_2024Q1") == ["OLD"]
    dates = node.get(f"/raster/layers/img_2024Q1/dates?point={INSIDE[0]},{INSIDE[1]}").json()["dates"]
    assert [date["date"] for date in dates] == ["2024-03-01"]


@pytest.mark.parametrize("name", ["gf2-pms_20", "gf2-pms_2024Q5", "gf2-pms_", "gf3-sar_2024", "img_2024_2024"])
def test_other_names_are_no_layers(node, name):
    assert node.get(f"/raster/layers/{name}/{address()}").status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("rule=shiniest", "limit.rule"),
        ("rule=", "limit.rule"),
        ("feather=33", "limit.feather"),
        ("feather=-1", "limit.feather"),
        ("feather=1.5", "limit.feather"),
        ("explain=yes", "limit.explain"),
        ("datetime=2024Q9", "limit.datetime"),
    ],
)
def test_what_no_layer_can_show_is_refused(node, query, code):
    answer = node.get(f"{GF2}/{address()}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_L06_a_feather_may_be_as_wide_as_its_bound(node):
    for feather in (0, 32):
        assert node.get(f"{GF2}/{address()}?feather={feather}").status_code == 200


@pytest.mark.parametrize("suffix", ["", ".jpg"])
def test_a_tile_that_a_lost_file_stored_shows_the_scenes_below_until_the_file_is_back(tmp_path, suffix):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("GOOD", "2024-03-01T03:00:00Z", colour=(20, 60, 20))
        node.publish("LOST", "2024-09-10T03:00:00Z", colour=(250, 0, 0))
        file = tmp_path / "scenes/gf2-pms/LOST/1/visual.tif"
        file.rename(file.with_suffix(".away"))
        answer = node.get(f"{GF2}/{address(suffix=suffix)}")
        assert (answer.status_code, answer.headers["imagery-unreadable"]) == (200, "gf2-pms/LOST")
        assert "etag" not in answer.headers
        assert pixels(answer)[..., 0].mean() < 100
        assert node.get(f"/raster/collections/gf2-pms/items/LOST/{address(suffix=suffix)}").status_code == 502
        file.with_suffix(".away").rename(file)
        assert node.get(f"{GF2}/{address(suffix=suffix)}").headers["server-timing"] == "verbatim"


def test_a_tile_whose_scene_cannot_be_read_shows_the_others_and_is_not_kept(tmp_path):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("GOOD", "2024-03-01T03:00:00Z")
        node.publish("GONE", "2024-09-10T03:00:00Z", colour=(250, 0, 0))
        file = tmp_path / "scenes/gf2-pms/GONE/1/visual.tif"
        whole = file.read_bytes()
        file.unlink()
        answers = [node.get(f"{GF2}/{address(suffix='.png')}") for _ in range(2)]
        for answer in answers:
            assert answer.status_code == 200
            assert answer.headers["imagery-complete"] == "false"
            assert answer.headers["imagery-unreadable"] == "gf2-pms/GONE"
            assert answer.headers["cache-control"] == "no-cache, max-age=0"
            assert "etag" not in answer.headers
            assert answer.headers["server-timing"].startswith("composed")
        alone = node.get(f"/raster/collections/gf2-pms/items/GOOD/{address(suffix='.png')}")
        assert answers[0].content == alone.content
        scenes = node.get(f"{GF2}/{address(suffix='.png')}/scenes").json()
        assert [(scene["item"], scene["unreadable"], scene["used"]) for scene in scenes["scenes"]] == [
            ("GONE", True, False), ("GOOD", False, True),
        ]  # fmt: skip
        assert scenes["complete"] is False
        assert node.get(f"/raster/collections/gf2-pms/items/GONE/{address(suffix='.png')}").status_code == 502
        assert node.get(f"{GF2}_2024Q3/{address(suffix='.png')}").status_code == 502  # no picture is not an empty one
        file.write_bytes(whole)
        mended = node.get(f"{GF2}/{address(suffix='.png')}")
        assert "imagery-complete" not in mended.headers
        assert pixels(mended)[..., 0].mean() > 200


def test_a_drawn_tile_says_how_long_each_step_took(tmp_path):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        lane, *phases = node.get(f"{GF2}/{HOLED}").headers["server-timing"].split(", ")
        assert lane == "composed"
        durations = dict(phase.split(";dur=") for phase in phases)
        assert list(durations) == ["plan", "read", "draw", "encode"]
        assert all(0 <= float(duration) < 10_000 for duration in durations.values())
        assert float(durations["read"]) > 0
        assert node.get(f"{GF2}/{HOLED}").headers["server-timing"] == "cached"


def test_an_explanation_tells_what_became_of_each_scene_and_what_was_read(tmp_path):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        for month, name, east in ((3, "BELOW", 0), (4, "HIDDEN", 0), (6, "GONE", 0), (7, "TOP", 0), (8, "BESIDE", 1)):
            node.publish(name, f"2024-0{month}-01T03:00:00Z", east=east)
        (tmp_path / "scenes/gf2-pms/GONE/1/visual.tif").unlink()
        answer = node.get(f"{GF2}/{HOLED}?explain=1")
        document = answer.json()
        fates = {scene["item"]: scene["fate"] for scene in document["scenes"]}
        assert fates == {
            "BESIDE": "shown", "TOP": "not needed", "GONE": "not needed", "HIDDEN": "not needed", "BELOW": "not needed",
        }  # fmt: skip
        assert document["complete"] is True
        fates = {
            s["item"]: s["fate"] for s in node.get(f"{GF2}/{HOLED}?explain=1&datetime=../2024-07").json()["scenes"]
        }
        assert fates == {"TOP": "shown", "GONE": "unreadable", "HIDDEN": "hidden", "BELOW": "hidden"}
        assert document["rule"]["name"] == "newest"
        assert document["layer"] == "gf2-pms"
        assert document["read"]["blocks_used"] == 1
        assert document["read"]["bytes"] > 100
        assert set(document["milliseconds"]) == {"plan", "read", "draw", "encode"}
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
        assert document["etag"] in node.get(f"{GF2}/{HOLED}").headers["etag"]
        stored = node.get(f"{GF2}/{address(suffix='.jpg')}?explain=1&datetime=2024-07").json()
        assert stored["lane"] == "verbatim"
        empty = node.get(f"{GF2}/{address(suffix='.jpg')}?explain=1&datetime=1999").json()
        assert (empty["lane"], empty["scenes"], empty["read"]["bytes"]) == ("empty", [], 0)


def test_a_pixel_is_that_of_the_tile_with_its_values_scene_and_date(node):
    lon, lat = INSIDE
    tile, row, col = get_grid(WEB_MERCATOR_QUAD).pixel_at(lon, lat, CORNER.z)
    assert (tile.x, tile.y) == (CORNER.x, CORNER.y)
    found = node.get(f"{IMG}/point?lon={lon}&lat={lat}").json()
    assert (found["scenes"][0]["item"], found["date"], found["complete"]) == ("OTHER", "2024-06-05", True)
    shown = pixels(node.get(f"{IMG}/{address(suffix='.png')}"))[row, col]
    np.testing.assert_array_equal(found["colour"], shown)
    assert list(found["values"].values()) == shown.tolist()
    old = node.get(f"{IMG}/point?lon={lon}&lat={lat}&datetime=2024Q1&assets=analytic").json()
    assert (old["scenes"][0]["item"], old["date"]) == ("OLD", "2024-03-01")
    assert list(old["values"]) == ["blue", "green", "red", "nir"]
    blue = old["values"]["blue"]
    assert old["values"]["nir"] - blue == pytest.approx(300, abs=0.01)
    assert 100 <= blue < 400


def test_at_a_place_without_imagery_there_is_no_colour_and_no_scene(node):
    nothing = {"date": None, "colour": None, "values": {}, "complete": True, "scenes": []}
    assert node.get(f"{IMG}/point?lon=0&lat=0").json() == nothing
    assert node.get(f"{IMG}/point?lon={INSIDE[0]}&lat={INSIDE[1]}&datetime=1999").json() == nothing


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("lon=181&lat=0", 400),
        ("lon=0", 400),
        ("lat=0", 400),
        ("lon=a&lat=0", 400),
        ("lon=0,0&lat=0", 400),
        ("lon=0&lat=0&z=3", 400),
        ("lon=180&lat=-85", 200),
        ("lon=0&lat=86", 404),
        ("lon=0&lat=90", 404),
    ],
)
def test_L09_a_place_must_lie_on_the_map(node, query, status):
    assert node.get(f"{IMG}/point?{query}").status_code == status
