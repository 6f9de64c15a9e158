"""What can be filtered and sorted by, as JSON Schemas: queryables and sortables."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from catalog import collection_search
from catalog.api_answer import answer_in, language_of
from catalog.errors import InvalidSearchError
from catalog.filtering.operator_table import OPERATORS
from catalog.language import Language, say
from catalog.link import Addresses
from catalog.queryable import QUERYABLES, Queryable
from catalog.request_limits import StrictRoute
from catalog.search import Field, ItemStore, Search
from catalog.stac_link import SCHEMA

GEOMETRY = "geometry"
COLLECTION_QUERYABLES_PATH = "/collections-queryables"
COLLECTION_SORTABLES_PATH = "/collections-sortables"  # where stac-fastapi has it

_DIALECT = "https://json-schema.org/draft/2019-09/schema"
"""OGC API Features part 3 allows this one and 2020-12, the STAC validators know only this one; the words used here mean
the same in both."""

_KINDS: dict[str, dict[str, str]] = {
    "number": {"type": "number"},
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
}
_KEPT = {queryable.name: queryable for queryable in QUERYABLES}
_OPERATORS = {"imagery_node:operators": sorted({name for names in OPERATORS.values() for name in names})}
"""JSON Schema lets a document say more than the standard; clients that build filters want to know these."""
_FOOTPRINT = {"$ref": "https://geojson.org/schema/Geometry.json"}


def check_names(search: Search, store: ItemStore, at: str) -> None:
    """Refuse a filter that speaks of what no item has.

    Args:
        search: With the filter, and the collections it is about.
        store: Knows which properties there are.
        at: Address below which the queryables are listed.

    Raises:
        InvalidSearchError: Naming the property.
    """
    unknown = (search.filter.names if search.filter else frozenset()) - _KEPT.keys() - {GEOMETRY}
    if unknown:
        unknown -= {field.name for field in store.fields(search.collections)}
    if unknown:
        raise InvalidSearchError(f"unknown property {min(unknown)!r:.140}; {at}/queryables lists those there are")


class SchemaClient:
    """What stac-fastapi calls for the queryables of its filter extension and the sortables of its sort extension."""

    def __init__(self, store: ItemStore, *, public_url: str | None) -> None:
        self._store = store
        self._public_url = public_url

    def get_queryables(self, request: Request, collection_id: str | None = None) -> Response:
        """`GET /queryables` and `GET /collections/{collection_id}/queryables`."""
        language = language_of(request)
        if collection_id is not None:
            self._store.collection(collection_id)
        fields = {field.name: field for field in self._store.fields((collection_id,) if collection_id else ())}
        properties = {queryable.name: _kept(queryable, fields, language) for queryable in QUERYABLES}
        properties[GEOMETRY] = {"title": say(language, "范围", "Footprint"), **_FOOTPRINT}
        properties |= {name: _found(fields[name]) for name in sorted(fields.keys() - properties.keys())}
        title = say(language, "可用于筛选的属性", "What items can be filtered by")
        return self._schema(request, title, properties, _OPERATORS)

    def get_collections_queryables(self, request: Request) -> Response:
        """`GET /collections-queryables`."""
        language = language_of(request)
        properties: dict[str, Any] = {
            name: {"title": say(language, zh, en), "type": "string"}
            for name, (zh, en) in collection_search.QUERYABLES.items()
        }
        properties["keywords"] |= {"type": "array", "items": {"type": "string"}}
        properties[GEOMETRY] = {"title": say(language, "范围", "Extent"), **_FOOTPRINT}
        return self._schema(
            request, say(language, "可用于筛选集合的属性", "What collections can be filtered by"), properties
        )

    def get_sortables(self, request: Request) -> Response:
        """`GET /sortables`."""
        language = language_of(request)
        properties = {queryable.name: _kept(queryable, {}, language) for queryable in QUERYABLES}
        return self._schema(request, say(language, "可用于排序的属性", "What items can be sorted by"), properties)

    def get_collection_sortables(self, request: Request, collection_id: str) -> Response:
        """`GET /collections/{collection_id}/sortables`."""
        self._store.collection(collection_id)
        return self.get_sortables(request)

    def get_collections_sortables(self, request: Request) -> Response:
        """`GET /collections-sortables`."""
        language = language_of(request)
        properties = {
            name: {"title": say(language, *collection_search.QUERYABLES[name]), "type": "string"}
            for name in collection_search.SORTABLES
        }
        return self._schema(
            request, say(language, "可用于集合排序的属性", "What collections can be sorted by"), properties
        )

    def _schema(
        self, request: Request, title: str, properties: dict[str, Any], more: Mapping[str, Any] | None = None
    ) -> Response:
        at = Addresses.of(request, self._public_url)
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        document = {
            "$schema": _DIALECT,
            "$id": f"{at.stac}{path}",
            "type": "object",
            "title": title,
            "properties": properties,
            "additionalProperties": False,
            **(more or {}),
        }
        return answer_in(language_of(request), document, SCHEMA)


def collection_queryables_routes(schemas: SchemaClient) -> APIRouter:
    """`/collections-queryables`, which stac-fastapi does not know."""
    router = APIRouter(route_class=StrictRoute, tags=["Filter Extension"])

    @router.get(COLLECTION_QUERYABLES_PATH)
    def get_collections_queryables(request: Request) -> Response:
        """What collections can be filtered by."""
        return schemas.get_collections_queryables(request)

    return router


def _kept(queryable: Queryable, fields: dict[str, Field], language: Language | None) -> dict[str, Any]:
    values = fields[queryable.name].values if queryable.name in fields else ()
    title = say(language, queryable.zh, queryable.en)
    return {"title": title, **_KINDS[queryable.kind], **({"enum": list(values)} if values else {})}


def _found(field: Field) -> dict[str, Any]:
    types = field.types[0] if len(field.types) == 1 else list(field.types)
    return {"title": field.name, "type": types, **({"enum": list(field.values)} if field.values else {})}
