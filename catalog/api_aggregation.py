"""Counts over HTTP, as the aggregation extension has them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from catalog.aggregation import AGGREGATIONS
from catalog.api_answer import answer
from catalog.api_schema import check_names
from catalog.errors import InvalidSearchError
from catalog.link import Addresses
from catalog.request_limits import StrictRoute
from catalog.search import ItemStore
from catalog.search_address import AggregateQuery, CollectionAggregateQuery, body_of_query
from catalog.search_request import AggregateBody
from catalog.stac_link import JSON, link

CollectionId = Annotated[str, Path(description="Collection id")]


def aggregation_routes(store: ItemStore, *, public_url: str | None) -> APIRouter:
    """`/aggregations` and `/aggregate`, for everything and for each collection."""
    router = APIRouter(route_class=StrictRoute, tags=["Aggregation Extension"])

    def list_counts(request: Request, address: str) -> Response:
        described = [aggregation.description() for aggregation in AGGREGATIONS.values()]
        return _answer(request, address, described)

    def count(request: Request, address: str, body: AggregateBody) -> Response:
        if unknown := set(body.aggregations) - AGGREGATIONS.keys():
            known = ", ".join(AGGREGATIONS)
            raise InvalidSearchError(f"aggregations: {min(unknown)!r} is not known; there are {known}")
        search = body.search()
        check_names(search, store, Addresses.of(request, public_url).stac)
        buckets = store.aggregate(search, body.aggregations)
        return _answer(request, address, [AGGREGATIONS[name].answer(buckets[name]) for name in body.aggregations])

    def _answer(request: Request, address: str, aggregations: list[dict[str, object]]) -> Response:
        at = Addresses.of(request, public_url)
        links = [link("self", f"{at.stac}{address}"), link("root", at.root)]
        return answer({"type": "AggregationCollection", "aggregations": aggregations, "links": links}, JSON)

    @router.get("/aggregations")
    def get_aggregations(request: Request) -> Response:
        """What can be counted."""
        return list_counts(request, "/aggregations")

    @router.get("/collections/{collection_id}/aggregations")
    def get_collection_aggregations(request: Request, collection_id: CollectionId) -> Response:
        """What can be counted in a collection."""
        store.collection(collection_id)
        return list_counts(request, f"/collections/{collection_id}/aggregations")

    @router.get("/aggregate")
    def get_aggregate(request: Request, query: Annotated[AggregateQuery, Depends()]) -> Response:
        """Counts over what a search in the address finds."""
        return count(request, "/aggregate", body_of_query(AggregateBody, query.kwargs()))

    @router.post("/aggregate")
    def post_aggregate(request: Request, body: AggregateBody) -> Response:
        """Counts over what a search finds."""
        return count(request, "/aggregate", body)

    @router.get("/collections/{collection_id}/aggregate")
    def get_collection_aggregate(request: Request, query: Annotated[CollectionAggregateQuery, Depends()]) -> Response:
        """Counts over what a search in the address finds in a collection."""
        given = query.kwargs()
        collection_id = given["collections"] = given.pop("collection_id")
        store.collection(collection_id)
        return count(request, f"/collections/{collection_id}/aggregate", body_of_query(AggregateBody, given))

    @router.post("/collections/{collection_id}/aggregate")
    def post_collection_aggregate(request: Request, collection_id: CollectionId, body: AggregateBody) -> Response:
        """Counts over what a search finds in a collection."""
        store.collection(collection_id)
        if body.collections not in (None, [collection_id]):
            raise InvalidSearchError(f"collections: only {collection_id} is counted here")
        body = body.model_copy(update={"collections": [collection_id]})
        return count(request, f"/collections/{collection_id}/aggregate", body)

    return router
