"""Layers over HTTP: the list, TileJSON, scenes under a tile, dates of a place."""

import pytest

from tests.support.published import CORNER, INSIDE, address, node_at, put_collection

IMG = "/raster/layers/img"


def test_a_fresh_node_has_one_layer_without_imagery(tmp_path):
    with node_at(tmp_path) as node:
        layers = node.get("/raster/layers").json()["layers"]
        assert [layer["id"] for layer in layers] == ["img"]
        assert layers[0]["interval"] == [None, None]
        assert node.get(f"{IMG}/{address()}").status_code == 204
        assert node.get(f"{IMG}/dates?point=116,40").json() == {"dates": []}


def test_there_is_a_layer_of_everything_and_one_per_collection(node):
    layers = {layer["id"]: layer for layer in node.get("/raster/layers").json()["layers"]}
    assert list(layers) == ["img", "gf1-pms", "gf2-pms"]
    assert layers["img"]["renders"] == layers["gf2-pms"]["renders"] == ["visual", "natural", "false-colour", "of-two"]
    assert layers["img"]["interval"] == ["2024-03-01T03:00:00Z", "2024-09-10T03:00:00Z"]


def test_a_collection_without_items_adds_nothing_to_extents(tmp_path):
    with node_at(tmp_path) as node:
        for collection in ("gf1-pms", "gf2-pms"):
            put_collection(node.store, collection)  # whose own documents say: the whole world, since 2020
            node.publish(f"OF-{collection}", "2024-03-01T03:00:00Z", collection=collection)
        node.store.recall("gf1-pms", "OF-gf1-pms", reason="test")
        layers = {layer["id"]: layer for layer in node.get("/raster/layers").json()["layers"]}
        assert layers["img"]["bbox"] == layers["gf2-pms"]["bbox"]
        assert layers["img"]["bbox"] == pytest.approx([116.3671875, 39.943436, 116.411132, 39.977120], abs=1e-5)
        assert layers["img"]["interval"] == ["2024-03-01T03:00:00Z", "2024-03-01T03:00:00Z"]
        assert layers["gf1-pms"]["interval"] == [None, None]


def test_the_site_is_told_as_its_operator_set_it(tmp_path):
    with node_at(tmp_path, site_name="影像节点", attribution="© CRESDA", review_number="GS(2024)1234号") as node:
        document = node.get("/raster/layers").json()
        assert document["site"] == {
            "name": "影像节点", "attribution": "© CRESDA", "review_number": "GS(2024)1234号",
        }  # fmt: skip
        assert document["layers"][0]["attribution"] == "© CRESDA · 审图号：GS(2024)1234号"
        tilejson = node.get(f"{IMG}/WebMercatorQuad/tilejson.json").json()
        assert tilejson["attribution"] == "© CRESDA · 审图号：GS(2024)1234号"
        assert "影像节点" in node.get("/docs").text


def test_a_site_that_nobody_named_leaves_its_name_to_the_portal(node):
    assert node.get("/raster/layers").json()["site"] == {"name": "", "attribution": "", "review_number": ""}
    assert node.get("/raster/collections/gf2-pms/items/OLD/WebMercatorQuad/tilejson.json").json()["attribution"] == ""


def test_the_addresses_to_copy_lead_to_tiles_and_documents(node):
    urls = node.get("/raster/layers").json()["layers"][0]["urls"]
    place = {"z": CORNER.z, "x": CORNER.x, "y": CORNER.y}
    for kind in ("xyz", "xyz_2x", "scenes"):
        assert node.get(urls[kind].format(**place).removeprefix(node.url)).status_code == 200
    assert urls["tilejson"].startswith(node.url)
    assert node.get(urls["tilejson"].removeprefix(node.url)).json()["tilejson"] == "3.0.0"


def test_links_start_from_the_public_address_when_one_is_set(tmp_path):
    with node_at(tmp_path, public_url="https://maps.example.com/node") as node:
        urls = node.get("/raster/layers").json()["layers"][0]["urls"]
        assert urls["xyz"].startswith("https://maps.example.com/node/raster/layers/img/tiles/")
        assert node.get("/stac/").json()["links"][0]["href"].startswith("https://maps.example.com/node/stac")


def test_tilejson_carries_time_and_rendering_into_the_tile_address(node):
    query = "datetime=2024-03-01T03:00:00Z/..&assets=analytic"
    document = node.get(f"/raster/layers/gf2-pms/WebMercatorQuad/tilejson.json?{query}").json()
    (template,) = document["tiles"]
    assert template.endswith(f"?{query}")
    tile = template.format(z=CORNER.z, x=CORNER.x, y=CORNER.y).removeprefix(node.url)
    assert node.get(tile).status_code == 200
    assert document["maxzoom"] == 14  # 6.5 m at 40° north
    west, south, east, north = document["bounds"]
    assert west < INSIDE[0] < east
    assert south < INSIDE[1] < north


def test_tilejson_of_an_item_covers_that_item(node):
    document = node.get("/raster/collections/gf2-pms/items/OLD/WebMercatorQuad/tilejson.json").json()
    assert document["name"] == "OLD 测试"
    assert document["bounds"] == pytest.approx([116.3671875, 39.943436, 116.411132, 39.977120], abs=1e-5)
    assert (document["minzoom"], document["maxzoom"]) == (13, 14)


def test_tilejson_knows_the_renderings_of_a_collection(node):
    for place in ("layers/gf2-pms", "collections/gf2-pms/items/OLD"):
        tilejson = f"/raster/{place}/WebMercatorQuad/tilejson.json"
        assert node.get(f"{tilejson}?render=false-colour").json()["tiles"][0].endswith("?render=false-colour")
        assert node.get(f"{tilejson}?render=nope").status_code == 404


def test_the_scenes_of_a_tile_are_listed_in_drawing_order_with_those_that_show(node):
    scenes = node.get(f"{IMG}/{address(dx=1, dy=1)}/scenes").json()["scenes"]
    assert [(scene["item"], scene["used"]) for scene in scenes] == [("OTHER", True), ("OLD", False), ("CLOUDY", False)]
    first = scenes[0]
    assert (first["satellite"], first["sensor"], first["gsd"], first["date"]) == (
        "gaofen-2", "pms1", 6.5, "2024-06-05",
    )  # fmt: skip
    assert node.get(first["link"].removeprefix(node.url)).json()["id"] == "OTHER"


def test_a_tile_with_more_scenes_than_it_may_draw_says_that_it_is_incomplete(tmp_path):
    with node_at(tmp_path, scenes_per_tile=1) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        assert "imagery-complete" not in node.get(f"{IMG}/{address()}").headers
        node.publish("B", "2024-04-01T03:00:00Z")
        holed, full = (node.get(f"{IMG}/{address(dx=corner, dy=corner, suffix='.webp')}") for corner in (1, 0))
        assert holed.headers["imagery-complete"] == "false"
        assert "imagery-complete" not in full.headers  # nothing below would show
        again = node.get(f"{IMG}/{address(dx=1, dy=1, suffix='.webp')}")
        assert (again.headers["server-timing"], again.headers["imagery-complete"]) == ("cached", "false")
        complete = [node.get(f"{IMG}/{address(dx=corner, dy=corner)}/scenes").json()["complete"] for corner in (1, 0)]
        assert complete == [False, True]
        node.store.recall("gf2-pms", "A", reason="test")  # the list of one scene is the same, and now all there is
        whole = node.get(f"{IMG}/{address(dx=1, dy=1, suffix='.webp')}")
        assert "imagery-complete" not in whole.headers
        assert whole.headers["etag"] != holed.headers["etag"]


def test_an_instant_finds_its_scene_however_many_newer_ones_lie_there(tmp_path):
    with node_at(tmp_path, scenes_per_tile=1) as node:
        put_collection(node.store, "gf2-pms")
        for month in (3, 4, 5, 6):
            node.publish(f"OF-{month}", f"2024-0{month}-01T03:00:00Z")
        found = node.get(f"{IMG}/{address()}/scenes?datetime=2024-03-02").json()
        assert (found["date"], found["complete"], [scene["item"] for scene in found["scenes"]]) == (
            "2024-03-01", True, ["OF-3"],
        )  # fmt: skip


def test_dates_are_not_counted_beyond_those_that_one_answer_may_list(tmp_path, monkeypatch):
    monkeypatch.setattr("imagery_node.layer_document.MAX_SCENES_LISTED", 2)
    monkeypatch.setattr("imagery_node.routes.layers.MAX_SCENES_LISTED", 2)
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        for month in (3, 4):
            node.publish(f"OF-{month}", f"2024-0{month}-01T03:00:00Z")
        assert len(node.get(f"{IMG}/dates?bbox=-180,-90,180,90").json()["dates"]) == 2
        node.publish("OF-5", "2024-05-01T03:00:00Z")
        refused = node.get(f"{IMG}/dates?bbox=-180,-90,180,90")
        assert (refused.status_code, refused.json()["code"]) == (400, "limit.scenes")
        assert node.get(f"{IMG}/dates?bbox=-180,-90,180,90&datetime=latest").json()["dates"][0]["date"] == "2024-05-01"


@pytest.mark.parametrize("place", [f"point={INSIDE[0]},{INSIDE[1]}", "bbox=116,39,117,41", "bbox=170,39,117,41"])
def test_the_dates_of_a_place_are_listed_newest_first(node, place):
    dates = node.get(f"{IMG}/dates?{place}").json()["dates"]
    assert [(date["date"], date["scenes"], date["platforms"], date["cloud_cover"]) for date in dates] == [
        ("2024-09-10", 1, ["gaofen-2"], 90.0),
        ("2024-06-05", 1, ["gaofen-2"], 0.0),
        ("2024-03-01", 1, ["gaofen-2"], 3.0),
    ]


def test_dates_can_be_narrowed_by_time_and_are_empty_elsewhere(node):
    inside = f"point={INSIDE[0]},{INSIDE[1]}"
    found = node.get(f"{IMG}/dates?{inside}&datetime=../2024-07-01").json()["dates"]
    assert [date["date"] for date in found] == ["2024-06-05", "2024-03-01"]
    assert [date["date"] for date in node.get(f"{IMG}/dates?{inside}&datetime=latest").json()["dates"]] == [
        "2024-09-10"
    ]
    assert node.get(f"{IMG}/dates?point=0,0").json() == {"dates": []}
