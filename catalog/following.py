"""Following a peer: everything once, then what changed since.

The cursor moves after the catalogue has committed, so that whatever a crash interrupts is only looked at again.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from catalog.cursor import read_cursor, write_cursor
from catalog.intake import Intake, Tally
from catalog.peer import Peer, PeerChange, PeerError
from catalog.timestamp import format_datetime, parse_datetime

logger = logging.getLogger(__name__)

COMPARE_EVERY = timedelta(hours=1)
"""Items of a peer that does not tell of recalls are compared one by one so often."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_MOST_ROUNDS = 1000
"""Of reading its change feed in one go."""


class Follower:
    """Looks at a peer from time to time."""

    def __init__(
        self,
        peer: Peer,
        intake: Intake,
        home: Path,
        *,
        collections: frozenset[str] = frozenset(),
        heed: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            peer: Whom to follow.
            intake: What its items come in through.
            home: The node's folder.
            collections: Ask only for these; for all of them when empty.
            heed: Called between two transactions; may raise to end the look there.
        """
        self._heed = heed
        self._peer = peer
        self._intake = intake
        self._home = home
        self._query = {"collections": ",".join(sorted(collections))} if collections else {}
        self._cursor = read_cursor(home, peer.url)

    def follow(self, *, everything: bool = False) -> Tally:
        """Take over what changed there since the last time; with `everything`, look at each item.

        Raises:
            PeerError: It cannot be followed now; what was taken until then stays.
        """
        tally = self._intake.tally = Tally()
        self._peer.connect()
        if self._peer.has_feed:
            self._follow_feed(everything=everything)
        elif everything or self._is_comparison_due():
            self._compare()
        else:
            self._take_updated()
        return tally

    def _follow_feed(self, *, everything: bool) -> None:
        if everything or self._cursor.sequence is None:
            self._compare()
        for _ in range(_MOST_ROUNDS):
            self._heed()
            before = self._cursor.sequence or 0
            feed = self._peer.changes(before)
            if feed.reset:
                logger.warning("%s: its change feed began anew; all its items are compared", self._peer.url)
                self._compare()
                return
            if feed.resume < before or (feed.changes and feed.resume == before):
                raise PeerError(f"{self._peer.url}: its change feed goes from {before} to {feed.resume}")
            self._apply(feed.changes)
            self._cursor.sequence = feed.resume
            write_cursor(self._home, self._cursor)
            if not feed.changes:
                return

    def _apply(self, changes: Iterable[PeerChange]) -> None:
        """Bring about what a run of changes ends in."""
        last = {(change.collection, change.item_id): change for change in changes}
        wanted = [change for change in last.values() if self._intake.wants(change.collection)]
        listed: dict[str, list[str]] = {}
        for change in wanted:
            if change.action != "recall":
                listed.setdefault(change.collection, []).append(change.item_id)
        self._intake.take(item for collection, ids in listed.items() for item in self._peer.items(collection, ids))
        for change in wanted:
            if change.action == "recall":
                self._intake.recall(change.collection, change.item_id, change.reason)

    def _compare(self) -> None:
        """Look at all its items: take what is new or other, recall what is no longer listed."""
        started = datetime.now(UTC)
        sequence = self._peer.newest_sequence() if self._peer.has_feed else None
        newest, seen = _NEVER, set[int]()
        for page in self._peer.pages(self._query):
            self._heed()
            self._intake.take(page)
            seen.update(hash((item.get("collection"), item.get("id"))) for item in page if _is_named(item))
            newest = max(newest, self._newest(page, started))
        for name in list(self._intake.held()):
            if hash(name) not in seen and self._peer.item(*name) is None:
                self._intake.recall(*name, "is no longer listed there")
        self._cursor.sequence, self._cursor.compared = sequence, format_datetime(started)
        self._cursor.updated = _text(newest)
        write_cursor(self._home, self._cursor)

    def _is_comparison_due(self) -> bool:
        age = datetime.now(UTC) - _time(self._cursor.compared)
        return not timedelta() <= age < COMPARE_EVERY

    def _take_updated(self) -> None:
        """Take what says that it changed since the last time; the rest is for the next comparison."""
        started, newest = datetime.now(UTC), _time(self._cursor.updated)
        since = {"datetime": f"{format_datetime(newest)}/.."}
        if self._peer.can_filter:
            since = {"filter": f"updated >= TIMESTAMP('{format_datetime(newest)}')", "filter-lang": "cql2-text"}
        for page in self._peer.pages(self._query | since):
            self._heed()
            self._intake.take(page)
            newest = max(newest, self._newest(page, started))
        self._cursor.updated = _text(newest)
        write_cursor(self._home, self._cursor)

    def _newest(self, items: list[dict[str, Any]], started: datetime) -> datetime:
        """The newest time at which items were updated, but for those that name one to come."""
        field = "updated" if self._peer.can_filter else "datetime"
        found = _NEVER
        for item in items:
            properties = item.get("properties")
            when = _time(properties.get(field) if isinstance(properties, dict) else None)
            found = max(found, when) if when <= started else found
        return found


def _time(text: object) -> datetime:
    """An instant, or the first of all where there is none; what is missed so, the next comparison finds."""
    try:
        return parse_datetime(text) if isinstance(text, str) else _NEVER
    except ValueError:
        return _NEVER


def _text(when: datetime) -> str | None:
    return None if when == _NEVER else format_datetime(when)


def _is_named(item: dict[str, Any]) -> bool:
    return isinstance(item.get("collection"), str) and isinstance(item.get("id"), str)
