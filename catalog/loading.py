"""`catalog load`: Items and Collections made elsewhere, one JSON document per line, all of the file or nothing."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from catalog import lock
from catalog.collection import assumed_collection, check_collection
from catalog.durable import move_file, naming_a_full_disk, sync_file
from catalog.errors import DiskFullError, InvalidItemError
from catalog.fail_point import fail_point
from catalog.item import ASSET_SUFFIXES, MAX_ITEM_BYTES, check_item, resolve_href
from catalog.search import ItemStore
from catalog.sidecar import loaded_files, loading_lock, scene_folders, versions
from catalog.staging import staging_folder

_SAMPLE = 100
"""A collection that nobody describes is derived from so many of its items."""


def load(source: Path, *, home: Path, store: ItemStore, asset_roots: Sequence[Path] = ()) -> int:
    """List everything of a newline-delimited JSON file; returns how many items.

    A copy stays under `home/loaded`, with Collections first, so that the catalogue can be rebuilt with it.

    Args:
        source: Items and Collections in any order. Collections that neither the node nor the file describes are
            derived from their items.
        home: The node's folder.
        store: Its catalogue.
        asset_roots: Folders below which the items' absolute asset hrefs may lead.

    Raises:
        InvalidItemError: Naming the line and what is wrong with it; nothing was loaded.
        DiskFullError: There is no room; nothing was loaded.
    """
    lines = _Lines(source)
    with (
        naming_a_full_disk(source.name, DiskFullError),
        staging_folder(home) as staged,
        lock.exclusive(loading_lock(home)),
        contextlib.ExitStack() as undo,
    ):
        taken = [int(path.stem) for path in loaded_files(home)]
        target = home / "loaded" / f"{max(taken, default=0) + 1:06d}.ndjson"
        undo.callback(target.unlink, missing_ok=True)
        try:
            collections = _collections(lines, store)
            copy = staged / "items.ndjson"
            copy.write_bytes(b"".join(orjson.dumps(document) + b"\n" for document in collections))
            items = _items(lines, _Places(home, asset_roots), copy, target)
            count = store.load(items, collections=collections, file=target.name)
        except InvalidItemError as error:
            raise InvalidItemError(f"{source}:{lines.number}: {error}") from error
        undo.pop_all()
        return count


class _Lines:
    """The documents of a file, one per line; knows the number of the line given last."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self.number = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.number = 0
        with self._source.open("rb") as file:
            while line := file.readline(MAX_ITEM_BYTES + 1):
                self.number += 1
                if line.isspace():
                    continue
                yield _document(line)


def _document(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_ITEM_BYTES:
        raise InvalidItemError(f"the line has more than {MAX_ITEM_BYTES} bytes; one document per line is expected")
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidItemError(f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("type") not in {"Feature", "Collection"}:
        raise InvalidItemError("expected an Item (type 'Feature') or a Collection on each line")
    bbox = document.get("bbox")
    if isinstance(bbox, list) and len(bbox) == 6:
        document["bbox"] = [*bbox[:2], *bbox[3:5]]  # heights are for nobody here
    return document


def _collections(lines: _Lines, store: ItemStore) -> list[dict[str, Any]]:
    """The Collections of the file, then those its items need besides."""
    known = {document["id"] for document in store.collections()}
    described: dict[str, dict[str, Any]] = {}
    samples: dict[str, list[dict[str, Any]]] = {}
    for document in lines:
        if document["type"] == "Collection":
            check_collection(document)
            described[document["id"]] = document
        elif (
            document.get("collection") not in known and len(samples.get(str(document.get("collection")), ())) < _SAMPLE
        ):
            check_item(document)
            samples.setdefault(document["collection"], []).append(document)
    needed = {name: assumed_collection(name, items) for name, items in samples.items()}
    return list((needed | described).values())


def _items(lines: _Lines, places: "_Places", copy: Path, target: Path) -> Iterator[dict[str, Any]]:
    """The file's items, checked and copied on the way; the copy is in place before the caller can commit."""
    with copy.open("ab") as file:
        for document in lines:
            if document["type"] == "Feature":
                check_item(document)
                places.check(document)
                file.write(orjson.dumps(document) + b"\n")
                yield document
    sync_file(copy)
    move_file(copy, target)
    fail_point("load")


class _Places:
    """Where loaded items may have their assets (T02), and which ids are taken by scenes of the node's own."""

    def __init__(self, home: Path, asset_roots: Sequence[Path]) -> None:
        self._asset_roots = asset_roots
        self._published = {(scene.parent.name, scene.name) for scene in scene_folders(home) if versions(scene)}
        self._good_folder: str | None = None

    def check(self, item: dict[str, Any]) -> None:
        """Refuse an item that is out of place."""
        if (item["collection"], item["id"]) in self._published:
            raise InvalidItemError(f"item {item['id']}: a published scene has this id; give the item another")
        for key, asset in item["assets"].items():
            if not self._is_allowed(asset["href"]):
                allowed = ":".join(map(str, self._asset_roots)) or "none; see CATALOG_ASSET_ROOTS"
                raise InvalidItemError(
                    f"item {item['id']}: the href {asset['href']!r:.200} of asset {key} must be the absolute path of an"
                    f" image or side-file below an allowed root ({allowed})"
                )

    def _is_allowed(self, href: str) -> bool:
        """Links are followed once for the files of one folder: the most costly part of loading."""
        folder, _, name = href.rpartition("/")
        if folder == self._good_folder and _is_plain(href, name):
            return True
        if resolve_href(href, folder=None, asset_roots=self._asset_roots) is None:
            return False
        self._good_folder = folder if _is_plain(href, name) else None
        return True


def _is_plain(href: str, name: str) -> bool:
    suffix = "." + name.rpartition(".")[2].lower()
    return suffix in ASSET_SUFFIXES and "\0" not in href and not os.path.islink(href)  # noqa: PTH114  # twice as fast
