"""Where everything is: absolute addresses of documents, files and pictures, and the links that carry them."""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import splitext
from typing import Any, Self

from starlette.requests import Request

from catalog.access import Access, FileName, link_expiry
from catalog.item import THUMBNAIL, VISUAL, item_version, siblings
from catalog.remote_store import is_remote

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
WEB_MAP_LINKS = "https://stac-extensions.github.io/web-map-links/v1.2.0/schema.json"

QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
SORTABLES = "http://www.opengis.net/def/rel/ogc/1.0/sortables"

_OURS = frozenset(
    {"self", "root", "parent", "collection", "items", "item", "child", "tilejson", "preview"}
    | {QUERYABLES, SORTABLES, "aggregate", "aggregations"}
)


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


def link(rel: str, href: str, media_type: str = JSON, **more: object) -> dict[str, Any]:
    """One STAC link."""
    return {"rel": rel, "href": href, "type": media_type, **more}


def search_links(above: str) -> list[dict[str, Any]]:
    """What tells how items can be searched, of all collections or of one; the same paths below either address."""
    return [
        link(QUERYABLES, f"{above}/queryables", SCHEMA),
        link(SORTABLES, f"{above}/sortables", SCHEMA),
        link("aggregations", f"{above}/aggregations"),
        link("aggregate", f"{above}/aggregate", method="GET"),
        link("aggregate", f"{above}/aggregate", method="POST"),
    ]


def published_item(item: dict[str, Any], at: Addresses) -> dict[str, Any]:
    """The item as served: absolute asset hrefs by key, and links to its neighbours and its map.

    Files are addressed as `{node}/data/{collection}/{item}/{version}/{key}{suffix}`, wherever they lie; remote ones
    keep their address.
    """
    collection, assets = item["collection"], item["assets"]
    above = at.collection(collection)
    ours = [key for key, asset in assets.items() if not is_remote(asset["href"])]
    links = [
        link("self", f"{above}/items/{item['id']}", GEOJSON),
        link("parent", above),
        link("collection", above),
        link("root", at.root),
        *_foreign(item),
    ]
    served = {**item, "links": links, "assets": {**assets, **_addressed(item, ours, at)} if ours else assets}
    if VISUAL in assets:
        pictures = f"{at.node}/raster/collections/{collection}/items/{item['id']}"
        links.append(link("tilejson", f"{pictures}/WebMercatorQuad/tilejson.json"))
        served["stac_extensions"] = _with_map_links(item)
    links += [link("related", at.item(*view), GEOJSON, title="Stereo view") for view in siblings(item)]
    if THUMBNAIL in assets:
        thumbnail = served["assets"][THUMBNAIL]
        links.append(link("preview", thumbnail["href"], thumbnail.get("type", "image/webp")))
    return served


def file_address(item: dict[str, Any], key: str, at: Addresses) -> str:
    """The file of an asset, as the served item names it to the public."""
    return _file_address(item, item_version(item), key, at)


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
        *_foreign(document),
    ]
    return {**document, "links": links, "stac_extensions": _with_map_links(document)}


def _addressed(item: dict[str, Any], keys: Sequence[str], at: Addresses) -> dict[str, Any]:
    """Assets whose files this node hands out, with absolute hrefs."""
    assets, version = item["assets"], item_version(item)  # a digest of the whole item where it states none
    signed = _signatures(item, version, keys, at)
    return {key: {**assets[key], "href": _file_address(item, version, key, at) + signed.get(key, "")} for key in keys}


def _file_address(item: dict[str, Any], version: str, key: str, at: Addresses) -> str:
    suffix = splitext(item["assets"][key]["href"])[1]  # noqa: PTH122  # fast
    return f"{at.node}/data/{item['collection']}/{item['id']}/{version}/{key}{suffix}"


def _signatures(item: dict[str, Any], version: str, keys: Sequence[str], at: Addresses) -> dict[str, str]:
    """What opens each file of an item; nothing where the files are public, or not for whom the item is served."""
    if at.access is None or item["collection"] not in at.access.protected:
        return {}
    expires = link_expiry()
    names = {key: FileName(item["collection"], item["id"], version, key) for key in keys}
    return {key: at.access.sign(name, expires=expires) for key, name in names.items()}


def _foreign(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Links to other places, such as a licence; those between our documents are made anew."""
    return [
        given
        for given in document.get("links", [])
        if given.get("rel") not in _OURS and str(given.get("href")).startswith(("https://", "http://"))
    ]


def _with_map_links(document: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys([*document.get("stac_extensions", []), WEB_MAP_LINKS]))
