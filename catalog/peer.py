"""Peer: another node's STAC API as a follower reads it. Nothing it says is believed before it was looked at."""

import time
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import count
from typing import Any, NamedTuple, cast, get_args

import httpx
import orjson

from catalog.errors import CatalogError
from catalog.item import is_id
from catalog.outbound import PassingError, make_client, pause_s
from catalog.remote_store import is_object, read_store, resolve_address
from catalog.search import MAX_IDS, MAX_LIMIT, Action

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_PAGES = 100_000
PAGE = 500

FEED_LINK = "changes"
"""Relation of the landing page's link to the change feed."""
_FILTERS = ("/item-search#filter", "/cql2/1.0/conf/cql2-text")
"""Ends of the names of the classes that filtering by text takes, whatever the version."""

_ATTEMPTS = 5
_ANSWER_S = 120.0
_SILENCE_S = 30.0
_MAX_LINK_LENGTH = 8 * 1024
_MAX_REASON_LENGTH = 1000


class PeerError(CatalogError):
    """The other node cannot be reached, or does not say what a STAC API says."""

    code = "peer_error"


class _MissingError(PeerError):
    """The other node has no such document."""


class PeerChange(NamedTuple):
    """What happened to an item there."""

    action: Action
    collection: str
    item_id: str
    reason: str


class PeerFeed(NamedTuple):
    """A part of its change feed."""

    changes: list[PeerChange]
    """Oldest first."""
    resume: int
    """Sequence number to ask after next time."""
    reset: bool
    """The feed began anew: what it does not tell is unknown."""


class Peer:
    """One STAC API, asked by one thread."""

    def __init__(self, url: str) -> None:
        """Prepare, without asking.

        Raises:
            ValueError: The address is not a plain one.
        """
        self._below = (read_store(url),)
        if is_object(url):
            raise ValueError(f"{url!r:.200} is a bucket, expected the https address of a STAC API")
        self._root = self._below[0].rstrip("/")
        self._landing = self._below[0] if url.endswith("/") else self._root
        self.url = url.rstrip("/")
        """As it was given: what is taken from here is known by it."""
        self._client = make_client(silence_s=_SILENCE_S, connections=2)
        self._search = self._feed = ""
        self.can_filter = False
        """Whether it finds items by CQL2."""

    def connect(self) -> None:
        """Read the landing page.

        Raises:
            PeerError: It is not that of a STAC API.
        """
        landing = self._ask("GET", self._landing)
        links = _objects(landing, "links")
        self._search = self._link(links, "search")
        self._feed = self._link(links, FEED_LINK)
        classes = landing.get("conformsTo")
        known = [name for name in classes if isinstance(name, str)] if isinstance(classes, list) else []
        self.can_filter = all(any(name.endswith(end) for name in known) for end in _FILTERS)
        if not self._search:
            raise PeerError(f"{self.url} is not a STAC API: its landing page has no link to a search")

    @property
    def has_feed(self) -> bool:
        """Whether it tells of its changes."""
        return bool(self._feed)

    def changes(self, since: int) -> PeerFeed:
        """What happened after a sequence number."""
        document = self._ask("GET", self._feed, {"since": str(since), "limit": str(MAX_LIMIT)})
        changes = [_change(change) for change in _objects(document, "changes")]
        return PeerFeed(changes, _number(document, "resume"), document.get("reset") is True)

    def newest_sequence(self) -> int:
        """The sequence number of its newest change."""
        return _number(self._ask("GET", self._feed, {"since": "0", "limit": "1"}), "newest")

    def pages(self, query: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        """Everything that a search finds, page by page.

        Raises:
            PeerError: Also when the pages have no end.
        """
        address, asked = self._search, {"limit": str(PAGE), **query}
        seen = set[int]()
        for _ in range(MAX_PAGES):
            document = self._ask("GET", address, asked)
            items = _objects(document, "features")
            yield items
            following = self._link(_objects(document, "links"), "next")
            if not following:
                return
            before = len(seen)
            seen.update(hash((str(item.get("collection")), str(item.get("id")))) for item in items)
            if len(seen) == before:
                raise PeerError(f"{self._search}: a page brings nothing new and yet has a next one")
            address, asked = following, {}
        raise PeerError(f"{self._search}: more than {MAX_PAGES} pages")

    def items(self, collection: str, item_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Those of the items that are listed there."""
        for start in range(0, len(item_ids), MAX_IDS):
            wanted = item_ids[start : start + MAX_IDS]
            asked = {"collections": [collection], "ids": list(wanted), "limit": len(wanted)}
            found = {
                item.get("id"): item
                for item in _objects(self._ask("POST", self._search, body=asked), "features")
                if item.get("collection") == collection
            }
            for item_id in wanted:
                item = found.get(item_id) or self.item(collection, item_id)
                if item is not None:
                    yield item

    def item(self, collection: str, item_id: str) -> dict[str, Any] | None:
        """One item; None where it is not listed."""
        return self._document(self.item_address(collection, item_id))

    def collection(self, collection: str) -> dict[str, Any] | None:
        """One collection; None where there is none."""
        return self._document(f"{self._root}/collections/{collection}")

    def item_address(self, collection: str, item_id: str) -> str:
        """Where an item's document is."""
        return f"{self._root}/collections/{collection}/items/{item_id}"

    def owns(self, address: str) -> bool:
        """Whether an address is one of its API."""
        return resolve_address(address.partition("?")[0], self._below) is not None or address.rstrip("/") == self.url

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _document(self, address: str) -> dict[str, Any] | None:
        try:
            return self._ask("GET", address)
        except _MissingError:
            return None

    def _link(self, links: list[dict[str, Any]], rel: str) -> str:
        """The address of a link that is followed with GET; empty where there is none."""
        for link in links:
            if link.get("rel") == rel and link.get("method", "GET") == "GET":
                href = str(link.get("href"))
                address, _, query = href.partition("?")
                place = resolve_address(address, self._below)
                if place is None or not query.isascii() or not query.isprintable() or len(href) > _MAX_LINK_LENGTH:
                    raise PeerError(f"its {rel} link leads to {href!r:.200}, expected an address below {self.url}")
                return f"{place}?{query}" if query else place
        return ""

    def _ask(
        self, method: str, address: str, query: Mapping[str, str] | None = None, body: object = None
    ) -> dict[str, Any]:
        """The JSON object at an address; what may pass is tried again."""
        for attempt in count(1):
            try:
                return self._ask_once(method, address, query, body)
            except (PassingError, httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt == _ATTEMPTS:
                    raise PeerError(f"{address}: {error or type(error).__name__}") from error
                time.sleep(pause_s(attempt))
        raise AssertionError  # for the type checker: the loop has no end

    def _ask_once(self, method: str, address: str, query: Mapping[str, str] | None, body: object) -> dict[str, Any]:
        deadline = time.monotonic() + _ANSWER_S
        data = bytearray()
        content = None if body is None else orjson.dumps(body)
        headers = {"accept": "application/geo+json, application/json"}
        if content is not None:
            headers["content-type"] = "application/json"
        with self._client.stream(method, address, params=query or None, content=content, headers=headers) as answer:
            _check_status(address, answer)
            for piece in answer.iter_raw():
                data += piece
                if len(data) > MAX_BODY_BYTES:
                    raise PeerError(f"{address}: the answer has more than {MAX_BODY_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise PassingError(f"the answer takes longer than {_ANSWER_S:g} s")
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise PeerError(f"{address}: not JSON: {error}") from error
        if not isinstance(document, dict):
            raise PeerError(f"{address}: a {type(document).__name__}, expected a JSON object")
        return document


def _check_status(address: str, answer: httpx.Response) -> None:
    status = answer.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise PassingError(f"status {status}")
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise _MissingError(f"{address}: status {status}")
    if answer.is_redirect:
        raise PeerError(f"{address}: redirects, which is not followed; give the address it leads to")
    if status != HTTPStatus.OK or answer.headers.get("content-encoding", "identity") != "identity":
        raise PeerError(f"{address}: status {status}, expected 200 with plain JSON")


def _objects(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects in a document."""
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise PeerError(f"{name} is {found!r:.80}, expected a list of objects")
    return found


def _number(document: dict[str, Any], name: str) -> int:
    """A sequence number in a document."""
    found = document.get(name)
    if type(found) is not int or not 0 <= found < 2**63:
        raise PeerError(f"{name} is {found!r:.40}, expected a sequence number")
    return found


def _change(document: dict[str, Any]) -> PeerChange:
    action, collection, item_id = (document.get(name) for name in ("action", "collection", "id"))
    if action not in get_args(Action) or not is_id(collection) or not is_id(item_id):
        raise PeerError(f"a change of {collection!r:.80}/{item_id!r:.80} is {action!r:.40}; expected a known action")
    told = document.get("reason")
    reason = "".join(filter(str.isprintable, told))[:_MAX_REASON_LENGTH] if isinstance(told, str) else ""
    return PeerChange(cast(Action, action), str(collection), str(item_id), reason)
