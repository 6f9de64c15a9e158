"""The STAC API as an application: mounted at `/stac` by the node, or served alone."""

import logging
from typing import cast

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic_settings import SettingsConfigDict
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)  # warns on import of defaults replaced below

from stac_fastapi.api.app import StacApi  # noqa: E402
from stac_fastapi.extensions.filter import FilterExtension  # noqa: E402
from stac_fastapi.extensions.filter.client import BaseFiltersClient  # noqa: E402
from stac_fastapi.extensions.sort import BaseSortablesClient, SortExtension  # noqa: E402
from stac_fastapi.types.config import ApiSettings  # noqa: E402
from stac_fastapi.types.core import BaseCoreClient  # noqa: E402

from catalog.api import DOCUMENTATION_PATH, LANDING_ID, OPENAPI_PATH, TITLE, CatalogClient, description  # noqa: E402
from catalog.api_aggregation import aggregation_routes  # noqa: E402
from catalog.api_schema import SchemaClient, collection_queryables_routes  # noqa: E402
from catalog.area import AreaBook  # noqa: E402
from catalog.area_routes import area_routes  # noqa: E402
from catalog.asset_file import EXPOSED_HEADERS, AssetFiles, newest_file_routes  # noqa: E402
from catalog.change_routes import change_routes  # noqa: E402
from catalog.coverage_routes import coverage_routes  # noqa: E402
from catalog.errors import STATUS_CODES  # noqa: E402
from catalog.language import say  # noqa: E402
from catalog.openapi import DescribedApi, html_page  # noqa: E402
from catalog.problem import ProblemMiddleware, add_problem_handlers  # noqa: E402
from catalog.quick_route import quick_answer  # noqa: E402
from catalog.request_limits import (  # noqa: E402
    MAX_BODY_BYTES,
    MAX_BULK_BODY_BYTES,
    RequestLimitsMiddleware,
    StrictRoute,
)
from catalog.search import ItemStore  # noqa: E402
from catalog.search_address import CollectionsQuery, ItemsQuery, SearchQuery  # noqa: E402
from catalog.search_request import SearchBody  # noqa: E402
from catalog.transactions import CONFORMANCE as TRANSACTIONS  # noqa: E402
from catalog.transactions import transaction_routes  # noqa: E402
from catalog.writing import Writer  # noqa: E402

STAC_API_VERSION = "1.0.0"


_CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST"],
    allow_headers=["Authorization", "Content-Type", "If-None-Match", "Range"],
    expose_headers=[*EXPOSED_HEADERS, "Retry-After", "X-Request-Id"],
)


class _Settings(ApiSettings):
    """stac-fastapi's settings, which are all given below, without its habit of reading a `.env` file."""

    model_config = SettingsConfigDict(env_file=None, extra="forbid")


class _CoreApi(StacApi):
    """stac-fastapi's core routes, searches in an address first and handled by us; without its health route.

    That one could only ever say UP.
    """

    def register_core(self) -> None:
        """Register the routes."""
        super().register_core()
        client = cast(CatalogClient, self.client)
        quick = {
            "/search": quick_answer(SearchQuery, client.get_search),
            "/collections/{collection_id}/items": quick_answer(ItemsQuery, client.item_collection),
        }
        for route in list(self.router.routes):
            if isinstance(route, APIRoute) and route.path in quick and route.methods == {"GET"}:
                route.app = quick[route.path]
                self.router.routes.remove(route)
                self.app.router.routes.append(route)

    def add_health_check(self) -> None:
        """Nothing: the node answers `/healthz` and `/readyz`."""


class _HeadMiddleware:
    """Answers HEAD as GET; the server, which still knows what was asked, sends the headers alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "asked_method": "HEAD"}
        await self.app(scope, receive, send)


class StacMount(Mount):
    """A mount that answers at its own path too, without a slash and without a redirect: the address of a catalogue."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `Mount.matches`."""
        if scope["type"] != "http" or scope["path"] != scope.get("root_path", "") + self.path:
            return super().matches(scope)
        path = f"{scope['path']}/"
        match, child_scope = super().matches({**scope, "path": path})
        return match, {**child_scope, "path": path}


def create_app(
    store: ItemStore,
    *,
    public_url: str | None = None,
    areas: AreaBook | None = None,
    files: AssetFiles | None = None,
    writer: Writer | None = None,
    is_guarded: bool = False,
) -> FastAPI:
    """The STAC API on a store.

    Args:
        store: Asked by several threads at a time.
        public_url: Address of the whole node as its users see it, above `/stac`; without it links start
            from the scheme and host of each request.
        areas: Are served, and measured by name.
        files: Serves assets too.
        writer: Takes transactions too; `catalog.gate.WriterMiddleware` must stand in front of the application.
        is_guarded: An application in front of it has the same limits, and the headers of every answer.
    """
    app = DescribedApi(
        title=say(None, *TITLE),
        description=description(None),
        version=STAC_API_VERSION,
        openapi_url=OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
    )
    client = CatalogClient(
        store,
        public_url=public_url,
        access=files.access if files else None,
        more_conformance=TRANSACTIONS if writer else (),
    )
    schemas = SchemaClient(store, public_url=public_url)
    limits = Middleware(RequestLimitsMiddleware, max_body_bytes=MAX_BULK_BODY_BYTES if writer else MAX_BODY_BYTES)
    _CoreApi(
        settings=_settings(),
        client=cast(BaseCoreClient, client),  # it has the methods; their answers are finished responses
        extensions=[
            FilterExtension(client=cast(BaseFiltersClient, schemas), router=APIRouter(route_class=StrictRoute)),
            SortExtension(client=cast(BaseSortablesClient, schemas), router=APIRouter(route_class=StrictRoute)),
        ],
        app=app,
        router=APIRouter(route_class=StrictRoute),
        search_get_request_model=SearchQuery,
        search_post_request_model=SearchBody,
        items_get_request_model=ItemsQuery,
        collections_get_request_model=CollectionsQuery,
        exceptions={},
        middlewares=[
            Middleware(_HeadMiddleware),
            *([] if is_guarded else [limits]),
            Middleware(ProblemMiddleware),
            *([] if is_guarded else [_CORS]),
        ],
    )
    app.include_router(aggregation_routes(store, public_url=public_url))
    app.include_router(collection_queryables_routes(schemas))
    app.include_router(change_routes(store, public_url=public_url))
    if areas is not None:
        app.include_router(area_routes(areas, public_url=public_url))
        app.include_router(coverage_routes(store, areas, public_url=public_url))
    add_problem_handlers(app, STATUS_CODES)
    if files is not None:
        app.include_router(newest_file_routes(files, public_url=public_url))
    if writer is not None:
        app.include_router(transaction_routes(writer, client, public_url=public_url))

    @app.get(DOCUMENTATION_PATH, include_in_schema=False)
    def service_doc(request: Request) -> HTMLResponse:
        return HTMLResponse(html_page(app.openapi()))

    return app


def _settings() -> ApiSettings:
    """Every field is given, so that no environment variable changes the API."""
    return _Settings(
        stac_fastapi_title=say(None, *TITLE),
        stac_fastapi_description=description(None),
        stac_fastapi_version=STAC_API_VERSION,
        stac_fastapi_landing_id=LANDING_ID,
        enable_response_models=False,
        enable_direct_response=False,
        openapi_url=OPENAPI_PATH,
        docs_url=DOCUMENTATION_PATH,
        root_path="",
    )
