"""stac-api-validator judges the API, once for each class that it knows and that the API claims."""

import json
import subprocess
import sys

import jsonschema
import pytest
import requests

from catalog.conformance import CONFORMANCE
from catalog.store import open_store
from tests.support.node import Node, serving
from tests.support.schemas import SCHEMAS
from tests.support.stac import COLLECTIONS, described_items, some_collection

pytest.importorskip("stac_api_validator", reason="judges the API")
pytestmark = pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"no schemas at {SCHEMAS.name}: it would need the network")

COLLECTION = "gf1-pms"
TOKEN = "writer" * 8
WRITER = ("-m", "imagery_node.cli", "serve", "--home", "{home}", "--port", "{port}", "--transactions")
AREA = {"type": "Polygon", "coordinates": [[[70, 10], [140, 10], [140, 60], [70, 60], [70, 10]]]}
CLASSES = {
    "core": "/core",
    "collections": "/collections",
    "features": "/ogcapi-features",
    "item-search": "/item-search",
    "item-search#fields": "/item-search#fields",
    "item-search#sort": "/item-search#sort",
    "item-search#query": "/item-search#query",
    "item-search#filter": "/item-search#filter",
    "features#fields": "/ogcapi-features#fields",
    "features#sort": "/ogcapi-features#sort",
    "features#query": "/ogcapi-features#query",
    "features#filter": "/conf/features-filter",
}
"""As the validator calls them, and as the address of the class ends."""

QUERY = {
    "query_comparison_field": "eo:cloud_cover",
    **{f"query_{operator}_value": 44.4 for operator in ("eq", "neq", "lt", "lte", "gt", "gte")},
    "query_substring_field": "title",
    "query_starts_with_value": "高分",
    "query_ends_with_value": "2",
    "query_contains_value": "GF1",
    "query_in_field": "test:grade",
    "query_in_values": "A,B",
}


def expected_items(count):
    """With what the validator takes for granted.

    It filters by `mission`, and looks for a value that it asked for with `in` among the letters of what it finds.
    """
    return [
        {**item, "properties": item["properties"] | {"mission": "gaofen", "test:grade": "ABC"[number % 4 % 3]}}
        for number, item in enumerate(described_items(count))
    ]


ITEMS = expected_items(120)


WRONG_BETWEEN = {"op": "between", "args": [{"property": "eo:cloud_cover"}, [0, 50]]}
RIGHT_BETWEEN = {"op": "between", "args": [{"property": "eo:cloud_cover"}, 0, 50]}
"""The validator's own mistake, sent plain and within a `not`, and what it should be: a list of exactly three operands
(OGC 21-065r2, schema `cql2.json`, `isBetweenOperands`: "minItems": 3, "maxItems": 3)."""


def unexpected(verdict):
    """What the validator calls errors, without its two requests that are not CQL2 and are refused as such."""
    assert verdict["failure"] is None
    errors, mistake = verdict["errors"], json.dumps(WRONG_BETWEEN)
    theirs = [error for error in errors if mistake in error and "unexpected status code 400 instead of 200" in error]
    assert len(theirs) == 2
    return [error for error in errors if error not in theirs]


@pytest.fixture(scope="module")
def url(new_api):
    store, app = new_api()
    fill(store)
    with serving(app) as address:
        yield f"{address}/"


@pytest.fixture
def writer(tmp_path, monkeypatch):
    monkeypatch.setenv("CATALOG_WRITE_TOKEN", TOKEN)
    monkeypatch.setenv("CATALOG_REMOTE_STORES", "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs")
    store = open_store(tmp_path)
    fill(store)
    store.close()
    with Node(tmp_path, command=WRITER) as node:
        yield f"{node.url}/stac"


def fill(store):
    for collection in COLLECTIONS:
        store.put_collection(some_collection(collection))
    store.load(ITEMS)


def judge(url, classes, **asked):
    """What the validator calls errors, and where it broke down itself."""
    parameters = {
        **{"root_url": url, "ccs_to_validate": list(classes), "collection": COLLECTION, "geometry": json.dumps(AREA)},
        **{"auth_bearer_token": None, "auth_query_parameter": None, "transaction_collection": None, "headers": {}},
        **{"fields_nested_property": "properties.eo:cloud_cover", "validate_pagination": True, "query_config": QUERY},
    }
    command = (sys.executable, "-m", "tests.conformance.judge_stac_api", json.dumps(parameters | asked))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_class_that_the_validator_knows_is_claimed_and_has_no_errors(url):
    for ending in CLASSES.values():
        assert any(claimed.endswith(ending) for claimed in CONFORMANCE), ending
    assert unexpected(judge(url, CLASSES)) == []


def test_a_node_under_its_own_path_has_no_errors(tmp_path):
    store = open_store(tmp_path)
    fill(store)
    store.close()
    with Node(tmp_path, expected=("pyramid .* lacks",)) as node:  # its items have no files
        assert unexpected(judge(f"{node.url}/stac", CLASSES)) == []


def test_transactions_deviate_from_the_validator_only_where_the_validator_deviates_from_the_standards(writer):
    """It begins by deleting what is not there, and goes on to replace an item by one that is not valid.

    The first must be 204 for it; the Transaction extension says of DELETE: "May return a 404 if no Item existed prior
    to the delete operation." The second has `"eo:cloud_cover": "3.14"`; the EO extension says: number. It then looks
    for a member of the refused item without asking whether it is there, and breaks down; `tests/catalog` has the rest.
    """
    verdict = judge(writer, {"transaction"}, auth_bearer_token=TOKEN, transaction_collection=COLLECTION)
    deleted, replaced, *about_its_content = verdict["errors"]
    assert "DELETE" in deleted
    assert "unexpected status code 404 instead of 204" in deleted
    assert "PUT" in replaced
    assert '"eo:cloud_cover": "3.14"' in replaced
    assert "unexpected status code 400 instead of 204" in replaced
    assert about_its_content == ["[Features - Transaction Ext] : PUT - eo:cloud_cover value did not match"]
    assert "KeyError: 'foo'" in verdict["failure"]


def test_the_filter_that_is_held_against_the_validator_is_not_cql2_and_the_right_one_is_answered(url):
    schema = json.loads((SCHEMAS / "cql2" / "cql2.json").read_text())
    assert not jsonschema.Draft202012Validator(schema).is_valid(WRONG_BETWEEN)
    assert jsonschema.Draft202012Validator(schema).is_valid(RIGHT_BETWEEN)
    refused = requests.post(f"{url}search", json={"filter": WRONG_BETWEEN})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_search")
    answered = requests.post(f"{url}search", json={"filter": RIGHT_BETWEEN, "limit": 1000}).json()
    known = [item["properties"]["eo:cloud_cover"] for item in ITEMS if "eo:cloud_cover" in item["properties"]]
    assert answered["numberReturned"] == sum(0 <= cloud <= 50 for cloud in known)


def test_the_validator_can_find_errors(url):
    """So that its silence means something."""
    found = judge(url, {"item-search#query"}, query_config=QUERY | {"query_eq_value": -1})["errors"]
    assert len(found) == 2
