"""Keeping files and catalogue in step: sweep after crashes, rebuild from the files, verify everything."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog import lock, sidecar
from catalog.asset_place import asset_place
from catalog.errors import CatalogError, InvalidItemError, ItemExistsError
from catalog.item import ITEM_FILE, item_folder
from catalog.publishing import listed_version, remove_version, resume
from catalog.remote_store import is_remote
from catalog.search import ItemStore
from catalog.staging import WASTE_SUFFIX, checksum, remove_staged


@dataclass
class Swept:
    """What a sweep did."""

    staging_jobs: int = 0
    """Staging folders and claims of publishers that are dead, and files of loads that were never committed."""
    resumed: int = 0
    """Complete versions, or recalls and restores, that a crash had left unlisted."""
    removed_versions: int = 0
    """Versions that were replaced longer ago than the grace, or had lost their files."""


@dataclass(frozen=True)
class Finding:
    """One thing that `verify` found wrong."""

    collection: str
    item_id: str
    problem: str

    def __str__(self) -> str:
        return f"{self.collection}/{self.item_id}: {self.problem}"


def sweep(home: Path, store: ItemStore, *, grace_s: float) -> Swept:
    """Finish or remove what crashed publishers left, and old versions whose grace is over.

    Args:
        home: The node's folder.
        store: Its catalogue.
        grace_s: How long the files of a replaced version stay.
    """
    swept = Swept()
    for waste in (home / "staging").glob(f"*{WASTE_SUFFIX}"):  # a worker elsewhere had files of it open
        shutil.rmtree(waste, ignore_errors=True)
    for path in lock.orphans(home / "staging"):
        remove_staged(path.with_suffix(""))
        path.unlink()
        swept.staging_jobs += 1
    with lock.exclusive_if_free(sidecar.loading_lock(home)) as free:
        for path in sidecar.unrecorded_files(home, store) if free else ():
            path.unlink()
            swept.staging_jobs += 1
    _settle_recalls(home, store, swept)
    for scene in sidecar.scene_folders(home):
        _settle_versions(scene, home, store, swept, grace_s)
    return swept


def rebuild(home: Path, store: ItemStore) -> int:
    """Make the catalogue anew from the files alone, in one transaction; returns how many items are listed."""
    with lock.exclusive(sidecar.loading_lock(home)):
        recorded = store.loaded_files()
        return sidecar.refill(store, home, [path for path in sidecar.loaded_files(home) if path.name in recorded])


def verify(
    home: Path, store: ItemStore, *, asset_roots: Sequence[Path] = (), remote_stores: Sequence[str] = ()
) -> Iterator[Finding]:
    """Compare every listed item with its files: sidecar, presence, size and checksum; remote files are not fetched."""
    for item in store.all_items():
        for problem in _problems(item, home, asset_roots, remote_stores):
            yield Finding(item["collection"], item["id"], problem)
    with lock.exclusive_if_free(sidecar.loading_lock(home)) as free:
        unrecorded = sidecar.unrecorded_files(home, store) if free else []
    for path in unrecorded:
        yield Finding(path.parent.name, path.name, "was left by a load that did not finish; the next sweep removes it")
    for scene in sidecar.scene_folders(home):
        collection, item_id = scene.parent.name, scene.name
        listed, complete = listed_version(store, collection, item_id), sidecar.versions(scene)
        recalled = (scene / sidecar.TOMBSTONE_FILE).exists()
        if recalled and listed is not None:
            yield Finding(collection, item_id, "is recalled but listed; `catalog rebuild` settles it")
        if complete and not recalled and listed != str(complete[-1]):
            yield Finding(
                collection, item_id, f"version {complete[-1]} is complete but {listed or 'nothing'} is listed"
            )


def export(home: Path, store: ItemStore) -> Iterator[dict[str, Any]]:
    """Every collection and item, with asset hrefs that another node on this machine can load."""
    yield from store.collections()
    for item in store.all_items():
        folder = item_folder(home.resolve(), item)
        assets = {
            key: asset if is_remote(asset["href"]) else asset | {"href": str(folder / asset["href"])}
            for key, asset in item["assets"].items()
        }
        yield item | {"assets": assets}


def _settle_recalls(home: Path, store: ItemStore, swept: Swept) -> None:
    """Let the catalogue follow the tombstone files: they are written before it."""
    intended = {(change.collection, change.item_id) for change in sidecar.tombstones(home)}
    for collection, item_id in intended ^ _recalled(store):
        with contextlib.suppress(ItemExistsError), store.claim(item_id):  # else a living publisher settles it
            tombstone = sidecar.tombstone(sidecar.scene_folder(home, collection, item_id))
            recalled = (collection, item_id) in _recalled(store)
            if tombstone is None and recalled:
                store.restore(collection, item_id)
            elif tombstone and not recalled and listed_version(store, collection, item_id) is not None:
                store.recall(collection, item_id, reason=tombstone.reason or "")
            else:
                continue
            swept.resumed += 1


def _recalled(store: ItemStore) -> set[tuple[str, str]]:
    return {(change.collection, change.item_id) for change in store.tombstones()}


def _settle_versions(scene: Path, home: Path, store: ItemStore, swept: Swept, grace_s: float) -> None:
    before = listed_version(store, scene.parent.name, scene.name)
    names = _names(scene)
    if names == [before] or sidecar.TOMBSTONE_FILE in names:
        return
    with contextlib.suppress(ItemExistsError), store.claim(scene.name) as fence:  # else a living publisher is at it
        if not scene.is_dir() or (scene / sidecar.TOMBSTONE_FILE).exists():
            return
        before = listed_version(store, scene.parent.name, scene.name)
        listed = resume(scene, home=home, store=store, fence=fence)
        swept.resumed += listed != before
        for folder in _superseded(scene, listed, grace_s):
            remove_version(folder, home)
            swept.removed_versions += 1
        if not _names(scene):
            scene.rmdir()


def _names(folder: Path) -> list[str]:
    """What a folder holds; nothing when another sweep has taken it away."""
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def _superseded(scene: Path, listed: str | None, grace_s: float) -> list[Path]:
    """Versions before the listed one, when that is older than the grace."""
    if listed is None or not (scene / listed).is_dir():
        return []
    age_s = time.time() - (scene / listed / ITEM_FILE).stat().st_mtime
    older = [path for path in scene.iterdir() if path.name.isdecimal() and int(path.name) < int(listed)]
    return older if age_s >= grace_s else []


def _problems(
    item: dict[str, Any], home: Path, asset_roots: Sequence[Path], remote_stores: Sequence[str]
) -> Iterator[str]:
    for key, asset in item["assets"].items():
        try:
            path = asset_place(item, key, home=home, asset_roots=asset_roots, remote_stores=remote_stores)
        except CatalogError as error:
            yield str(error)
            continue
        if isinstance(path, str):
            continue
        size = path.stat().st_size
        if size != asset.get("file:size", size):
            yield f"asset {key} has {size} bytes, file:size says {asset['file:size']}"
        elif "file:checksum" in asset and checksum(path) != asset["file:checksum"]:
            yield f"asset {key} does not have the checksum of file:checksum"
    folder = item_folder(home, item)
    try:
        if folder.is_dir() and sidecar.read_item(folder) != item:
            yield f"{ITEM_FILE} differs from the catalogue"
    except InvalidItemError as error:
        yield str(error)
