"""The files behind the catalogue: what is needed to rebuild it, and nothing that is only in the database.

scenes/<collection>/collection.json              the collection as it was when its first scene came
scenes/<collection>/<id>/<version>/item.json     an Item; the highest version is the one that is listed
scenes/<collection>/<id>/recalled.json           the scene is recalled: why and when
loaded/<number>.ndjson                           what `catalog load` took in, Collections before their Items
"""

import itertools
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from catalog.durable import move_file, sync_folder, write_file
from catalog.errors import InvalidItemError
from catalog.item import ITEM_FILE, check_built_item, item_version
from catalog.search import Change, ItemStore
from catalog.staging import check_files, staging_folder
from catalog.timestamp import format_datetime, parse_datetime

logger = logging.getLogger(__name__)

COLLECTION_FILE = "collection.json"
TOMBSTONE_FILE = "recalled.json"


def refill(store: ItemStore, home: Path) -> int:
    """Make the store hold exactly what the files say; returns how many items are listed."""
    documents = itertools.chain.from_iterable(map(_lines, loaded_files(home)))
    collections = {path.parent.name: _read(path) for path in sorted(home.glob(f"scenes/*/{COLLECTION_FILE}"))}
    collections |= {document["id"]: document for document in documents if document["type"] == "Collection"}
    return store.refill(collections.values(), _items(home), tombstones(home))


def scene_folder(home: Path, collection: str, item_id: str) -> Path:
    """Where the versions of a scene lie."""
    return home / "scenes" / collection / item_id


def scene_folders(home: Path) -> Iterator[Path]:
    """All of them, by collection and id."""
    for collection in sorted(path for path in home.glob("scenes/*") if path.is_dir()):
        yield from sorted(path for path in collection.iterdir() if path.is_dir())


def versions(scene: Path) -> list[int]:
    """The complete versions of a scene, oldest first."""
    return sorted(int(path.parent.name) for path in scene.glob(f"*/{ITEM_FILE}") if path.parent.name.isdecimal())


def read_item(folder: Path) -> dict[str, Any]:
    """The Item of a version or of a built folder.

    Raises:
        InvalidItemError: It cannot be read or breaks a rule.
    """
    try:
        item = _read(folder / ITEM_FILE)
    except (OSError, orjson.JSONDecodeError) as error:
        raise InvalidItemError(f"{folder.name}: {ITEM_FILE} cannot be read: {error}") from error
    check_built_item(item)
    return item


def loaded_files(home: Path) -> list[Path]:
    """What was loaded, in the order of loading."""
    return sorted(home.glob("loaded/*.ndjson"))


def write_collection(home: Path, document: dict[str, Any]) -> None:
    """Keep a collection's document beside its scenes unless there is one."""
    path = home / "scenes" / document["id"] / COLLECTION_FILE
    if not path.exists():
        _write(home, path, document)


def write_tombstone(home: Path, item: dict[str, Any], *, reason: str, recalled: datetime) -> None:
    """Say beside the scene's files that it is recalled."""
    document = {"version": item_version(item), "recalled": format_datetime(recalled), "reason": reason}
    _write(home, scene_folder(home, item["collection"], item["id"]) / TOMBSTONE_FILE, document)


def remove_tombstone(home: Path, collection: str, item_id: str) -> None:
    """The scene is no longer recalled."""
    folder = scene_folder(home, collection, item_id)
    if folder.is_dir():
        (folder / TOMBSTONE_FILE).unlink(missing_ok=True)
        sync_folder(folder)


def tombstones(home: Path) -> Iterator[Change]:
    """All recalled scenes."""
    for path in sorted(home.glob(f"scenes/*/*/{TOMBSTONE_FILE}")):
        document = _read(path)
        yield Change(
            sequence=0,
            action="recall",
            collection=path.parents[1].name,
            item_id=path.parent.name,
            version=document["version"],
            changed=parse_datetime(document["recalled"]),
            reason=document["reason"],
        )


def _write(home: Path, path: Path, document: dict[str, Any]) -> None:
    with staging_folder(home) as staged:
        write_file(staged / path.name, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        move_file(staged / path.name, path)


def _items(home: Path) -> Iterable[dict[str, Any]]:
    for path in loaded_files(home):
        yield from (document for document in _lines(path) if document["type"] == "Feature")
    for scene in scene_folders(home):
        for version in reversed(versions(scene)):
            folder = scene / str(version)
            try:
                item = read_item(folder)
                check_files(folder, item, checksums=False)
            except InvalidItemError as error:
                logger.error("version %s of %s is left out: %s", version, scene.name, error)
                continue
            yield item
            break


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(path.read_bytes())
    return document
