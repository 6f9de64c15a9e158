"""STAC transactions: items and collections written over HTTP, one by one or many at once, all or none.

The routes and their answers are those of STAC's Transaction and Collection Transaction extensions and of stac-fastapi's
bulk extension. The documents are not read through stac-fastapi's models: these write times, numbers and members that
they do not know in another way than they came.

Sources: https://github.com/stac-api-extensions/transaction (v1.0.0), RFC 7386 for PATCH, RFC 9110 §13 for If-Match.
"""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Request
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response

from catalog.api import CatalogClient
from catalog.errors import InvalidItemError
from catalog.item import ID_PATTERN, MAX_ID_LENGTH
from catalog.link import Addresses, file_address
from catalog.request_limits import MAX_BULK_JSON_KEYS, StrictRoute
from catalog.writing import Change, Document, Writer

CONFORMANCE = (
    "https://api.stacspec.org/v1.0.0/ogcapi-features/extensions/transaction",
    "https://api.stacspec.org/v1.0.0/collections/extensions/transaction",
    "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/simpletx",
)

ITEMS = "/collections/{collection_id}/items"
ITEM = "/collections/{collection_id}/items/{item_id}"
COLLECTIONS = "/collections"
COLLECTION = "/collections/{collection_id}"
BULK = "/collections/{collection_id}/bulk_items"

Id = Annotated[str, InPath(pattern=ID_PATTERN, max_length=MAX_ID_LENGTH)]
Json = Annotated[Document, Body()]
IfMatch = Annotated[str | None, Header(description="Entity tag of the document that is meant; of any without.")]


_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The document breaks a rule."},
    404: {"description": "There is no such item or collection."},
    409: {"description": "It is there already, or must not be written over, or is not empty."},
    412: {"description": "It was changed since the sender read it."},
}


class BulkItems(BaseModel):
    """Many items, each under its id."""

    model_config = ConfigDict(extra="forbid")

    items: dict[str, Document]
    method: Literal["insert", "upsert"] = "insert"


class _BulkRoute(StrictRoute):
    """A route whose bodies hold many documents."""

    max_json_keys = MAX_BULK_JSON_KEYS


def transaction_routes(writer: Writer, client: CatalogClient, *, public_url: str | None) -> APIRouter:
    """The routes that write; who may call them is decided before (`catalog.gate.WriterMiddleware`)."""
    router = APIRouter(tags=["transactions"], route_class=_BulkRoute)
    _add_new_item_routes(router, writer, client, public_url)
    _add_item_routes(router, writer, client, public_url)
    _add_collection_routes(router, writer, client, public_url)
    return router


def _add_new_item_routes(router: APIRouter, writer: Writer, client: CatalogClient, public_url: str | None) -> None:
    @router.post(ITEMS, summary="Add an item, or a FeatureCollection of items", status_code=201, responses=_ANSWERS)
    def add_items(request: Request, collection_id: Id, document: Json) -> Response:
        """Add one item, or all of many."""
        if document.get("type") == "FeatureCollection":
            writer.add_items(collection_id, _features(document))
            return Response(status_code=HTTPStatus.CREATED)
        writer.add_items(collection_id, [document])
        place = Addresses.of(request, public_url).item(collection_id, document["id"])
        return _created(client.get_item(request, collection_id, document["id"]), place)

    @router.post(BULK, summary="Add many items", responses=_ANSWERS)
    def add_many(collection_id: Id, bulk: BulkItems) -> JSONResponse:
        """Add all the items, or none; with the method `upsert` in the place of those that are there."""
        for name, item in bulk.items.items():
            if item.get("id") != name:
                raise InvalidItemError(f"item {item.get('id')!r:.140} stands under the name {name!r:.140}")
        writer.add_items(collection_id, list(bulk.items.values()), replace=bulk.method == "upsert")
        count = len(bulk.items)
        return JSONResponse({"received": count, "success": count, "skipped": 0, "errors": []})


def _add_item_routes(router: APIRouter, writer: Writer, client: CatalogClient, public_url: str | None) -> None:
    def change_item(
        request: Request, collection_id: str, item_id: str, if_match: str | None, change: Change
    ) -> Response:
        at = Addresses.of(request, public_url)
        writer.change_item(
            collection_id, item_id, lambda item: _with_stored_hrefs(change(item), item, at), if_match=if_match
        )
        return client.get_item(request, collection_id, item_id)

    @router.put(ITEM, summary="Replace an item", responses=_ANSWERS)
    def replace_item(
        request: Request, collection_id: Id, item_id: Id, document: Json, if_match: IfMatch = None
    ) -> Response:
        """Put another document in the place of an item's; what the node says of its files may stay as it was read."""
        return change_item(request, collection_id, item_id, if_match, lambda _: document)

    @router.patch(ITEM, summary="Change an item", responses=_ANSWERS)
    def patch_item(request: Request, collection_id: Id, item_id: Id, patch: Json, if_match: IfMatch = None) -> Response:
        """Change members of an item; null removes one."""
        return change_item(request, collection_id, item_id, if_match, lambda item: merge_patch(item, patch))

    @router.delete(ITEM, summary="Delete an item", status_code=204, responses=_ANSWERS)
    def delete_item(collection_id: Id, item_id: Id, if_match: IfMatch = None) -> None:
        """Take an item out of every answer; the node keeps that it was there."""
        writer.delete_item(collection_id, item_id, if_match=if_match)


def _add_collection_routes(router: APIRouter, writer: Writer, client: CatalogClient, public_url: str | None) -> None:
    def change_collection(request: Request, collection_id: str, if_match: str | None, change: Change) -> Response:
        at = Addresses.of(request, public_url)
        writer.change_collection(
            collection_id, lambda collection: _without_own_links(change(collection), at), if_match=if_match
        )
        return client.get_collection(request, collection_id)

    @router.post(COLLECTIONS, summary="Add a collection", status_code=201, responses=_ANSWERS)
    def add_collection(request: Request, document: Json) -> Response:
        """Add a collection."""
        writer.add_collection(document)
        place = Addresses.of(request, public_url).collection(document["id"])
        return _created(client.get_collection(request, document["id"]), place)

    @router.put(COLLECTION, summary="Replace a collection", responses=_ANSWERS)
    def replace_collection(request: Request, collection_id: Id, document: Json, if_match: IfMatch = None) -> Response:
        """Put another document in the place of a collection's."""
        return change_collection(request, collection_id, if_match, lambda _: document)

    @router.patch(COLLECTION, summary="Change a collection", responses=_ANSWERS)
    def patch_collection(request: Request, collection_id: Id, patch: Json, if_match: IfMatch = None) -> Response:
        """Change members of a collection; null removes one."""
        return change_collection(request, collection_id, if_match, lambda collection: merge_patch(collection, patch))

    @router.delete(COLLECTION, summary="Delete a collection", status_code=204, responses=_ANSWERS)
    def delete_collection(collection_id: Id, if_match: IfMatch = None) -> None:
        """Remove a collection that holds no items."""
        writer.delete_collection(collection_id, if_match=if_match)


def merge_patch(document: Document, patch: Document) -> Document:
    """The document with a JSON merge patch (RFC 7386) laid over it."""
    merged = dict(document)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = merge_patch(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def _features(document: Document) -> list[Document]:
    features = document.get("features")
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise InvalidItemError("features must be a list of items")
    return features


def _with_stored_hrefs(document: Document, stored: Document, at: Addresses) -> Document:
    """What a program that read the stored item here means: the addresses this node gave it stand for the files."""
    assets = document.get("assets")
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        href = asset.get("href") if isinstance(asset, dict) else None
        if key in stored["assets"] and str(href).partition("?")[0] == file_address(stored, key, at):
            asset["href"] = stored["assets"][key]["href"]
    return _without_own_links(document, at)


def _without_own_links(document: Document, at: Addresses) -> Document:
    """Without the links that this node adds whenever it serves the document."""
    links = document.get("links")
    if not isinstance(links, list):
        return document
    others = [
        each for each in links if not (isinstance(each, dict) and f"{each.get('href')}/".startswith(f"{at.node}/"))
    ]
    return {**document, "links": others}


def _created(response: Response, place: str) -> Response:
    response.status_code = HTTPStatus.CREATED
    response.headers["location"] = place
    return response
