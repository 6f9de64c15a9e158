"""Links as STAC documents hold them, and which of them are ours."""

import re
from typing import Any

import orjson

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
WEB_MAP_LINKS = "https://stac-extensions.github.io/web-map-links/v1.2.0/schema.json"

QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
SORTABLES = "http://www.opengis.net/def/rel/ogc/1.0/sortables"

_SOURCE = re.compile(r"\.\./\.\./\.\./([A-Za-z0-9._-]{1,128})/([A-Za-z0-9._-]{1,128})/[A-Za-z0-9._-]{1,128}/item\.json")
_OURS = frozenset(
    {"self", "root", "parent", "collection", "items", "item", "child", "tilejson", "preview"}
    | {QUERYABLES, SORTABLES, "aggregate", "aggregations"}
)


def link(rel: str, href: str | orjson.Fragment, media_type: str = JSON, **more: object) -> dict[str, Any]:
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


def foreign_links(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Links to other places, such as a licence; those between our documents are made anew."""
    return [
        given
        for given in document.get("links", [])
        if given.get("rel") not in _OURS and str(given.get("href")).startswith(("https://", "http://"))
    ]


def sources(document: dict[str, Any]) -> list[tuple[str, str]]:
    """(collection, id) of the items that a composite is derived from, by its links between the node's folders."""
    found = (
        _SOURCE.fullmatch(given["href"]) for given in document.get("links", []) if given.get("rel") == "derived_from"
    )
    return [(match[1], match[2]) for match in found if match]


def with_map_links(extensions: list[str]) -> list[str]:
    """The extensions of a document that has links to maps."""
    return extensions if WEB_MAP_LINKS in extensions else [*extensions, WEB_MAP_LINKS]
