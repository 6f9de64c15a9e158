"""The item surface of TiTiler, with our reader, evaluator and bounds."""

import io
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

import numpy as np
import pytest
import rasterio
import rasterio.warp
from PIL import Image
from rasterio.io import MemoryFile

from imagery_node.cog_reader import CogReader
from tests.support.published import INSIDE, address, node_at, put_collection

ITEM = "/raster/collections/gf2-pms/items/OLD"
BOX = "116.37,39.95,116.40,39.97"
SQUARE = {
    "type": "Feature",
    "properties": {},
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[116.37, 39.95], [116.40, 39.95], [116.40, 39.97], [116.37, 39.97], [116.37, 39.95]]],
    },
}


def analytic(node):
    return rasterio.open(node.home / "scenes/gf2-pms/OLD/1/analytic.tif")


def test_info_describes_every_raster_or_those_asked_for(node):
    assert set(node.get(f"{ITEM}/info").json()) == {"visual", "analytic"}
    info = node.get(f"{ITEM}/info?assets=analytic").json()["analytic"]
    assert [name for _, name in info["band_descriptions"]] == ["blue", "green", "red", "nir"]
    assert set(node.get(f"{ITEM}/assets").json()) == {"visual", "analytic"}


def test_a_point_gives_the_values_of_its_pixel(node):
    answer = node.get(f"{ITEM}/point/{INSIDE[0]},{INSIDE[1]}?assets=analytic").json()
    with analytic(node) as file:
        place = rasterio.warp.transform("EPSG:4326", file.crs, [INSIDE[0]], [INSIDE[1]])
        assert answer["values"] == next(file.sample(zip(*place, strict=True))).tolist()
    assert answer["band_descriptions"] == ["analytic_blue", "analytic_green", "analytic_red", "analytic_nir"]


def test_an_expression_is_evaluated_over_bands_by_number_or_name(node):
    values = node.get(f"{ITEM}/point/{INSIDE[0]},{INSIDE[1]}?assets=analytic").json()["values"]
    for expression in ("b4-b3;b1*2", "nir-red;blue*2"):
        query = {"assets": "analytic", "expression": expression}
        answer = node.get(f"{ITEM}/point/{INSIDE[0]},{INSIDE[1]}", params=query).json()
        assert answer["values"] == [values[3] - values[2], values[0] * 2]


def test_statistics_are_those_of_the_pixels(node):
    found = node.get(f"{ITEM}/statistics?assets=analytic&bidx=2&max_size=300").json()["b1"]
    with analytic(node) as file:
        band = file.read(2)
    assert (found["min"], found["max"]) == (band.min(), band.max())
    assert found["mean"] == pytest.approx(band.mean())
    answer = node.get(f"{ITEM}/statistics?assets=analytic", "POST", json=SQUARE).json()
    assert answer["properties"]["statistics"]["b1"]["count"] > 1000


def test_a_cut_out_holds_the_pixels_under_its_box(node):
    answer = node.get(f"{ITEM}/bbox/{BOX}/64x48.tif?assets=analytic&dst_crs=EPSG:4490")
    with MemoryFile(answer.content) as memory, memory.open() as cut:
        assert (cut.width, cut.height) == (64, 48)
        assert cut.crs.to_epsg() == 4490
        assert cut.bounds == pytest.approx([116.37, 39.95, 116.40, 39.97])
        columns = np.diff(cut.read(1)[24].astype(int))
        assert (columns >= 0).all()  # values grow with the column of the file


def test_a_preview_and_a_feature_are_pictures(node):
    for answer in (
        node.get(f"{ITEM}/preview/40x30.png"),
        node.get(f"{ITEM}/feature/40x30.png", "POST", json=SQUARE),
        node.get(f"{ITEM}/preview/40x30.png?assets=analytic&bidx=3&bidx=2&bidx=1&rescale=0,3000"),
    ):
        assert answer.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(answer.content)).size == (40, 30)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("preview?assets=analytic", "bad_rendering"),  # four bands are no picture
        ("preview?assets=analytic&bidx=1", "bad_rendering"),  # nor are unstretched 16 bits
        ("preview?assets=analytic&bidx=9&rescale=0,1", "bad_rendering"),
        ("preview?bidx=1&expression=b1", "bad_rendering"),
        ("preview?colormap_name=nope", "bad_rendering"),
        ("point/116.38,39.97?assets=analytic&expression=b1%2B9**9**9", "bad_rendering"),
        ("statistics?assets=analytic&expression=__import__('os')", "bad_rendering"),
        ("preview?assets=metadata", "bad_rendering"),
        ("preview?assets=visual%7Cexpression=b1", "limit.assets"),
        ("bbox/116.4,39.95,116.37,39.97.png?coord_crs=EPSG:4490", "limit.bbox"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_the_work(node, path, code):
    begun = time.monotonic()
    answer = node.get(f"{ITEM}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("crs", ["http://127.0.0.1:9/x", "/etc/passwd", "EPSG:999999", "EPSG:4326+5773", "+proj=utm"])
@pytest.mark.parametrize("name", ["dst_crs", "coord_crs"])
def test_no_text_of_a_caller_reaches_the_crs_parser(node, name, crs):  # T04
    answer = node.get(f"{ITEM}/bbox/{BOX}.png", params={name: crs})
    assert (answer.status_code, answer.json()["code"]) == (400, "limit.crs")


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:4490",
        "EPSG:32650",
        "OGC:CRS84",
        "urn:ogc:def:crs:EPSG::4326",
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    ],
)
def test_reference_systems_are_named_by_code_in_every_usual_form(node, crs):
    assert node.get(f"{ITEM}/bbox/{BOX}/8x8.png", params={"dst_crs": crs}).status_code == 200


def test_names_that_lead_nowhere_are_not_found(node):
    for path in (
        "/raster/collections/gf2-pms/items/NOPE/info",
        "/raster/collections/nope/items/OLD/info",
        f"{ITEM}/info?assets=nope",
        f"{ITEM}/point/0,0",
    ):
        assert node.get(path).status_code == 404, path


ROUTES = ["info", "preview/8x8.png", f"bbox/{BOX}/8x8.png", f"point/{INSIDE[0]},{INSIDE[1]}", "statistics?max_size=8"]
ROUTES += ["assets", "WebMercatorQuad/tilejson.json", address()]


@pytest.mark.parametrize("route", ROUTES)
def test_an_item_is_not_found_at_a_time_it_was_not_acquired(node, route):
    sign = "&" if "?" in route else "?"
    for when in ("2024-03-01", "2024-03-01T23:00:00Z", "../2024-03-01", "latest"):
        assert node.get(f"{ITEM}/{route}{sign}datetime={when}").status_code == 200, when
    for when in ("2024-03-02", "2024-03-01T03:00:01Z/..", "../2024-02-29"):
        answer = node.get(f"{ITEM}/{route}{sign}datetime={when}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), when
        assert "2024-03-01T03:00:00Z" in answer.json()["detail"]
    answer = node.get(f"{ITEM}/{route}{sign}datetime=yesterday")
    assert (answer.status_code, answer.json()["code"]) == (400, "limit.datetime")


def test_a_feature_of_an_item_is_not_found_at_another_time(node):
    for route in ("feature/8x8.png", "statistics"):
        statuses = [
            node.get(f"{ITEM}/{route}?datetime={when}", "POST", json=SQUARE).status_code
            for when in ("2024-03-01", "2023-03-01")
        ]
        assert statuses == [200, 404]


def test_every_route_of_an_item_documents_its_time(node):
    for path, operations in node.app.openapi()["paths"].items():
        if path.startswith("/raster/collections/{collection}/items/"):
            for method, operation in operations.items():
                assert "datetime" in {parameter["name"] for parameter in operation["parameters"]}, f"{method} {path}"


def test_the_address_of_dated_tiles_carries_the_date(node):
    document = node.get(f"{ITEM}/WebMercatorQuad/tilejson.json?datetime=2024-03-01").json()
    assert document["tiles"][0].endswith("/{z}/{x}/{y}?datetime=2024-03-01")


def test_heavy_work_beyond_its_lane_is_told_to_come_back_and_logged_in_a_line(tmp_path, monkeypatch, caplog):
    read, disk_turns = CogReader.read, Event()
    monkeypatch.setattr(CogReader, "read", lambda *a, **k: (disk_turns.wait(20), read(*a, **k))[-1])
    with node_at(tmp_path, heavy_in_flight=1, queue_wait_s=0.3) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("OLD", "2024-03-01T03:00:00Z")
        with ThreadPoolExecutor(2) as callers:
            answers = [callers.submit(node.get, f"{ITEM}/statistics") for _ in range(2)]
            refused = next(as_completed(answers)).result()
            assert node.get("/healthz").status_code == 200
            disk_turns.set()
        assert refused.status_code == 503
        assert sorted(answer.result().status_code for answer in answers) == [200, 503]
    (logged,) = (record for record in caplog.records if record.name == "catalog.problem")
    assert (logged.levelname, logged.exc_info) == ("WARNING", None)
