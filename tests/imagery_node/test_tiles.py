"""Tiles over HTTP: lanes, validators, formats, time, edges."""

import io
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from threading import Event

import numpy as np
import pytest
import rasterio
from morecantile import Tile
from PIL import Image

from imagery_node.errors import SupersededError
from tests.support.published import CORNER, address, node_at, put_collection

ITEM = "/raster/collections/gf2-pms/items/OLD"
GF2 = "/raster/layers/gf2-pms"
IMG = "/raster/layers/img"


def pixels(answer, mode="RGB"):
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert(mode)).astype(int)


def test_a_stored_block_is_sent_as_it_lies_in_the_file(node):
    answer = node.get(f"{ITEM}/{address(suffix='.jpg')}")
    assert answer.headers["server-timing"] == "verbatim"
    with rasterio.open(node.home / "scenes/gf2-pms/OLD/1/visual.tif") as file:
        stored = np.moveaxis(file.read(window=((0, 256), (0, 256))), 0, -1)
    assert np.abs(pixels(answer) - stored).mean() < 1  # two JPEG decoders


def test_without_an_extension_a_full_tile_is_a_jpeg_and_one_with_holes_a_png(node):
    full, holed = node.get(f"{ITEM}/{address()}"), node.get(f"{ITEM}/{address(dx=1, dy=1)}")
    assert (full.headers["content-type"], full.headers["server-timing"]) == ("image/jpeg", "verbatim")
    assert holed.headers["content-type"] == "image/png"
    alpha = pixels(holed, "RGBA")[..., 3]
    assert (alpha[:, :120] == 255).all()
    assert (alpha[:, 136:] == 0).all()


@pytest.mark.parametrize(
    ("suffix", "media", "side"),
    [
        (".png", "image/png", 256),
        (".jpg", "image/jpeg", 256),
        (".jpeg", "image/jpeg", 256),
        (".webp", "image/webp", 256),
        ("@2x", "image/jpeg", 512),
        ("@2x.png", "image/png", 512),
        ("@2x.webp", "image/webp", 512),
    ],
)
def test_each_format_and_scale_shows_the_same_picture(node, suffix, media, side):
    answer = node.get(f"{ITEM}/{address(suffix=suffix)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, media)
    shown = pixels(answer)
    assert shown.shape == (side, side, 3)
    plain = pixels(node.get(f"{ITEM}/{address(suffix='.jpg')}"))
    assert np.abs(shown.mean((0, 1)) - plain.mean((0, 1))).max() < 2


def test_a_tile_seen_again_costs_no_pixel(node):
    first = node.get(f"{ITEM}/{address(suffix='.webp')}")
    drawn = node.count("composed")
    again = node.get(f"{ITEM}/{address(suffix='.webp')}", headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "cache-control" in again.headers
    assert node.count("composed") == drawn


def test_not_modified_is_answered_from_the_catalogue_alone(tmp_path):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        tag = node.get(f"{GF2}/{address(suffix='.jpg')}").headers["etag"]
    with node_at(tmp_path) as node:
        (tmp_path / "scenes/gf2-pms/A/1/visual.tif").unlink()
        assert node.get(f"{GF2}/{address(suffix='.jpg')}", headers={"If-None-Match": tag}).status_code == 304
        assert set(node.app.state.tiles.counts) == {"not_modified"}
        gone = node.get(f"{GF2}/{address(suffix='.jpg')}")
        assert (gone.status_code, gone.json()["code"]) == (502, "source_error")
        assert str(tmp_path) not in gone.text


def test_publishing_changes_exactly_the_tags_of_the_tiles_whose_scenes_changed(tmp_path):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        places = [address(dx=dx, dy=dy) for dx in (-1, 0, 1, 3, 4) for dy in (0, 1)]

        def tags():
            return [node.get(f"{GF2}/{place}").headers["etag"] for place in places]

        before = tags()
        node.publish("B", "2024-05-01T03:00:00Z", east=3)
        changed = [place for place, old, new in zip(places, before, tags(), strict=True) if old != new]
        assert changed == [address(dx=dx, dy=dy) for dx in (3, 4) for dy in (0, 1)]
        node.store.recall("gf2-pms", "B", reason="test")
        assert tags() == before


def test_a_recalled_scene_is_gone_with_the_next_request(tmp_path):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        assert node.get(f"{GF2}/{address()}").status_code == 200
        node.store.recall("gf2-pms", "A", reason="test")
        assert node.get(f"{GF2}/{address()}").status_code == 204
        assert node.get(f"/raster/collections/gf2-pms/items/A/{address()}").status_code == 404


def test_a_collection_shows_its_newest_scene_and_img_its_newest_clear_one(node):
    assert pixels(node.get(f"{GF2}/{address()}")).mean((0, 1)).min() > 200  # white: the cloudy one
    red, _, blue = pixels(node.get(f"{IMG}/{address()}")).mean((0, 1))
    assert blue > red + 100  # blue: the clear one of June, in the other collection


@pytest.mark.parametrize(
    ("datetime", "item", "date"),
    [
        ("2024-03-01T03:00:00Z", "OLD", "2024-03-01"),
        ("2024-03-01", "OLD", "2024-03-01"),
        ("2024-03-01T23:59:59%2B08:00", "OLD", "2024-03-01"),
        ("2024-05-30", "OLD", "2024-03-01"),
        ("1999-01-01", "OLD", "2024-03-01"),
        ("latest", "CLOUDY", "2024-09-10"),
        ("2024-01-01T00:00:00Z/2024-06-30T00:00:00Z", "OLD", None),
        ("2024-03-01/2024-03-01", "OLD", None),
        ("../2024-06-30T00:00:00Z", "OLD", None),
        ("2024-06-30T00:00:00Z/..", "CLOUDY", None),
    ],
)
def test_a_time_selects_scenes_and_a_single_instant_says_which_date_it_became(node, datetime, item, date):
    answer = node.get(f"{GF2}/{address()}?datetime={datetime}")
    assert answer.headers.get("imagery-date") == date
    scenes = node.get(f"{GF2}/{address()}/scenes?datetime={datetime}").json()
    assert ([scene["item"] for scene in scenes["scenes"]], scenes["date"]) == ([item], date)
    alone = node.get(f"/raster/collections/gf2-pms/items/{item}/{address()}")
    assert answer.content == alone.content


def test_where_nothing_was_imaged_the_answer_is_empty(node):
    far = address(Tile(x=1, y=1, z=14))
    for url in (f"{GF2}/{far}", f"{ITEM}/{far}.png", f"{GF2}/{address()}?datetime=../2000-01-01"):
        answer = node.get(url)
        assert (answer.status_code, answer.content) == (204, b"")
        assert node.get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_undated_tiles_are_always_asked_for_and_dated_ones_after_a_while(node):
    assert node.get(f"{GF2}/{address()}").headers["cache-control"] == "public, no-cache"
    assert "max-age=60" in node.get(f"{GF2}/{address()}?datetime=2024-03-01/..").headers["cache-control"]


def test_head_says_what_get_would(node):
    head, get = (node.get(f"{ITEM}/{address()}", method) for method in ("HEAD", "GET"))
    assert head.content == b""
    assert head.headers["content-length"] == str(len(get.content))
    assert head.headers["etag"] == get.headers["etag"]


def test_the_analytic_asset_is_shown_as_its_collection_says(node):
    default = pixels(node.get(f"{ITEM}/{address(suffix='.png')}?assets=analytic"))
    stated = "assets=analytic&bidx=3,2,1&rescale=0,1000&rescale=0,2000&rescale=0,3000"
    assert (default == pixels(node.get(f"{ITEM}/{address(suffix='.png')}?{stated}"))).all()
    layer = pixels(node.get(f"{GF2}/{address(suffix='.png')}?assets=analytic&datetime=2024-03-01"))
    assert (default == layer).all()
    red = default[128, 128, 0]
    column = red / 255 * 1000 - 300  # band 3 is 300 plus the column; the tile's centre lies a quarter in
    assert 65 < column < 85


def test_a_rendering_of_the_collection_is_asked_for_by_its_name(node):
    stated = "assets=analytic&bidx=4,3,2&rescale=0,2000"
    for place in (ITEM, GF2):
        named = node.get(f"{place}/{address(suffix='.png')}?render=false-colour")
        assert named.status_code == 200
        assert named.headers["etag"] == node.get(f"{place}/{address(suffix='.png')}?{stated}").headers["etag"]
        assert node.get(f"{place}/{address(suffix='.jpg')}?render=visual").headers["server-timing"] == "verbatim"
        unknown = node.get(f"{place}/{address()}?render=nope")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        both = node.get(f"{place}/{address()}?render=natural&bidx=1")
        assert (both.status_code, both.json()["code"]) == (400, "limit.render")
        of_two = node.get(f"{place}/{address()}?render=of-two")
        assert (of_two.status_code, of_two.json()["code"]) == (400, "bad_rendering")


def test_an_expression_becomes_colours(node):
    query = "assets=analytic&expression=(b4-b3)/(b4%2Bb3)&rescale=0,1&colormap_name=rdylgn"
    answer = node.get(f"{ITEM}/{address(suffix='.png')}?{query}")
    assert answer.status_code == 200
    assert pixels(answer).std() > 0


def test_an_expression_that_would_never_end_is_refused_at_once(node):  # T05
    begun = time.monotonic()
    answer = node.get(f"{ITEM}/{address()}?assets=analytic&expression=b1%2B9**9**9")
    assert (answer.status_code, time.monotonic() - begun < 10) == (400, True)


def test_callers_of_one_tile_share_one_drawing(tmp_path):  # P14
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        service, drawn = node.app.state.tiles, []
        compose = service._compose
        service._compose = lambda *plan: (drawn.append(1), time.sleep(2), compose(*plan))[-1]
        with ThreadPoolExecutor(12) as callers:
            answers = list(callers.map(lambda _: node.get(f"{GF2}/{address(suffix='.webp')}"), range(12)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(drawn) == 1


def test_a_full_queue_is_answered_at_once_with_when_to_come_back(tmp_path):
    with node_at(tmp_path, draw_workers=1, draw_queue=1) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        service = node.app.state.tiles
        compose = service._compose
        drawing = Event()
        service._compose = lambda *plan: (drawing.wait(20), compose(*plan))[-1]
        places = [address(CORNER, ".webp", dx=dx, dy=dy) for dx in (0, 1) for dy in (0, 1)]
        with ThreadPoolExecutor(4) as callers:
            asked = [callers.submit(node.get, f"{GF2}/{place}") for place in places]
            early = list(islice(as_completed(asked), 2))
            drawing.set()
        assert {answer.result().status_code for answer in early} == {503}
        answers = [answer.result() for answer in asked]
        assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503]
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.json()["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) > 0


def test_a_drawing_that_takes_too_long_is_given_up(tmp_path, caplog):  # L03
    with node_at(tmp_path, tile_deadline_s=0.2) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        service = node.app.state.tiles
        compose = service._compose
        drawing = Event()
        service._compose = lambda *plan: (drawing.wait(20), compose(*plan))[-1]
        answer = node.get(f"{GF2}/{address(suffix='.webp')}")
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline")
        assert not drawing.is_set()
        drawing.set()


def test_a_tile_whose_scenes_are_superseded_meanwhile_is_answered_from_the_newer_catalogue(tmp_path, caplog):
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        service, plans = node.app.state.tiles, []
        plan = service._plan

        def plan_late(*arguments):
            plans.append(1)
            if len(plans) == 1:
                raise SupersededError("item A has another version than 1 now")
            return plan(*arguments)

        service._plan = plan_late
        assert node.get(f"{GF2}/{address(suffix='.jpg')}").status_code == 200
        plans.clear()
        service._plan = lambda *_: plan_late(plans.clear())
        answer = node.get(f"{GF2}/{address(suffix='.webp')}")
        assert (answer.status_code, answer.json()["code"]) == (503, "superseded")
        (record,) = [record for record in caplog.records if "another version" in record.message]
        assert (record.levelname, record.exc_info) == ("WARNING", None)
