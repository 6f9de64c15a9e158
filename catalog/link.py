"""Where everything is: absolute addresses of documents, files and pictures, as each caller is given them."""

import re
from dataclasses import dataclass
from typing import Any, Self

import orjson
from starlette.requests import Request

from catalog.access import Access, FileName, link_expiry
from catalog.item import item_version
from catalog.served_item import NODE, ROOT, STAC, file_path
from catalog.stac_link import GEOJSON, foreign_links, link, search_links, with_map_links

_FILE = re.compile(rb'%b/data/([^/]+)/([^/]+)/([^/]+)/([\w-]+)(?:[^"\\]|\\.)*' % NODE.encode(), re.ASCII)
"""An address in a served item: collection, item, version and key of the asset, and the suffix of its file."""


@dataclass(frozen=True)
class Addresses:
    """The two roots every link starts from, without a slash at the end."""

    node: str
    """The whole node: files are under `/data`, pictures under `/raster`."""
    stac: str
    """The STAC API; the same as the node where the API runs alone."""
    access: Access | None = None
    """Signs the addresses of protected files; None where they are for someone who may not have the files."""

    @classmethod
    def of(cls, request: Request, public_url: str | None) -> Self:
        """From the configured public address, else from the request's scheme and host."""
        node = (public_url or str(request.base_url)).rstrip("/")
        root_path: str = request.scope.get("root_path", "")
        mounted_at = root_path.removeprefix(request.scope.get("app_root_path", root_path))
        return cls(node=node, stac=node + mounted_at)

    @property
    def root(self) -> str:
        """The landing page."""
        return self.stac if self.stac != self.node else f"{self.node}/"

    def collection(self, collection: str) -> str:
        """One collection document."""
        return f"{self.stac}/collections/{collection}"

    def item(self, collection: str, item_id: str) -> str:
        """One item document."""
        return f"{self.stac}/collections/{collection}/items/{item_id}"


def published(documents: bytes, at: Addresses) -> bytes:
    """Served items (`catalog.served_item`) with the addresses that a caller is given."""
    if at.access is not None and at.access.protected:
        documents = _signed(documents, at.access)
    for mark, address in ((STAC, at.stac), (ROOT, at.root), (NODE, at.node)):
        documents = documents.replace(mark.encode(), orjson.dumps(address)[1:-1])
    return documents


def published_collection(document: dict[str, Any], at: Addresses) -> dict[str, Any]:
    """The collection as served: links to its items, its neighbours and its map layer."""
    collection = document["id"]
    links = [
        link("self", at.collection(collection)),
        link("items", f"{at.collection(collection)}/items", GEOJSON),
        *search_links(at.collection(collection)),
        link("parent", at.root),
        link("root", at.root),
        link("tilejson", f"{at.node}/raster/layers/{collection}/WebMercatorQuad/tilejson.json"),
        *foreign_links(document),
    ]
    return {**document, "links": links, "stac_extensions": with_map_links(document.get("stac_extensions", []))}


def file_address(item: dict[str, Any], key: str, at: Addresses) -> str:
    """The file of an asset, as the served item names it to the public."""
    return at.node + file_path(item, item_version(item), key)


def _signed(documents: bytes, access: Access) -> bytes:
    """With what opens each file behind its address; nothing where the files are public."""
    expires = link_expiry()

    def signed(address: re.Match[bytes]) -> bytes:
        name = FileName(*(part.decode() for part in address.groups()))
        return address[0] + access.sign(name, expires=expires).encode()

    return _FILE.sub(signed, documents)
