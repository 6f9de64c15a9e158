"""The STAC API's answers: HTTP requests to `ItemStore` calls, documents to bytes."""

from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from catalog.errors import InvalidSearchError
from catalog.item import STAC_VERSION
from catalog.link import GEOJSON, JSON, OPENAPI, Addresses, link, published_collection, published_item
from catalog.search import ItemStore, Page
from catalog.search_request import SearchBody, body_of_query

CONFORMANCE = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)

LANDING_ID = "imagery-node"
OPENAPI_PATH = "/api"
DOCUMENTATION_PATH = "/api.html"
TITLE = "国产卫星影像目录 · Domestic satellite imagery catalogue"
DESCRIPTION = (
    "经辐射定标与正射校正的国产光学卫星影像，以云优化 GeoTIFF 发布。\n\n"
    "Calibrated and orthorectified scenes of domestic optical satellites, published as cloud-optimized GeoTIFF."
)


class CatalogClient:
    """What stac-fastapi calls for each of its core routes.

    Every method gives a finished `Response`: items pass from the store to the wire without pydantic.
    """

    def __init__(self, store: ItemStore, *, public_url: str | None) -> None:
        self._store = store
        self._public_url = public_url

    def landing_page(self, request: Request) -> Response:
        """`GET /`."""
        at = self._addresses(request)
        search = f"{at.stac}/search"
        document = {
            "type": "Catalog",
            "stac_version": STAC_VERSION,
            "id": LANDING_ID,
            "title": TITLE,
            "description": DESCRIPTION,
            "conformsTo": CONFORMANCE,
            "links": [
                link("self", at.root),
                link("root", at.root),
                link("data", f"{at.stac}/collections"),
                link("conformance", f"{at.stac}/conformance"),
                link("search", search, GEOJSON, method="GET", title="Item search, parameters in the address"),
                link("search", search, GEOJSON, method="POST", title="Item search, parameters as JSON"),
                link("service-desc", at.stac + OPENAPI_PATH, OPENAPI, title="OpenAPI 3.0"),
                link("service-doc", at.stac + DOCUMENTATION_PATH, "text/html", title="接口说明 · API documentation"),
                *(
                    link("child", at.collection(child["id"]), title=child.get("title", child["id"]))
                    for child in self._store.collections()
                ),
            ],
        }
        return _answer(document, JSON)

    def conformance(self, request: Request) -> Response:
        """`GET /conformance`."""
        return _answer({"conformsTo": CONFORMANCE}, JSON)

    def all_collections(self, request: Request) -> Response:
        """`GET /collections`."""
        at = self._addresses(request)
        document = {
            "collections": [published_collection(document, at) for document in self._store.collections()],
            "links": [link("self", f"{at.stac}/collections"), link("root", at.root)],
        }
        return _answer(document, JSON)

    def get_collection(self, request: Request, collection_id: str) -> Response:
        """`GET /collections/{collection_id}`."""
        return _answer(published_collection(self._store.collection(collection_id), self._addresses(request)), JSON)

    def get_item(self, request: Request, collection_id: str, item_id: str) -> Response:
        """`GET /collections/{collection_id}/items/{item_id}`."""
        return _answer(published_item(self._store.item(collection_id, item_id), self._addresses(request)), GEOJSON)

    def item_collection(
        self, request: Request, collection_id: str, collections: str | None, **parameters: str | int | None
    ) -> Response:
        """`GET /collections/{collection_id}/items`."""
        self._store.collection(collection_id)
        if collections not in (None, collection_id):
            raise InvalidSearchError(f"collections is {collections[:64]!r}, but these are the items of {collection_id}")
        search = body_of_query(collections=collection_id, **parameters).search()
        address = f"{self._addresses(request).collection(collection_id)}/items"
        return self._page_by_get(request, address, self._store.search(search))

    def get_search(self, request: Request, **parameters: str | int | None) -> Response:
        """`GET /search`."""
        search = body_of_query(**parameters).search()
        return self._page_by_get(request, f"{self._addresses(request).stac}/search", self._store.search(search))

    def post_search(self, body: SearchBody, request: Request) -> Response:
        """`POST /search`."""
        at = self._addresses(request)
        address = f"{at.stac}/search"
        asked = body.model_dump(exclude_unset=True)
        page = self._store.search(body.search())
        links = [link("self", address, GEOJSON, method="POST", body=asked)]
        if page.next_token:
            following = {**asked, "token": page.next_token}
            links.append(link("next", address, GEOJSON, method="POST", body=following, merge=False))
        return _page(page, links, at)

    def _page_by_get(self, request: Request, address: str, page: Page) -> Response:
        asked = dict(request.query_params)
        links = [link("self", f"{address}?{urlencode(asked)}" if asked else address, GEOJSON)]
        if page.next_token:
            following = urlencode({**asked, "token": page.next_token})
            links.append(link("next", f"{address}?{following}", GEOJSON, method="GET"))
        return _page(page, links, self._addresses(request))

    def _addresses(self, request: Request) -> Addresses:
        return Addresses.of(request, self._public_url)


def _page(page: Page, links: list[dict[str, Any]], at: Addresses) -> Response:
    document = {
        "type": "FeatureCollection",
        "features": [published_item(item, at) for item in page.items],
        "links": [*links, link("root", at.root)],
        "numberReturned": len(page.items),
    }
    return _answer(document, GEOJSON)


def _answer(document: dict[str, Any], media_type: str) -> Response:
    return Response(orjson.dumps(document), media_type=media_type)
