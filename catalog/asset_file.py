"""The files of items over HTTP, with byte ranges: what GDAL, odc-stac and a browser read.

`/data/{collection}/{item}/{version}/{key}.tif` is what item documents carry: it never means other bytes, and its suffix
tells programs what it is. `/stac/collections/{collection}/items/{item}/assets/{key}` is the lasting name of the newest
version. Both name the file by item and key, never by path (T01).

Whether a protected file exists is no secret, its item can be found by anyone: it is answered 401 without a token, 403
with a link that is out of date or not ours, and 404 only where there is none.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

import orjson
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from starlette.datastructures import Headers
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from catalog.access import DEFAULT_LINK_S, MAX_LINK_S, Access, FileName, link_expiry
from catalog.asset_place import asset_place
from catalog.entity_tag import names_tag
from catalog.errors import CatalogError, UnknownItemError
from catalog.gate import is_reader, require_reader
from catalog.item import ID_PATTERN, MAX_ID_LENGTH, is_id, item_version
from catalog.link import Addresses, file_address
from catalog.problem import RefusedRequestError
from catalog.remote_file import Part, ReadPart, RemoteFiles
from catalog.remote_store import is_elsewhere
from catalog.request_limits import StrictRoute
from catalog.settings import CatalogSettings
from catalog.sidecar import read_version

VERSIONED_FILE = "/data/{collection}/{item}/{version}/{file}"
NEWEST_FILE = "/collections/{collection}/items/{item}/assets/{key}"

EXPOSED_HEADERS = ("Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag")
"""What a script of another origin needs to read a file in parts."""

_CACHE_CONTROL = "public, no-cache"
"""Versions never change, but a recalled one must be gone at once: always ask."""
_PROTECTED_CACHE_CONTROL = "private, no-cache"

_POLICY = "default-src 'none'; sandbox"
"""Delivered XML may hold anything: a browser that shows it runs none of it."""

_ANSWERS: dict[int | str, dict[str, Any]] = {
    206: {"description": "A part of it."},
    304: {"description": "It has not changed."},
    401: {"description": "It is protected."},
    403: {"description": "The signed link is out of date, or for something else."},
    404: {"description": "There is none."},
    416: {"description": "It has no such part."},
}

Id = Annotated[str, InPath(pattern=ID_PATTERN, max_length=MAX_ID_LENGTH)]
Expires = Annotated[int | None, Query(ge=0, le=10**11, description="Unix time at which a signed link ends.")]
Signature = Annotated[str | None, Query(max_length=64, description="Of a signed link.")]


FindItem = Callable[[str, str], dict[str, Any]]
"""The listed item of a collection and id; raises UnknownItemError where there is none."""


@dataclass(frozen=True)
class AssetFiles:
    """The files behind assets, and who may have them."""

    find_item: FindItem
    home: Path
    asset_roots: tuple[Path, ...]
    remote_stores: tuple[str, ...]
    access: Access
    objects: RemoteFiles
    """Those in buckets, whose addresses mean nothing to clients."""

    @classmethod
    def of(cls, settings: CatalogSettings, home: Path, find_item: FindItem, read_object: ReadPart) -> Self:
        """Files where the settings allow them; `read_object` reads those in buckets."""
        roots, stores = settings.asset_roots, settings.remote_stores
        return cls(find_item, home, roots, stores, Access.of(settings), RemoteFiles(read_object))

    def item(self, collection: str, item_id: str, version: str) -> dict[str, Any]:
        """A version that is listed, or one that was until it was replaced, for as long as its files stay.

        Raises:
            UnknownItemError: There is none; or the item is recalled, with all its versions.
        """
        listed = self.find_item(collection, item_id)
        if item_version(listed) == version:
            return listed
        replaced = read_version(self.home, collection, item_id, version, before=item_version(listed))
        if replaced is None:
            raise UnknownItemError(f"item {item_id} has no version {version}")
        return replaced

    def place(self, item: dict[str, Any], key: str) -> Path | str:
        """The file of an asset, or the address of a remote one.

        Raises:
            UnknownItemError: It has no such asset, its file is gone, or its href leads where nothing may be read.
        """
        roots, stores = self.asset_roots, self.remote_stores
        try:
            return asset_place(item, key, home=self.home, asset_roots=roots, remote_stores=stores)
        except CatalogError as error:
            raise UnknownItemError(f"the file of asset {key!r:.80} of item {item['id']} is not here") from error

    def check(self, scope: Scope, name: FileName, expires: int | None, signature: str | None) -> None:
        """See that the sender of a request may have a file.

        Raises:
            RefusedRequestError: 401 or 403.
        """
        if name.collection not in self.access.protected or is_reader(scope):
            return
        if expires is None or signature is None:
            require_reader(scope, self.access, name.collection)
        elif not self.access.is_signed(name, expires=expires, signature=signature):
            raise RefusedRequestError(403, "bad_link", "The signed link is out of date, or for another file or version")

    def answer(self, request: Request, item: dict[str, Any], key: str, place: Path | str) -> Response:
        """The bytes, or the part of them that is asked for; of a file of another host, its address.

        The node is not in the way of bytes that clients can have elsewhere: it need not reach out for whom it serves,
        a slow host holds up nobody here, and GDAL, which follows, keeps the address for its next reads. Objects in
        buckets it has to read for them.

        Raises:
            UnreadableFileError: The bucket does not give the object.
        """
        cache_control = _PROTECTED_CACHE_CONTROL if item["collection"] in self.access.protected else _CACHE_CONTROL
        if isinstance(place, str) and is_elsewhere(place):
            return RedirectResponse(place, 307, headers={"cache-control": cache_control})
        asset, known = item["assets"][key], self.objects.probe(place) if isinstance(place, str) else None
        checksum = asset.get("file:checksum")  # of a loaded item it may be anything
        tag = checksum if is_id(checksum) else f"{item_version(item)}-{_stamp(place, known)}"
        headers = {
            "etag": f'"{tag}"',
            "cache-control": cache_control,
            "content-security-policy": _POLICY,
            "content-disposition": f'inline; filename="{item["id"]}_{key}{PurePosixPath(place).suffix}"',
        }
        if names_tag(request.headers.get("if-none-match", ""), headers["etag"]):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        media_type = asset.get("type", "application/octet-stream")
        if isinstance(place, Path) or known is None:
            return _AssetResponse(place, media_type=media_type, headers=headers)
        asked = request.headers.get("range", "")
        if request.headers.get("if-range", headers["etag"]) != headers["etag"]:
            asked = ""
        return self.objects.send(place, known, asked, headers, media_type)


def versioned_file_route(files: AssetFiles) -> APIRouter:
    """`/data`: the files that item documents name."""
    router = APIRouter(tags=["data"], route_class=StrictRoute)

    @router.head(VERSIONED_FILE, include_in_schema=False)
    @router.get(VERSIONED_FILE, summary="The file of a version's asset", response_class=Response, responses=_ANSWERS)
    def send_version(
        request: Request,
        collection: Id,
        item: Id,
        version: Id,
        file: Id,
        expires: Expires = None,
        signature: Signature = None,
    ) -> Response:
        """The bytes of an asset; `file` is its key and the suffix of its file, as in the item's href."""
        key, suffix = PurePosixPath(file).stem, PurePosixPath(file).suffix
        document = files.item(collection, item, version)
        place = files.place(document, key)
        if PurePosixPath(document["assets"][key]["href"]).suffix != suffix:
            raise UnknownItemError(f"the asset {key} of item {item} is not a {suffix} file")
        files.check(request.scope, FileName(collection, item, version, key), expires, signature)
        return files.answer(request, document, key, place)

    return router


def newest_file_routes(files: AssetFiles, *, public_url: str | None) -> APIRouter:
    """`/stac/…/assets/{key}`: the file of the newest version, and a signed link to it."""
    router = APIRouter(tags=["assets"], route_class=StrictRoute)

    @router.get(NEWEST_FILE, summary="The file of an asset", response_class=Response, responses=_ANSWERS)
    def send_newest(
        request: Request,
        collection: Id,
        item: Id,
        key: Id,
        expires: Expires = None,
        signature: Signature = None,
    ) -> Response:
        """The bytes of an asset of the newest version."""
        document = files.find_item(collection, item)
        place = files.place(document, key)
        files.check(request.scope, FileName(collection, item, item_version(document), key), expires, signature)
        return files.answer(request, document, key, place)

    @router.get(
        f"{NEWEST_FILE}/link",
        summary="A link to the file of an asset",
        response_class=Response,
        responses={401: _ANSWERS[401], 404: _ANSWERS[404]},
    )
    def make_link(
        request: Request,
        collection: Id,
        item: Id,
        key: Id,
        lifetime_s: Annotated[int, Query(ge=60, le=MAX_LINK_S)] = DEFAULT_LINK_S,
    ) -> Response:
        """A link that programs without tokens can read until it `expires`: never, where the file is public."""
        document = files.find_item(collection, item)
        files.place(document, key)
        require_reader(request.scope, files.access, collection)
        expires = link_expiry(lifetime_s)
        name = FileName(collection, item, item_version(document), key)
        query = files.access.sign(name, expires=expires)
        href = file_address(document, key, Addresses.of(request, public_url)) + query
        headers = {"cache-control": "private, no-store"}
        return Response(
            orjson.dumps({"href": href, "expires": expires if query else None}), 200, headers, "application/json"
        )

    return router


class _AssetResponse(FileResponse):
    """A file whose refusals are problem documents as everywhere; Starlette's are plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unless_refused(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                raise _refusal(message)
            await send(message)

        method = scope.get("asked_method", scope["method"])  # of a HEAD that is answered as GET no byte need be read
        await super().__call__({**scope, "method": method}, receive, send_unless_refused)


def _stamp(place: Path | str, known: Part | None) -> str:
    """What changes with the bytes, as far as can be told without reading them."""
    if known is None:
        status = Path(place).stat()
        return f"{status.st_size}-{status.st_mtime_ns}"
    return f"{known.length}-{hashlib.blake2b(known.validator.encode(), digest_size=8).hexdigest()}"


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
