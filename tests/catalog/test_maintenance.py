"""Sweep, rebuild (P26) and verify, on homes with real files."""

import itertools
import os
import shutil

import orjson
import pytest

from benchmarks.kill_publisher import build_scene, open_every_raster
from catalog import maintenance, sidecar
from catalog.loading import load
from catalog.maintenance import export, rebuild, sweep, verify
from catalog.publishing import publish, recall, restore
from catalog.search import Search
from catalog.sidecar import scene_folder
from catalog.store import open_store
from tests.support.stac import scan, some_items

IDS = [f"GF2_PMS2_20241012T03224{number}_L1A1454789000{number}" for number in range(4)]
SEARCHES = [
    Search(limit=1000),
    *(Search(collections=(name,), limit=1000) for name in ("gf2-pms", "gf1-pms", "gf1-wfv", "unheard-of")),
    *(Search(bbox=(west, south, west + 20, south + 15), limit=1000) for west in (80, 100, 115) for south in (18, 35)),
    *(Search(ids=(item_id,)) for item_id in IDS),
]


def _canonical(documents):
    return [orjson.dumps(document, option=orjson.OPT_SORT_KEYS) for document in documents]


def _content(store):
    return (
        _canonical(store.all_items()),
        _canonical(store.collections()),
        [_canonical(store.search(search).items) for search in SEARCHES],
        [(gone.collection, gone.item_id, gone.version, gone.reason) for gone in store.tombstones()],
        store.footprints(None, (-180, -90, 180, 90), None),
    )


@pytest.fixture
def home(tmp_path):
    """Published, replaced, recalled and loaded scenes, of packaged and of derived collections."""
    home = tmp_path / "home"
    store = open_store(home)
    for number, item_id in enumerate(IDS):
        folder = build_scene(tmp_path / item_id, item_id, seed=number)
        publish(folder, home=home, store=store, verify=open_every_raster)
    replacement = build_scene(tmp_path / "replacement", IDS[0], seed=9)
    publish(replacement, home=home, store=store, verify=open_every_raster, replace=True)
    recall(IDS[1], home=home, store=store, reason="wrong place")
    for part in (some_items(40), some_items(60)[30:]):
        load(_archive(tmp_path, part), home=home, store=store, asset_roots=[tmp_path / "archive"])
    recall(some_items(1)[0]["id"], home=home, store=store, reason="too cloudy")
    store.close()
    return home


def _archive(folder, items):
    """A file to load, whose assets are real files; every third item is of a collection nobody describes."""
    path = folder / "items.ndjson"
    with path.open("wb") as file:
        for number, item in enumerate(items):
            place = folder / "archive" / item["id"]
            place.mkdir(parents=True, exist_ok=True)
            assets = {key: {"href": str(place / f"{key}.tif"), "roles": ["data"]} for key in ("visual", "analytic")}
            for key in assets:
                (place / f"{key}.tif").write_bytes(b"image")
            collection = "unheard-of" if number % 3 == 0 else item["collection"]
            file.write(orjson.dumps(item | {"assets": assets, "collection": collection}) + b"\n")
    return path


def test_P26_a_lost_catalogue_is_rebuilt_to_the_same_content(home):
    store = open_store(home)
    before, sequence = _content(store), store.sequence()
    store.close()
    for file in home.glob("catalog.db*"):
        file.unlink()
    again = open_store(home)
    assert _content(again) == before
    assert again.sequence() > sequence, "followers of the change feed must never see its numbers go back"


def test_P26_rebuilding_a_good_catalogue_changes_nothing(home):
    store = open_store(home)
    before, sequence = _content(store), store.sequence()
    token = store.search(Search(limit=5)).next_token
    assert rebuild(home, store) == len(before[0])
    assert _content(store) == before
    assert store.sequence() > sequence
    assert len(store.search(Search(limit=5, token=token)).items) == 5


def test_P29_a_damaged_catalogue_comes_back_by_itself(home):
    store = open_store(home)
    before = _content(store)
    store.close()
    content = (home / "catalog.db").read_bytes()
    (home / "catalog.db").write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    assert _content(open_store(home)) == before


def test_P26_a_version_without_its_files_is_left_out_of_a_rebuilt_catalogue(home):
    store = open_store(home)
    scenes = {number: scene_folder(home, "gf2-pms", IDS[number]) for number in (0, 2)}
    (scenes[0] / "2" / "visual.tif").unlink()
    (scenes[2] / "1" / "item.json").write_text("{")
    rebuild(home, store)
    assert store.item("gf2-pms", IDS[0])["properties"]["version"] == "1"
    assert store.search(Search(ids=(IDS[2],))).items == []
    assert store.search(Search(ids=(IDS[3],))).items != []


@pytest.mark.parametrize("collection_file", [b"{", b"[]", b"{}", b'{"id": "gf1-pms"}', None])
def test_P26_a_collection_whose_document_is_lost_is_served_with_the_packaged_one(home, collection_file):
    store = open_store(home)
    path = home / "scenes/gf2-pms/collection.json"
    path.unlink() if collection_file is None else path.write_bytes(collection_file)
    for loaded in home.glob("loaded/*"):
        loaded.unlink()
    rebuild(home, store)
    assert store.item("gf2-pms", IDS[2])
    assert store.collection("gf2-pms")["renders"]


def test_P26_what_cannot_be_read_of_a_loaded_file_is_left_out(home):
    store = open_store(home)
    count = len(list(store.all_items()))
    first, second = sorted(home.glob("loaded/*"))
    lines = first.read_bytes().splitlines()
    described = next(n for n, line in enumerate(lines) if orjson.loads(line)["id"] == "unheard-of")
    lines[described] = b'{"type": "Collection"'
    gone = [orjson.loads(lines[-1])["id"], orjson.loads(lines[-2])["id"]]
    lines[-1] = b"\xff\xfe"
    lines[-2] = orjson.dumps(orjson.loads(lines[-2]) | {"links": None})
    first.write_bytes(b"\n".join(lines))
    second.write_bytes(b"[]\n" + second.read_bytes())
    again = {orjson.loads(line)["id"] for line in second.read_bytes().splitlines()[1:]}
    assert rebuild(home, store) == count - len(set(gone) - again)
    assert store.collection("unheard-of")["item_assets"]


def test_P26_a_damaged_tombstone_still_keeps_the_scene_recalled(home):
    store = open_store(home)
    (scene_folder(home, "gf2-pms", IDS[1]) / "recalled.json").write_bytes(b"\0\0")
    rebuild(home, store)
    assert [change.reason for change in store.tombstones() if change.item_id == IDS[1]] == [None]
    assert sweep(home, store, grace_s=900).resumed == 0


def test_a_good_home_has_no_findings(home, tmp_path):
    assert list(verify(home, open_store(home), asset_roots=[tmp_path / "archive"])) == []


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _edit(path):
    item = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps(item | {"properties": item["properties"] | {"title": "edited"}}))


DAMAGES = {
    "checksum": lambda folder: _flip_a_bit(folder / "analytic.tif"),
    "bytes": lambda folder: (folder / "visual.tif").write_bytes(b"short"),
    "missing": lambda folder: (folder / "quality.tif").unlink(),
    "item.json differs": lambda folder: _edit(folder / "item.json"),
    "item.json cannot be read": lambda folder: (folder / "item.json").unlink(),
    "version 2 is complete": lambda folder: shutil.copytree(folder, folder.parent / "2"),
}


@pytest.mark.parametrize("problem", DAMAGES)
def test_verify_names_what_is_wrong(home, tmp_path, problem):
    DAMAGES[problem](scene_folder(home, "gf2-pms", IDS[2]) / "1")
    found = list(verify(home, open_store(home), asset_roots=[tmp_path / "archive"]))
    assert [finding.item_id for finding in found] == [IDS[2]]
    assert problem in str(found[0])


def test_verify_names_a_loaded_item_whose_files_are_gone(home, tmp_path):
    store = open_store(home)
    victim = next(item for item in store.all_items() if item["collection"] == "unheard-of")
    shutil.rmtree(tmp_path / "archive" / victim["id"])
    found = list(verify(home, store, asset_roots=[tmp_path / "archive"]))
    assert {finding.item_id for finding in found} == {victim["id"]}
    assert len(found) == 2


def test_a_complete_version_without_a_listing_is_resumed(home):
    store = open_store(home)
    scene = scene_folder(home, "gf2-pms", IDS[2])
    shutil.copytree(scene / "1", scene / "2")
    item = orjson.loads((scene / "2/item.json").read_bytes())
    item["properties"]["version"] = "2"
    (scene / "2/item.json").write_bytes(orjson.dumps(item))
    assert sweep(home, store, grace_s=900).resumed == 1
    assert store.item("gf2-pms", IDS[2])["properties"]["version"] == "2"


def test_an_unlisted_version_that_lost_a_file_is_removed(home, tmp_path):
    store = open_store(home)
    scene = scene_folder(home, "gf2-pms", IDS[2])
    shutil.copytree(scene / "1", scene / "2")
    (scene / "2/visual.tif").write_bytes(b"short")
    sweep(home, store, grace_s=900)
    assert [path.name for path in scene.iterdir()] == ["1"]
    assert list(verify(home, store, asset_roots=[tmp_path / "archive"])) == []


def test_sweeping_twice_finds_nothing_more(home):
    store = open_store(home)
    sweep(home, store, grace_s=0)
    sequence = store.sequence()
    swept = sweep(home, store, grace_s=0)
    assert (swept.staging_jobs, swept.resumed, swept.removed_versions) == (0, 0, 0)
    assert store.sequence() == sequence


def test_what_is_exported_can_be_loaded_elsewhere(home, tmp_path):
    store = open_store(home)
    exported = tmp_path / "export.ndjson"
    exported.write_bytes(b"".join(orjson.dumps(document) + b"\n" for document in export(home, store)))
    other = open_store(tmp_path / "other")
    count = load(exported, home=tmp_path / "other", store=other, asset_roots=[home, tmp_path / "archive"])
    assert count == len(list(store.all_items()))
    ids = [[item["id"] for item in each.search(Search(limit=1000)).items] for each in (store, other)]
    assert ids[0] == ids[1] == scan(list(itertools.chain(store.all_items())))
    assert list(verify(tmp_path / "other", other, asset_roots=[home, tmp_path / "archive"])) == []


@pytest.mark.parametrize("looked_at", ["tombstones", "versions"])
@pytest.mark.parametrize("recalled", [True, False])
def test_a_sweep_does_not_undo_what_is_recalled_or_restored_meanwhile(home, monkeypatch, recalled, looked_at):
    store = open_store(home)
    if not recalled:
        recall(IDS[0], home=home, store=store, reason="for now")
    place, name = (sidecar, "tombstones") if looked_at == "tombstones" else (maintenance, "_names")
    look, done = getattr(place, name), []

    def look_and_wait(folder):
        seen = list(look(folder))
        if not done and (folder == home or folder.name == IDS[0]):
            done.append(True)
            if recalled:
                recall(IDS[0], home=home, store=store, reason="bad orbit")
            else:
                restore(IDS[0], home=home, store=store)
        return seen

    monkeypatch.setattr(place, name, look_and_wait)
    sweep(home, store, grace_s=900)
    assert done
    assert (IDS[0] in {change.item_id for change in store.tombstones()}) == recalled
    assert bool(store.search(Search(ids=(IDS[0],))).items) != recalled


def test_a_sweep_stands_another_that_was_faster(home, monkeypatch):
    store = open_store(home)
    empty = scene_folder(home, "gf2-pms", "left-empty")
    empty.mkdir()
    ask = maintenance.listed_version

    def ask_late(*asked):
        if asked[-1] == empty.name and empty.exists():
            empty.rmdir()
        return ask(*asked)

    monkeypatch.setattr(maintenance, "listed_version", ask_late)
    sweep(home, store, grace_s=900)
