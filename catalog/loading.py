"""`catalog load`: Items and Collections made elsewhere, one JSON document per line, all of the file or nothing."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from catalog.asset_place import remote_address
from catalog.checked_item import CheckedItem
from catalog.collection import assumed_collection
from catalog.durable import move_file, sync_file
from catalog.errors import InvalidItemError
from catalog.fail_point import fail_point
from catalog.item import ASSET_SUFFIXES, resolve_href
from catalog.item_lines import Line, reading, survey
from catalog.loaded_file import new_loaded_file
from catalog.remote_store import is_remote
from catalog.search import ItemStore
from catalog.sidecar import scene_folders, versions

_PLAIN_FILE = re.compile(
    rf"(?:[\w-][\w.-]*+/)*+[\w-][\w.-]*(?:{'|'.join(map(re.escape, ASSET_SUFFIXES))})",
    re.ASCII | re.IGNORECASE,
)
"""The way down to an image or side-file that no escape or dot can lead elsewhere."""

_SAMPLE = 100
"""A collection that nobody describes is derived from so many of its items."""


def load(
    source: Path,
    *,
    home: Path,
    store: ItemStore,
    asset_roots: Sequence[Path] = (),
    remote_stores: Sequence[str] = (),
) -> int:
    """List everything of a newline-delimited JSON file; returns how many items.

    A copy stays under `home/loaded`, with Collections first, so that the catalogue can be rebuilt with it.

    Args:
        source: Items and Collections in any order. Collections that neither the node nor the file describes are
            derived from their items.
        home: The node's folder.
        store: Its catalogue.
        asset_roots: Folders below which the items' absolute asset hrefs may lead.
        remote_stores: Addresses below which they may lead.

    Raises:
        InvalidItemError: Naming the line and what is wrong with it; nothing was loaded.
        DiskFullError: There is no room; nothing was loaded.
    """
    places = Places(asset_roots, remote_stores)
    with (
        new_loaded_file(home, source.name) as (staged, target),
        staged.open("wb") as copy,
        reading(source, rule=places.check_assets, copy=copy) as lines,
    ):
        collections = _collections(source, store)
        copy.writelines(orjson.dumps(document) + b"\n" for document in collections)
        items = _items(source, lines, home, copy, target)
        return store.load(items, collections=collections, file=target.name)


def _collections(source: Path, store: ItemStore) -> list[dict[str, Any]]:
    """The Collections of the file, and those its items need besides."""
    known = {document["id"] for document in store.collections()}
    described, samples = survey(source, known=known, sample=_SAMPLE)
    needed = [assumed_collection(name, items) for name, items in samples.items()]
    return [*needed, *described.values()]


def _items(source: Path, lines: Iterable[Line], home: Path, copy: BinaryIO, target: Path) -> Iterator[CheckedItem]:
    """The file's items, checked and copied on the way; the copy is in place before the caller can commit."""
    published = {(scene.parent.name, scene.name) for scene in scene_folders(home) if versions(scene)}
    for number, found in enumerate(lines, 1):
        if isinstance(found, InvalidItemError):
            raise InvalidItemError(f"{source}:{number}: {found}") from found
        if isinstance(found, CheckedItem):
            if published and (found.collection, found.item_id) in published:
                raise InvalidItemError(
                    f"{source}:{number}: item {found.item_id}: a published scene has this id; give the item another"
                )
            yield found
    copy.flush()
    sync_file(Path(copy.name))
    move_file(Path(copy.name), target)
    fail_point("load")


class Places:
    """Where loaded items may have their assets (T02)."""

    def __init__(self, asset_roots: Sequence[Path], remote_stores: Sequence[str]) -> None:
        self._asset_roots = asset_roots
        self._remote_stores = remote_stores
        self._good_folder: str | None = None
        """Of the last file, which was allowed: the links of a folder are followed once, which is what takes long."""
        self._good_store = ""
        """As the last address had written it."""

    def check_assets(self, item: dict[str, Any]) -> None:
        """Refuse an item whose files lie where nothing may be read."""
        for key, asset in item["assets"].items():
            if not self._is_allowed(asset["href"]):
                allowed = ", ".join(map(str, (*self._asset_roots, *self._remote_stores))) or "none"
                raise InvalidItemError(
                    f"item {item['id']}: the href {asset['href']!r:.200} of asset {key} must be the absolute path or"
                    " address of an image or side-file below what CATALOG_ASSET_ROOTS or CATALOG_REMOTE_STORES allow"
                    f" ({allowed})"
                )

    def _is_allowed(self, href: str) -> bool:
        if is_remote(href):
            return self._is_allowed_address(href)
        folder, _, name = href.rpartition("/")
        is_plain = _PLAIN_FILE.fullmatch(name) is not None and not os.path.islink(href)  # noqa: PTH114  # twice as fast
        if folder == self._good_folder and is_plain:
            return True
        if resolve_href(href, folder=None, asset_roots=self._asset_roots) is None:
            return False
        self._good_folder = folder if is_plain else None
        return True

    def _is_allowed_address(self, href: str) -> bool:
        if (
            self._good_store
            and href.startswith(self._good_store)
            and _PLAIN_FILE.fullmatch(href, len(self._good_store))
        ):
            return True
        address = remote_address(href, self._remote_stores)
        if address is None:
            return False
        below = next(address.removeprefix(store) for store in self._remote_stores if address.startswith(store))
        self._good_store = href.removesuffix(below)
        return True
