"""The surface of one item: TileJSON, and TiTiler's info, statistics, point, preview, bbox and feature."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from attrs import define
from fastapi import APIRouter, Depends, Query, Request
from fastapi.params import Depends as DependsParameter
from rio_tiler.models import ImageData
from titiler.core.dependencies import CoordCRSParams, CoverScaleParams, CRSParams, DstCRSParams
from titiler.core.factory import MultiBaseTilerFactory
from titiler.core.resources.enums import ImageType
from titiler.core.utils import render_image

from catalog.access import Access
from catalog.gate import require_reader
from catalog.timestamp import MAX_TEXT_LENGTH
from imagery_node import item_parameters as parameters
from imagery_node.cog_cache import CogCache
from imagery_node.errors import BadRenderingError
from imagery_node.grid import get_grid
from imagery_node.heavy_lane import HeavyLane
from imagery_node.item_reader import ItemReader, OpenItem
from imagery_node.layer_document import Document, coarsest_zoom, finest_zoom, tilejson
from imagery_node.parameter import Id, read_id, read_query
from imagery_node.renders import complete
from imagery_node.routes.layers import public_url
from imagery_node.routes.tiles import ITEM_DATETIME, ITEM_TILE, ITEM_TIME, RENDERING
from imagery_node.scene_index import SceneIndex
from imagery_node.settings import ImageryNodeSettings
from imagery_node.tile_request import RENDERING_PARAMETERS, read_rendering
from imagery_node.when import parse_when

ITEM = "/raster/collections/{collection}/items/{item}"

_PICTURES = {None, ImageType.png, ImageType.pngraw, ImageType.jpeg, ImageType.jpg, ImageType.webp, ImageType.jp2}
_GREY, _COLOURS = 1, 3


def item_routes(index: SceneIndex, cogs: CogCache, lane: HeavyLane, access: Access) -> APIRouter:
    """The routes below an item, but for its tiles; they give values of pixels, of protected items to readers only."""

    def open_item(
        request: Request,
        collection: Id,
        item: Id,
        datetime: Annotated[str | None, Query(max_length=MAX_TEXT_LENGTH, description=ITEM_TIME)] = None,
    ) -> OpenItem:
        require_reader(request.scope, access, collection)
        snapshot = index.newest()
        return OpenItem(snapshot, snapshot.scene(collection, item, parse_when(datetime)), cogs)

    def cover_scale(
        item: Annotated[OpenItem, Depends(open_item)],
        cover_scale: Annotated[int, Query(ge=1, le=parameters.MAX_COVER_SCALE)] = parameters.MAX_COVER_SCALE,
    ) -> int:
        item.cells_per_pixel = cover_scale**2
        return cover_scale

    router = _ItemRouter(
        {
            CRSParams: parameters.bounds_crs,
            CoordCRSParams: parameters.coordinate_crs,
            DstCRSParams: parameters.output_crs,
            CoverScaleParams: cover_scale,
        },
        prefix=ITEM,
        tags=["items"],
        route_class=lane.route_class(),
        dependencies=[Depends(parameters.check_place)],
    )
    _ItemFactory(
        router=router,
        router_prefix=ITEM,
        name="item",
        reader=ItemReader,
        path_dependency=open_item,
        assets_dependency=parameters.AssetParameters,
        layer_dependency=parameters.BandParameters,
        dataset_dependency=parameters.DatasetParameters,
        stats_dependency=parameters.StatisticsParameters,
        histogram_dependency=parameters.HistogramParameters,
        img_preview_dependency=parameters.PreviewParameters,
        img_part_dependency=parameters.PartParameters,
        process_dependency=parameters.no_process,
        colormap_dependency=parameters.colormap,
        render_dependency=parameters.PictureParameters,
        render_func=_render,
    )
    return router


def item_tilejson_route(index: SceneIndex, settings: ImageryNodeSettings) -> APIRouter:
    """TileJSON of an item; light, so outside the lane of the others."""
    router = APIRouter(tags=["items"])

    @router.get(
        f"{ITEM}/{{tms}}/tilejson.json",
        summary="TileJSON of an item",
        openapi_extra={"parameters": [ITEM_DATETIME, *RENDERING]},
    )
    def describe_item_tiles(request: Request, collection: str, item: str, tms: str) -> Document:
        """TileJSON whose tile address carries the time and the rendering asked for here."""
        values = read_query(request.scope["query_string"], {"datetime": False, **RENDERING_PARAMETERS})
        rendering = read_rendering(values)
        grid = get_grid(tms)
        snapshot = index.newest()
        when = parse_when(*values.get("datetime", [None]))
        document = snapshot.document(snapshot.scene(read_id(collection), read_id(item), when))
        bbox = document["bbox"]
        asset = complete(rendering, snapshot, [collection]).asset
        gsd_m = document["assets"].get(asset, {}).get("gsd") or document["properties"].get("gsd")
        finest = finest_zoom(gsd_m, bbox)
        place = ITEM_TILE.format(collection=collection, item=item, tms=grid.name, z="{z}", x="{x}", y="{y}")
        query = f"?{request.url.query}" if values else ""
        return tilejson(
            document["properties"].get("title", item),
            f"{public_url(request, settings)}{place}{query}",
            bbox,
            (coarsest_zoom(bbox, finest), finest),
            attribution=settings.credit_line,
        )

    return router


class _ItemRouter(APIRouter):
    """Puts our parameters in the place of those that TiTiler's endpoints name themselves.

    Theirs give caller text to the CRS parser, which may read files and fetch addresses.
    """

    def __init__(self, replacements: dict[Callable[..., Any], Callable[..., Any]], **options: Any) -> None:
        super().__init__(**options)
        self._replacements = replacements

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """See `APIRouter.add_api_route`."""
        signature = inspect.signature(endpoint)
        replaced = [self._replaced(parameter) for parameter in signature.parameters.values()]
        endpoint.__signature__ = signature.replace(parameters=replaced)  # type: ignore[attr-defined]
        super().add_api_route(path, endpoint, **options)

    def _replaced(self, parameter: inspect.Parameter) -> inspect.Parameter:
        default = parameter.default
        if isinstance(default, DependsParameter) and default.dependency in self._replacements:
            return parameter.replace(default=Depends(self._replacements[default.dependency]))
        return parameter


@define(kw_only=True)
class _ItemFactory(MultiBaseTilerFactory):
    def register_routes(self) -> None:
        """All of TiTiler's routes but tiles and TileJSON, which are ours, and the viewer; it leaves them untyped."""
        self.info()  # type: ignore[no-untyped-call]
        self.statistics()  # type: ignore[no-untyped-call]
        self.point()  # type: ignore[no-untyped-call]
        self.preview()  # type: ignore[no-untyped-call]
        self.part()  # type: ignore[no-untyped-call]


def _render(image: ImageData, output_format: ImageType | None = None, **options: Any) -> tuple[bytes, str]:
    """TiTiler's rendering, once it is clear that the values make a picture of that format."""
    if output_format in _PICTURES:
        if image.count not in {_GREY, _COLOURS}:
            raise BadRenderingError(f"a picture has 1 or 3 bands, not {image.count}: choose them with bidx")
        if image.array.dtype != "uint8" and not options.get("rescale"):
            raise BadRenderingError(f"values of type {image.array.dtype} need rescale=min,max to become a picture")
        if len(options.get("rescale") or [()]) not in {1, image.count}:
            raise BadRenderingError(f"rescale is given once or once per band, {image.count} are shown")
        if options.get("colormap") and image.count != _GREY:
            raise BadRenderingError("a colour map needs one band")
    body, media_type = render_image(image, output_format=output_format, **options)
    return body, media_type.replace("image/jpg", "image/jpeg")
