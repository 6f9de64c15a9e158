"""Documents of another node's catalogue as this one keeps them: marked with where they are from."""

from typing import Any

from catalog.collection import check_collection
from catalog.errors import InvalidItemError
from catalog.item import is_id
from catalog.peer import Peer

ORIGIN = "imagery_node:origin"
"""Property with where an item was taken from: `{catalog, href, version}`."""

_CANONICAL = "canonical"


def adopt_item(document: dict[str, Any], peer: Peer) -> dict[str, Any]:
    """An item of a peer: without the links that its API made for it, with a mark and a link to where it is from.

    Raises:
        InvalidItemError: It has no id, properties or links; whatever else may be wrong is not looked at here.
    """
    collection, item_id, properties = (document.get(name) for name in ("collection", "id", "properties"))
    if not is_id(collection) or not is_id(item_id) or not isinstance(properties, dict):
        raise InvalidItemError(f"item {item_id!r:.140} of {collection!r:.140}: expected ids and properties")
    address = peer.item_address(str(collection), str(item_id))
    links = _foreign_links(document, peer)
    if not any(given["rel"] == _CANONICAL for given in links):
        links.append({"rel": _CANONICAL, "href": address, "type": "application/geo+json"})
    bbox = document.get("bbox")
    if isinstance(bbox, list) and len(bbox) == 6:
        bbox = [*bbox[:2], *bbox[3:5]]  # heights are for nobody here
    origin = {"catalog": peer.url, "href": address, "version": str(properties.get("version", ""))}
    return document | {"bbox": bbox, "properties": properties | {ORIGIN: origin}, "links": links}


def adopt_collection(document: dict[str, Any], peer: Peer) -> dict[str, Any]:
    """A collection of a peer, without the links that its API made for it.

    Raises:
        InvalidItemError: It breaks a rule.
    """
    collection = document | {"links": _foreign_links(document, peer)}
    check_collection(collection)
    return collection


def origin_catalog(item: dict[str, Any]) -> str | None:
    """The catalogue that an item was taken from; None when it was not."""
    properties = item.get("properties")
    origin = properties.get(ORIGIN) if isinstance(properties, dict) else None
    return origin.get("catalog") if isinstance(origin, dict) else None


def _foreign_links(document: dict[str, Any], peer: Peer) -> list[dict[str, Any]]:
    """Links that do not lead into the peer's API; those to its maps are left out when the item is served."""
    links = document.get("links")
    if not isinstance(links, list):
        raise InvalidItemError(f"{document.get('id')!r:.140}: links is {links!r:.80}, expected a list")
    return [
        given
        for given in links
        if isinstance(given, dict)
        and isinstance(given.get("rel"), str)
        and isinstance(given.get("href"), str)
        and not peer.owns(given["href"])
    ]
