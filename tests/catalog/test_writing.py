"""What transactions do to files and store: found again by a rebuild, all or nothing, never over a published scene."""

import copy

import pytest

from benchmarks.kill_publisher import build_scene, open_every_raster
from catalog.entity_tag import document_tag
from catalog.errors import (
    InvalidItemError,
    ItemChangedError,
    ItemExistsError,
    UnknownCollectionError,
    UnknownItemError,
)
from catalog.loaded_file import BusyError, only_loader
from catalog.maintenance import rebuild, sweep, verify
from catalog.publishing import publish, recall, restore
from catalog.search import Search
from catalog.store import open_store
from catalog.writing import Writer
from tests.support.loaded import foreign_items
from tests.support.stac import some_collection


@pytest.fixture(params=["sqlite", "pgstac"])
def store(home, request):
    database = request.getfixturevalue("database") if request.param == "pgstac" else None
    store = open_store(home, database=database)
    yield store
    store.close()


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def items(archive):
    """Twelve items of gf2-pms."""
    found = [item for item in foreign_items(archive, 36) if item["collection"] == "gf2-pms"]
    assert len(found) == 12
    return found


@pytest.fixture
def writer(home, store, archive):
    writer = Writer(store, home=home, asset_roots=[archive])
    writer.add_collection(some_collection("gf2-pms"))
    return writer


def _listed(store):
    return {item["id"]: item for item in store.search(Search(limit=1000)).items}


def _state(store):
    tombstones = [(gone.collection, gone.item_id, gone.version, gone.reason) for gone in store.tombstones()]
    return store.collections(), list(store.all_items()), tombstones


def _survives_a_rebuild(home, store, archive):
    """Whether the files alone give back what the store says."""
    before = _state(store)
    rebuild(home, store)
    assert _state(store) == before
    assert list(verify(home, store, asset_roots=[archive])) == []
    sweep(home, store, grace_s=0)
    assert _state(store) == before
    return True


def test_what_is_added_changed_and_deleted_is_found_again_by_a_rebuild(home, store, writer, items, archive):
    writer.add_items("gf2-pms", copy.deepcopy(items[:8]))
    first, second = items[0], items[1]
    writer.change_item("gf2-pms", first["id"], lambda item: item | {"properties": item["properties"] | {"title": "新"}})
    writer.delete_item("gf2-pms", second["id"])
    assert _listed(store)[first["id"]]["properties"]["title"] == "新"
    assert set(_listed(store)) == {item["id"] for item in (first, *items[2:8])}
    assert [change.reason for change in store.tombstones()] == ["deleted by a transaction"]
    assert _survives_a_rebuild(home, store, archive)


def test_an_item_that_was_deleted_can_be_added_again(home, store, writer, items, archive):
    writer.add_items("gf2-pms", [items[0]])
    writer.delete_item("gf2-pms", items[0]["id"])
    again = items[0] | {"properties": items[0]["properties"] | {"title": "again"}}
    writer.add_items("gf2-pms", [again])
    assert _listed(store) == {items[0]["id"]: again}
    assert _survives_a_rebuild(home, store, archive)


def test_what_an_operator_recalled_only_an_operator_brings_back(home, store, writer, items):
    item_id = items[0]["id"]
    writer.add_items("gf2-pms", [items[0]])
    recall(item_id, home=home, store=store, reason="wrong place")
    for replace in (False, True):
        with pytest.raises(ItemExistsError, match="restored"):
            writer.add_items("gf2-pms", [items[0]], replace=replace)
    restore(item_id, home=home, store=store)
    assert item_id in _listed(store)


def test_a_scene_of_the_nodes_own_is_deleted_but_never_written_over(home, store, writer, items, tmp_path):
    publish(build_scene(tmp_path / "built", "OURS"), home=home, store=store, verify=open_every_raster)
    other = items[0] | {"id": "OURS"}
    for write in (
        lambda: writer.add_items("gf2-pms", [other]),
        lambda: writer.add_items("gf2-pms", [items[1], other], replace=True),
        lambda: writer.change_item("gf2-pms", "OURS", lambda _: other),
        lambda: writer.change_item("gf2-pms", "OURS", lambda as_it_is: as_it_is),
    ):
        with pytest.raises(ItemExistsError):
            write()
    assert set(_listed(store)) == {"OURS"}
    writer.delete_item("gf2-pms", "OURS")
    with pytest.raises(ItemExistsError, match="published"):
        writer.add_items("gf2-pms", [other])
    restore("OURS", home=home, store=store)
    assert set(_listed(store)) == {"OURS"}


def test_of_many_items_all_are_added_or_none(home, store, writer, items, archive):
    writer.add_items("gf2-pms", [items[0]])
    kept = sorted(path.name for path in home.glob("loaded/*"))
    bad = items[2] | {"properties": items[2]["properties"] | {"datetime": "yesterday"}}
    elsewhere = items[2] | {"assets": {"visual": {"href": "/etc/passwd.tif"}}}
    big = items[2] | {"properties": items[2]["properties"] | {"note": "x" * 2**20}}
    many = items[2] | {"assets": {f"a{n}": items[2]["assets"]["visual"] for n in range(65)}}
    for wrong, refusal in (
        ([items[1], bad], InvalidItemError),
        ([items[1], elsewhere], InvalidItemError),
        ([items[1], big], InvalidItemError),
        ([items[1], many], InvalidItemError),
        ([items[1], items[2] | {"collection": "gf1-pms"}], InvalidItemError),
        ([items[1], some_collection("gf2-pms") | {"collection": "gf2-pms"}], InvalidItemError),
        ([items[1], items[1]], InvalidItemError),
        ([], InvalidItemError),
        ([items[1], items[0]], ItemExistsError),
    ):
        with pytest.raises(refusal):
            writer.add_items("gf2-pms", wrong)
        assert set(_listed(store)) == {items[0]["id"]}
        assert sorted(path.name for path in home.glob("loaded/*")) == kept
    with pytest.raises(UnknownCollectionError):
        writer.add_items("unheard-of", [{**items[1], "collection": "unheard-of"}])
    writer.add_items("gf2-pms", items[:3], replace=True)
    assert set(_listed(store)) == {item["id"] for item in items[:3]}


def test_a_change_meets_only_the_document_that_was_read(store, writer, items):
    item_id = items[0]["id"]
    writer.add_items("gf2-pms", [items[0]])
    read = document_tag(store.item("gf2-pms", item_id))
    writer.change_item("gf2-pms", item_id, lambda item: item | {"links": []}, if_match=read)
    for write in (
        lambda: writer.change_item("gf2-pms", item_id, lambda item: item, if_match=read),
        lambda: writer.delete_item("gf2-pms", item_id, if_match=read),
        lambda: writer.change_collection("gf2-pms", lambda document: document, if_match=read),
        lambda: writer.delete_collection("gf2-pms", if_match=read),
    ):
        with pytest.raises(ItemChangedError):
            write()
    writer.delete_item("gf2-pms", item_id, if_match=f'"other", {document_tag(store.item("gf2-pms", item_id))}')


def test_a_name_does_not_change(store, writer, items):
    writer.add_items("gf2-pms", [items[0]])
    for change in ({"id": "OTHER"}, {"collection": "gf1-pms"}):
        with pytest.raises(InvalidItemError):
            writer.change_item("gf2-pms", items[0]["id"], lambda item, change=change: item | change)
    with pytest.raises(InvalidItemError):
        writer.change_collection("gf2-pms", lambda document: document | {"id": "other"})
    with pytest.raises(UnknownItemError):
        writer.change_item("gf2-pms", "OTHER", lambda item: item)


def test_a_collection_is_removed_when_it_holds_nothing_and_stays_so(home, store, writer, items, archive):
    writer.add_items("gf2-pms", items[:2])
    with pytest.raises(ItemExistsError, match="holds items"):
        writer.delete_collection("gf2-pms")
    for item in items[:2]:
        writer.delete_item("gf2-pms", item["id"])
    writer.delete_collection("gf2-pms")
    assert _state(store) == ([], [], [])
    assert _survives_a_rebuild(home, store, archive)
    with pytest.raises(UnknownCollectionError):
        writer.delete_collection("gf2-pms")

    writer.add_collection(some_collection("gf2-pms") | {"title": "the second"})
    writer.add_items("gf2-pms", [items[0]])
    assert store.collection("gf2-pms")["title"] == "the second"
    assert set(_listed(store)) == {items[0]["id"]}
    assert _survives_a_rebuild(home, store, archive)


def test_a_collection_with_published_scenes_stays_even_when_all_are_recalled(home, store, writer, tmp_path):
    publish(build_scene(tmp_path / "built", "OURS"), home=home, store=store, verify=open_every_raster)
    writer.delete_item("gf2-pms", "OURS")
    with pytest.raises(ItemExistsError, match="holds items"):
        writer.delete_collection("gf2-pms")
    restore("OURS", home=home, store=store)
    assert set(_listed(store)) == {"OURS"}


def test_a_scene_is_published_into_a_collection_that_was_removed_once(home, store, writer, archive, tmp_path):
    writer.delete_collection("gf2-pms")
    publish(build_scene(tmp_path / "built", "OURS"), home=home, store=store, verify=open_every_raster)
    assert set(_listed(store)) == {"OURS"}
    assert _survives_a_rebuild(home, store, archive)


def test_a_collection_is_added_once_and_changed_later(home, store, writer, archive):
    with pytest.raises(ItemExistsError):
        writer.add_collection(some_collection("gf2-pms"))
    for wrong in ({"type": "Collection", "id": "x"}, {"id": "x"}, some_collection("..") | {"id": ".."}):
        with pytest.raises(InvalidItemError):
            writer.add_collection(wrong)
    writer.change_collection("gf2-pms", lambda document: document | {"title": "高分二号"})
    assert store.collection("gf2-pms")["title"] == "高分二号"
    assert _survives_a_rebuild(home, store, archive)


def test_who_writes_while_something_is_loaded_is_told_to_come_back(home, writer, items, monkeypatch):
    monkeypatch.setattr("catalog.writing.MAX_WAIT_S", 0.1)
    with only_loader(home), pytest.raises(BusyError):
        writer.add_items("gf2-pms", [items[0]])
    writer.add_items("gf2-pms", [items[0]])
