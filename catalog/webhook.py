"""Webhooks: every change as a CloudEvent, posted to each subscriber in order until it takes it.

Events are CloudEvents 1.0 in structured JSON; requests are signed as Standard Webhooks 1.0.0 says: HMAC-SHA256 over
`{webhook-id}.{webhook-timestamp}.{body}`. What was taken is recorded after the answer, so that an event may come twice,
with the same id, and none is lost.
"""

import base64
import hashlib
import hmac
import logging
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson

from catalog.change_feed import change_document, read_feed
from catalog.durable import move_file, write_file
from catalog.errors import StoreUnavailableError
from catalog.outbound import pause_s
from catalog.search import Action, Change, ItemStore
from catalog.timestamp import format_datetime
from catalog.webhook_address import SECRET_PREFIX, read_secret

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/cloudevents+json"
TYPES: dict[Action, str] = {
    "publish": "imagery-node.item.published",
    "replace": "imagery-node.item.replaced",
    "recall": "imagery-node.item.recalled",
    "restore": "imagery-node.item.restored",
}
RESET_TYPE = "imagery-node.changes.reset"
"""The feed began anew: what the subscriber holds and cannot find any more is gone."""

MAX_PAUSE_S = 300.0
MAX_RETRY_AFTER_S = 3600.0

_PAGE = 100


def subscriber_secret(secret: str, address: str) -> str:
    """The secret that one subscriber checks its requests with: none of them can sign for another."""
    key = hmac.digest(read_secret(secret), address.encode(), "sha256")
    return SECRET_PREFIX + base64.b64encode(key).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(read_secret(secret), signed, "sha256")).decode()


def change_event(change: Change, node: str) -> dict[str, Any]:
    """One change as a CloudEvent; its `data` is what the change feed says.

    Args:
        change: Of the feed.
        node: Address of the node as its users see it, without a slash at the end; may be empty.
    """
    address = f"{node}/stac/collections/{change.collection}/items/{change.item_id}"
    return _event(
        str(change.sequence),
        TYPES[change.action],
        node,
        subject=f"{change.collection}/{change.item_id}",
        time=format_datetime(change.changed),
        data=change_document(change, address),
    )


class Subscriber:
    """One who is told, and how far."""

    def __init__(self, address: str, *, secret: str, home: Path) -> None:
        """Prepare.

        Args:
            address: Where it listens.
            secret: Of the node; that of the subscriber is derived from it.
            home: The node's folder, where it is kept how far it was told.
        """
        self.address = address
        self.secret = subscriber_secret(secret, address)
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        self._cursor = home / "webhooks" / f"{digest}.json"

    @property
    def name(self) -> str:
        """The address without its query, which may hold a secret."""
        return self.address.partition("?")[0]

    def sequence(self) -> int | None:
        """The number of the last change that it took; None for a new subscriber."""
        try:
            document = orjson.loads(self._cursor.read_bytes())
            return int(document["sequence"])
        except FileNotFoundError:
            return None

    def note(self, sequence: int) -> None:
        """Keep how far it was told."""
        document = {"address": self.name, "sequence": sequence}
        self._cursor.parent.mkdir(exist_ok=True)
        fresh = self._cursor.with_suffix(".new")
        write_file(fresh, orjson.dumps(document))
        move_file(fresh, self._cursor)


class Courier:
    """Tells one subscriber of every change from its first day on, in order, until it is told to stop."""

    def __init__(
        self,
        subscriber: Subscriber,
        store: ItemStore,
        *,
        node: str,
        client: httpx.Client,
        stop: threading.Event,
        poll_s: float,
    ) -> None:
        self._subscriber = subscriber
        self._store = store
        self._node = node
        self._client = client
        self._stop = stop
        self._poll_s = poll_s

    def run(self) -> None:
        """Work until the stop."""
        while not self._stop.is_set():
            try:
                waiting = self._tell()
            except StoreUnavailableError as error:
                logger.warning("%s waits: %s", self._subscriber.name, error)
                waiting = False
            if not waiting:
                self._stop.wait(self._poll_s)

    def _tell(self) -> bool:
        """Tell what is new; whether more is waiting."""
        since = self._subscriber.sequence()
        if since is None:
            since = self._store.sequence()
            self._subscriber.note(since)
            logger.info("%s is told of what comes after change %d", self._subscriber.name, since)
        page = read_feed(self._store, since, limit=_PAGE)
        if page.reset:
            event = _event(f"reset-{page.newest}", RESET_TYPE, self._node, data={"newest": page.newest})
            if self._deliver(event):
                self._subscriber.note(page.newest)
            return True
        for change in page.changes:
            if not self._deliver(change_event(change, self._node)):
                return False
            self._subscriber.note(change.sequence)
        return page.more

    def _deliver(self, event: dict[str, Any]) -> bool:
        """Post until it is taken; False when it was stopped before."""
        body = orjson.dumps(event)
        for attempt in count(1):
            if self._stop.is_set():
                return False
            trouble, asked_pause_s = self._post(event["id"], body)
            if not trouble:
                return True
            pause = max(min(pause_s(min(attempt, 20)), MAX_PAUSE_S), asked_pause_s)
            logger.warning(
                "%s did not take event %s: %s; again in %.0f s", self._subscriber.name, event["id"], trouble, pause
            )
            self._stop.wait(pause)
        raise AssertionError  # for the type checker: the loop has no end

    def _post(self, message_id: str, body: bytes) -> tuple[str, float]:
        """What went wrong, or nothing; and for how long the subscriber asks to be left alone."""
        timestamp = int(time.time())
        headers = {
            "content-type": MEDIA_TYPE,
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._subscriber.secret, message_id, timestamp, body),
        }
        try:
            # The body of the answer is never read.
            with self._client.stream("POST", self._subscriber.address, content=body, headers=headers) as answer:
                if answer.is_success:
                    return "", 0.0
                after = answer.headers.get("retry-after", "")
                asked_s = float(after) if after.isascii() and after.isdecimal() and len(after) < 9 else 0.0
                return f"status {answer.status_code}", min(asked_s, MAX_RETRY_AFTER_S)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return str(error) or type(error).__name__, 0.0


def _event(event_id: str, kind: str, node: str, *, data: dict[str, Any], **more: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"{node}/stac/changes",
        "type": kind,
        **more,
        "datacontenttype": "application/json",
        "data": data,
    }
