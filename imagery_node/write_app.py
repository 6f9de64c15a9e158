"""create_app: settings → the STAC API with transactions, as an application of its own (T21).

It listens on another port than the node, writes to the store that the node only reads, and answers nobody but the
bearer of its token.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI

from catalog.app import StacMount
from catalog.app import create_app as create_stac_app
from catalog.asset_file import AssetFiles, versioned_file_route
from catalog.errors import STATUS_CODES
from catalog.gate import WriterMiddleware
from catalog.problem import ProblemMiddleware, add_problem_handlers
from catalog.request_limits import MAX_BULK_BODY_BYTES, RequestLimitsMiddleware
from catalog.settings import CatalogSettings
from catalog.store import open_store
from catalog.writing import Writer
from imagery_node.http_ranges import HttpRanges
from imagery_node.object_store import ObjectStore
from imagery_node.routes.health import health_routes
from imagery_node.settings import ImageryNodeSettings

_THREADS = 8
"""Each holds a connection to the catalogue."""

HEALTH = frozenset({"/healthz", "/readyz"})
"""What a supervisor asks without a token."""


def create_app(settings: ImageryNodeSettings, catalog_settings: CatalogSettings) -> FastAPI:
    """The STAC API below `/stac`, for who writes.

    Raises:
        ValueError: There is no token to let anyone in by.
    """
    if catalog_settings.write_token is None:
        raise ValueError("CATALOG_WRITE_TOKEN: is needed to write over HTTP")
    store = open_store(settings.home, database=catalog_settings.database)
    ranges = HttpRanges(ObjectStore.of(catalog_settings).url)
    files = AssetFiles.of(catalog_settings, settings.home, store.item, ranges.read_for_client)
    writer = Writer(
        store,
        home=settings.home,
        asset_roots=catalog_settings.asset_roots,
        remote_stores=catalog_settings.remote_stores,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        yield
        ranges.close()
        store.close()

    app = FastAPI(title="Imagery node, writing", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(RequestLimitsMiddleware, max_body_bytes=MAX_BULK_BODY_BYTES)
    app.add_middleware(WriterMiddleware, token=catalog_settings.write_token.get_secret_value(), public_paths=HEALTH)
    app.add_middleware(ProblemMiddleware)
    add_problem_handlers(app, STATUS_CODES)
    app.include_router(versioned_file_route(files))
    app.include_router(health_routes(store))
    stac = create_stac_app(store, public_url=str(settings.public_url or "") or None, files=files, writer=writer)
    app.router.routes.append(StacMount("/stac", stac))
    return app


def app_from_environment() -> FastAPI:
    """The application as the environment describes it: what each server process calls."""
    return create_app(ImageryNodeSettings(), CatalogSettings())
