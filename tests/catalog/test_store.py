"""The SQLite store: the contract, and what only a file on disk can suffer (P29)."""

import gc
import threading
import time
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from catalog.change_feed import read_feed
from catalog.errors import ItemExistsError, SlowSearchError, StoreUnavailableError
from catalog.search import Search, SortKey
from catalog.store import open_store
from tests.catalog.item_store_contract import FIRST, ITEMS, TRIANGLE, ItemStoreContract
from tests.catalog.search_contract import pages
from tests.support.stac import COLLECTIONS, START, scan, some_collection


class TestSqliteStore(ItemStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        store = open_store(tmp_path)
        yield store
        store.close()


def _filled(home):
    store = open_store(home)
    store.load(ITEMS, collections=[some_collection(collection) for collection in COLLECTIONS])
    return store


def test_another_process_s_publication_is_seen_at_once(tmp_path):
    writer, reader = _filled(tmp_path), open_store(tmp_path, read_only=True)
    for version in "234":
        writer.register({**FIRST, "properties": {**FIRST["properties"], "version": version}})
        assert reader.sequence() == writer.sequence()
        assert reader.item(FIRST["collection"], FIRST["id"])["properties"]["version"] == version


def test_a_read_only_store_refuses_to_write(tmp_path):
    _filled(tmp_path)
    reader = open_store(tmp_path, read_only=True)
    with pytest.raises(StoreUnavailableError):
        reader.register(FIRST)
    with pytest.raises(StoreUnavailableError):
        reader.recall(FIRST["collection"], FIRST["id"], reason="test")
    assert reader.item(FIRST["collection"], FIRST["id"]) == FIRST


def test_a_fresh_home_can_be_opened_read_only(tmp_path):
    assert open_store(tmp_path / "new", read_only=True).collections() == []


def test_a_token_is_good_in_another_process(tmp_path):
    page = _filled(tmp_path).search(Search(limit=100))
    rest = open_store(tmp_path, read_only=True).search(Search(limit=100, token=page.next_token))
    assert [item["id"] for item in page.items + rest.items] == scan(ITEMS)


@pytest.mark.parametrize("wide", [0, 100])
@pytest.mark.parametrize("limit", [7, 1000])
def test_a_search_of_many_candidates_takes_other_ways_and_finds_the_same(tmp_path, monkeypatch, wide, limit):
    store = _filled(tmp_path)
    searches = [
        Search(bbox=(80, 20, 130, 50), limit=limit),
        Search(bbox=(80, 20, 130, 50), limit=limit, interval=(START, START + timedelta(days=700))),
        Search(bbox=(80, 20, 130, 50), limit=limit, collections=("gf1-pms", "gf2-pms")),
        Search(bbox=(80, 20, 130, 50), limit=limit, sort=(SortKey("title"),)),
        Search(bbox=(170, 20, -170, 60), limit=limit),
    ]
    among_few = [list(pages(store, search)) for search in searches]
    monkeypatch.setattr("catalog.store.finding.FEW", 0)
    monkeypatch.setattr("catalog.store.finding._WIDE", wide)
    assert [list(pages(store, search)) for search in searches] == among_few
    assert len(among_few[0]) > 50


def test_the_grid_the_rtree_and_both_after_too_long_a_look_find_the_same(tmp_path, monkeypatch):
    store = _filled(tmp_path)
    asked = {"interval": (START, START + timedelta(days=700)), "limit": 7}
    searches = [
        Search(bbox=(95, 25, 115, 40), **asked),
        Search(bbox=(95, 25, 115, 40), sort=(SortKey("title"),), **asked),
        Search(intersects=TRIANGLE, **asked),
        Search(bbox=(170, 20, -170, 60), **asked),
    ]
    monkeypatch.setattr("catalog.store.nearby._MOST_CELLS", 1_000_000)
    in_grid = [list(pages(store, search)) for search in searches]
    monkeypatch.setattr("catalog.store.finding._LOOKING_STEPS", 1)
    monkeypatch.setattr("catalog.store.database._STEPS_BETWEEN_CHECKS", 1)
    assert [list(pages(store, search)) for search in searches] == in_grid
    monkeypatch.undo()
    monkeypatch.setattr("catalog.store.nearby._MOST_CELLS", 0)
    assert [list(pages(store, search)) for search in searches] == in_grid
    assert len(in_grid[0]) > 7


@pytest.mark.parametrize("asked", [{"intersects": TRIANGLE}, {"bbox": (80, 20, 130, 50)}, {}])
def test_L03_a_search_past_its_deadline_is_given_up(tmp_path, monkeypatch, asked):
    store = _filled(tmp_path)
    search = Search(**asked, limit=1000)
    monkeypatch.setattr("catalog.store.sqlite.SEARCH_DEADLINE_S", -1)
    with pytest.raises(SlowSearchError, match=r"too long.*narrow it by") as refusal:
        store.search(search)
    assert refusal.value.transient
    with pytest.raises(SlowSearchError, match="too long"):
        store.aggregate(search, ["total_count"])
    assert store.footprints(None, (80, 20, 130, 50), None), "other questions have no deadline"
    monkeypatch.undo()
    assert store.search(search).items


def test_threads_that_end_give_their_connections_back(tmp_path):
    store = _filled(tmp_path)

    def handles():
        return sum(1 for path in Path("/proc/self/fd").iterdir() if "catalog.db" in str(path.resolve()))

    store.sequence()
    before = handles()
    for _ in range(20):
        thread = threading.Thread(target=store.sequence)
        thread.start()
        thread.join()
    gc.collect()
    assert handles() <= before + 3


@pytest.mark.parametrize("damage", ["head", "pages", "nothing left"])
def test_P29_a_damaged_database_is_put_aside_and_made_anew(tmp_path, damage):
    store = _filled(tmp_path)
    store.close()
    path = tmp_path / "catalog.db"
    content = bytearray(path.read_bytes())
    if damage == "head":
        content[:64] = b"\xff" * 64
    elif damage == "pages":
        content[4096:] = bytes(byte ^ 0x55 for byte in content[4096:])
    else:
        content = b"no database"
    path.write_bytes(content)
    again = open_store(tmp_path)
    assert list(again.all_items()) == []  # these items never had files, so there is nothing to make it of
    aside = [file for file in tmp_path.glob("catalog.db.damaged-*") if file.suffix[-1].isdecimal()]
    assert [file.read_bytes() for file in aside] == [bytes(content)]


def test_P29_a_running_reader_turns_to_the_rebuilt_database(tmp_path):
    _filled(tmp_path).close()
    reader = open_store(tmp_path, read_only=True)
    assert len(reader.search(Search(limit=1000)).items) == len(ITEMS)
    (tmp_path / "catalog.db").write_bytes(b"x" * 8192)
    open_store(tmp_path).put_collection(some_collection("gf1-pms"))
    assert reader.search(Search()).items == []
    assert [document["id"] for document in reader.collections()] == ["gf1-pms"]


def test_P29_followers_are_told_of_a_feed_that_began_anew_though_all_was_loaded_from_files(tmp_path):
    kept = tmp_path / "loaded" / "000001.ndjson"
    kept.parent.mkdir()
    kept.write_bytes(b"\n".join(map(orjson.dumps, ITEMS)))
    store = open_store(tmp_path)
    known = store.changes(0)[5].sequence
    store.close()
    (tmp_path / "catalog.db").unlink()
    again = open_store(tmp_path)
    assert read_feed(again, known, limit=1).reset


def test_a_database_of_an_older_program_is_made_anew(tmp_path):
    store = _filled(tmp_path)
    store._connection().pragma("user_version", 1)
    store.close()
    assert list(open_store(tmp_path).all_items()) == []


def test_a_database_of_a_newer_program_is_left_alone(tmp_path):
    store = _filled(tmp_path)
    store._connection().pragma("user_version", 99)
    store.close()
    with pytest.raises(StoreUnavailableError, match="schema 99"):
        open_store(tmp_path)


def test_the_claim_of_a_publisher_that_stands_still_can_be_taken_over(tmp_path):
    paused, other = open_store(tmp_path, lease_s=1000), open_store(tmp_path, lease_s=0.1)
    paused.put_collection(some_collection(FIRST["collection"]))
    with paused.claim(FIRST["id"]) as old:
        time.sleep(0.2)
        with other.claim(FIRST["id"]) as new:
            assert new > old
            other.register(FIRST, fence=new)
        with pytest.raises(ItemExistsError, match="took over"):
            paused.register(FIRST, fence=old)


def test_a_claim_is_renewed_while_its_owner_works(tmp_path):
    owner = open_store(tmp_path, lease_s=0.4)
    with owner.claim("scene"):
        for _ in range(10):
            threading.Event().wait(0.1)
            with pytest.raises(ItemExistsError), owner.claim("scene"):
                pass
