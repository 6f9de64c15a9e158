"""The STAC API through real HTTP: paging, searches against a plain scan, documents, links."""

from datetime import UTC, datetime

import pystac_client
import pytest
import requests
from fastapi import FastAPI
from shapely.geometry import box, shape

from catalog.app import create_app
from catalog.store import open_store
from tests.support.node import Node, serving
from tests.support.schemas import check_document, stac_validator
from tests.support.stac import COLLECTIONS, crossing_item, scan, some_collection, some_items

ITEMS = [*some_items(260), crossing_item()]
SOME_IDS = [item["id"] for item in ITEMS[5:60:5]]
MIDDLE = ITEMS[120]["properties"]["datetime"]
LATER = "2022-03-01T08:00:00+08:00"
TRIANGLE = {"type": "Polygon", "coordinates": [[[80, 20], [130, 22], [100, 50], [80, 20]]]}
PARTS = {
    "type": "GeometryCollection",
    "geometries": [TRIANGLE, {"type": "Point", "coordinates": [179.9, 50.5]}],
}

_MIDDLE = datetime.fromisoformat(MIDDLE)
_LATER = datetime(2022, 3, 1, tzinfo=UTC)
SEARCHES = {
    "everything": ({}, {}),
    "a box": ({"bbox": [100, 25, 120, 45]}, {"area": box(100, 25, 120, 45)}),
    "a box with heights": ({"bbox": [100, 25, -50, 120, 45, 9000]}, {"area": box(100, 25, 120, 45)}),
    "a box over the antimeridian": ({"bbox": [179, 40, -179, 60]}, {"area": box(179, 40, 180, 60)}),
    "a triangle": ({"intersects": TRIANGLE}, {"area": shape(TRIANGLE)}),
    "a collection of shapes": ({"intersects": PARTS}, {"area": shape(PARTS)}),
    "an instant": ({"datetime": MIDDLE}, {"interval": (_MIDDLE, _MIDDLE)}),
    "an interval": ({"datetime": f"{MIDDLE}/{LATER}"}, {"interval": (_MIDDLE, _LATER)}),
    "an open start": ({"datetime": f"../{MIDDLE}"}, {"interval": (None, _MIDDLE)}),
    "an open end": ({"datetime": f"{LATER}/"}, {"interval": (_LATER, None)}),
    "ids": ({"ids": SOME_IDS}, {"ids": SOME_IDS}),
    "collections": ({"collections": ["gf2-pms", "gf1-wfv"]}, {"collections": ["gf2-pms", "gf1-wfv"]}),
    "all at once": (
        {"intersects": TRIANGLE, "datetime": f"{MIDDLE}/..", "collections": ["gf1-pms"]},
        {"area": shape(TRIANGLE), "interval": (_MIDDLE, None), "collections": ["gf1-pms"]},
    ),
    "nothing": ({"ids": ["no-such-item"]}, {"ids": []}),
}


@pytest.fixture(scope="module")
def api(new_api):
    store, app = new_api()
    for collection in COLLECTIONS:
        store.put_collection(some_collection(collection))
    store.load(ITEMS)
    return store, app


@pytest.fixture(scope="module")
def store(api):
    return api[0]


@pytest.fixture(scope="module")
def url(api):
    with serving(api[1]) as address:
        yield address


@pytest.fixture
def client(url):
    client = pystac_client.Client.open(url)
    yield client
    client._stac_io.session.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_pages_through_everything_without_loss_or_duplicate(client, method):
    search = client.search(limit=20, method=method)
    pages = [[item["id"] for item in page["features"]] for page in search.pages_as_dicts()]
    assert [len(page) for page in pages] == [20] * 13 + [1]
    assert [item_id for page in pages for item_id in page] == scan(ITEMS)


def test_pystac_client_pages_through_one_collection(client):
    collection = client.get_collection("gf1-wfv")
    assert [item.id for item in collection.get_items()] == scan(ITEMS, collections=["gf1-wfv"])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("asked", "oracle"), SEARCHES.values(), ids=SEARCHES.keys())
def test_a_search_equals_a_plain_scan(client, asked, oracle, method):
    found = list(client.search(**asked, limit=7, method=method).items_as_dicts())
    assert [item["id"] for item in found] == scan(ITEMS, **oracle)


@pytest.mark.parametrize(
    ("when", "interval"),
    [
        (MIDDLE, (_MIDDLE, _MIDDLE)),
        (MIDDLE.replace("Z", ".000+00:00"), (_MIDDLE, _MIDDLE)),
        (f"../{MIDDLE}", (None, _MIDDLE)),
        (f"/{MIDDLE}", (None, _MIDDLE)),
        (f"{MIDDLE}/..", (_MIDDLE, None)),
        (f"{MIDDLE}/{LATER}", (_MIDDLE, _LATER)),
        (LATER.lower(), (_LATER, _LATER)),
    ],
)
def test_the_items_of_a_collection_take_a_box_and_every_way_to_write_a_time(url, when, interval):
    asked = {"bbox": "75,18,130,52", "datetime": when, "limit": 1000}
    page = requests.get(f"{url}/collections/gf1-pms/items", asked).json()
    oracle = scan(ITEMS, collections=["gf1-pms"], area=box(75, 18, 130, 52), interval=interval)
    assert [item["id"] for item in page["features"]] == oracle


def test_next_links_repeat_the_whole_question(url):
    asked = {"bbox": [70, 10, 140, 60], "collections": ["gf1-pms"], "limit": 5}
    posted = _links(requests.post(f"{url}/search", json=asked).json())["next"]
    assert posted["method"] == "POST"
    assert posted["merge"] is False
    assert {**posted["body"], "token": None} == {**asked, "token": None}
    got = _links(requests.get(f"{url}/search", {"bbox": "70,10,140,60", "limit": 5}).json())["next"]
    assert got["method"] == "GET"
    assert "bbox=70%2C10%2C140%2C60&limit=5&token=" in got["href"]


def test_a_limit_above_1000_is_lowered(url):
    assert len(requests.get(f"{url}/search", {"limit": 10**9}).json()["features"]) == len(ITEMS)


def test_every_document_is_valid_stac(url):
    validator = stac_validator()
    check_document(requests.get(f"{url}/").json(), validator)
    for collection in requests.get(f"{url}/collections").json()["collections"]:
        check_document(collection, validator)
    page = requests.get(f"{url}/search", {"limit": 1000}).json()
    assert len(page["features"]) == len(ITEMS)
    for item in page["features"]:
        check_document(item, validator)


def test_an_item_is_the_same_alone_and_in_a_page(url):
    page = requests.post(f"{url}/search", json={"ids": SOME_IDS}).json()
    for item in page["features"]:
        assert requests.get(_links(item)["self"]["href"]).json() == item


def test_every_link_inside_the_api_leads_somewhere(url):
    landing = requests.get(url).json()
    assert landing["conformsTo"] == requests.get(f"{url}/conformance").json()["conformsTo"]
    assert [_id_at_end(link) for link in landing["links"] if link["rel"] == "child"] == list(COLLECTIONS)
    seen = {f"{url}/"}
    documents = [landing]
    while documents:
        for link in documents.pop()["links"]:
            href = link["href"]
            if href in seen or not href.startswith(url) or f"{url}/raster/" in href or f"{url}/data/" in href:
                continue
            seen.add(href)
            answer = requests.request(link.get("method", "GET"), href, json=link.get("body"))
            assert answer.status_code == 200, href
            assert answer.headers["content-type"].partition(";")[0] == link["type"].partition(";")[0]
            if link["rel"] in {"data", "child", "items", "collection", "parent"}:
                documents.append(answer.json())
    assert len(seen) > 10


def test_the_search_links_name_both_methods(url):
    searches = [link for link in requests.get(url).json()["links"] if link["rel"] == "search"]
    assert sorted(link["method"] for link in searches) == ["GET", "POST"]


def test_assets_are_addressed_by_key_and_never_by_path(url):
    item = requests.get(f"{url}/collections/{ITEMS[0]['collection']}/items/{ITEMS[0]['id']}").json()
    files = f"{url}/data/{item['collection']}/{item['id']}/1"
    assert {key: asset["href"] for key, asset in item["assets"].items()} == {
        "visual": f"{files}/visual.tif",
        "thumbnail": f"{files}/thumbnail.webp",
        "metadata": f"{files}/metadata.xml",
    }
    pictures = f"{url}/raster/collections/{item['collection']}/items/{item['id']}"
    assert _links(item)["tilejson"]["href"] == f"{pictures}/WebMercatorQuad/tilejson.json"
    assert _links(item)["preview"]["href"] == f"{files}/thumbnail.webp"


def test_a_collection_keeps_its_own_links_and_gains_a_map(url):
    links = _links(requests.get(f"{url}/collections/gf2-pms").json())
    assert links["license"]["href"] == "https://example.com/licence"
    assert links["tilejson"]["href"] == f"{url}/raster/layers/gf2-pms/WebMercatorQuad/tilejson.json"


@pytest.mark.parametrize("public_url", [None, "https://imagery.example.com/node/"])
def test_mounted_in_a_node_files_are_above_the_api(store, public_url):
    node = FastAPI()
    node.mount("/stac", create_app(store, public_url=public_url))
    with serving(node) as address:
        base = (public_url or address).rstrip("/")
        landing = requests.get(f"{address}/stac/").json()
        assert requests.get(f"{address}/stac").json() == landing
        assert _links(landing)["data"]["href"] == f"{base}/stac/collections"
        page = requests.get(f"{address}/stac/search", {"limit": 1}).json()
        item = page["features"][0]
        assert _links(page)["next"]["href"].startswith(f"{base}/stac/search?limit=1&token=")
        assert item["assets"]["visual"]["href"].startswith(f"{base}/data/{item['collection']}/")
        assert _links(item)["tilejson"]["href"].startswith(f"{base}/raster/collections/")
        assert _links(item)["self"]["href"].startswith(f"{base}/stac/collections/")


def test_the_api_describes_itself_in_openapi_3_0(url):
    validator = pytest.importorskip("openapi_spec_validator", reason="judges the OpenAPI document")
    document = requests.get(f"{url}/api").json()
    assert document["openapi"] == "3.0.3"
    validator.OpenAPIV30SpecValidator(document).validate()
    assert "/collections/{collection_id}/items" in requests.get(f"{url}/api.html").text
    limits = {p["name"]: p["schema"] for p in document["paths"]["/search"]["get"]["parameters"]}["limit"]
    assert (limits["minimum"], limits["maximum"], limits["default"]) == (1, 1000, 10)


def test_everything_that_can_be_given_has_its_bounds_in_the_description(url):
    document = requests.get(f"{url}/api").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    assert _is_bounded(parameter["schema"]), (method, path, parameter["name"])
    for name in ("SearchBody", "AggregateBody", "Fields", "SortBy"):
        for field, schema in document["components"]["schemas"][name]["properties"].items():
            assert _is_bounded(schema) or field in {"intersects", "filter", "query", "fields"}, (name, field)


def _is_bounded(schema):
    parts = [
        *schema.get("anyOf", []),
        *([schema["items"]] if "items" in schema and "$ref" not in schema["items"] else []),
    ]
    known = {"maxLength", "maxItems", "maximum", "enum"} & schema.keys() or schema.get("type") == "boolean"
    return all(map(_is_bounded, parts)) and bool(known or schema.get("type") == "number" or "anyOf" in schema)


def test_the_api_serves_alone_as_a_process_with_a_clean_log(tmp_path):
    store = open_store(tmp_path)
    store.put_collection(some_collection("gf1-pms"))
    store.load([{**item, "collection": "gf1-pms"} for item in some_items(20)])
    store.close()
    program = (
        "import pathlib, sys, uvicorn; from catalog.app import create_app; from catalog.store import open_store; "
        "uvicorn.run(create_app(open_store(pathlib.Path(sys.argv[1]), read_only=True)), port=int(sys.argv[2]))"
    )
    with Node(tmp_path, command=("-W", "error", "-c", program, "{home}", "{port}"), ready="/") as node:
        assert len(requests.get(f"{node.url}/search").json()["features"]) == 10


def test_items_recalled_between_two_pages_do_not_shift_the_rest(new_api):
    store, app = new_api()
    store.put_collection(some_collection("gf1-pms"))
    items = [{**item, "collection": "gf1-pms"} for item in some_items(30)]
    store.load(items)
    with serving(app) as address:
        first = requests.get(f"{address}/search", {"limit": 10}).json()
        for item in first["features"][2:6]:
            store.recall("gf1-pms", item["id"], reason="test")
        second = requests.get(_links(first)["next"]["href"]).json()
    assert [item["id"] for item in second["features"]] == scan(items)[10:20]


def _links(document):
    return {link["rel"]: link for link in document["links"]}


def _id_at_end(link):
    return link["href"].rpartition("/")[2]
