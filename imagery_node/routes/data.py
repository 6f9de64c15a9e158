"""The files of published assets, with byte ranges: what GDAL, odc-stac and a browser read."""

from pathlib import PurePosixPath

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from catalog.item import item_version
from imagery_node.errors import NotFoundError
from imagery_node.parameter import Id, read_query
from imagery_node.scene_index import SceneIndex

ASSET_FILE = "/data/{collection}/{item}/{version}/{file}"

_CACHE_CONTROL = "public, no-cache"
"""Versions never change, but a recalled one must be gone at once: always ask."""

_POLICY = "default-src 'none'; sandbox"
"""Delivered XML may hold anything: a browser that shows it runs none of it."""


def data_routes(index: SceneIndex) -> APIRouter:
    """Files named by collection, item, version and asset key, never by path."""
    router = APIRouter(tags=["data"])

    @router.head(ASSET_FILE, include_in_schema=False)
    @router.get(
        ASSET_FILE,
        summary="The file of an asset",
        response_class=Response,
        responses={206: {"description": "A part of it."}, 304: {"description": "It has not changed."}},
    )
    def send_asset(request: Request, collection: Id, item: Id, version: Id, file: Id) -> Response:
        """The bytes of an asset; `file` is its key and the suffix of its file, as in the item's href."""
        read_query(request.scope["query_string"], {})
        snapshot = index.newest()
        document = snapshot.item(collection, item)
        key = PurePosixPath(file).stem
        if item_version(document) != version or key not in document["assets"]:
            raise NotFoundError(f"item {item} has no file {file!r} in version {version}")
        path = snapshot.file(document, key)
        if path.suffix != PurePosixPath(file).suffix:
            raise NotFoundError(f"the asset {key} of item {item} is a {path.suffix} file")
        asset = document["assets"][key]
        etag = f'"{asset.get("file:checksum") or f"{version}-{path.stat().st_size}-{path.stat().st_mtime_ns}"}"'
        headers = {"etag": etag, "cache-control": _CACHE_CONTROL, "content-security-policy": _POLICY}
        known = request.headers.get("if-none-match", "")
        if etag in known or known == "*":
            return Response(status_code=304, headers=headers)
        return FileResponse(path, media_type=asset.get("type", "application/octet-stream"), headers=headers)

    return router
