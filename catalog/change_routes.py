"""`GET /changes`: the change feed, for followers that come again and again."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from catalog.api_answer import answer
from catalog.change_feed import change_document, read_feed
from catalog.entity_tag import names_tag
from catalog.link import Addresses
from catalog.request_limits import StrictRoute
from catalog.search import MAX_LIMIT, ItemStore
from catalog.search_address import Bbox, Collections, body_of_query
from catalog.search_request import ItemConditions
from catalog.stac_link import JSON, link

MAX_SEQUENCE = 2**63 - 1

Since = Annotated[int, Query(ge=0, le=MAX_SEQUENCE, description="Sequence number of the last change that is known")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


def change_routes(store: ItemStore, *, public_url: str | None) -> APIRouter:
    """The route."""
    router = APIRouter(route_class=StrictRoute, tags=["answers"])

    @router.get("/changes", summary="What was published, replaced, recalled and restored since")
    def list_changes(
        request: Request, since: Since = 0, limit: Limit = 100, collections: Collections = None, bbox: Bbox = None
    ) -> Response:
        """Oldest first. `resume` is what to ask `since` next time; after a `reset` all is told anew."""
        asked_for = body_of_query(ItemConditions, {"collections": collections, "bbox": bbox})
        names, box = asked_for.collections or (), asked_for.box()
        tag = f'"{store.sequence()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if names_tag(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        page = read_feed(store, since, limit=limit, collections=names, bbox=box)
        at = Addresses.of(request, public_url)
        address, asked = f"{at.stac}/changes", dict(request.query_params)
        links = [link("self", f"{address}?{urlencode(asked)}" if asked else address), link("root", at.root)]
        if page.more:
            links.append(link("next", f"{address}?{urlencode({**asked, 'since': page.resume})}"))
        document = {
            "changes": [change_document(change, at.item(change.collection, change.item_id)) for change in page.changes],
            "numberReturned": len(page.changes),
            "resume": page.resume,
            "newest": page.newest,
            "reset": page.reset,
            "links": links,
        }
        response = answer(document, JSON)
        response.headers.update(headers)
        return response

    return router
