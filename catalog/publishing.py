"""Publishing: built scene folder → listed scene, never half; and its undoing, recall and restore.

claim → stage → verify → seal → rename → register → release. Files first, catalogue second: only the commit of
`register` is the publication, and whatever a crash leaves behind `catalog.maintenance.sweep` finishes or removes.
"""

import contextlib
import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from catalog import sidecar
from catalog.collection import collection_document
from catalog.duplicate import find_duplicates
from catalog.durable import make_folder, naming_a_full_disk, sync_file, sync_folder, write_file
from catalog.errors import (
    DiskFullError,
    InvalidItemError,
    ItemExistsError,
    StoreAwayError,
    UnknownCollectionError,
    UnknownItemError,
)
from catalog.fail_point import fail_point
from catalog.item import ITEM_FILE, item_version, with_warnings
from catalog.search import Change, ItemStore, Search
from catalog.staging import check_files, stage_files, staging_folder

Verify = Callable[[Path, dict[str, Any]], None]
"""Looks at the finished files of a folder and its Item; raises when they do not belong together."""

CLAIM_WAIT_S = 60.0

_POLL_S = 0.1


@dataclass(frozen=True)
class Published:
    """What became of a scene."""

    collection: str
    item_id: str
    version: str
    already_published: bool
    """The scene was listed before, perhaps from a delivery under another name; nothing was changed."""
    warnings: tuple[str, ...] = ()
    """What is odd beside the other scenes: another item of the same acquisition."""


def publish(
    folder: Path,
    *,
    home: Path,
    store: ItemStore,
    verify: Verify,
    replace: bool = False,
    wait_s: float = CLAIM_WAIT_S,
    reserve_mib: int = 0,
) -> Published:
    """Publish the scene in a built folder.

    Args:
        folder: `item.json` and its assets. Below `home/staging` the files are moved, from elsewhere they are copied.
        home: The node's folder.
        store: Its catalogue.
        verify: Called with the staged files before they are sealed.
        replace: Make a new version of a scene that is listed, or list one again that is recalled.
        wait_s: How long to wait for another publisher of the same scene, or for the database's server.
        reserve_mib: Free space that is never used.

    Raises:
        InvalidItemError: The Item breaks a rule, or a file differs from what the Item says of it.
        UnknownCollectionError: Its collection is neither held nor packaged.
        ItemExistsError: Another publisher holds the scene, it is recalled, or an item of its id was loaded.
        DiskFullError: There is no room; nothing was changed.
    """
    item = sidecar.read_item(folder)
    scene = sidecar.scene_folder(home, item["collection"], item["id"])
    with naming_a_full_disk(item["id"], DiskFullError), _claimed(store, item["id"], wait_s) as fence:
        fail_point("claim")
        recalled = (scene / sidecar.TOMBSTONE_FILE).exists()
        if recalled and not replace:
            raise ItemExistsError(f"scene {item['id']} was recalled; restore it, or replace it on purpose")
        if not recalled:
            resume(scene, home=home, store=store, fence=fence)
        done = None if replace else find_published(item["collection"], item["id"], home=home, store=store)
        if done is not None:
            return done
        _ensure_collection(item["collection"], home=home, store=store)
        with staging_folder(home) as staged:
            stage_files(item, folder, staged, home=home, reserve_mib=reserve_mib)
            fail_point("copy")
            verify(staged, item)
            check_files(staged, item)
            fail_point("verify")
            duplicates = find_duplicates(store, item)
            item = with_warnings(item, duplicates)
            item = _seal_and_rename(staged, item, scene, check_fence=lambda: store.check_fence(item["id"], fence))
        if recalled:
            sidecar.remove_tombstone(home, item["collection"], item["id"])
        change = store.register(item, fence=fence)
        fail_point("registered")
        if recalled:
            for number in sidecar.versions(scene)[:-1]:  # what was recalled must not be read as what was replaced is
                remove_version(scene / str(number), home)
    fail_point("release")
    return Published(item["collection"], item["id"], change.version, False, tuple(duplicates))


def find_published(collection: str, item_id: str, *, home: Path, store: ItemStore) -> Published | None:
    """The scene as it is listed, or None.

    Raises:
        ItemExistsError: It is listed, but was loaded: its files are not the node's.
    """
    listed = listed_version(store, collection, item_id)
    if listed is None:
        return None
    if not (sidecar.scene_folder(home, collection, item_id) / listed).is_dir():
        raise ItemExistsError(
            f"{collection}/{item_id} is listed, but was loaded: its files are not the node's; replace it on purpose"
        )
    return Published(collection, item_id, listed, already_published=True)


def recall(
    item_id: str,
    *,
    home: Path,
    store: ItemStore,
    reason: str,
    collections: tuple[str, ...] = (),
    wait_s: float = CLAIM_WAIT_S,
) -> list[Change]:
    """Take an item out of every answer, in each collection that lists it; its files and a tombstone stay.

    Args:
        item_id: The item.
        home: The node's folder.
        store: Its catalogue.
        reason: Kept with the tombstone.
        collections: Only in these.
        wait_s: How long to wait for a publisher of the item.

    Raises:
        UnknownItemError: It is not listed.
        ItemExistsError: Someone is publishing it.
    """
    with _claimed(store, item_id, wait_s):
        found = store.search(Search(ids=(item_id,), collections=collections)).items
        if not found:
            raise UnknownItemError(f"item {item_id!r:.140} is not listed")
        for item in found:
            sidecar.write_tombstone(home, item, reason=reason, recalled=datetime.now(UTC))
        fail_point("recall")
        return [store.recall(item["collection"], item_id, reason=reason) for item in found]


def restore(item_id: str, *, home: Path, store: ItemStore, collections: tuple[str, ...] = ()) -> list[Change]:
    """List a recalled item again, in each collection that it is recalled from, or in these only.

    Raises:
        UnknownItemError: It is not recalled.
    """
    with _claimed(store, item_id, CLAIM_WAIT_S):
        recalled = [change.collection for change in store.tombstones() if change.item_id == item_id]
        found = [collection for collection in recalled if not collections or collection in collections]
        if not found:
            raise UnknownItemError(f"item {item_id!r:.140} is not recalled")
        for collection in found:
            sidecar.remove_tombstone(home, collection, item_id)
        fail_point("restore")
        return [store.restore(collection, item_id) for collection in found]


def resume(scene: Path, *, home: Path, store: ItemStore, fence: int) -> str | None:
    """List the newest version of a scene when a crash left it unlisted; gives the version that is listed then.

    A version that lost its files is removed instead: it was never acknowledged.
    """
    listed = listed_version(store, scene.parent.name, scene.name)
    complete = sidecar.versions(scene)
    if not complete or (listed is not None and complete[-1] <= _number(listed)):
        return listed
    folder = scene / str(complete[-1])
    try:
        item = sidecar.read_item(folder)
        check_files(folder, item)
    except InvalidItemError:
        store.check_fence(scene.name, fence)
        remove_version(folder, home)
        return listed
    _ensure_collection(scene.parent.name, home=home, store=store)
    return store.register(item, fence=fence).version


def remove_version(folder: Path, home: Path) -> None:
    """Take a version away at once, then delete its files."""
    with staging_folder(home) as waste:
        folder.rename(waste / folder.name)


def listed_version(store: ItemStore, collection: str, item_id: str) -> str | None:
    """The version that is listed, or None."""
    found = store.search(Search(collections=(collection,), ids=(item_id,))).items
    return item_version(found[0]) if found else None


@contextlib.contextmanager
def _claimed(store: ItemStore, scene_id: str, wait_s: float) -> Iterator[int]:
    deadline = time.monotonic() + wait_s
    with contextlib.ExitStack() as stack:
        while True:
            try:
                fence = stack.enter_context(store.claim(scene_id))
                break
            except (ItemExistsError, StoreAwayError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
        yield fence


def _ensure_collection(collection: str, *, home: Path, store: ItemStore) -> None:
    try:
        document = store.collection(collection)
    except UnknownCollectionError:
        document = collection_document(collection)
        store.put_collection(document)
    sidecar.write_collection(home, document)


def _seal_and_rename(
    staged: Path, item: dict[str, Any], scene: Path, *, check_fence: Callable[[], None]
) -> dict[str, Any]:
    """Make the staged files durable and give them their place as the next version; gives the Item as sealed.

    The number is chosen before the fence is checked: a publisher that pauses after the check finds the number taken,
    or is followed by a higher one, so it can never stand above the publisher that took over.
    """
    for path in staged.rglob("*"):
        if path.is_file():
            sync_file(path)
    make_folder(scene)
    while True:
        taken = [_number(path.name) for path in scene.iterdir()]
        version = str(max(taken, default=0) + 1)
        sealed = item | {"properties": item["properties"] | {"version": version}}
        write_file(staged / ITEM_FILE, orjson.dumps(sealed, option=orjson.OPT_INDENT_2))
        for path in staged.rglob("*"):
            if path.is_dir():
                sync_folder(path)
        fail_point("seal")
        check_fence()
        fail_point("fence")
        try:
            staged.rename(scene / version)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
            continue
        sync_folder(scene)
        fail_point("rename")
        return sealed


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0
