"""The assembled application: its routes, its headers, its health, its settings."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import ValidationError
from pyproj.network import is_network_enabled, set_network_enabled
from rasterio.env import get_gdal_config

from imagery_node import source_file
from imagery_node.gdal import OPTIONS, pin_options
from imagery_node.routes.health import health_routes
from imagery_node.settings import ImageryNodeSettings
from tests.support.published import address, node_at, put_collection

ITEM = "/raster/collections/gf2-pms/items/OLD"
ANSWERS = [
    (f"/raster/layers/gf2-pms/{address()}", 200),
    (f"/raster/layers/gf2-pms/{address()}?datetime=../1999-01-01", 204),
    (f"/raster/layers/nope/{address()}", 404),
    (f"{ITEM}/preview?max_size=0", 400),
    (f"/raster/layers/gf2-pms/{address()}?{'x' * 9000}", 414),
    ("/raster/layers", 200),
    ("/data/gf2-pms/OLD/1/analytic.tif", 200),
    ("/stac/collections", 200),
    ("/stac/collections/nope", 404),
    ("/docs", 200),
    ("/nope", 404),
    ("/", 200),
]


def test_no_route_takes_an_address_or_a_path(node):  # T01
    forbidden = {"url", "href", "path", "src"}
    paths = node.app.openapi()["paths"]
    assert len(paths) > 20
    for path, operations in paths.items():
        for method, operation in operations.items():
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            assert not names & forbidden, f"{method} {path}"


def test_every_route_that_is_served_is_documented(node):
    documented = set(node.app.openapi()["paths"])
    served = {context.path for context in iter_route_contexts(node.app.router.routes) if hasattr(context, "dependant")}
    assert served - documented <= {"/docs", "/openapi.json"}


@pytest.mark.parametrize(("path", "status"), ANSWERS)
@pytest.mark.parametrize("origin", [None, "https://map.example.com"])
def test_every_answer_may_be_read_from_any_origin_and_has_its_id(node, path, status, origin):
    answer = node.get(path, headers={"Origin": origin} if origin else {})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.headers["x-request-id"]) == 32
    if status >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
        assert (problem["status"], problem["request_id"]) == (status, answer.headers["x-request-id"])


@pytest.mark.parametrize(("path", "status"), [*ANSWERS, ("/readyz", 200), ("/raster/layers/img/dates?point=1,1", 200)])
def test_head_is_answered_as_get_is_without_the_body(node, path, status):
    head, got = node.get(path, "HEAD"), node.get(path)
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers.get("content-type") == got.headers.get("content-type")
    assert head.headers.get("content-length") == got.headers.get("content-length")


def test_not_modified_may_be_read_from_any_origin(node):
    url = f"/raster/layers/gf2-pms/{address()}"
    answer = node.get(url, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (304, "*")


def test_a_browser_may_ask_before_it_asks(node):
    asked = {"Origin": "https://map.example.com", "Access-Control-Request-Method": "POST"}
    answer = node.get("/stac/search", "OPTIONS", headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_pages_run_nothing_that_is_not_their_own(node):
    for page in ("/", "/docs"):
        answer = node.get(page)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
    assert "content-security-policy" not in node.get("/raster/layers").headers


def test_the_node_is_alive_and_ready(node):
    assert node.get("/healthz").json() == {"status": "alive"}
    assert node.get("/readyz").json() == {"status": "ready"}


def test_the_catalogue_is_asked_once_a_second_whether_it_is_ready():
    class Store:
        asked = 0

        def check(self):
            self.asked += 1

    store = Store()
    ready = next(route.endpoint for route in health_routes(store).routes if route.path == "/readyz")
    assert [asyncio.run(ready()) for _ in range(5)] == [{"status": "ready"}] * 5
    assert store.asked == 1


@pytest.mark.parametrize("header_is_held", [False, True])
def test_a_slow_disk_holds_up_nobody_who_does_not_read_from_it(tmp_path, monkeypatch, header_is_held):  # T20
    with node_at(tmp_path) as node:
        put_collection(node.store, "gf2-pms")
        node.publish("A", "2024-03-01T03:00:00Z")
        tile, other = (f"/raster/layers/gf2-pms/{address(suffix='.jpg', dx=dx)}" for dx in (0, 1))
        if header_is_held:
            assert node.get(other).headers["server-timing"] == "verbatim"
        read, asked, disk_turns = source_file.os.pread, Event(), Event()
        monkeypatch.setattr(source_file.os, "preadv", _not_in_memory)
        monkeypatch.setattr(source_file.os, "pread", lambda *place: (asked.set(), disk_turns.wait(5), read(*place))[-1])
        with ThreadPoolExecutor(1) as client:
            drawn = client.submit(node.get, tile)
            assert asked.wait(5)
            begun = time.monotonic()
            assert node.get("/healthz").status_code == 200
            assert time.monotonic() - begun < 4
            assert not drawn.done()
            disk_turns.set()
        assert drawn.result().headers["server-timing"] == "verbatim"


def _not_in_memory(*_):
    raise BlockingIOError


def test_a_fault_of_ours_tells_nothing_but_its_id(tmp_path, monkeypatch, caplog):  # T19
    with node_at(tmp_path) as node:
        monkeypatch.setattr(node.app.state.tiles, "answer", None)
        answer = node.get(f"/raster/layers/img/{address()}")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "Traceback" not in answer.text
        assert "NoneType" not in answer.text
        assert answer.json()["request_id"] in caplog.text
        assert answer.headers["access-control-allow-origin"] == "*"


def test_gdal_has_every_option_we_set_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("GDAL_PAM_ENABLED", "YES")
    monkeypatch.setenv("PROJ_NETWORK", "ON")
    set_network_enabled(active=True)
    pin_options()
    for name, value in OPTIONS.items():
        assert str(get_gdal_config(name, normalize=False)) == value
    with ThreadPoolExecutor(1) as thread:
        assert [is_network_enabled(), thread.submit(is_network_enabled).result()] == [False, False]  # T23


def test_settings_come_from_the_environment_and_unknown_ones_are_refused(monkeypatch):
    monkeypatch.setenv("IMAGERY_NODE_SITE_NAME", "影像节点")
    assert ImageryNodeSettings().site_name == "影像节点"
    monkeypatch.setenv("IMAGERY_NODE_SITE_NAM", "x")
    with pytest.raises(ValidationError, match="IMAGERY_NODE_SITE_NAM"):
        ImageryNodeSettings()


@pytest.mark.parametrize(
    "wrong",
    [{"draw_workers": 0}, {"draw_queue": -1}, {"tile_deadline_s": 0}, {"public_url": "nope"}, {"scenes_per_tile": 0}],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        ImageryNodeSettings(**wrong)
