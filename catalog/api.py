"""The STAC API's answers: HTTP requests to `ItemStore` calls, documents to bytes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from catalog.access import Access
from catalog.api_answer import answer, answer_in, language_of, page_links, tagged
from catalog.api_schema import COLLECTION_QUERYABLES_PATH, COLLECTION_SORTABLES_PATH, check_names
from catalog.collection_search import search_collections
from catalog.conformance import CONFORMANCE
from catalog.errors import InvalidSearchError
from catalog.gate import is_reader
from catalog.item import STAC_VERSION, item_version, siblings
from catalog.language import Language, say, translated
from catalog.link import Addresses, published, published_collection
from catalog.search import ItemStore, Page
from catalog.search_address import body_of_query
from catalog.search_request import CollectionSearchBody, SearchBody
from catalog.served_item import served_item
from catalog.stac_link import GEOJSON, JSON, OPENAPI, QUERYABLES, SCHEMA, SORTABLES, link, search_links

LANDING_ID = "imagery-node"
OPENAPI_PATH = "/api"
DOCUMENTATION_PATH = "/api.html"
TITLE = ("国产卫星影像目录", "Domestic satellite imagery catalogue")
DESCRIPTION = (
    "经辐射定标与正射校正的国产光学卫星影像，以云优化 GeoTIFF 发布。",
    "Calibrated and orthorectified scenes of domestic optical satellites, published as cloud-optimized GeoTIFF.",
)
"""In Chinese and English."""


def description(language: Language | None) -> str:
    """What the catalogue is, in one language or both."""
    return say(language, *DESCRIPTION, between="\n\n")


class CatalogClient:
    """What stac-fastapi calls for each of its core routes.

    Every method gives a finished `Response`: items pass from the store to the wire without pydantic.
    """

    def __init__(
        self,
        store: ItemStore,
        *,
        public_url: str | None,
        access: Access | None = None,
        more_conformance: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._public_url = public_url
        self._access = access
        self._conformance = (*CONFORMANCE, *more_conformance)

    def landing_page(self, request: Request) -> Response:
        """`GET /`."""
        at, language = self._addresses(request), language_of(request)
        search = f"{at.stac}/search"
        documents = [translated(document, language) for document in self._store.collections()]
        document = {
            "type": "Catalog",
            "stac_version": STAC_VERSION,
            "id": LANDING_ID,
            "title": say(language, *TITLE),
            "description": description(language),
            "conformsTo": self._conformance,
            "links": [
                link("self", at.root),
                link("root", at.root),
                link("data", f"{at.stac}/collections"),
                link("conformance", f"{at.stac}/conformance"),
                link("search", search, GEOJSON, method="GET", title="Item search, parameters in the address"),
                link("search", search, GEOJSON, method="POST", title="Item search, parameters as JSON"),
                *search_links(at.stac),
                link("changes", f"{at.stac}/changes", title=say(language, "变更记录", "Change feed")),
                link("service-desc", at.stac + OPENAPI_PATH, OPENAPI, title="OpenAPI 3.0"),
                link(
                    "service-doc",
                    at.stac + DOCUMENTATION_PATH,
                    "text/html",
                    title=say(language, "接口说明", "API documentation"),
                ),
                *(link("child", at.collection(each["id"]), title=each.get("title", each["id"])) for each in documents),
            ],
        }
        return answer_in(language, document, JSON)

    def conformance(self, request: Request) -> Response:
        """`GET /conformance`."""
        return answer({"conformsTo": self._conformance}, JSON)

    def all_collections(self, request: Request, **parameters: str | int | None) -> Response:
        """`GET /collections`."""
        at, language = self._addresses(request), language_of(request)
        body = body_of_query(CollectionSearchBody, parameters)
        page = search_collections(self._store.collections(), body.search())
        found = [published_collection(translated(document, language), at) for document in page.documents]
        selection = body.selection()
        document = {
            "collections": found if selection is None else [selection.apply(document) for document in found],
            "links": [
                *page_links(request, f"{at.stac}/collections", page.next_token, JSON),
                link("root", at.root),
                link(QUERYABLES, at.stac + COLLECTION_QUERYABLES_PATH, SCHEMA),
                link(SORTABLES, at.stac + COLLECTION_SORTABLES_PATH, SCHEMA),
            ],
            "numberMatched": page.matched,
            "numberReturned": len(found),
        }
        return answer_in(language, document, JSON)

    def get_collection(self, request: Request, collection_id: str) -> Response:
        """`GET /collections/{collection_id}`."""
        language = language_of(request)
        stored = self._store.collection(collection_id)
        document = published_collection(translated(stored, language), self._addresses(request))
        return tagged(answer_in(language, document, JSON), stored)

    def get_item(self, request: Request, collection_id: str, item_id: str) -> Response:
        """`GET /collections/{collection_id}/items/{item_id}`."""
        item = self._store.item(collection_id, item_id)
        served = served_item(item, item_version(item), siblings(item))
        at = self._addresses(request)
        return tagged(Response(published(served.document, at), media_type=GEOJSON), item)

    def item_collection(
        self, request: Request, collection_id: str, collections: str | None, **parameters: str | int | None
    ) -> Response:
        """`GET /collections/{collection_id}/items`."""
        self._store.collection(collection_id)
        if collections not in (None, collection_id):
            raise InvalidSearchError(f"collections is {collections[:64]!r}, but these are the items of {collection_id}")
        at = self._addresses(request)
        body = body_of_query(SearchBody, {**parameters, "collections": collection_id})
        page = self._search(body, names_at=at.collection(collection_id))
        return _page(
            page, body, page_links(request, f"{at.collection(collection_id)}/items", page.next_token, GEOJSON), at
        )

    def get_search(self, request: Request, **parameters: str | int | None) -> Response:
        """`GET /search`."""
        at = self._addresses(request)
        body = body_of_query(SearchBody, parameters)
        page = self._search(body, names_at=at.stac)
        return _page(page, body, page_links(request, f"{at.stac}/search", page.next_token, GEOJSON), at)

    def post_search(self, body: SearchBody, request: Request) -> Response:
        """`POST /search`."""
        at = self._addresses(request)
        address = f"{at.stac}/search"
        page = self._search(body, names_at=at.stac)
        asked = body.model_dump(exclude_unset=True, by_alias=True)
        links = [link("self", address, GEOJSON, method="POST", body=asked)]
        if page.next_token:
            following = {**asked, "token": page.next_token}
            links.append(link("next", address, GEOJSON, method="POST", body=following, merge=False))
        return _page(page, body, links, at)

    def _search(self, body: SearchBody, *, names_at: str) -> Page:
        search = body.search()
        check_names(search, self._store, names_at)
        return self._store.search(search)

    def _addresses(self, request: Request) -> Addresses:
        """Where everything is for this caller; readers get addresses of protected files that are signed."""
        at = Addresses.of(request, self._public_url)
        return replace(at, access=self._access) if is_reader(request.scope) else at


def _page(page: Page, body: SearchBody, links: list[dict[str, Any]], at: Addresses) -> Response:
    """The served items as they are; only of fewer fields they are made anew."""
    selection, told = body.selection(), {"numberReturned": len(page.served)}
    features = published(b"[%b]" % b",".join(served.document for served in page.served), at)
    if selection is not None:
        features = orjson.dumps([selection.apply(item) for item in orjson.loads(features)])
    if page.matched is not None:
        told["numberMatched"] = page.matched
    links = [*links, link("root", at.root)]
    document = {"type": "FeatureCollection", "features": orjson.Fragment(features), "links": links, **told}
    return answer(document, GEOJSON)
