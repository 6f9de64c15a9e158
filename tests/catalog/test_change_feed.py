"""The change feed over real HTTP: resumable, filtered, quiet when nothing happened, honest about a new feed."""

import shutil

import pytest
import requests
import shapely

from catalog import change_feed
from catalog.app import create_app
from catalog.change_feed import read_feed
from catalog.store import open_store
from tests.support.coverage import scene
from tests.support.node import serving
from tests.support.stac import COLLECTIONS, some_collection, some_items

ITEMS = some_items(24)


@pytest.fixture
def filled(store):
    for collection in COLLECTIONS:
        store.put_collection(some_collection(collection))
    store.load(ITEMS)
    return store


@pytest.fixture
def url(filled):
    with serving(create_app(filled)) as address:
        yield address


def ask(url, headers=None, **parameters):
    response = requests.get(f"{url}/changes", params=parameters, headers=headers, timeout=30)
    assert response.status_code == 200, response.text
    return response.json()


def following(page):
    return next((link["href"] for link in page["links"] if link["rel"] == "next"), None)


def test_every_change_is_told_once_in_order(url, filled):
    filled.recall(ITEMS[3]["collection"], ITEMS[3]["id"], reason="试验")
    filled.restore(ITEMS[3]["collection"], ITEMS[3]["id"])
    told, address = [], f"{url}/changes?limit=7"
    while address:
        page = requests.get(address, timeout=30).json()
        told += page["changes"]
        address = following(page)
    assert [change["sequence"] for change in told] == sorted({change["sequence"] for change in told})
    assert [change["action"] for change in told] == ["publish"] * 24 + ["recall", "restore"]
    assert [change["id"] for change in told[:24]] == [item["id"] for item in ITEMS]
    assert (page["resume"], page["newest"], page["reset"]) == (filled.sequence(), filled.sequence(), False)


def test_a_change_says_what_where_and_when(url, filled):
    first = ask(url, limit=1)["changes"][0]
    item = filled.item(ITEMS[0]["collection"], ITEMS[0]["id"])
    assert requests.get(first["href"], timeout=30).json()["id"] == item["id"]
    assert first["bbox"] == pytest.approx(item["bbox"])
    assert first.keys() == {"sequence", "action", "collection", "id", "version", "changed", "bbox", "href"}
    filled.recall(item["collection"], item["id"], reason="试验")
    last = ask(url, since=filled.sequence() - 1)["changes"][-1]
    assert (last["action"], last["reason"], last.get("href")) == ("recall", "试验", None)


def test_a_follower_that_is_up_to_date_hears_nothing_until_something_happens(url, filled):
    page = ask(url, since=ask(url, limit=1000)["resume"])
    assert (page["changes"], page["numberReturned"], following(page)) == ([], 0, None)
    filled.recall(ITEMS[0]["collection"], ITEMS[0]["id"], reason="test")
    assert [change["action"] for change in ask(url, since=page["resume"])["changes"]] == ["recall"]


def test_nothing_new_is_told_by_304(url, filled):
    first = requests.get(f"{url}/changes", timeout=30)
    again = requests.get(f"{url}/changes", headers={"If-None-Match": first.headers["etag"]}, timeout=30)
    assert (again.status_code, again.content) == (304, b"")
    filled.recall(ITEMS[0]["collection"], ITEMS[0]["id"], reason="test")
    later = requests.get(f"{url}/changes", headers={"If-None-Match": first.headers["etag"]}, timeout=30)
    assert later.status_code == 200
    assert later.headers["etag"] != first.headers["etag"]


def test_changes_of_some_collections_and_of_some_ground(url, filled):
    told = ask(url, collections="gf1-pms,gf2-pms")["changes"]
    assert {change["collection"] for change in told} == {"gf1-pms", "gf2-pms"}
    assert len(told) == sum(item["collection"] != "gf1-wfv" for item in ITEMS)
    box = ITEMS[5]["bbox"]
    told = ask(url, bbox=",".join(map(str, box)))["changes"]
    near = [item["id"] for item in ITEMS if shapely.box(*item["bbox"]).intersects(shapely.box(*box))]
    assert [change["id"] for change in told] == near
    assert len(near) < len(ITEMS)


def test_a_moved_scene_is_told_where_it_was_too(url, filled):
    filled.load([scene("moving", shapely.box(80, 30, 81, 31))])
    filled.load([scene("moving", shapely.box(120, 40, 121, 41))])
    told = ask(url, since=filled.sequence() - 1, bbox="80.4,30.4,80.6,30.6")["changes"]
    assert [change["action"] for change in told] == ["replace"]


def test_a_filtered_page_looks_at_so_many_changes_only_and_says_where_to_go_on(filled, monkeypatch):
    monkeypatch.setattr(change_feed, "_CHUNK", 4)
    monkeypatch.setattr(change_feed, "MAX_SCANNED", 8)
    last = ITEMS[-1]["collection"]
    pages, since = [], 0
    while not pages or pages[-1].more:
        pages.append(read_feed(filled, since, limit=100, collections=[last]))
        since = pages[-1].resume
    assert len(pages) >= 3
    told = [change.item_id for page in pages for change in page.changes]
    assert told == [item["id"] for item in ITEMS if item["collection"] == last]


def test_a_follower_of_another_feed_is_told_to_start_anew(url, filled):
    page = ask(url, since=filled.sequence() + 1000)
    assert page["reset"] is True
    assert len(page["changes"]) == len(ITEMS)
    assert page["resume"] == page["newest"] == filled.sequence()


def test_a_catalogue_made_anew_from_the_files_resets_its_followers(tmp_path):
    home = tmp_path / "remade"
    store = open_store(home)
    store.put_collection(some_collection("gf2-pms"))
    store.load([scene("one", shapely.box(80, 30, 81, 31))])
    followed = store.sequence()
    store.close()
    for file in home.glob("catalog.db*"):
        file.unlink()
    (home / "scenes").mkdir(exist_ok=True)
    store = open_store(home)
    store.put_collection(some_collection("gf2-pms"))
    store.load([scene("two", shapely.box(80, 30, 81, 31))])
    page = read_feed(store, followed, limit=10)
    store.close()
    shutil.rmtree(home)
    assert page.reset
    assert [change.item_id for change in page.changes] == ["two"]
    assert page.changes[0].sequence > followed


def test_who_followed_before_there_was_a_scene_is_not_told_to_start_anew(store):
    since = read_feed(store, 0, limit=10).resume
    for collection in COLLECTIONS:
        store.put_collection(some_collection(collection))
        since = read_feed(store, since, limit=10).resume
    store.load(ITEMS)
    page = read_feed(store, since, limit=100)
    assert (page.reset, len(page.changes)) == (False, len(ITEMS))
    assert not read_feed(store, 0, limit=1).reset


@pytest.mark.parametrize(
    "parameters",
    [{"since": -1}, {"since": 2**63}, {"limit": 0}, {"limit": 1001}, {"bbox": "1,2,3"}, {"collections": "a b"}],
)
def test_parameters_out_of_bounds_are_refused(url, parameters):
    response = requests.get(f"{url}/changes", params=parameters, timeout=30)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
