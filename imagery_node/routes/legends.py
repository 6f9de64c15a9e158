"""The named renderings of layers and collections, and their legends."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import JSONResponse

from catalog.entity_tag import document_tag, names_tag
from imagery_node.errors import BadRenderingError
from imagery_node.legend import Document, draw_legend, legend_document
from imagery_node.parameter import NAME_PATTERN, Id, read_query
from imagery_node.renders import find_render, read_render, render_names
from imagery_node.routes.layers import public_url
from imagery_node.scene_index import SceneIndex, Snapshot
from imagery_node.settings import ImageryNodeSettings

RenderName = Annotated[str, Path(pattern=NAME_PATTERN, description="Name of the rendering.")]

_CollectionsOf = Callable[[Snapshot, str], tuple[str, ...]]

_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}


def legend_routes(index: SceneIndex, settings: ImageryNodeSettings) -> APIRouter:
    """The routes below /raster/layers/{name}/renders and /raster/collections/{name}/renders."""
    router = APIRouter(tags=["legends"])
    _add_routes(router, "layers", lambda snapshot, name: snapshot.layer(name).collections, index, settings)
    _add_routes(router, "collections", lambda snapshot, name: (snapshot.collection(name)["id"],), index, settings)
    return router


def _add_routes(
    router: APIRouter, kind: str, collections_of: _CollectionsOf, index: SceneIndex, settings: ImageryNodeSettings
) -> None:
    place = f"/raster/{kind}/{{name}}/renders"

    @router.get(place, summary=f"The renderings of one of the {kind}")
    def list_renders(request: Request, name: Id) -> Document:
        """Each rendering that tiles show, with its titles and the addresses of its legend."""
        read_query(request.scope["query_string"], {})
        snapshot = index.newest()
        root = public_url(request, settings) + place.format(name=name)
        return {"renders": list(_described(snapshot, collections_of(snapshot, name), root))}

    @router.get(f"{place}/{{render}}/legend.json", summary="Legend of a rendering")
    def describe_legend(request: Request, name: Id, render: RenderName) -> Response:
        """What the colours stand for: a ramp with stops and ticks, classes, or the bands shown."""
        return _answer(request, name, render, lambda document, headers: JSONResponse(document, headers=headers))

    @router.get(
        f"{place}/{{render}}/legend.png", summary="Legend of a rendering as a picture", response_class=Response,
        responses=_PNG,
    )  # fmt: skip
    def picture_legend(request: Request, name: Id, render: RenderName) -> Response:
        """The same, drawn with its title in English."""
        return _answer(
            request, name, render,
            lambda document, headers: Response(draw_legend(document), media_type="image/png", headers=headers),
        )  # fmt: skip

    def _answer(
        request: Request, name: str, render: str, make: Callable[[Document, dict[str, str]], Response]
    ) -> Response:
        read_query(request.scope["query_string"], {})
        snapshot = index.newest()
        document = _legend(snapshot, collections_of(snapshot, name), render)
        headers = {"ETag": document_tag(document), "Cache-Control": "public, no-cache"}
        if names_tag(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return make(document, headers)


def _described(snapshot: Snapshot, collections: tuple[str, ...], root: str) -> Iterator[Document]:
    for name in render_names(snapshot, collections):
        try:
            legend = _legend(snapshot, collections, name)
        except BadRenderingError:  # for other clients: tiles cannot show it
            continue
        links = {kind: f"{root}/{name}/legend.{kind}" for kind in ("json", "png")}
        told = {key: legend[key] for key in ("title", "titles", "collection", "asset")}
        yield {"name": name, **told, "legend": links}


def _legend(snapshot: Snapshot, collections: tuple[str, ...], name: str) -> Document:
    """The legend of a rendering.

    Raises:
        NotFoundError: No collection has one of that name.
        BadRenderingError: Tiles cannot show it.
    """
    collection, render = find_render(snapshot, collections, name)
    rendering = read_render(name, render)
    try:
        return legend_document(name, render, rendering, snapshot.collection(collection))
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # the collection may come from elsewhere
        raise BadRenderingError(f"collection {collection} does not describe what {name} shows: {error!r}") from error
