"""Where everything is: absolute addresses of documents, files and pictures, and the links that carry them."""

from dataclasses import dataclass
from os.path import splitext
from typing import Any, Self

from starlette.requests import Request

from catalog.item import THUMBNAIL, VISUAL, item_version, siblings

JSON = "application/json"
GEOJSON = "application/geo+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
WEB_MAP_LINKS = "https://stac-extensions.github.io/web-map-links/v1.2.0/schema.json"

_OURS = frozenset({"self", "root", "parent", "collection", "items", "item", "child", "tilejson", "preview"})


@dataclass(frozen=True)
class Addresses:
    """The two roots every link starts from, without a slash at the end."""

    node: str
    """The whole node: files are under `/data`, pictures under `/raster`."""
    stac: str
    """The STAC API; the same as the node where the API runs alone."""

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


def published_item(item: dict[str, Any], at: Addresses) -> dict[str, Any]:
    """The item as served: absolute asset hrefs by key, and links to its neighbours and its map.

    Files are addressed as `{node}/data/{collection}/{item}/{version}/{key}{suffix}`, wherever they lie.
    """
    collection, item_id, assets = item["collection"], item["id"], item["assets"]
    files = f"{at.node}/data/{collection}/{item_id}/{item_version(item)}"
    links = [
        link("self", at.item(collection, item_id), GEOJSON),
        link("parent", at.collection(collection)),
        link("collection", at.collection(collection)),
        link("root", at.root),
        *_foreign(item),
    ]
    served = {
        **item,
        "links": links,
        "assets": {
            key: {**asset, "href": f"{files}/{key}{splitext(asset['href'])[1]}"}  # noqa: PTH122  # pages hold thousands
            for key, asset in assets.items()
        },
    }
    if VISUAL in assets:
        pictures = f"{at.node}/raster/collections/{collection}/items/{item_id}"
        links.append(link("tilejson", f"{pictures}/WebMercatorQuad/tilejson.json"))
        served["stac_extensions"] = _with_map_links(item)
    links += [link("related", at.item(*view), GEOJSON, title="Stereo view") for view in siblings(item)]
    if THUMBNAIL in assets:
        thumbnail = served["assets"][THUMBNAIL]
        links.append(link("preview", thumbnail["href"], thumbnail.get("type", "image/webp")))
    return served


def published_collection(document: dict[str, Any], at: Addresses) -> dict[str, Any]:
    """The collection as served: links to its items, its neighbours and its map layer."""
    collection = document["id"]
    links = [
        link("self", at.collection(collection)),
        link("items", f"{at.collection(collection)}/items", GEOJSON),
        link("parent", at.root),
        link("root", at.root),
        link("tilejson", f"{at.node}/raster/layers/{collection}/WebMercatorQuad/tilejson.json"),
        *_foreign(document),
    ]
    return {**document, "links": links, "stac_extensions": _with_map_links(document)}


def _foreign(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Links to other places, such as a licence; those between our documents are made anew."""
    return [
        given
        for given in document.get("links", [])
        if given.get("rel") not in _OURS and str(given.get("href")).startswith(("https://", "http://"))
    ]


def _with_map_links(document: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys([*document.get("stac_extensions", []), WEB_MAP_LINKS]))
