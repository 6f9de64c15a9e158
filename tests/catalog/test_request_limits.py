"""Every bound of the STAC API on both sides, and that no caller's mistake is ever a 500."""

import json
import math
import socket
import time

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.app import create_app
from catalog.request_limits import MAX_BODY_BYTES, MAX_JSON_KEYS
from catalog.store import open_store
from tests.support.node import serving
from tests.support.stac import some_collection, some_items

SQUARE = [[100, 20], [110, 20], [110, 30], [100, 30], [100, 20]]
ITEMS = some_items(3)
PATHS = (
    f"/collections/{ITEMS[0]['collection']}",
    f"/collections/{ITEMS[0]['collection']}/items",
    f"/collections/{ITEMS[0]['collection']}/items/{ITEMS[0]['id']}",
)


@pytest.fixture(scope="module")
def url(new_api):
    store, app = new_api()
    for collection in {item["collection"] for item in ITEMS}:
        store.put_collection(some_collection(collection))
    store.load(ITEMS)
    with serving(app) as address:
        yield address


def ids(count):
    return ",".join(f"id{number}" for number in range(count))


def nested(depth):
    """A search whose JSON is `depth` levels deep."""
    return '{"intersects": ' + '{"a": ' * (depth - 2) + "{}" + "}" * (depth - 1)


def ring(count):
    """A valid ring of `count` positions."""
    turns = [2 * math.pi * step / (count - 1) for step in range(count - 1)]
    circle = [[100 + 10 * math.cos(turn), 30 + 10 * math.sin(turn)] for turn in turns]
    return [*circle, circle[0]]


def polygon(*rings):
    return {"intersects": {"type": "Polygon", "coordinates": rings}}


def boxes(count):
    corners = [(100 + number % 10, 10 + number // 10) for number in range(count)]
    squares = [[[x, y], [x + 0.5, y], [x + 0.5, y + 0.5], [x, y + 0.5], [x, y]] for x, y in corners]
    return {"intersects": {"type": "MultiPolygon", "coordinates": [[square] for square in squares]}}


def keys(count):
    """A search of a point with useless members, `count` keys in all."""
    useless = {f"k{number}": 0 for number in range(count - 3)}
    return json.dumps({"intersects": {"type": "Point", "coordinates": [100, 20], **useless}})


@pytest.mark.parametrize(
    "query",
    [
        "limit=1",
        "limit=1000",
        "limit=1001",
        "bbox=-180,-90,180,90",
        "bbox=179,-10,-179,10",
        "bbox=1,2,0,3,4,0",
        "bbox=1e1,.5,+11,1.",
        "datetime=0001-01-01T00:00:00Z/9999-12-31T23:59:59.999999Z",
        "datetime=2024-12-31T23:59:60Z",
        "datetime=../2024-10-12t03:22:47.123456789%2B08:00",
        f"ids={ids(250)}",
        f"collections={ids(50)}",
        f"ids={'a' * 128}",
        'intersects={"type":"Point","coordinates":[180,90]}',
    ],
)
def test_an_address_at_its_bounds_is_answered(url, query):
    answer = requests.get(f"{url}/search?{query}")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "limit.limit"),
        ("limit=-1", "limit.limit"),
        ("limit=ten", "limit.limit"),
        ("limit=", "limit.limit"),
        ("limit=1.5", "limit.limit"),
        (f"limit={'9' * 5000}", "limit.limit"),
        ("limit=5&limit=5", "repeated_parameter"),
        ("order=datetime", "unknown_parameter"),
        ("Limit=5", "unknown_parameter"),
        ("&".join(f"a{number}=1" for number in range(64)), "unknown_parameter"),
        ("&".join(f"a{number}=1" for number in range(65)), "limit.parameters"),
        ("bbox=", "invalid_search"),
        ("bbox=1,2,3", "limit.bbox"),
        ("bbox=1,2,3,4,5", "invalid_search"),
        ("bbox=1,2,3,4,5,6,7", "limit.bbox"),
        ("bbox=NaN,2,3,4", "invalid_search"),
        ("bbox=1,2,inf,4", "invalid_search"),
        ("bbox=1,2,1e999,4", "invalid_search"),
        ("bbox=1_0,2,30,4", "invalid_search"),
        ("bbox=1,4,3,2", "invalid_search"),
        ("bbox=1,2,1,4", "invalid_search"),
        ("bbox=1,2,3,2", "invalid_search"),
        ("bbox=-181,2,3,4", "invalid_search"),
        ("bbox=1,2,3,91", "invalid_search"),
        ('bbox=1,2,3,4&intersects={"type":"Point","coordinates":[1,2]}', "invalid_search"),
        ("datetime=", "invalid_search"),
        ("datetime=2024-10-12", "invalid_search"),
        ("datetime=2024-10-12T03:22:47", "invalid_search"),
        ("datetime=2024-10-12T03:22:47+08:00", "invalid_search"),
        ("datetime=0000-01-01T00:00:00Z", "invalid_search"),
        ("datetime=10000-01-01T00:00:00Z", "invalid_search"),
        ("datetime=0001-01-01T00:00:00%2B14:00", "invalid_search"),
        ("datetime=9999-12-31T23:59:60Z", "invalid_search"),
        ("datetime=2024-13-01T00:00:00Z", "invalid_search"),
        ("datetime=2024-12-31T23:59:61Z", "invalid_search"),
        ("datetime=2024-02-01T00:00:00Z/2024-01-01T00:00:00Z", "invalid_search"),
        ("datetime=../..", "invalid_search"),
        ("datetime=/", "invalid_search"),
        ("datetime=2024-01-01T00:00:00Z/../..", "invalid_search"),
        (f"datetime={'2' * 65}", "limit.datetime"),
        (f"ids={ids(251)}", "limit.ids"),
        (f"collections={ids(51)}", "limit.collections"),
        ("ids=", "limit.ids"),
        ("ids=a,,b", "limit.ids"),
        (f"ids={'a' * 129}", "limit.ids"),
        ("collections=../etc", "limit.collections"),
        ("token=", "invalid_search"),
        ("token=next", "invalid_search"),
        ("token=%E4%BA%AC", "invalid_search"),
        (f"token={'A' * 1025}", "limit.token"),
        ("intersects=", "limit.json"),
        ("intersects=[1,2]", "limit.intersects"),
        ('intersects={"type":"Point","type":"Point","coordinates":[1,2]}', "limit.json"),
        ('intersects={"type":"Point","coordinates":[NaN,2]}', "limit.json"),
        (f"filter={'a' * 2049}", "limit.filter"),
        ("filter-lang=sql", "limit.filter-lang"),
        ("filter-lang=cql2-json&filter={", "limit.json"),
        ("filter-lang=cql2-json&filter=1", "limit.filter"),
        ("filter-crs=http://www.opengis.net/def/crs/EPSG/0/4326", "limit.filter-crs"),
        ("filter-crs=http://127.0.0.1/crs", "limit.filter-crs"),
        ("filter_lang=cql2-text", "unknown_parameter"),
    ],
)
def test_an_address_out_of_its_bounds_is_refused_by_name(url, query, code):
    assert_problem(requests.get(f"{url}/search?{query}"), 400, code)


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        json.dumps(polygon(SQUARE)),
        json.dumps(polygon(ring(10_000))),
        json.dumps(boxes(100)),
        json.dumps(polygon([[100, 20], [110, 30], [110, 20], [100, 30], [100, 20]])),
        keys(MAX_JSON_KEYS),
        "{}" + " " * (MAX_BODY_BYTES - 2),
    ],
    ids=["nothing", "square", "10000 vertices", "100 parts", "a bow tie is repaired", "10000 keys", "1 MiB"],
)
def test_a_body_at_its_bounds_is_answered(url, body):
    answer = post(url, body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "limit.body"),
        ("[]", 400, "limit.body"),
        ("{", 400, "limit.json"),
        ("\xff", 400, "limit.json"),
        ('{"limit": 10, "limit": 10}', 400, "limit.json"),
        ('{"bbox": [NaN, 2, 3, 4]}', 400, "limit.json"),
        ('{"bbox": [1, 2, 3, 1e999]}', 400, "limit.json"),
        ('{"ids": ["\\ud800"]}', 400, "limit.json"),
        ('{"limit": "10"}', 400, "limit.limit"),
        ('{"limit": 0}', 400, "limit.limit"),
        ('{"limit": true}', 400, "limit.limit"),
        ('{"limit": ' + "9" * 400 + "}", 400, "limit.json"),
        ('{"bbox": ["1", "2", "3", "4"]}', 400, "limit.bbox"),
        ('{"bbox": []}', 400, "limit.bbox"),
        ('{"collections": []}', 400, "limit.collections"),
        ('{"ids": 1}', 400, "limit.ids"),
        ('{"ids": "../etc"}', 400, "limit.ids"),
        ('{"where": {}}', 400, "unknown_parameter"),
        ('{"query": []}', 400, "limit.query"),
        ('{"query": {"gsd": 8}}', 400, "limit.query"),
        ('{"filter": 1}', 400, "limit.filter"),
        ('{"filter": {}, "filter-lang": "cql-text"}', 400, "limit.filter-lang"),
        ('{"filter-crs": "http://www.opengis.net/def/crs/EPSG/0/4326"}', 400, "limit.filter-crs"),
        ('{"filter_lang": "cql2-json"}', 400, "unknown_parameter"),
        ('{"sortby": ["gsd"]}', 400, "limit.sortby"),
        ('{"sortby": [{"field": "gsd", "direction": "up"}]}', 400, "limit.sortby"),
        ('{"sortby": [{"field": "gsd", "order": "asc"}]}', 400, "unknown_parameter"),
        ('{"fields": ["id"]}', 400, "limit.fields"),
        ('{"fields": {"includes": ["id"]}}', 400, "unknown_parameter"),
        ('{"q": [1]}', 400, "limit.q"),
        ('{"q": []}', 400, "limit.q"),
        (keys(MAX_JSON_KEYS + 1), 400, "limit.json"),
        (nested(33), 400, "limit.json"),
        (nested(32), 400, "invalid_search"),
        ("[" * 100_000, 400, "limit.json"),
        (" " * (MAX_BODY_BYTES + 1), 413, "limit.body"),
        (json.dumps(polygon(ring(10_001))), 400, "invalid_search"),
        (json.dumps(boxes(101)), 400, "invalid_search"),
        (json.dumps({"intersects": {"type": "Feature", "geometry": None}}), 400, "invalid_search"),
        (json.dumps(polygon(SQUARE[:2])), 400, "invalid_search"),
        (json.dumps(polygon([])), 400, "invalid_search"),
        (json.dumps(polygon([[100, 20], [181, 20], [110, 30], [100, 20]])), 400, "invalid_search"),
        (json.dumps(polygon([[100, 20], [110], [110, 30], [100, 20]])), 400, "invalid_search"),
        (json.dumps(polygon([[100, 20], [True, 3], [110, 30], [100, 20]])), 400, "invalid_search"),
        (json.dumps({"intersects": {"type": "Polygon", "coordinates": "here"}}), 400, "invalid_search"),
        (
            json.dumps(
                {
                    "intersects": {
                        "type": "GeometryCollection",
                        "geometries": [{"type": "GeometryCollection", "geometries": []}],
                    }
                }
            ),
            400,
            "invalid_search",
        ),
    ],
)
def test_a_body_out_of_its_bounds_is_refused_by_name(url, body, status, code):
    assert_problem(post(url, body), status, code)


def test_a_body_is_counted_while_it_streams_without_a_length(url):
    def chunks():
        yield b"{"
        for _ in range(20):
            yield b" " * 100_000

    assert_problem(post(url, chunks()), 413, "limit.body")


def test_a_polygon_that_would_take_hours_to_repair_is_refused_at_once(url):
    tangle = [[100 + step * 7919 % 997 / 100, 20 + step * 104_729 % 991 / 100] for step in range(9_999)]
    started = time.monotonic()
    assert_problem(post(url, json.dumps(polygon([*tangle, tangle[0]]))), 400, "invalid_search")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("path", PATHS)
def test_documents_take_no_unknown_parameters(url, path):
    assert requests.get(url + path).status_code == 200
    assert_problem(requests.get(f"{url}{path}?url=http://example.com"), 400, "unknown_parameter")


def test_the_items_of_a_collection_are_not_those_of_another(url):
    assert requests.get(url + PATHS[1], {"collections": ITEMS[0]["collection"]}).status_code == 200
    assert_problem(requests.get(url + PATHS[1], {"collections": ITEMS[1]["collection"]}), 400, "invalid_search")


def test_a_token_belongs_to_its_search(url):
    links = requests.get(f"{url}/search?limit=1").json()["links"]
    following = next(link["href"] for link in links if link["rel"] == "next")
    assert requests.get(following).status_code == 200
    assert_problem(requests.get(f"{following}&ids={ITEMS[0]['id']}"), 400, "invalid_search")


@pytest.mark.parametrize(
    "hostile",
    ["..", "%2e%2e", "%00", "%ff", "a" * 5000, "'--", "%25s", "$%7Bx%7D", "京", "%F0%9F%9B%B0", "a%2Fb", "a%5Cb", ";"],
)
def test_ids_that_cannot_be_are_not_found(url, hostile):
    for address in (
        f"/collections/{hostile}",
        f"/collections/{hostile}/items",
        f"{PATHS[1]}/{hostile}",
        f"/{hostile}",
    ):
        request = requests.Request("GET", url).prepare()
        request.url = url + address
        with requests.Session() as session:
            answer = session.send(request)
        assert answer.status_code == 404, (address, answer.text)
        assert_problem(answer, 404)


FIELDS = ("bbox", "intersects", "datetime", "ids", "collections", "limit", "token")
MORE_FIELDS = ("filter", "filter-lang", "filter-crs", "query", "q", "sortby", "fields")


@pytest.mark.parametrize("parameter", FIELDS + MORE_FIELDS)
def test_no_text_in_a_parameter_is_our_fault(url, parameter):
    with requests.Session() as session:

        @settings(max_examples=30, deadline=None)
        @given(st.text(max_size=80) | st.text('0123456789.,-/TZ:e{}[]"', max_size=60))
        def ask(text):
            answer = session.get(f"{url}/search", params={parameter: text.encode("utf-8", "surrogatepass")})
            assert answer.status_code in {200, 400}, answer.text

        ask()


MEMBERS = ["type", "coordinates", "geometries", "op", "args", "property", "field", "direction", "include", "eq", "in"]


def test_no_json_is_our_fault(url):
    json_values = st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=3), inner)
        ),
    )
    with requests.Session() as session:

        @settings(max_examples=100, deadline=None)
        @given(st.dictionaries(st.sampled_from(FIELDS + MORE_FIELDS), json_values, max_size=3))
        def ask(body):
            answer = session.post(f"{url}/search", data=json.dumps(body), headers={"Content-Type": "application/json"})
            assert answer.status_code in {200, 400}, answer.text

        ask()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /search?ids=" + b"a" * 8200 + b" HTTP/1.1\r\nHost: x\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 16_400 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 15_000 + b"\r\n", 200),
        (b"GET /search?ids=\xff\xfe HTTP/1.1\r\nHost: x\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [::\r\n", 200),
        (b'GET /search?limit=1 HTTP/1.1\r\nHost: "><script>\r\n', 200),
        (b"PUT /search HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n", 405),
        (b"DELETE /collections/gf1-pms HTTP/1.1\r\nHost: x\r\n", 405),
        (b"GET /collections/ HTTP/1.1\r\nHost: [\r\n", 307),
    ],
)
def test_raw_requests_get_a_decent_answer(url, head, status):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head + b"Connection: close\r\n\r\n{}")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split(b" ", 2)[1] == str(status).encode(), answer[:300]
    assert b"<script>" not in answer


def test_every_answer_can_be_read_from_a_page_elsewhere(url):
    for method, path, status in (("GET", "/", 200), ("GET", "/nothing", 404), ("PUT", "/search", 405)):
        answer = requests.request(method, url + path, headers={"Origin": "https://map.example.com"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "*")
    too_long = requests.post(
        f"{url}/search", data=b" " * (MAX_BODY_BYTES + 1), headers={"Origin": "https://map.example.com"}
    )
    assert (too_long.status_code, too_long.headers["access-control-allow-origin"]) == (413, "*")
    preflight = requests.options(
        f"{url}/search",
        headers={
            "Origin": "https://map.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert preflight.status_code == 200


def test_a_catalogue_that_cannot_answer_is_503_and_tells_no_path(tmp_path):
    store = open_store(tmp_path)
    with serving(create_app(store)) as address:
        store.close()
        for file in tmp_path.glob("catalog.db*"):
            file.unlink()
        answer = requests.get(f"{address}/search")
    assert_problem(answer, 503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert str(tmp_path) not in answer.text


def test_our_own_fault_is_a_problem_with_the_id_that_the_log_has(tmp_path, caplog):
    class BrokenStore:
        def collections(self):
            raise RuntimeError("secret detail")

    with serving(create_app(BrokenStore())) as address:
        answer = requests.get(address, headers={"Origin": "https://map.example.com"})
    problem = assert_problem(answer, 500, "internal_error")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "secret" not in answer.text
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert problem["request_id"] in record.getMessage()
    assert record.exc_info


def post(url, body):
    data = body.encode("latin-1") if isinstance(body, str) else body
    return requests.post(f"{url}/search", data=data, headers={"Content-Type": "application/json"})


def assert_problem(answer, status, code=None):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    if code:
        assert problem["code"] == code, problem
    return problem
