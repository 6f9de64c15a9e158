"""An Item as it is served, made once and kept: a page of a search is these bytes behind each other.

Addresses start from roots that differ from request to request. Bytes that JSON never holds stand for them, so that
nothing is parsed to fill them in.
"""

from collections.abc import Sequence
from os.path import splitext
from typing import Any, NamedTuple

import orjson

from catalog.asset_key import THUMBNAIL, VISUAL
from catalog.remote_store import is_elsewhere
from catalog.stac_link import GEOJSON, foreign_links, link, sources, with_map_links

NODE, STAC, ROOT = "\1", "\2", "\3"
"""For the address of the node, of the STAC API, and of its landing page."""

_MARKS = (NODE + STAC + ROOT).encode()


class ServedItem(NamedTuple):
    """An Item as served, and what it takes to have the Item that was given."""

    document: bytes
    """JSON with marks, its keys sorted."""
    given: bytes
    """JSON: its `links`, the number of its `stac_extensions`, null for what it lacks, and the `hrefs` of our assets."""


def served_item(item: dict[str, Any], version: str, views: Sequence[tuple[str, str]]) -> ServedItem:
    """The item with absolute hrefs of assets, and with links to its neighbours and its map.

    Files are addressed as `{node}/data/{collection}/{item}/{version}/{key}{suffix}`, wherever they lie; those of
    other hosts keep their address.

    Args:
        item: One that keeps the rules.
        version: As the catalogue counts it.
        views: (collection, id) of the other views of a stereo scene.
    """
    assets, extensions = item["assets"], item.get("stac_extensions")
    hrefs = {key: asset["href"] for key, asset in assets.items() if not is_elsewhere(asset["href"])}
    ours = {key: {**assets[key], "href": _marked(NODE + file_path(item, version, key))} for key in hrefs}
    served = {**item, "assets": {**assets, **ours}, "links": _links(item, {**assets, **ours}, views)}
    if VISUAL in assets:
        served["stac_extensions"] = with_map_links(extensions or [])
    given = {
        "links": item.get("links"),
        "stac_extensions": None if extensions is None else len(extensions),
        "hrefs": hrefs,
    }
    return ServedItem(orjson.dumps(served, option=orjson.OPT_SORT_KEYS), orjson.dumps(given))


def given_item(served: ServedItem) -> dict[str, Any]:
    """The Item that was given."""
    item: dict[str, Any] = orjson.loads(served.document.translate(None, _MARKS))
    given = orjson.loads(served.given)
    for key, href in given["hrefs"].items():
        item["assets"][key]["href"] = href
    item["links"], count = given["links"], given["stac_extensions"]
    item["stac_extensions"] = None if count is None else item["stac_extensions"][:count]
    for member in ("links", "stac_extensions"):
        if item[member] is None:
            del item[member]
    return item


def file_path(item: dict[str, Any], version: str, key: str) -> str:
    """Where the node hands out the file of an asset."""
    suffix = splitext(item["assets"][key]["href"])[1]  # noqa: PTH122  # fast
    return f"/data/{item['collection']}/{item['id']}/{version}/{key}{suffix}"


def _links(item: dict[str, Any], assets: dict[str, Any], views: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    above, name = f"{STAC}/collections/{item['collection']}", item["id"]
    links = [
        link("self", _marked(f"{above}/items/{name}"), GEOJSON),
        link("parent", _marked(above)),
        link("collection", _marked(above)),
        link("root", _marked(ROOT)),
        *foreign_links(item),
    ]
    if VISUAL in assets:
        pictures = f"{NODE}/raster/collections/{item['collection']}/items/{name}"
        links.append(link("tilejson", _marked(f"{pictures}/WebMercatorQuad/tilejson.json")))
    for collection, view in views:
        address = _marked(f"{STAC}/collections/{collection}/items/{view}")
        links.append(link("related", address, GEOJSON, title="Stereo view"))
    for collection, source in sources(item):
        links.append(link("derived_from", _marked(f"{STAC}/collections/{collection}/items/{source}"), GEOJSON))
    if THUMBNAIL in assets:
        links.append(link("preview", assets[THUMBNAIL]["href"], assets[THUMBNAIL].get("type", "image/webp")))
    return links


def _marked(address: str) -> orjson.Fragment:
    """An address that begins with a mark as JSON; the rest of it is a text."""
    return orjson.Fragment(f'"{address[0]}'.encode() + orjson.dumps(address[1:])[1:])
