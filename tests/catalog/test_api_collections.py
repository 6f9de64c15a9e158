"""Searching the collections over HTTP, and the languages of what describes them."""

import pytest
import requests

from catalog.collection import collection_document, packaged_collections
from tests.support.node import serving

PACKAGED = {name: collection_document(name) for name in packaged_collections()}
BOXES = {
    "beijing": ([[115, 39, 118, 41]], [["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]]),
    "fiji": ([[177, -20, -178, -15]], [["2022-01-01T00:00:00Z", None]]),
    "two-places": ([[0, 0, 50, 50], [0, 0, 10, 10], [40, 40, 50, 50]], [[None, "2010-01-01T00:00:00Z"]]),
}


def placed(name):
    boxes, intervals = BOXES[name]
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": f"Scenes of {name}",
        "license": "CC0-1.0",
        "extent": {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}},
        "links": [],
    }


@pytest.fixture(scope="module")
def url(new_api):
    store, app = new_api()
    for document in PACKAGED.values():
        store.put_collection(document)
    with serving(app) as address:
        yield address


@pytest.fixture(scope="module")
def places(new_api):
    store, app = new_api()
    for name in BOXES:
        store.put_collection(placed(name))
    with serving(app) as address:
        yield address


def ask(url, **asked):
    answer = requests.get(f"{url}/collections", asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(page):
    return [document["id"] for document in page["collections"]]


def test_all_collections_come_at_once_by_id(url):
    page = ask(url)
    assert ids(page) == sorted(PACKAGED)
    assert page["numberMatched"] == page["numberReturned"] == len(PACKAGED)
    assert {link["rel"]: link["href"] for link in page["links"]}["self"] == f"{url}/collections"


def test_collections_are_paged_without_loss(url):
    page, found = ask(url, limit=5, sortby="-id"), []
    while True:
        found += ids(page)
        assert page["numberMatched"] == len(PACKAGED)
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = requests.get(following[0]).json()
    assert found == sorted(PACKAGED, reverse=True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"bbox": "116,40,117,40.5"}, ["beijing"]),
        ({"bbox": "100,40,116,42"}, ["beijing"]),
        ({"bbox": "118.1,39,119,41"}, []),
        ({"bbox": "179,-18,180,-17"}, ["fiji"]),
        ({"bbox": "-179,-18,-178.5,-17"}, ["fiji"]),
        ({"bbox": "178,-18,-179,-17"}, ["fiji"]),
        ({"bbox": "-170,-18,170,-17"}, []),
        ({"bbox": "20,20,30,30"}, []),  # only the first box of two-places, which sums the others up, has it
        ({"bbox": "5,5,6,6"}, ["two-places"]),
        ({"datetime": "2020-06-01T00:00:00Z"}, ["beijing"]),
        ({"datetime": "2021-06-01T00:00:00Z"}, []),
        ({"datetime": "2021-01-01T00:00:00Z/.."}, ["beijing", "fiji"]),
        ({"datetime": "../2005-01-01T00:00:00Z"}, ["two-places"]),
        ({"datetime": "2030-01-01T00:00:00Z", "bbox": "-180,-90,180,90"}, ["fiji"]),
        ({"q": "FIJI"}, ["fiji"]),
        ({"q": "fiji,beijing"}, ["beijing", "fiji"]),
        ({"q": "scenes of two"}, ["two-places"]),
        ({"filter": "id = 'fiji' OR description LIKE '%two%'"}, ["fiji", "two-places"]),
        ({"filter": "S_INTERSECTS(geometry, POINT(116 40))"}, ["beijing"]),
        ({"filter": "title IS NULL AND license = 'CC0-1.0'", "sortby": "-id"}, ["two-places", "fiji", "beijing"]),
    ],
)
def test_collections_are_found_by_place_time_text_and_filter(places, asked, expected):
    page = ask(places, **asked)
    assert ids(page) == expected
    assert page["numberMatched"] == len(expected)


@pytest.mark.parametrize("name", ["高分二号", "GF2", "gaofen-2", "Gaofen-2"])
def test_a_satellite_is_found_by_any_of_its_names(url, name):
    assert "gf2-pms" in ids(ask(url, q=name))
    assert "gf1-pms" not in ids(ask(url, q=name))


def test_fields_of_collections_are_selected(url):
    page = ask(url, fields="title,extent.temporal", limit=1)
    [document] = page["collections"]
    assert set(document) == {"type", "stac_version", "id", "title", "extent"}
    assert set(document["extent"]) == {"temporal"}
    [document] = ask(url, fields="", limit=1)["collections"]
    assert "item_assets" not in document
    assert {"license", "description", "links", "extent"} <= set(document)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"token": "nothing"}, "invalid_search"),
        ({"limit": 0}, "limit.limit"),
        ({"bbox": "1,2,3"}, "limit.bbox"),
        ({"datetime": "2020"}, "invalid_search"),
        ({"sortby": "extent"}, "invalid_search"),
        ({"filter": "colour = 'red'"}, "invalid_search"),
        ({"filter": "id ="}, "invalid_search"),
        ({"q": ""}, "limit.q"),
        ({"query": "{}"}, "unknown_parameter"),
    ],
)
def test_what_cannot_be_asked_of_collections_is_refused(url, asked, code):
    answer = requests.get(f"{url}/collections", asked)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("path", ["/collections-queryables", "/collections-sortables"])
def test_what_can_be_asked_of_collections_is_a_schema_that_they_link_to(url, path):
    links = {link["href"]: link for link in ask(url, limit=1)["links"]}
    answer = requests.get(url + path)
    assert answer.headers["content-type"] == links[url + path]["type"] == "application/schema+json"
    schema = answer.json()
    assert schema["$id"] == url + path
    assert {"id", "title", "license"} <= set(schema["properties"])


LANGUAGES = {"zh-CN,zh;q=0.9,en;q=0.5": "zh", "en-GB": "en"}


@pytest.mark.parametrize(("header", "language"), LANGUAGES.items())
def test_titles_and_descriptions_are_in_the_language_asked_for(url, header, language):
    asked = {"Accept-Language": header}
    texts = PACKAGED["gf1-pms"]["imagery_node:translations"][language]
    answer = requests.get(f"{url}/collections/gf1-pms", headers=asked)
    assert answer.headers["content-language"] == language
    assert "Accept-Language" in answer.headers["vary"]
    document = answer.json()
    assert {name: document[name] for name in texts} == texts
    listed = requests.get(f"{url}/collections", headers=asked).json()["collections"]
    assert next(each for each in listed if each["id"] == "gf1-pms")["title"] == texts["title"]
    landing = requests.get(f"{url}/", headers=asked).json()
    assert landing["title"] == {"zh": "国产卫星影像目录", "en": "Domestic satellite imagery catalogue"}[language]
    assert texts["title"] in [link.get("title") for link in landing["links"]]
    queryables = requests.get(f"{url}/queryables", headers=asked).json()
    assert queryables["properties"]["eo:cloud_cover"]["title"] == {"zh": "云量（%）", "en": "Cloud cover, %"}[language]


def test_who_asks_for_no_language_gets_both_and_nobody_sees_how_they_are_kept(url):
    answer = requests.get(f"{url}/collections/gf1-pms", headers={"Accept-Language": None})
    assert answer.headers["content-language"] == "zh, en"
    document = answer.json()
    assert document["title"] == PACKAGED["gf1-pms"]["title"] == "高分一号 PMS · Gaofen-1 PMS"
    assert not [name for name in document if "translations" in name]
