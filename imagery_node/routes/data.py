"""The files of published assets, with byte ranges: what GDAL, odc-stac and a browser read."""

from http import HTTPStatus
from pathlib import PurePosixPath

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from catalog.item import item_version
from catalog.problem import RefusedRequestError
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
        responses={
            206: {"description": "A part of it."},
            304: {"description": "It has not changed."},
            416: {"description": "It has no such part."},
        },
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
        return _AssetResponse(path, media_type=asset.get("type", "application/octet-stream"), headers=headers)

    return router


class _AssetResponse(FileResponse):
    """A file whose refusals are problem documents as everywhere; Starlette's are plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unless_refused(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                raise _refusal(message)
            await send(message)

        await super().__call__(scope, receive, send_unless_refused)


def _refusal(message: Message) -> RefusedRequestError:
    headers = Headers(raw=message["headers"])
    if "content-range" not in headers:
        return RefusedRequestError(message["status"], "limit.range", "Range is not written bytes=first-last")
    length = headers["content-range"].removeprefix("bytes */")
    return RefusedRequestError(
        message["status"],
        "limit.range",
        f"Range begins behind the end of the file, which has {length} bytes",
        headers={"Content-Range": headers["content-range"]},
    )
