"""The STAC API as an application: mounted at `/stac` by the node, or served alone."""

import logging
from typing import cast

from fastapi import APIRouter, FastAPI
from pydantic_settings import SettingsConfigDict
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)  # warns on import of defaults replaced below

from stac_fastapi.api.app import StacApi  # noqa: E402
from stac_fastapi.types.config import ApiSettings  # noqa: E402
from stac_fastapi.types.core import BaseCoreClient  # noqa: E402

from catalog.api import DESCRIPTION, DOCUMENTATION_PATH, LANDING_ID, OPENAPI_PATH, TITLE, CatalogClient  # noqa: E402
from catalog.errors import STATUS_CODES  # noqa: E402
from catalog.openapi import DescribedApi, html_page  # noqa: E402
from catalog.problem import ProblemMiddleware, add_problem_handlers  # noqa: E402
from catalog.request_limits import RequestLimitsMiddleware, StrictRoute  # noqa: E402
from catalog.search import ItemStore  # noqa: E402
from catalog.search_request import ItemsQuery, SearchBody, SearchQuery  # noqa: E402

STAC_API_VERSION = "1.0.0"


class _Settings(ApiSettings):
    """stac-fastapi's settings, which are all given below, without its habit of reading a `.env` file."""

    model_config = SettingsConfigDict(env_file=None, extra="forbid")


class _CoreApi(StacApi):
    """stac-fastapi's core routes without its health route, which could only ever say UP."""

    def add_health_check(self) -> None:
        """Nothing: the node answers `/healthz` and `/readyz`."""


class _HeadMiddleware:
    """Answers HEAD as GET; the server, which still knows what was asked, sends the headers alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
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


def create_app(store: ItemStore, *, public_url: str | None = None) -> FastAPI:
    """The STAC API on a store.

    Args:
        store: Asked by several threads at a time.
        public_url: Address of the whole node as its users see it, above `/stac`; without it links start
            from the scheme and host of each request.
    """
    app = DescribedApi(
        title=TITLE,
        description=DESCRIPTION,
        version=STAC_API_VERSION,
        openapi_url=OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
    )
    client = CatalogClient(store, public_url=public_url)
    _CoreApi(
        settings=_settings(),
        client=cast(BaseCoreClient, client),  # it has the methods; their answers are finished responses
        app=app,
        router=APIRouter(route_class=StrictRoute),
        search_get_request_model=SearchQuery,
        search_post_request_model=SearchBody,
        items_get_request_model=ItemsQuery,
        exceptions={},
        middlewares=[
            Middleware(_HeadMiddleware),
            Middleware(RequestLimitsMiddleware),
            Middleware(ProblemMiddleware),
            Middleware(
                CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["Content-Type"]
            ),
        ],
    )
    add_problem_handlers(app, STATUS_CODES)

    @app.get(DOCUMENTATION_PATH, include_in_schema=False)
    def service_doc(request: Request) -> HTMLResponse:
        return HTMLResponse(html_page(app.openapi()))

    return app


def _settings() -> ApiSettings:
    """Every field is given, so that no environment variable changes the API."""
    return _Settings(
        stac_fastapi_title=TITLE,
        stac_fastapi_description=DESCRIPTION,
        stac_fastapi_version=STAC_API_VERSION,
        stac_fastapi_landing_id=LANDING_ID,
        enable_response_models=False,
        enable_direct_response=False,
        openapi_url=OPENAPI_PATH,
        docs_url=DOCUMENTATION_PATH,
        root_path="",
    )
