"""pystac-client knows every class that the API claims, and gets through it what the API means."""

import pystac_client
import pytest
from pystac_client import ConformanceClasses

from tests.support.stac import COLLECTIONS, described_items, scan

ITEMS = described_items(90)
PROPERTIES = {item["id"]: item["properties"] for item in ITEMS}
TIME_ORDER = scan(ITEMS)
NOT_CLAIMED = {
    ConformanceClasses.CONTEXT,  # withdrawn from STAC; numberMatched took its place
    ConformanceClasses.TRANSACTION,  # another process has it
}


@pytest.fixture(scope="module")
def url(serve_items):
    return serve_items(ITEMS)


@pytest.fixture
def client(url):
    client = pystac_client.Client.open(url)
    yield client
    client._stac_io.session.close()


def found(search):
    return [item["id"] for item in search.items_as_dicts()]


@pytest.mark.parametrize("name", [each for each in ConformanceClasses if each not in NOT_CLAIMED], ids=str)
def test_every_class_is_recognised(client, name):
    assert client.conforms_to(name)


@pytest.mark.parametrize("name", NOT_CLAIMED, ids=str)
def test_what_is_not_there_is_not_claimed(client, name):
    assert not client.conforms_to(name)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_search_with_everything_pages_through_what_matches(client, method):
    search = client.search(
        method=method,
        limit=7,
        filter="eo:cloud_cover <= 70 AND platform = 'gaofen-1'",
        sortby="-properties.eo:cloud_cover",
        fields=["+properties.eo:cloud_cover", "-geometry"],
        query=["gsd<=8"],
    )
    expected = [
        item_id
        for item_id in TIME_ORDER
        if PROPERTIES[item_id].get("eo:cloud_cover", 99) <= 70
        and PROPERTIES[item_id]["platform"] == "gaofen-1"
        and PROPERTIES[item_id]["gsd"] <= 8
    ]
    expected.sort(key=lambda item_id: -PROPERTIES[item_id]["eo:cloud_cover"])
    assert search.matched() == len(expected) > 7
    items = list(search.items_as_dicts())
    assert [item["id"] for item in items] == expected
    assert all(item["properties"].keys() == {"eo:cloud_cover"} for item in items)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_json_filters_in_either_method(client, method):
    below = {"op": "<", "args": [{"property": "gsd"}, 5]}
    search = client.search(method=method, filter=below, filter_lang="cql2-json", limit=1000)
    assert found(search) == [item_id for item_id in TIME_ORDER if PROPERTIES[item_id]["gsd"] < 5]


def test_queryables_of_a_collection_and_of_all(client):
    assert "eo:cloud_cover" in client.get_queryables()["properties"]
    queryables = client.get_collection("gf2-pms").get_queryables()
    assert queryables["properties"]["platform"]["enum"] == ["gaofen-2"]


def test_collections_are_searched_on_the_server(client):
    search = client.collection_search(q="gf2-pms", limit=2)
    assert [collection.id for collection in search.collections()] == ["gf2-pms"]
    assert search.matched() == 1
    everywhere = client.collection_search(bbox=[70, 10, 140, 60], datetime="2020-06-01/..", sortby="-id", limit=2)
    assert [collection.id for collection in everywhere.collections()] == sorted(COLLECTIONS, reverse=True)
