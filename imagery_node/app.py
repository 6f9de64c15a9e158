"""create_app: settings → the node as one application."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from rasterio.errors import RasterioError
from rio_tiler.errors import InvalidAssetName, PointOutsideBounds, RioTilerError, TileOutsideBounds
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from catalog import errors as catalog_errors
from catalog.access import Access
from catalog.app import StacMount
from catalog.app import create_app as create_stac_app
from catalog.area import AreaBook, folder_of_areas
from catalog.asset_file import AssetFiles, versioned_file_route
from catalog.gate import ReaderMiddleware
from catalog.openapi import html_page
from catalog.problem import ProblemMiddleware, add_problem_handlers
from catalog.remote_store import is_object, origin_of
from catalog.request_limits import RequestLimitsMiddleware
from catalog.settings import CatalogSettings
from catalog.store import open_store
from imagery_node import errors
from imagery_node.cog_cache import CogCache
from imagery_node.gdal import pin_options
from imagery_node.heavy_lane import HeavyLane
from imagery_node.layer_file import read_layers
from imagery_node.middleware import AnswerHeadersMiddleware, HeadAsGet
from imagery_node.pyramid_home import PyramidHome
from imagery_node.routes.animation import animation_routes
from imagery_node.routes.health import health_routes
from imagery_node.routes.items import item_routes, item_tilejson_route
from imagery_node.routes.layers import layer_routes
from imagery_node.routes.legends import legend_routes
from imagery_node.routes.portal import portal_files
from imagery_node.routes.series import series_routes
from imagery_node.routes.swipe import swipe_routes
from imagery_node.routes.tiles import tile_routes
from imagery_node.scene_index import Places, SceneIndex
from imagery_node.settings import ImageryNodeSettings
from imagery_node.tile_cache import TileCache
from imagery_node.tile_service import TileService
from imagery_node.worker_pool import WorkerPool

logger = logging.getLogger(__name__)

_MIB = 1024 * 1024
_THREADS = 8
"""For everything but drawing, and as many that only read for tiles; each holds a connection to the catalogue."""
_READS_WAITING = 1000
"""A tile's first reads that may wait for a thread: they are short, and the map of one client asks for many at once."""

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""A page of a hundred items is tens of thousands of small objects, which Python would look through again and again."""

STATUS_CODES: dict[type[Exception], int] = {
    **errors.STATUS_CODES,
    RioTilerError: 400,
    InvalidAssetName: 404,
    PointOutsideBounds: 404,
    TileOutsideBounds: 404,
    RasterioError: 502,
}
"""What a request may end with beside the catalogue's errors: ours, then rio-tiler's and rasterio's."""


def create_app(settings: ImageryNodeSettings, catalog_settings: CatalogSettings) -> FastAPI:
    """The node: portal, STAC API, pictures and files."""
    pin_options()
    store = open_store(settings.home, database=catalog_settings.database, read_only=True)
    places = Places.of(settings.home, catalog_settings)
    index = SceneIndex(store, places, read_layers(settings.home))
    limits = {"queue_wait_s": settings.queue_wait_s, "deadline_s": settings.tile_deadline_s}
    drawing = WorkerPool("drawing", settings.draw_workers, queue=settings.draw_queue, **limits)
    reading = WorkerPool("reading", _THREADS, queue=_READS_WAITING, **limits)
    pyramids = PyramidHome.open(index, settings)
    building = pyramids.thread() if pyramids and settings.pyramid == "serve" else None
    cogs = CogCache(settings.file_headers, settings.block_cache_mib * _MIB)
    tiles = TileService(
        index,
        cogs,
        drawing=drawing,
        reading=reading,
        tile_cache=TileCache(settings.tile_cache_mib * _MIB),
        scenes_per_tile=settings.scenes_per_tile,
        dated_max_age_s=settings.dated_tile_max_age_s,
        pyramid=pyramids.reader() if pyramids else None,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        if building:
            building.start()
        yield
        if building:
            building.close()
        drawing.close()
        reading.close()
        if pyramids:
            pyramids.close()
        places.ranges.close()
        store.close()

    app = FastAPI(
        title=settings.site_name or "Imagery node",
        description="Map tiles, item pictures and files of a satellite imagery node; its STAC API is below /stac.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.tiles = tiles
    access = Access.of(catalog_settings)
    if unknown := set(catalog_settings.protected) - {document["id"] for document in store.collections()}:
        logger.warning("CATALOG_PROTECTED: there is no collection %s yet", ", ".join(sorted(unknown)))
    app.add_middleware(ReaderMiddleware, access=access)
    origins = sorted({origin_of(store) for store in catalog_settings.remote_stores if not is_object(store)})
    for middleware in (RequestLimitsMiddleware, ProblemMiddleware):
        app.add_middleware(middleware)
    app.add_middleware(AnswerHeadersMiddleware, picture_origins=origins)  # the last one added is the outermost
    add_problem_handlers(app, catalog_errors.STATUS_CODES)
    add_problem_handlers(app, STATUS_CODES)

    files = AssetFiles.of(
        catalog_settings, settings.home, lambda *names: index.newest().item(*names), places.ranges.read_for_client
    )
    areas = AreaBook(folder_of_areas(settings.home))
    public_url = str(settings.public_url or "") or None
    stac = create_stac_app(store, public_url=public_url, areas=areas, files=files, is_guarded=True)
    app.router.routes.extend([*tile_routes(tiles), StacMount("/stac", stac)])  # first what is asked most
    app.include_router(layer_routes(index, tiles, settings, access))
    app.include_router(legend_routes(index, settings))
    lane = HeavyLane(settings)
    app.include_router(item_tilejson_route(index, settings))
    app.include_router(item_routes(index, cogs, lane, access))
    app.include_router(series_routes(index, cogs, lane, access))
    app.include_router(animation_routes(index, cogs, lane, settings))
    app.include_router(swipe_routes(index, settings))
    app.include_router(versioned_file_route(files))
    app.include_router(health_routes(store))
    app.add_api_route("/docs", _documentation, include_in_schema=False, response_class=HTMLResponse)
    app.router.routes.append(Route("/{rest:path}", HeadAsGet(app.router), methods=["HEAD"], include_in_schema=False))
    app.mount("/", portal_files())
    return app


async def _documentation(request: Request) -> HTMLResponse:
    """Every operation as one page without scripts."""
    return HTMLResponse(html_page(request.app.openapi()))


def app_from_environment() -> FastAPI:
    """The node as the environment describes it: what each server process calls."""
    app = create_app(ImageryNodeSettings(), CatalogSettings())
    gc.freeze()  # what was loaded until here stays
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    return app
