"""Collections: the packaged documents of known sensors, and what can be said of items nobody described."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from catalog.errors import InvalidItemError, UnknownCollectionError
from catalog.geometry import read_bbox
from catalog.item import STAC_VERSION, is_id

_DOCUMENTS = files("catalog") / "collection_documents"
_ASSET_FIELDS = ("title", "description", "type", "roles", "bands", "gsd")
_WHOLE_EARTH = [-180, -90, 180, 90]


@cache
def packaged_collections() -> tuple[str, ...]:
    """Ids of the collections that come with the catalogue."""
    return tuple(sorted(file.name.removesuffix(".json") for file in _DOCUMENTS.iterdir()))


def collection_document(collection: str) -> dict[str, Any]:
    """A packaged Collection document, with its `renders` and `imagery_node:stretch`.

    Raises:
        UnknownCollectionError: None of that id is packaged.
    """
    if collection not in packaged_collections():
        raise UnknownCollectionError(
            f"no collection {collection!r:.140}; packaged: {', '.join(packaged_collections())}"
        )
    document: dict[str, Any] = orjson.loads((_DOCUMENTS / f"{collection}.json").read_bytes())
    return document


def derived_collection(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The least a Collection needs, read off items of one collection that came without a document."""
    collection, assets = "", dict[str, dict[str, Any]]()
    for item in items:
        collection = item["collection"]
        for key, asset in item["assets"].items():
            assets.setdefault(key, {field: asset[field] for field in _ASSET_FIELDS if field in asset})
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": collection,
        "title": collection,
        "description": f"Items loaded as {collection}.",
        "license": "other",
        "extent": {"spatial": {"bbox": [_WHOLE_EARTH]}, "temporal": {"interval": [[None, None]]}},
        "item_assets": {key: asset for key, asset in assets.items() if asset},
        "links": [],
    }


def check_collection(document: dict[str, Any]) -> None:
    """Check what a Collection must have to be served.

    Raises:
        InvalidItemError: Naming the collection and the field.
    """
    name = f"collection {document.get('id')!r:.140}"
    if not is_id(document.get("id")):
        raise InvalidItemError(f"{name}: id must be 1–128 letters, digits, '.', '_' or '-'")
    missing = [field for field in ("stac_version", "description", "license", "extent") if field not in document]
    if missing:
        raise InvalidItemError(f"{name} lacks {', '.join(missing)}")
    try:
        for bbox in document["extent"]["spatial"]["bbox"]:
            read_bbox(bbox)
        if not all(len(interval) == 2 for interval in document["extent"]["temporal"]["interval"]):
            raise ValueError("a temporal interval has two ends")
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidItemError(f"{name}: bad extent: {error}") from error
