"""Collections: the packaged documents of known sensors, and what can be said of items nobody described."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from catalog.asset_key import ANALYTIC, QUALITY, THUMBNAIL, VISUAL
from catalog.errors import InvalidItemError, UnknownCollectionError
from catalog.geometry import is_number, read_bbox
from catalog.item import STAC_VERSION, check_collection_name, check_references, is_id, is_text_list
from catalog.language import TRANSLATIONS
from catalog.packaged_collection import collection_rows, packaged_document
from catalog.timestamp import parse_datetime

COMPOSITE_OF = "imagery_node:composite_of"
"""Property of a collection of composites: the collection whose scenes they are made of."""

_COMPOSITE = "-composite"
_ASSET_FIELDS = ("title", "description", "type", "roles", "bands", "gsd")
_WHOLE_EARTH = [-180, -90, 180, 90]


def packaged_collections() -> tuple[str, ...]:
    """Ids of the collections that come with the catalogue."""
    return tuple(collection_rows())


def collection_document(collection: str) -> dict[str, Any]:
    """A packaged Collection document, with its `renders` and `imagery_node:stretch`.

    Raises:
        UnknownCollectionError: None of that id is packaged.
    """
    source = collection.removesuffix(_COMPOSITE)
    if source != collection and source in packaged_collections():
        return composite_collection(packaged_document(source))
    if collection not in packaged_collections():
        raise UnknownCollectionError(
            f"no collection {collection!r:.140}; packaged: {', '.join(packaged_collections())}"
        )
    return deepcopy(packaged_document(collection))


def composite_id(collection: str) -> str:
    """Of the collection that holds the composites of another one's scenes."""
    return collection + _COMPOSITE


def composite_collection(source: dict[str, Any]) -> dict[str, Any]:
    """The document of the composites that are made of a collection's scenes: its bands, its looks, its stretch."""
    document, assets = deepcopy(source), deepcopy(source.get("item_assets", {}))
    kept = {key: assets[key] for key in (VISUAL, ANALYTIC, QUALITY, THUMBNAIL) if key in assets}
    for asset in kept.values():
        asset.pop("gsd", None)
    count = {
        "title": "清晰观测次数 · Clear observations",
        "description": "How many scenes were clear at each pixel; same grid as analytic",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data", "metadata"],
    }
    renders = {
        name: render for name, render in source.get("renders", {}).items() if set(render.get("assets", ())) <= set(kept)
    }
    zh, _, en = str(source.get("title") or source["id"]).rpartition(" · ")
    texts = {
        "zh": {"title": f"{zh or en} 合成影像", "description": f"由 {zh or en} 各景的无云像元合成。"},
        "en": {"title": f"{en} composites", "description": f"Made of the clear pixels of scenes of {en}."},
    }
    document.pop("summaries", None)
    return document | {
        "id": composite_id(source["id"]),
        "title": f"{texts['zh']['title']} · {texts['en']['title']}",
        "description": "\n\n".join(text["description"] for text in texts.values()),
        TRANSLATIONS: texts,
        "extent": {"spatial": {"bbox": [_WHOLE_EARTH]}, "temporal": {"interval": [[None, None]]}},
        "item_assets": {**kept, "count": count},
        "renders": renders,
        "links": [],
        COMPOSITE_OF: source["id"],
    }


def assumed_collection(collection: str, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document of a collection that came without one: the packaged one, or one derived from its items."""
    return collection_document(collection) if collection in packaged_collections() else derived_collection(items)


def derived_collection(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
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
    check_collection_name(document["id"])
    missing = [field for field in ("stac_version", "description", "license", "extent") if field not in document]
    if missing:
        raise InvalidItemError(f"{name} lacks {', '.join(missing)}")
    try:
        check_references(document)
        for field in ("title", "description", "license"):
            if not isinstance(document.get(field, ""), str):
                raise ValueError(f"{field} is {document[field]!r:.80}, expected text")
        for field in ("summaries", "properties"):
            if not isinstance(document.get(field, {}), dict):
                raise ValueError(f"{field} is {document[field]!r:.80}, expected an object")
        _check_renders(document.get("renders", {}))
        _check_translations(document.get(TRANSLATIONS, {}))
    except ValueError as error:
        raise InvalidItemError(f"{name}: {error}") from error
    try:
        _check_extent(document["extent"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidItemError(f"{name}: bad extent: {error}") from error


def _check_extent(extent: dict[str, Any]) -> None:
    boxes = extent["spatial"]["bbox"]
    if not isinstance(boxes, list):
        raise ValueError(f"spatial.bbox is {boxes!r:.80}, expected a list of boxes")
    for bbox in boxes:
        read_bbox(bbox)
    for interval in extent["temporal"]["interval"]:
        if len(interval) != 2:
            raise ValueError("a temporal interval has two ends")
        for when in interval:
            if when is not None:
                parse_datetime(when)


def _check_translations(translations: object) -> None:
    """Title and description by language."""
    if not isinstance(translations, dict) or not all(
        isinstance(texts, dict)
        and texts.keys() <= {"title", "description"}
        and all(isinstance(text, str) for text in texts.values())
        for texts in translations.values()
    ):
        raise ValueError(f"{TRANSLATIONS} is {translations!r:.80}, expected titles and descriptions by language")


def _check_renders(renders: object) -> None:
    """The rendering `natural` is drawn with; the others are for clients that read them."""
    if not isinstance(renders, dict) or not all(isinstance(rendering, dict) for rendering in renders.values()):
        raise ValueError(f"renders is {renders!r:.80}, expected an object of objects")
    if (natural := renders.get("natural")) is None:
        return
    assets, indexes, stretches = (natural.get(field) for field in ("assets", "bidx", "rescale"))
    if not assets or not is_text_list(assets):
        raise ValueError(f"renders.natural.assets is {assets!r:.80}, expected a list of asset keys")
    if not isinstance(indexes, list) or not indexes or not all(type(i) is int and i >= 1 for i in indexes):
        raise ValueError(f"renders.natural.bidx is {indexes!r:.80}, expected band numbers from 1")
    if (
        not isinstance(stretches, list)
        or len(stretches) not in {1, len(indexes)}
        or not all(isinstance(pair, list) and len(pair) == 2 and all(map(is_number, pair)) for pair in stretches)
    ):
        raise ValueError(f"renders.natural.rescale is {stretches!r:.80}, expected one [low, high], or one a band")
