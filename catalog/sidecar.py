"""The files behind the catalogue: what is needed to rebuild it, and nothing that is only in the database.

scenes/<collection>/collection.json              the collection as it was when its first scene came
scenes/<collection>/<id>/<version>/item.json     an Item; the highest version is the one that is listed
scenes/<collection>/<id>/recalled.json           the scene is recalled: why and when
scenes/<collection>/removed.json                 the collection was removed, with all that was loaded of it until then
loaded/<number>.ndjson                           what `catalog load` took in, Collections before their Items

Whatever cannot be read here is left out and logged: one bad file must not keep the others from being served.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from catalog.checked_item import CheckedItem
from catalog.collection import assumed_collection, check_collection
from catalog.durable import move_file, sync_folder, write_file
from catalog.errors import InvalidItemError
from catalog.item import ITEM_FILE, check_built_item, item_version
from catalog.item_lines import read_lines, survey
from catalog.search import Change, ItemStore
from catalog.staging import check_files, staging_folder
from catalog.timestamp import format_datetime, parse_datetime

logger = logging.getLogger(__name__)

COLLECTION_FILE = "collection.json"
TOMBSTONE_FILE = "recalled.json"
REMOVAL_FILE = "removed.json"

_EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


def refill(store: ItemStore, home: Path, loaded: Sequence[Path]) -> int:
    """Make the store hold exactly what the files say, of those loaded only these; returns how many items are listed."""
    names = [path.name for path in loaded]
    return store.refill(_collections(home, loaded), _items(home, loaded), tombstones(home), loaded=names)


def scene_folder(home: Path, collection: str, item_id: str) -> Path:
    """Where the versions of a scene lie."""
    return home / "scenes" / collection / item_id


def scene_folders(home: Path) -> Iterator[Path]:
    """All of them, by collection and id."""
    for collection in _folders(home / "scenes"):
        yield from _folders(collection)


def scene_folders_of(home: Path, collection: str) -> list[Path]:
    """Those of one collection, by id."""
    return _folders(home / "scenes" / collection)


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
    except (OSError, ValueError) as error:
        raise InvalidItemError(f"{folder.name}: {ITEM_FILE} cannot be read: {error}") from error
    check_built_item(item)
    return item


def read_version(home: Path, collection: str, item_id: str, version: str, *, before: str) -> dict[str, Any] | None:
    """The Item of a version that was replaced, while its files are still there; None when there is none.

    `before` is the listed version: one that is newer was not published yet.
    """
    if not (version.isdecimal() and before.isdecimal() and int(version) < int(before)):
        return None
    try:
        return read_item(scene_folder(home, collection, item_id) / version)
    except InvalidItemError:
        return None


def loaded_files(home: Path) -> list[Path]:
    """What was loaded, in the order of loading."""
    return sorted(home.glob("loaded/*.ndjson"))


def unrecorded_files(home: Path, store: ItemStore) -> list[Path]:
    """Loaded files whose loading was never committed; while one is being loaded there is no saying."""
    return [path for path in loaded_files(home) if path.name not in store.loaded_files()]


def loading_lock(home: Path) -> Path:
    """Held by the one process that loads, from before its file is named until after it is committed."""
    return home / "loaded.lock"


def write_collection(home: Path, document: dict[str, Any]) -> None:
    """Keep a collection's document beside its scenes unless there is one."""
    path = home / "scenes" / document["id"] / COLLECTION_FILE
    if not path.exists():
        _write(home, path, document)


def write_removal(home: Path, collection: str, *, last_loaded: int, removed: datetime) -> None:
    """Say that a collection without scenes is gone, with what the loaded files up to a number hold of it."""
    folder = home / "scenes" / collection
    document = {"removed": format_datetime(removed), "last_loaded": last_loaded}
    _write(home, folder / REMOVAL_FILE, document)
    (folder / COLLECTION_FILE).unlink(missing_ok=True)
    for scene in _folders(folder):
        (scene / TOMBSTONE_FILE).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something was published there this moment
            scene.rmdir()


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
        found = tombstone(path.parent)
        if found is not None:
            yield found


def tombstone(scene: Path) -> Change | None:
    """Why and when a scene was recalled; None when it is not. A damaged file still keeps it recalled."""
    path = scene / TOMBSTONE_FILE
    version, reason = "", None
    try:
        recalled = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        document = _read(path)
        version, recalled, reason = document["version"], parse_datetime(document["recalled"]), document["reason"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.error("%s: %s does not say why: %s", scene.name, TOMBSTONE_FILE, error)
    return Change(0, "recall", scene.parent.name, scene.name, version, recalled, reason, _EVERYWHERE)


def _write(home: Path, path: Path, document: dict[str, Any]) -> None:
    with staging_folder(home) as staged:
        write_file(staged / path.name, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        move_file(staged / path.name, path)


def _collections(home: Path, loaded: Sequence[Path]) -> list[dict[str, Any]]:
    """What was kept or loaded; for items that lost the document of their collection, the one to assume."""
    found = {folder.name: document for folder in _folders(home / "scenes") if (document := _collection(folder))}
    samples: dict[str, list[dict[str, Any]]] = {}
    removed = _removals(home)
    for path in loaded:
        described, needed = survey(path, known=found.keys() | samples.keys(), sample=1)
        found |= {name: document for name, document in described.items() if _is_kept(path, name, removed)}
        samples |= {name: items for name, items in needed.items() if _is_kept(path, name, removed)}
    missing = samples.keys() - found.keys()
    return [*found.values(), *(assumed_collection(name, samples[name]) for name in missing)]


def _collection(folder: Path) -> dict[str, Any] | None:
    """The document of a collection's folder; None when no scene there needs one."""
    try:
        document = _read(folder / COLLECTION_FILE)
        check_collection(document)
        if document["id"] == folder.name:
            return document
        trouble = f"it is of {document['id']}"
    except (OSError, ValueError, InvalidItemError) as error:
        trouble = str(error)
    sample = next(_scene_items(folder), None)
    if sample is None:
        return None
    logger.error("%s of %s cannot be used: %s", COLLECTION_FILE, folder.name, trouble)
    return assumed_collection(folder.name, [sample])


def _items(home: Path, loaded: Sequence[Path]) -> Iterator[dict[str, Any] | CheckedItem]:
    removed = _removals(home)
    for path in loaded:
        yield from _loaded_items(path, removed)
    for collection in _folders(home / "scenes"):
        yield from _scene_items(collection)


def _scene_items(collection: Path) -> Iterator[dict[str, Any]]:
    """The newest good version of each scene."""
    for scene in _folders(collection):
        for version in reversed(versions(scene)):
            folder = scene / str(version)
            try:
                item = read_item(folder)
                check_files(folder, item, checksums=False)
                if (item["collection"], item["id"]) != (collection.name, scene.name):
                    raise InvalidItemError(f"it is item {item['id']} of {item['collection']}")
            except (InvalidItemError, OSError) as error:
                logger.error("version %s of %s is left out: %s", version, scene.name, error)
                continue
            yield item
            break


def _removals(home: Path) -> dict[str, int]:
    """The collections that were removed, and the number of the last loaded file before that."""
    found = {}
    for path in home.glob(f"scenes/*/{REMOVAL_FILE}"):
        try:
            found[path.parent.name] = int(_read(path)["last_loaded"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.error("%s of %s is left out: %s", path.name, path.parent.name, error)
    return found


def _loaded_items(path: Path, removed: Mapping[str, int]) -> Iterator[CheckedItem]:
    try:
        for number, found in enumerate(read_lines(path), 1):
            if isinstance(found, InvalidItemError):
                logger.error("line %s of %s is left out: %s", number, path.name, found)
            elif isinstance(found, CheckedItem) and _is_kept(path, found.collection, removed):
                yield found
    except OSError as error:
        logger.error("%s is left out: %s", path.name, error)


def _is_kept(path: Path, collection: str, removed: Mapping[str, int]) -> bool:
    """Whether a loaded file is newer than the removal of the collection, if it was removed."""
    return int(path.stem) > removed.get(collection, 0)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _read(path: Path) -> dict[str, Any]:
    return _object(path.read_bytes())


def _object(text: bytes) -> dict[str, Any]:
    document = orjson.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # as orjson's own refusals
    return document
