"""Searching items over HTTP beyond place and time: order, fields, query, free text, counts, what can be asked."""

import json

import pytest
import requests

from catalog.queryable import QUERYABLES
from tests.support.stac import described_items, scan

ITEMS = described_items(120)
TIME_ORDER = scan(ITEMS)


@pytest.fixture(scope="module")
def url(serve_items):
    return serve_items(ITEMS)


def ids(page):
    return [item["id"] for item in page["features"]]


def by(name, *, descending=False):
    """Ids in the order of a property, equal and missing ones newest first, the missing ones last."""
    values = {item["id"]: item["properties"].get(name, item.get(name)) for item in ITEMS}
    known = [item_id for item_id in TIME_ORDER if values[item_id] is not None]
    known.sort(key=lambda item_id: values[item_id], reverse=descending)  # equal ones keep their order either way
    return known + [item_id for item_id in TIME_ORDER if values[item_id] is None]


def get(url, path="/search", **asked):
    answer = requests.get(url + path, asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(url, **asked):
    answer = requests.post(f"{url}/search", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(answer):
    assert answer.status_code == 400, answer.text
    return answer.json()


def pages(url, **asked):
    page, found = get(url, **asked), []
    while True:
        found += page["features"]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            return found
        page = requests.get(following[0]).json()


@pytest.mark.parametrize("name", ["datetime", "gsd", "eo:cloud_cover", "platform", "title", "id", "view:off_nadir"])
@pytest.mark.parametrize("descending", [False, True])
def test_items_come_in_the_order_of_any_sortable_whatever_the_page(url, name, descending):
    expected = by(name, descending=descending)
    sign, direction = ("-", "desc") if descending else ("+", "asc")
    assert ids(get(url, sortby=f"{sign}{name}", limit=1000)) == expected
    assert ids(post(url, sortby=[{"field": f"properties.{name}", "direction": direction}], limit=1000)) == expected
    assert [item["id"] for item in pages(url, sortby=f"{sign}{name}", limit=17)] == expected


def test_a_plus_that_became_a_space_still_means_ascending(url):
    expected = by("gsd")
    for written in ("gsd", "+gsd", "%2Bgsd", "%20gsd", "properties.gsd"):
        assert ids(requests.get(f"{url}/search?limit=1000&sortby={written}").json()) == expected


def test_several_sort_keys_hold_one_after_the_other(url):
    found = get(url, sortby="-platform,eo:cloud_cover", limit=1000)["features"]
    unknown = 1e9
    order = [(item["properties"]["platform"], item["properties"].get("eo:cloud_cover", unknown)) for item in found]
    assert [platform for platform, _ in order] == sorted((platform for platform, _ in order), reverse=True)
    for satellite in {"gaofen-1", "gaofen-2"}:
        clouds = [cloud for platform, cloud in order if platform == satellite]
        assert clouds == sorted(clouds)


@pytest.mark.parametrize(
    ("sortby", "code"),
    [
        ("version", "invalid_search"),
        ("geometry", "invalid_search"),
        ("properties", "invalid_search"),
        ("id'; DROP TABLE item; --", "invalid_search"),
        ("id,gsd,platform,title,updated", "limit.sortby"),
        ("", "limit.sortby"),
        ("-", "limit.sortby"),
        ("a" * 129, "limit.sortby"),
    ],
)
def test_what_cannot_be_sorted_by_is_refused(url, sortby, code):
    assert refusal(requests.get(f"{url}/search", {"sortby": sortby}))["code"] == code


def test_a_refused_sort_names_the_sortables(url):
    assert "eo:cloud_cover" in refusal(requests.get(f"{url}/search", {"sortby": "colour"}))["detail"]


def test_fields_are_selected_in_an_address_and_in_a_body(url):
    for page in (
        get(url, fields="properties.gsd,bbox,-bbox", limit=1),
        get(url, fields="+properties.gsd,+bbox", limit=1),
        post(url, fields={"include": ["properties.gsd", "bbox"]}, limit=1),
    ):
        [item] = page["features"]
        assert set(item) == {"type", "stac_version", "id", "collection", "bbox", "properties"}
        assert set(item["properties"]) == {"gsd"}
    [item] = get(url, fields="-geometry", limit=1)["features"]
    assert "geometry" not in item
    assert set(item["properties"]) == {"datetime"}
    [item] = get(url, "/collections/gf2-pms/items", fields="id", limit=1)["features"]
    assert set(item) == {"type", "stac_version", "id", "collection"}


def test_too_many_fields_are_refused(url):
    names = [f"properties.n{number}" for number in range(65)]
    assert get(url, fields=",".join(names[:64]))["features"]
    assert refusal(requests.get(f"{url}/search", {"fields": ",".join(names)}))["code"] == "limit.fields"
    assert refusal(requests.post(f"{url}/search", json={"fields": {"exclude": names}}))["code"] == "limit.fields"
    assert refusal(requests.post(f"{url}/search", json={"fields": None}))["code"] == "limit.fields"


PROPERTIES = {item["id"]: item["properties"] for item in ITEMS}
QUERIES = {
    "eq": ({"platform": {"eq": "gaofen-2"}}, lambda p: p["platform"] == "gaofen-2"),
    "neq": ({"platform": {"neq": "gaofen-2"}}, lambda p: p["platform"] != "gaofen-2"),
    "lt": ({"gsd": {"lt": 8}}, lambda p: p["gsd"] < 8),
    "lte": ({"gsd": {"lte": 8}}, lambda p: p["gsd"] <= 8),
    "gt": ({"eo:cloud_cover": {"gt": 60}}, lambda p: p.get("eo:cloud_cover", 0) > 60),
    "gte": ({"eo:cloud_cover": {"gte": 3.7}}, lambda p: p.get("eo:cloud_cover", 0) >= 3.7),
    "startsWith": ({"title": {"startsWith": "高分二"}}, lambda p: p["title"].startswith("高分二")),
    "endsWith": ({"title": {"endsWith": "_1"}}, lambda p: p["title"].endswith("_1")),
    "contains": ({"title": {"contains": "号 GF1"}}, lambda p: "号 GF1" in p["title"]),
    "in": ({"processing:level": {"in": ["L2", "L4"]}}, lambda p: p["processing:level"] == "L2"),
    "two of one": ({"gsd": {"gt": 4, "lt": 16}}, lambda p: 4 < p["gsd"] < 16),
    "two": (
        {"gsd": {"lt": 10}, "eo:cloud_cover": {"lte": 50}},
        lambda p: p["gsd"] < 10 and p.get("eo:cloud_cover", 99) <= 50,
    ),
    "a wildcard is a letter here": ({"title": {"contains": "%"}}, lambda p: "%" in p["title"]),
    "an underscore is a letter here": ({"title": {"endsWith": "GF1_0"}}, lambda p: p["title"].endswith("GF1_0")),
}


@pytest.mark.parametrize(("query", "holds"), QUERIES.values(), ids=QUERIES.keys())
def test_every_operator_of_query_finds_what_a_look_at_each_item_finds(url, query, holds):
    expected = [item_id for item_id in TIME_ORDER if holds(PROPERTIES[item_id])]
    assert ids(get(url, query=json.dumps(query), limit=1000)) == expected
    assert ids(post(url, query=query, limit=1000)) == expected


def test_query_and_filter_hold_both(url):
    asked = {"query": {"gsd": {"lt": 10}}, "filter": {"op": "=", "args": [{"property": "platform"}, "gaofen-1"]}}
    expected = [i for i in TIME_ORDER if PROPERTIES[i]["gsd"] < 10 and PROPERTIES[i]["platform"] == "gaofen-1"]
    assert ids(post(url, **asked, limit=1000)) == expected
    in_address = {"query": json.dumps(asked["query"]), "filter": "platform = 'gaofen-1'"}
    assert [item["id"] for item in pages(url, **in_address, limit=9)] == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "limit.json"),
        ("[]", "limit.query"),
        ("1", "limit.query"),
        ('{"gsd": 8}', "limit.query"),
        ('{"gsd": {"like": 8}}', "invalid_search"),
        ('{"gsd": {"in": 8}}', "invalid_search"),
        ('{"title": {"startsWith": 8}}', "invalid_search"),
        ('{"colour": {"eq": "red"}}', "invalid_search"),
    ],
)
def test_a_query_that_means_nothing_is_refused(url, query, code):
    assert refusal(requests.get(f"{url}/search", {"query": query}))["code"] == code


@pytest.mark.parametrize("terms", ["高分二号", "GF2", "gaofen-2", "gf-2", "高分二号,nothing"])
def test_free_text_knows_every_name_of_a_satellite(url, terms):
    expected = [item_id for item_id in TIME_ORDER if PROPERTIES[item_id]["platform"] == "gaofen-2"]
    assert ids(get(url, q=terms, limit=1000)) == expected
    assert ids(post(url, q=terms.split(","), limit=1000)) == expected
    assert ids(post(url, q=terms, limit=1000)) == expected


def test_free_text_within_a_collection(url):
    page = get(url, "/collections/gf1-wfv/items", q="高分一号", limit=1000)
    assert ids(page) == scan(ITEMS, collections=["gf1-wfv"])
    assert ids(get(url, "/collections/gf1-wfv/items", q="高分二号")) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"q": ""},
        {"q": "a,,b"},
        {"q": ",".join("abcdefghijklmnopq")},
        {"q": "a" * 257},
        {"q": ",".join(["a" * 100] * 3)},
    ],
)
def test_free_text_is_bounded(url, asked):
    assert get(url, q=",".join("abcdefghijklmnop"))
    assert refusal(requests.get(f"{url}/search", asked))["code"] == "limit.q"
    assert refusal(requests.post(f"{url}/search", json={"q": asked["q"].split(",")}))["code"] == "limit.q"


def test_every_page_tells_how_many_match_in_all(url):
    page = get(url, collections="gf2-pms", limit=15, sortby="eo:cloud_cover")
    assert (page["numberMatched"], page["numberReturned"]) == (40, 15)
    [following] = [link["href"] for link in page["links"] if link["rel"] == "next"]
    second = requests.get(following).json()
    assert (second["numberMatched"], second["numberReturned"]) == (40, 15)
    assert get(url, q="nothing at all")["numberMatched"] == 0


def test_paging_by_post_repeats_the_whole_question(url):
    asked = {
        **{"limit": 7, "sortby": [{"field": "gsd", "direction": "desc"}], "fields": {"include": ["properties.gsd"]}},
        **{"query": {"gsd": {"gt": 4}}, "q": ["高分一号"], "filter-lang": "cql2-json"},
        **{"filter": {"op": "<", "args": [{"property": "gsd"}, 10]}},
    }
    page, found = post(url, **asked), []
    for _ in range(10):
        found += page["features"]
        following = [link for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        assert {**following[0]["body"], "token": None} == {**asked, "token": None}
        page = requests.request(following[0]["method"], following[0]["href"], json=following[0]["body"]).json()
    assert [item["id"] for item in found] == [i for i in TIME_ORDER if 4 < PROPERTIES[i]["gsd"] < 10]
    assert all(set(item["properties"]) == {"gsd"} for item in found)


@pytest.mark.parametrize("above", ["", "/collections/gf2-pms"])
def test_queryables_are_a_schema_of_what_items_have(url, above):
    answer = requests.get(f"{url}{above}/queryables")
    schema = answer.json()
    assert answer.headers["content-type"] == "application/schema+json"
    assert schema["$id"] == f"{url}{above}/queryables"
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert {queryable.name for queryable in QUERYABLES} | {"geometry", "instruments", "version"} == set(properties)
    assert properties["eo:cloud_cover"] == {"title": "云量（%） · Cloud cover, %", "type": "number"}
    assert properties["datetime"]["format"] == "date-time"
    assert properties["instruments"]["type"] == "array"
    satellites = ["gaofen-2"] if above else ["gaofen-1", "gaofen-2"]
    assert properties["platform"]["enum"] == satellites


@pytest.mark.parametrize("path", ["/sortables", "/collections/gf2-pms/sortables"])
def test_sortables_are_a_schema_of_what_can_be_sorted_by(url, path):
    answer = requests.get(url + path)
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json()["$id"] == url + path
    for name in answer.json()["properties"]:
        assert get(url, sortby=f"-{name}", limit=1)["numberReturned"] == 1


@pytest.mark.parametrize("path", ["/collections/nothing/queryables", "/collections/nothing/sortables"])
def test_what_is_not_there_has_no_schema(url, path):
    answer = requests.get(url + path)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_collection")
