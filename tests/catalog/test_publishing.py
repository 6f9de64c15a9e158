"""Publishing step by step: what is listed, what is on disk, what is refused."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

from benchmarks.kill_publisher import build_scene, open_every_raster
from catalog import sidecar
from catalog.collection import collection_document
from catalog.errors import (
    DiskFullError,
    InvalidItemError,
    ItemExistsError,
    UnknownCollectionError,
    UnknownItemError,
)
from catalog.fail_point import PUBLISH_STEPS
from catalog.item import asset_path, item_folder
from catalog.maintenance import rebuild, sweep, verify
from catalog.publishing import publish, recall, restore
from catalog.search import Search
from catalog.staging import staging_folder
from catalog.store import open_store
from tests.support.small_files import small_files

ID = "GF2_PMS2_20241012T032247_L1A14547890001"
WORLD = (-180, -90, 180, 90)


@pytest.fixture
def built(tmp_path):
    return build_scene(tmp_path / "built", ID)


@pytest.fixture
def publish_scene(home, store):
    def _publish(folder, **options):
        return publish(folder, home=home, store=store, verify=open_every_raster, **options)

    return _publish


def _edit(folder, change):
    item = json.loads((folder / "item.json").read_text())
    change(item)
    (folder / "item.json").write_text(json.dumps(item))


def _staged(home):
    return [path.name for path in home.glob("staging/*") if path.name != ".lock"]


def _nothing_changed(home, store):
    assert store.changes(0) == []
    assert _staged(home) == []
    assert not list(home.glob("scenes/*/*/*"))
    assert list(verify(home, store)) == []


def test_a_published_scene_is_listed_with_its_files(home, store, built, publish_scene):
    done = publish_scene(built)
    assert (done.collection, done.item_id, done.version, done.already_published) == ("gf2-pms", ID, "1", False)
    item = store.item("gf2-pms", ID)
    assert orjson.loads((item_folder(home, item) / "item.json").read_bytes()) == item
    assert asset_path(item, "metadata", home=home) == item_folder(home, item).resolve() / "source/scene.xml"
    assert store.collection("gf2-pms")["imagery_node:stretch"]
    assert [footprint.item_id for footprint in store.footprints(None, WORLD, None)] == [ID]
    assert list(verify(home, store)) == []
    assert (built / "visual.tif").exists(), "a folder of the user's is copied, never taken"
    assert _staged(home) == []


def test_a_folder_built_in_staging_is_moved(home, store, built, publish_scene):
    with staging_folder(home) as job:
        folder = job / "scene"
        shutil.copytree(built, folder)
        before = (folder / "visual.tif").stat().st_ino
        publish_scene(folder)
    item = store.item("gf2-pms", ID)
    assert asset_path(item, "visual", home=home).stat().st_ino == before


def test_only_files_that_the_item_names_are_published(home, store, built, publish_scene):
    (built / "secret.txt").write_text("left behind")
    publish_scene(built)
    assert not list(home.rglob("secret.txt"))


def test_the_same_scene_under_another_name_is_recognised(home, store, built, tmp_path, publish_scene):
    publish_scene(built)
    again = build_scene(tmp_path / "again", ID, seed=5)
    sequence = store.sequence()
    assert publish_scene(again).already_published
    assert store.sequence() == sequence
    assert [path.name for path in sidecar.scene_folder(home, "gf2-pms", ID).iterdir()] == ["1"]


def test_replacing_makes_a_new_version_and_keeps_the_old_until_its_grace_is_over(
    home, store, built, tmp_path, publish_scene
):
    publish_scene(built)
    old = store.item("gf2-pms", ID)
    done = publish_scene(build_scene(tmp_path / "again", ID, seed=5), replace=True)
    assert (done.version, done.already_published) == ("2", False)
    assert store.item("gf2-pms", ID)["assets"]["visual"] != old["assets"]["visual"]
    assert asset_path(old, "visual", home=home).exists()
    assert sweep(home, store, grace_s=3600).removed_versions == 0
    assert sweep(home, store, grace_s=0).removed_versions == 1
    assert [path.name for path in item_folder(home, old).parent.iterdir()] == ["2"]
    assert list(verify(home, store)) == []


def test_a_scene_whose_check_fails_is_not_published(home, store, built):
    def refuse(folder, item):
        raise InvalidItemError(f"{item['id']}: not a COG")

    with pytest.raises(InvalidItemError, match="not a COG"):
        publish(built, home=home, store=store, verify=refuse)
    _nothing_changed(home, store)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: item["properties"].pop("platform"), "platform"),
        (lambda item: item["assets"].pop("quality"), "assets.quality"),
        (lambda item: item.update(id="../../etc"), "id is"),
        (lambda item: item["properties"].update(datetime="2024-10-12 03:22"), "RFC 3339"),
        (lambda item: item["assets"]["visual"].update(href="../visual.tif"), "leaves the folder"),
        (lambda item: item["assets"]["visual"].update(href="./missing.tif"), "missing"),
        (lambda item: item["assets"]["visual"].update(href="/etc/hostname.tif"), "relative"),
        (lambda item: item["assets"]["visual"].update({"file:size": 1}), "file:size says 1"),
        (lambda item: item["assets"]["visual"].update({"file:checksum": "1220" + "0" * 64}), "checksum"),
        (lambda item: item["assets"]["visual"].pop("file:checksum"), "multihash"),
        (lambda item: item.update(bbox=[1, 2, 3]), "bbox"),
    ],
)
def test_an_item_that_breaks_a_rule_is_refused(home, store, built, publish_scene, change, message):
    _edit(built, change)
    with pytest.raises(InvalidItemError, match=message):
        publish_scene(built)
    _nothing_changed(home, store)


def test_an_item_of_an_unknown_collection_is_refused(home, store, tmp_path, publish_scene):
    with pytest.raises(UnknownCollectionError, match="gf9-xyz"):
        publish_scene(build_scene(tmp_path / "built", ID, collection="gf9-xyz"))
    _nothing_changed(home, store)


def test_a_folder_without_an_item_is_refused(home, store, built, publish_scene):
    (built / "item.json").write_text("{")
    with pytest.raises(InvalidItemError, match=r"item\.json"):
        publish_scene(built)


def test_an_asset_that_is_a_link_is_refused(home, store, built, publish_scene, tmp_path):
    (built / "visual.tif").rename(tmp_path / "elsewhere.tif")
    (built / "visual.tif").symlink_to(tmp_path / "elsewhere.tif")
    with pytest.raises(InvalidItemError, match="link"):
        publish_scene(built)
    _nothing_changed(home, store)


def test_a_loaded_item_of_the_same_id_is_not_taken_for_the_scene(home, store, built, publish_scene):
    item = json.loads((built / "item.json").read_text())
    item["assets"] = {key: {"href": f"/archive/{key}.tif"} for key in item["assets"]}
    store.load([item], collections=[collection_document("gf2-pms")])
    with pytest.raises(ItemExistsError, match="loaded"):
        publish_scene(built)
    assert publish_scene(built, replace=True).version == "1"
    assert publish_scene(built).already_published


# Recall and restore


def test_a_recalled_scene_is_gone_and_comes_back(home, store, built, publish_scene):
    publish_scene(built)
    item = store.item("gf2-pms", ID)
    (change,) = recall(ID, home=home, store=store, reason="wrong place")
    assert change.reason == "wrong place"
    assert store.search(Search()).items == []
    assert store.footprints(None, WORLD, None) == []
    with pytest.raises(UnknownItemError):
        store.item("gf2-pms", ID)
    with pytest.raises(UnknownItemError):
        recall(ID, home=home, store=store, reason="again")
    sweep(home, store, grace_s=0)
    (change,) = restore(ID, home=home, store=store)
    assert change.action == "restore"
    assert store.item("gf2-pms", ID) == item
    assert list(verify(home, store)) == []
    with pytest.raises(UnknownItemError):
        restore(ID, home=home, store=store)


def test_a_recalled_scene_is_published_again_only_on_purpose(home, store, built, publish_scene):
    publish_scene(built)
    recall(ID, home=home, store=store, reason="wrong place")
    with pytest.raises(ItemExistsError, match="recalled"):
        publish_scene(built)
    assert publish_scene(built, replace=True).version == "2"
    assert store.tombstones() == []
    rebuild(home, store)
    assert store.item("gf2-pms", ID)["properties"]["version"] == "2"


@pytest.mark.parametrize("step", ["recall", "restore"])
def test_a_crash_within_recall_or_restore_is_finished_by_the_sweep(home, store, built, publish_scene, rehearse, step):
    publish_scene(built)
    if step == "restore":
        recall(ID, home=home, store=store, reason="wrong place")
    rehearse(f"{step}:enospc")
    with pytest.raises(OSError, match="No space"):
        recall(ID, home=home, store=store, reason="why") if step == "recall" else restore(ID, home=home, store=store)
    assert sweep(home, store, grace_s=900).resumed == 1
    assert [change.reason for change in store.tombstones()] == (["why"] if step == "recall" else [])
    assert len(store.search(Search()).items) == (0 if step == "recall" else 1)
    assert list(verify(home, store)) == []


# P03: a full disk


@pytest.mark.parametrize("step", PUBLISH_STEPS[: PUBLISH_STEPS.index("rename")])
def test_P03_a_full_disk_at_any_step_changes_nothing(home, store, built, publish_scene, rehearse, step):
    rehearse(f"{step}:enospc")
    with pytest.raises(DiskFullError) as refusal:
        publish_scene(built)
    assert refusal.value.code == "disk_full"
    rehearse("")
    _nothing_changed(home, store)
    assert not publish_scene(built).already_published


def test_P03_a_scene_that_would_need_the_reserve_is_refused_before_work_starts(home, store, built, publish_scene):
    with pytest.raises(DiskFullError, match="reserve"):
        publish_scene(built, reserve_mib=(shutil.disk_usage(home).free >> 20) + 1024)
    _nothing_changed(home, store)


@pytest.mark.parametrize("limit", [4_000, 20_000, 33_000, 50_000, 90_000])
def test_P03_a_file_size_limit_leaves_the_store_whole_wherever_it_strikes(home, built, limit):
    open_store(home).close()
    publisher = subprocess.run(
        [sys.executable, "-m", "benchmarks.kill_publisher", "--serve", str(home)],
        input=f"{built}\n",
        text=True,
        capture_output=True,
        **small_files(limit),
    )
    acknowledged = '"version": "1"' in publisher.stdout
    store = open_store(home)
    assert len(list(store.all_items())) == acknowledged
    assert _staged(home) == []
    assert publish(built, home=home, store=store, verify=open_every_raster).version == "1"
    assert list(verify(home, store)) == []


# P05: two publishers


def test_P05_of_eight_publishers_one_wins(home, store, built, publish_scene):
    start, done = threading.Barrier(8), []

    def work():
        start.wait()
        done.append(publish_scene(built))

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(one.already_published for one in done) == [False] + [True] * 7
    assert {one.version for one in done} == {"1"}


def test_a_publisher_that_cannot_wait_is_told_so(store, built, publish_scene):
    with store.claim(ID), pytest.raises(ItemExistsError, match="another process"):
        publish_scene(built, wait_s=0)


# P02: the order of what is made durable


def test_P02_every_file_and_name_is_synced_before_the_rename_and_the_parent_after_it(
    home, store, built, publish_scene, monkeypatch
):
    done = []
    fsync, rename = os.fsync, os.rename

    def seen_fsync(descriptor):
        done.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def seen_rename(self, target):
        done.append(("rename", str(target)))
        rename(self, target)
        return type(self)(target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(type(built), "rename", seen_rename)
    publish_scene(built)
    version = sidecar.scene_folder(home, "gf2-pms", ID) / "1"
    at = done.index(("rename", str(version)))
    synced = [path for kind, path in done[:at] if kind == "fsync" and "/staging/" in path]
    staged = next(path for path in synced if path.endswith("visual.tif")).removesuffix("/visual.tif")
    names = [path.relative_to(version) for path in version.rglob("*")]
    assert {f"{staged}/{name}" for name in names} <= set(synced)
    assert synced[-1] in {staged, f"{staged}/source"}
    files = [path for path in synced if "." in path.rpartition("/")[2]]
    assert files[-1].endswith("item.json"), "the sidecar is the last file"
    assert ("fsync", str(version.parent)) in done[at:]


def test_errors_that_are_not_a_full_disk_pass_unchanged(store, built, home):
    def broken(folder, item):
        raise OSError(errno.EIO, "I/O error")

    with pytest.raises(OSError, match="I/O error"):
        publish(built, home=home, store=store, verify=broken)
    _nothing_changed(home, store)
