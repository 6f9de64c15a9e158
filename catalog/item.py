"""The shape of an Item here: asset keys, the id rule, required fields, and where its files are."""

import functools
import hashlib
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import shapely

from catalog.asset_key import ANALYTIC, QUALITY, THUMBNAIL, VISUAL
from catalog.checked_item import CheckedItem, read_cloud_cover, read_gsd_m, read_values
from catalog.errors import InvalidItemError, UnknownItemError
from catalog.field_notes import FieldNotes
from catalog.geometry import Ground, read_grounds
from catalog.remote_store import is_remote
from catalog.search import Footprint
from catalog.served_item import served_item
from catalog.timestamp import parse_datetime

STAC_VERSION = "1.1.0"
ITEM_FILE = "item.json"

WARNINGS = "imagery_node:warnings"
"""Property with what is odd about a scene and did not stop it: a list of texts `name: what was found`."""

STEREO = "imagery_node:stereo"
"""Property with the view of a stereo scene, and the other views' items: `{view, siblings: [{collection, id}]}`."""

REQUIRED_ASSETS = (ANALYTIC, VISUAL, QUALITY, THUMBNAIL)
REQUIRED_PROPERTIES = ("created", "updated", "title", "platform", "instruments", "constellation", "gsd", "version")
MAX_ITEM_BYTES = 1024 * 1024
MAX_ASSETS = 64
ASSET_SUFFIXES = frozenset({".tif", ".tiff", ".webp", ".png", ".jpg", ".jpeg", ".xml", ".rpb", ".rpc", ".json", ".txt"})

ID_PATTERN = r"^[A-Za-z0-9](\.?[A-Za-z0-9_-])*\.?$"
MAX_ID_LENGTH = 128
EVERYTHING = "img"
"""The map layer of all collections, which no collection may be called."""

_ID = re.compile(ID_PATTERN, re.ASCII)
_ASSET_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,80}/[\w!#$&^.+-]{1,80}( *;[ -~]{0,200})?", re.ASCII)
_NUL = re.compile(rb"(?<!\\)(\\\\)*\\u0000")
_SHA256_MULTIHASH = re.compile(r"1220[0-9a-f]{64}", re.ASCII)


def is_id(text: object) -> bool:
    """Whether a text may name an item, collection or version (L26)."""
    return isinstance(text, str) and len(text) <= MAX_ID_LENGTH and _ID.fullmatch(text) is not None


def check_item(item: dict[str, Any]) -> Footprint:
    """Check what every Item must have, ours or loaded from elsewhere.

    Returns:
        The footprint its index row is made of.

    Raises:
        InvalidItemError: Naming the item, the field, what was found and what is expected.
    """
    checked = checked_item(item)
    return Footprint(
        collection=checked.collection,
        item_id=checked.item_id,
        version=checked.version,
        acquired=parse_datetime(item["properties"]["datetime"]),
        geometry=shapely.from_wkb(checked.geometry),
        gsd_m=checked.gsd_m,
        cloud_cover=checked.cloud_cover,
    )


def checked_item(item: dict[str, Any]) -> CheckedItem:
    """Check an Item; what a store needs of it.

    Raises:
        InvalidItemError: As `check_item`.
    """
    (checked,) = check_items([item])
    if isinstance(checked, InvalidItemError):
        raise checked
    return checked


def check_items(items: Sequence[dict[str, Any]]) -> list[CheckedItem | InvalidItemError]:
    """Check many Items, several times as fast as one by one; what a store needs of each, or why it is refused."""
    grounds = read_grounds([(item.get("geometry"), item.get("bbox")) for item in items])
    fields = FieldNotes()
    checked = [_check(item, ground, fields) for item, ground in zip(items, grounds, strict=True)]
    fields.note(
        (found.collection, item["properties"])
        for item, found in zip(items, checked, strict=True)
        if isinstance(found, CheckedItem)
    )
    return checked


def check_collection_name(collection: str) -> None:
    """Refuse the one id that is good and yet taken.

    Raises:
        InvalidItemError: It is the layer of everything.
    """
    if collection == EVERYTHING:
        raise InvalidItemError(f"collection {collection!r}: this is the layer of all collections; choose another id")


def check_references(document: dict[str, Any]) -> None:
    """Check links and extensions of an Item or Collection: whoever serves it puts others beside them.

    Raises:
        ValueError: They are not what STAC says.
    """
    links, extensions = document.get("links", []), document.get("stac_extensions", [])
    if not isinstance(links, list) or not all(
        isinstance(link, dict) and isinstance(link.get("href"), str) and isinstance(link.get("rel"), str)
        for link in links
    ):
        raise ValueError(f"links is {links!r:.80}, expected a list of objects with the texts href and rel")
    if not is_text_list(extensions):
        raise ValueError(f"stac_extensions is {extensions!r:.80}, expected a list of texts")


def is_text_list(value: object) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and set(map(type, value)) <= {str}


def check_built_item(item: dict[str, Any]) -> Footprint:
    """Check an Item of our own making: also its required fields, assets, relative hrefs and checksums.

    Raises:
        InvalidItemError: As `check_item`.
    """
    footprint = check_item(item)
    name, properties, assets = f"item {item['id']!r}", item["properties"], item["assets"]
    missing = [field for field in REQUIRED_PROPERTIES if field not in properties]
    missing += [f"assets.{key}" for key in REQUIRED_ASSETS if key not in assets]
    if missing:
        raise InvalidItemError(f"{name} lacks {', '.join(missing)}")
    for key, asset in assets.items():
        if Path(asset["href"]).is_absolute():
            raise InvalidItemError(f"{name}: asset {key} has the href {asset['href']!r}, expected one relative to it")
        if not _SHA256_MULTIHASH.fullmatch(str(asset.get("file:checksum"))):
            raise InvalidItemError(f"{name}: asset {key} has no sha2-256 multihash in file:checksum")
        if type(asset.get("file:size")) is not int:
            raise InvalidItemError(f"{name}: asset {key} has no file:size")
    return footprint


def item_version(item: dict[str, Any]) -> str:
    """The version of an Item as stored: its own where we counted it, else a digest of the document.

    Items made elsewhere, whose files lie elsewhere, may state the same version for other pixels.
    """
    return _stated_version(item) or _digest(orjson.dumps(item, option=orjson.OPT_SORT_KEYS))


def with_warnings(item: dict[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """The Item with named warnings, such as `saturated: …`, added to those it has."""
    known = item["properties"].get(WARNINGS, [])
    told = list(dict.fromkeys([*known, *warnings]))
    return item | {"properties": item["properties"] | {WARNINGS: told}} if told else item


def siblings(item: dict[str, Any]) -> list[tuple[str, str]]:
    """(collection, id) of the other views of a stereo scene; an item from elsewhere may hold anything there."""
    stereo = item["properties"].get(STEREO)
    named = stereo.get("siblings") if isinstance(stereo, dict) else None
    views = [view for view in named if isinstance(view, dict)] if isinstance(named, list) else []
    return [
        (view["collection"], view["id"]) for view in views if is_id(view.get("collection")) and is_id(view.get("id"))
    ]


def acquired(item: dict[str, Any]) -> datetime:
    """When the scene was taken, UTC."""
    return parse_datetime(item["properties"]["datetime"])


def item_folder(home: Path, item: dict[str, Any]) -> Path:
    """Where the files of a published version lie."""
    return home.joinpath("scenes", item["collection"], item["id"], item_version(item))


def asset_path(item: dict[str, Any], key: str, *, home: Path, asset_roots: Sequence[Path] = ()) -> Path:
    """The file of an asset: inside the item's own folder, or inside a root that the settings allow (T02).

    Raises:
        UnknownItemError: The item has no such asset, or its file is gone.
        InvalidItemError: The href leads elsewhere or to something that is not an image or side-file.
    """
    if key not in item["assets"]:
        raise UnknownItemError(f"item {item['id']!r} has no asset {key!r:.80}")
    href = item["assets"][key]["href"]
    folder = item_folder(home, item)
    path = resolve_href(href, folder=folder, asset_roots=asset_roots)
    if path is None:
        raise InvalidItemError(f"item {item['id']!r}: the href of asset {key!r} is outside the allowed roots")
    if not path.is_file():
        raise UnknownItemError(f"item {item['id']!r}: the file of asset {key!r} is missing")
    return path


def resolve_href(href: str, *, folder: Path | None, asset_roots: Sequence[Path]) -> Path | None:
    """The real path behind an href, links followed, or None when it leaves where it may be.

    A relative href belongs to `folder`, an absolute one to any of `asset_roots`.
    """
    absolute = href.startswith("/")
    roots = asset_roots if absolute else [folder] if folder else []
    if "\0" in href or Path(href).suffix.lower() not in ASSET_SUFFIXES:
        return None
    real = os.path.realpath(href if absolute or folder is None else folder / href)
    for root in map(os.path.realpath, roots):
        if real.startswith(root.rstrip("/") + "/"):
            return Path(real)
    return None


def _check(item: dict[str, Any], ground: Ground | ValueError, fields: FieldNotes) -> CheckedItem | InvalidItemError:
    try:
        _check_frame(item)
        check_references(item)
        if isinstance(ground, ValueError):
            raise ground
        document = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        if len(document) > MAX_ITEM_BYTES:
            raise ValueError(f"the document has {len(document)} bytes, at most {MAX_ITEM_BYTES} are allowed")
        if rb"\u0000" in document and _NUL.search(document):
            raise ValueError("a text holds the character U+0000, which PostgreSQL cannot keep")
        version = _stated_version(item) or _digest(document)
        return CheckedItem(
            item["collection"],
            item["id"],
            version,
            read_gsd_m(item),
            read_cloud_cover(item),
            read_values(item),
            tuple(item["properties"].get("instruments", ())),
            document,
            served_item(item, version, siblings(item)),
            *ground,
            fields,
        )
    except (ValueError, TypeError) as error:
        refusal = InvalidItemError(f"item {item.get('id')!r:.140}: {error}")
        refusal.__cause__ = error
        return refusal
    except InvalidItemError as refusal:
        return refusal


def _check_frame(item: dict[str, Any]) -> None:
    if item.get("type") != "Feature" or not isinstance(item.get("stac_version"), str):
        raise ValueError("a STAC Item has type 'Feature' and a stac_version")
    for field in ("id", "collection"):
        if not is_id(item.get(field)):
            raise ValueError(f"{field} is {item.get(field)!r:.140}, expected 1–128 letters, digits, '.', '_' or '-'")
    check_collection_name(item["collection"])
    properties = item.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("datetime"), str):
        raise ValueError("properties.datetime must be an RFC 3339 time")
    if not is_text_list(properties.get("instruments", [])):
        raise ValueError(f"instruments is {properties['instruments']!r:.80}, expected a list of texts")
    _check_assets(item.get("assets"))


@functools.lru_cache(256)  # all items have the same
def _is_asset_key(key: str) -> bool:
    return _ASSET_KEY.fullmatch(key) is not None


@functools.lru_cache(256)  # as above
def _is_media_type(text: str) -> bool:
    return _MEDIA_TYPE.fullmatch(text) is not None


def _check_assets(assets: object) -> None:
    if not isinstance(assets, dict) or len(assets) > MAX_ASSETS:
        raise ValueError(f"assets must be an object of at most {MAX_ASSETS} members")
    for key, asset in assets.items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str) or not _is_asset_key(key):
            raise ValueError(f"asset {key!r:.80} needs an href and a key of letters, digits, '_', '-'")
        if "type" in asset and not (isinstance(asset["type"], str) and _is_media_type(asset["type"])):
            raise ValueError(f"asset {key!r} has the type {asset['type']!r:.80}, expected a media type")
        if "alternate" in asset:
            raise ValueError(f"asset {key!r} has alternate places, which are not served here")


def _stated_version(item: dict[str, Any]) -> str | None:
    """The version that an Item states, if its files are the node's own: they have relative hrefs, others' never."""
    stated: str | None = item["properties"].get("version")
    if not is_id(stated):
        return None
    ours = not any(asset["href"].startswith("/") or is_remote(asset["href"]) for asset in item["assets"].values())
    return stated if ours else None


def _digest(document: bytes) -> str:
    return "d" + hashlib.sha256(document).hexdigest()[:15]
