"""STAC transactions over HTTP: a server of its own, which answers the bearer of its token and nobody else."""

import os
import signal
import subprocess
import sys

import orjson
import pystac_client
import pytest
import requests

from catalog.maintenance import rebuild, verify
from catalog.settings import CatalogSettings
from catalog.store import open_store
from catalog.transactions import CONFORMANCE
from imagery_node.app import create_app as create_node
from imagery_node.settings import ImageryNodeSettings
from imagery_node.write_app import create_app
from tests.support.loaded import foreign_items
from tests.support.node import Node, serving
from tests.support.stac import some_collection

TOKEN = "writer-" + "w" * 32
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
COLLECTION = "/stac/collections/gf2-pms"
ITEMS = f"{COLLECTION}/items"
BULK = f"{COLLECTION}/bulk_items"

WRONG = [
    ("POST", ITEMS, {}),
    ("POST", ITEMS, []),
    ("POST", ITEMS, "text"),
    ("POST", ITEMS, {"type": []}),
    ("POST", ITEMS, {"type": "FeatureCollection", "features": "all"}),
    ("POST", ITEMS, {"type": "FeatureCollection", "features": []}),
    ("POST", ITEMS, {"type": "Feature", "id": "../../x"}),
    ("POST", ITEMS, {"type": "Collection", "id": "x"}),
    ("POST", "/stac/collections", {"type": "Collection"}),
    ("POST", "/stac/collections", {"type": {}, "id": "x"}),
    ("POST", "/stac/collections", {"type": "Feature", "id": "x"}),
    ("POST", BULK, {"items": []}),
    ("POST", BULK, {"items": {"x": {"id": "y"}}}),
    ("POST", BULK, {"items": {}, "method": "replace"}),
    ("POST", BULK, {"items": {}, "more": 1}),
    ("PATCH", COLLECTION, {"id": "other"}),
    ("PATCH", COLLECTION, [{"op": "remove", "path": "/title"}]),
    ("PATCH", COLLECTION, {"extent": None}),
    ("PUT", COLLECTION, {"type": "Collection"}),
    ("POST", f"{ITEMS}?x=1", {}),
]


class WritingNode:
    """A server for transactions and the home behind it."""

    def __init__(self, url, home, archive):
        self.url, self.home, self.archive = url, home, archive

    def ask(self, method, path, document=None, headers=None, **options):
        """Ask as the bearer of the token."""
        return requests.request(
            method, self.url + path, json=document, headers=AUTHORISED | (headers or {}), timeout=30, **options
        )

    def ids(self):
        """What is listed."""
        return {item["id"] for item in self.ask("GET", "/stac/search?limit=1000").json()["features"]}


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def items(archive):
    return [item for item in foreign_items(archive, 36) if item["collection"] == "gf2-pms"]


@pytest.fixture
def node(tmp_path, archive):
    archive.mkdir(exist_ok=True)
    home = tmp_path / "home"
    app = create_app(ImageryNodeSettings(home=home), CatalogSettings(write_token=TOKEN, asset_roots=(archive,)))
    with serving(app) as url:
        node = WritingNode(url, home, archive)
        assert node.ask("POST", "/stac/collections", some_collection("gf2-pms")).status_code == 201
        yield node


def test_a_new_item_is_answered_201_with_its_place_and_its_content(node, items):
    sent = {name: value for name, value in items[0].items() if name != "collection"}
    answer = node.ask("POST", ITEMS, sent)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{node.url}{ITEMS}/{items[0]['id']}"
    assert answer.headers["content-type"] == "application/geo+json"
    assert (answer.json()["id"], answer.json()["collection"]) == (items[0]["id"], "gf2-pms")
    read = node.ask("GET", f"{ITEMS}/{items[0]['id']}")
    assert (read.json(), read.headers["etag"]) == (answer.json(), answer.headers["etag"])
    assert node.ask("GET", read.json()["assets"]["visual"]["href"].removeprefix(node.url)).content == b"image"


def test_a_feature_collection_is_answered_201_without_a_place(node, items):
    answer = node.ask("POST", ITEMS, {"type": "FeatureCollection", "features": items[:3]})
    assert (answer.status_code, answer.content, "location" in answer.headers) == (201, b"", False)
    assert node.ids() == {item["id"] for item in items[:3]}


def test_times_and_unknown_members_come_back_as_they_were_sent(node, items):
    sent = items[0] | {"vendor:note": {"ratio": 1.0, "none": None}}
    sent["properties"] = sent["properties"] | {"datetime": "2024-10-12T11:22:47.120+08:00"}
    node.ask("POST", ITEMS, sent)
    read = node.ask("GET", f"{ITEMS}/{sent['id']}").json()
    assert read["vendor:note"] == sent["vendor:note"]
    assert read["properties"] == sent["properties"]


def test_an_item_is_read_changed_and_put_back(node, items):
    node.ask("POST", ITEMS, items[0])
    path = f"{ITEMS}/{items[0]['id']}"
    read = node.ask("GET", path)
    changed = read.json() | {"properties": read.json()["properties"] | {"title": "新"}}
    answer = node.ask("PUT", path, changed, headers={"If-Match": read.headers["etag"]})
    assert (answer.status_code, answer.json()["properties"]["title"]) == (200, "新")
    assert answer.headers["etag"] == node.ask("GET", path).headers["etag"] != read.headers["etag"]
    assert len(answer.json()["links"]) == len(read.json()["links"])
    store = open_store(node.home)
    assert store.item("gf2-pms", items[0]["id"])["assets"] == items[0]["assets"]
    assert store.item("gf2-pms", items[0]["id"])["links"] == []
    store.close()
    late = node.ask("PUT", path, changed, headers={"If-Match": read.headers["etag"]})
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")


def test_a_patch_changes_members_and_null_removes_one(node, items):
    node.ask("POST", ITEMS, items[0] | {"properties": items[0]["properties"] | {"eo:cloud_cover": 5}})
    path = f"{ITEMS}/{items[0]['id']}"
    patch = {
        "properties": {"eo:cloud_cover": None, "title": "patched"},
        "assets": {"more": items[0]["assets"]["visual"]},
    }
    answer = node.ask("PATCH", path, patch, headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code == 200
    expected = items[0]["properties"] | {"title": "patched"}
    assert (answer.json()["properties"], set(answer.json()["assets"])) == (expected, {"visual", "more"})


def test_a_deleted_item_is_gone_and_what_is_not_there_is_404(node, items):
    node.ask("POST", ITEMS, items[0])
    path = f"{ITEMS}/{items[0]['id']}"
    answer = node.ask("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "DELETE", "PUT", "PATCH"):
        assert node.ask(method, path, items[0] if method in {"PUT", "PATCH"} else None).status_code == 404
    assert node.ask("POST", ITEMS, items[0]).status_code == 201


def test_collections_are_added_changed_and_deleted(node, items):
    assert node.ask("POST", "/stac/collections", some_collection("gf2-pms")).status_code == 409
    answer = node.ask("POST", "/stac/collections", some_collection("mine"))
    assert (answer.status_code, answer.headers["location"]) == (201, f"{node.url}/stac/collections/mine")
    path = "/stac/collections/mine"
    read = node.ask("GET", path)
    assert read.headers["etag"] == answer.headers["etag"]
    put = node.ask("PUT", path, read.json() | {"title": "put"}, headers={"If-Match": read.headers["etag"]})
    assert (put.status_code, put.json()["title"], put.json()["links"]) == (200, "put", read.json()["links"])
    patched = node.ask("PATCH", path, {"title": None, "license": "MIT"})
    assert (patched.status_code, patched.json()["license"], "title" in patched.json()) == (200, "MIT", False)
    assert node.ask("DELETE", path, headers={"If-Match": read.headers["etag"]}).status_code == 412
    assert node.ask("DELETE", path).status_code == 204
    assert [node.ask(method, path).status_code for method in ("GET", "DELETE")] == [404, 404]
    node.ask("POST", ITEMS, items[0])
    assert node.ask("DELETE", COLLECTION).status_code == 409


def test_many_items_are_inserted_or_upserted_all_or_none(node, items):
    inserted = node.ask("POST", BULK, {"items": {item["id"]: item for item in items[:5]}})
    assert inserted.status_code == 200
    assert inserted.json() == {"received": 5, "success": 5, "skipped": 0, "errors": []}
    again = {"items": {item["id"]: item for item in items[3:9]}, "method": "insert"}
    assert node.ask("POST", BULK, again).status_code == 409
    assert node.ids() == {item["id"] for item in items[:5]}
    assert node.ask("POST", BULK, again | {"method": "upsert"}).status_code == 200
    assert node.ids() == {item["id"] for item in items[:9]}
    store = open_store(node.home)
    listed = list(store.all_items())
    assert rebuild(node.home, store) == 9
    assert list(store.all_items()) == listed
    assert list(verify(node.home, store, asset_roots=[node.archive])) == []
    store.close()


def test_what_is_no_good_is_a_problem_400(node):
    for method, path, document in WRONG:
        answer = node.ask(method, path, document)
        assert (path, document, answer.status_code) == (path, document, 400)
        assert answer.headers["content-type"] == "application/problem+json"
    assert node.ids() == set()


def test_a_body_that_does_not_say_it_is_json_is_told_how_to(node):
    answer = requests.post(f"{node.url}{ITEMS}", data="{}", headers=AUTHORISED, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (400, "limit.body")
    assert "Content-Type: application/json" in answer.json()["detail"]


def test_names_that_differ_from_the_address_are_refused(node, items):
    node.ask("POST", ITEMS, items[0])
    path = f"{ITEMS}/{items[0]['id']}"
    for wrong in ({"id": "OTHER"}, {"collection": "gf1-pms"}):
        assert node.ask("PUT", path, items[0] | wrong).status_code == 400
        assert node.ask("PATCH", path, wrong).status_code == 400
    assert node.ask("POST", ITEMS, items[1] | {"collection": "gf1-pms"}).status_code == 400
    assert node.ask("POST", "/stac/collections/nope/items", items[1] | {"collection": "nope"}).status_code == 404


def test_T02_files_outside_the_allowed_roots_are_refused(node, items):
    for href in ("/etc/passwd.tif", "../../x.tif", "visual.tif", "http://127.0.0.1/x.tif", "/vsicurl/http://x/y.tif"):
        wrong = items[0] | {"assets": {"visual": {"href": href}}}
        assert (href, node.ask("POST", ITEMS, wrong).status_code) == (href, 400)


def test_L02_a_body_may_have_10_MiB_and_not_more(node, items):
    padded = [item | {"properties": item["properties"] | {"note": "x" * 900_000}} for item in items[:11]]
    features = {"type": "FeatureCollection", "features": padded}
    assert node.ask("POST", ITEMS, features).status_code == 201
    more = {"type": "FeatureCollection", "features": [*padded, items[11] | {"note": "x" * 2**20}]}
    assert (len(orjson.dumps(more)) > 10 * 2**20, node.ask("POST", ITEMS, more).status_code) == (True, 413)
    one = items[11] | {"properties": items[11]["properties"] | {"note": "x" * 2**20}}
    assert node.ask("POST", ITEMS, one).status_code == 400


def test_a_thousand_small_items_fit_into_one_request(node, items):
    many = {f"I{n}": items[0] | {"id": f"I{n}"} for n in range(1000)}
    assert node.ask("POST", BULK, {"items": many}).json()["success"] == 1000


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
def test_T21_without_the_token_nothing_is_answered_but_401(node, items, headers):
    paths = node.ask("GET", "/stac/api").json()["paths"]
    asked = [(f"/stac{path}", method.upper()) for path, methods in paths.items() for method in methods]
    assert {(ITEMS.replace("gf2-pms", "{collection_id}"), "POST"), ("/stac/search", "GET")} <= set(asked)
    for path, method in [*asked, ("/nowhere", "GET"), ("/stac/api", "GET"), ("/stac/collections", "OPTIONS")]:
        answer = requests.request(method, node.url + path, json=items[0], headers=headers, timeout=30)
        assert (method, path, answer.status_code) == (method, path, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert requests.get(node.url + "/healthz", timeout=30).status_code == 200
    assert node.ids() == set()


def test_pystac_client_reads_the_classes_and_searches_what_was_written(node, items):
    node.ask("POST", ITEMS, {"type": "FeatureCollection", "features": items[:3]})
    client = pystac_client.Client.open(f"{node.url}/stac", headers=AUTHORISED)
    assert set(CONFORMANCE) <= set(client.to_dict()["conformsTo"])
    found = client.search(collections=["gf2-pms"], max_items=10).item_collection()
    assert {item.id for item in found} == {item["id"] for item in items[:3]}


def test_the_public_node_neither_writes_nor_says_that_it_could(node, items):
    public = create_node(ImageryNodeSettings(home=node.home), CatalogSettings(write_token=TOKEN))
    with serving(public) as url:
        conformance = requests.get(f"{url}/stac/conformance", timeout=30).json()["conformsTo"]
        assert not [name for name in conformance if "transaction" in name or "simpletx" in name]
        for method, path in (
            ("POST", ITEMS),
            ("POST", BULK),
            ("POST", "/stac/collections"),
            *((method, COLLECTION) for method in ("PUT", "PATCH", "DELETE")),
            *((method, f"{ITEMS}/X") for method in ("PUT", "PATCH", "DELETE")),
        ):
            answer = requests.request(method, url + path, json=items[0], headers=AUTHORISED, timeout=30)
            assert (method, path, answer.status_code) in {(method, path, 404), (method, path, 405)}
    assert node.ids() == set()


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [({}, "CATALOG_WRITE_TOKEN"), ({"CATALOG_WRITE_TOKEN": "sh0rt"}, "CATALOG_WRITE_TOKEN")],
)
def test_P32_no_server_for_transactions_without_a_good_token(tmp_path, environment, complaint):
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--transactions", "--home", tmp_path]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (78, "")
    assert complaint in done.stderr
    assert "sh0rt" not in done.stderr


def _server(home, archive):
    home.mkdir(exist_ok=True)
    command = ("-m", "imagery_node.cli", "serve", "--transactions", "--home", "{home}", "--port", "{port}")
    return Node(home, command=command)


@pytest.fixture
def writing_environment(monkeypatch, archive):
    archive.mkdir(exist_ok=True)
    monkeypatch.setenv("CATALOG_WRITE_TOKEN", TOKEN)
    monkeypatch.setenv("CATALOG_ASSET_ROOTS", str(archive))


@pytest.mark.usefixtures("writing_environment")
def test_P01_a_killed_writer_leaves_all_of_a_request_or_nothing(tmp_path, archive, items, monkeypatch):
    home = tmp_path / "home"
    many = {"type": "FeatureCollection", "features": items[:5]}
    with _server(home, archive) as server:
        node = WritingNode(server.url, home, archive)
        assert node.ask("POST", "/stac/collections", some_collection("gf2-pms")).status_code == 201
    monkeypatch.setenv("NODE_REHEARSAL", "1")
    for step, method, path, document in (
        ("load", "POST", ITEMS, many),
        ("remove", "DELETE", COLLECTION, None),
    ):
        monkeypatch.setenv("NODE_FAILPOINT", f"{step}:kill")
        with _server(home, archive) as server:
            with pytest.raises(requests.ConnectionError):
                WritingNode(server.url, home, archive).ask(method, path, document)
            assert server.process.wait(30) == -signal.SIGKILL
    monkeypatch.delenv("NODE_FAILPOINT")
    with _server(home, archive) as server:
        node = WritingNode(server.url, home, archive)
        assert node.ids() == set()
        assert node.ask("DELETE", COLLECTION).status_code == 204
        assert node.ask("POST", "/stac/collections", some_collection("gf2-pms")).status_code == 201
        assert node.ask("POST", ITEMS, many).status_code == 201
        assert node.ids() == {item["id"] for item in items[:5]}
        assert TOKEN not in server.log.read_text()
