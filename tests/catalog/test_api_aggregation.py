"""Counts over HTTP, against counting the items that a search finds."""

from collections import Counter

import pytest
import requests

from catalog.aggregation import AGGREGATIONS
from tests.support.stac import described_items

ITEMS = described_items(150)
NAMES = ",".join(AGGREGATIONS)


@pytest.fixture(scope="module")
def url(serve_items):
    return serve_items(ITEMS)


def counted(answer):
    """By name the value, or the frequencies by key."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["type"] == "AggregationCollection"
    return {
        each["name"]: each["value"]
        if "value" in each
        else {bucket["key"]: bucket["frequency"] for bucket in each["buckets"]}
        for each in document["aggregations"]
    }


def expected(items):
    clouds = [item["properties"]["eo:cloud_cover"] for item in items if "eo:cloud_cover" in item["properties"]]
    return {
        "total_count": len(items),
        "datetime_frequency": Counter(f"{item['properties']['datetime'][:7]}-01T00:00:00Z" for item in items),
        "collection_frequency": Counter(item["collection"] for item in items),
        "platform_frequency": Counter(item["properties"]["platform"] for item in items),
        "cloud_cover_frequency": Counter(str(min(int(cloud // 10) * 10, 90)) for cloud in clouds),
    }


def without_places(counts):
    return {name: value for name, value in counts.items() if name != "grid_geohash_frequency"}


def test_counts_equal_counting_all_items(url):
    counts = counted(requests.get(f"{url}/aggregate", {"aggregations": NAMES}))
    assert set(counts) == set(AGGREGATIONS)
    assert without_places(counts) == expected(ITEMS)
    places = counts["grid_geohash_frequency"]
    assert sum(places.values()) == len(ITEMS)
    assert {len(key) for key in places} == {3}


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"collections": ["gf2-pms"]}, lambda item: item["collection"] == "gf2-pms"),
        ({"datetime": "2021-01-01T00:00:00Z/.."}, lambda item: item["properties"]["datetime"] >= "2021"),
        ({"query": {"gsd": {"gte": 8}}}, lambda item: item["properties"]["gsd"] >= 8),
        ({"q": ["高分二号"]}, lambda item: item["properties"]["platform"] == "gaofen-2"),
        (
            {"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]}},
            lambda item: item["properties"].get("eo:cloud_cover", 99) < 20,
        ),
        ({"ids": [ITEMS[3]["id"], ITEMS[7]["id"]]}, lambda item: item["id"] in {ITEMS[3]["id"], ITEMS[7]["id"]}),
    ],
    ids=["collections", "datetime", "query", "free text", "filter", "ids"],
)
def test_counts_are_of_what_a_search_finds(url, asked, holds):
    counts = counted(requests.post(f"{url}/aggregate", json={**asked, "aggregations": list(AGGREGATIONS)}))
    assert without_places(counts) == expected([item for item in ITEMS if holds(item)])


def test_counts_of_one_collection(url):
    items = [item for item in ITEMS if item["collection"] == "gf1-wfv"]
    address = f"{url}/collections/gf1-wfv/aggregate"
    assert without_places(counted(requests.get(address, {"aggregations": NAMES}))) == expected(items)
    clear = [item for item in items if item["properties"].get("eo:cloud_cover", 99) < 50]
    body = {"query": {"eo:cloud_cover": {"lt": 50}}}
    assert counted(requests.post(address, json=body)) == {"total_count": len(clear)}


def test_without_names_everything_is_counted_together(url):
    assert counted(requests.get(f"{url}/aggregate")) == {"total_count": len(ITEMS)}


def test_ranges_and_months_tell_where_they_begin_and_end(url):
    names = "cloud_cover_frequency,datetime_frequency"
    clouds, months = requests.get(f"{url}/aggregate", {"aggregations": names}).json()["aggregations"]
    assert clouds["data_type"] == "numeric"
    assert [(bucket["from"], bucket["to"]) for bucket in clouds["buckets"]] == [(n, n + 10) for n in range(0, 100, 10)]
    assert months["data_type"] == "datetime"
    assert [bucket["key"] for bucket in months["buckets"]] == sorted(bucket["key"] for bucket in months["buckets"])


@pytest.mark.parametrize("above", ["", "/collections/gf2-pms"])
def test_what_can_be_counted_is_listed_and_linked(url, above):
    listed = requests.get(f"{url}{above}/aggregations").json()
    assert [each["name"] for each in listed["aggregations"]] == list(AGGREGATIONS)
    links = requests.get(f"{url}{above or '/'}").json()["links"]
    assert [link["href"] for link in links if link["rel"] == "aggregations"] == [f"{url}{above}/aggregations"]
    assert {link["method"]: link["href"] for link in links if link["rel"] == "aggregate"} == {
        "GET": f"{url}{above}/aggregate",
        "POST": f"{url}{above}/aggregate",
    }


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/aggregate", "aggregations=colour_frequency", 400, "invalid_search"),
        ("/aggregate", "aggregations=", 400, "limit.aggregations"),
        ("/aggregate", f"aggregations={NAMES},total_count", 400, "limit.aggregations"),
        ("/aggregate", "limit=5", 400, "unknown_parameter"),
        ("/aggregate", "collection_id=gf2-pms", 400, "unknown_parameter"),
        ("/aggregate", "filter=colour='red'", 400, "invalid_search"),
        ("/aggregations", "q=a", 400, "unknown_parameter"),
        ("/collections/nothing/aggregate", "", 404, "unknown_collection"),
        ("/collections/nothing/aggregations", "", 404, "unknown_collection"),
    ],
)
def test_what_cannot_be_counted_is_refused(url, path, query, status, code):
    answer = requests.get(f"{url}{path}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_collection_counts_only_its_own_items(url):
    address = f"{url}/collections/gf2-pms/aggregate"
    assert requests.post(address, json={"collections": ["gf2-pms"]}).status_code == 200
    assert requests.post(address, json={"collections": ["gf1-pms"]}).json()["code"] == "invalid_search"
