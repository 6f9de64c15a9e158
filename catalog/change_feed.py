"""The change feed as followers read it: resumable, filtered by place, and honest about a feed that began anew."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from catalog.geometry import split_bbox
from catalog.search import BoundingBox, Change, ItemStore
from catalog.timestamp import format_datetime

MAX_SCANNED = 10_000
"""So many entries are looked at for one page; where few of them match, the page is short and says where to go on."""

_CHUNK = 1000


@dataclass(frozen=True)
class FeedPage:
    """What a follower is told at a time."""

    changes: list[Change]
    """Oldest first."""
    resume: int
    """The sequence number to ask after next time."""
    newest: int
    """That of the catalogue when the page was read."""
    more: bool
    """Whether there may be more to read at once."""
    reset: bool
    """The number asked after is not of this feed: the page starts at its beginning; what it does not tell is gone."""


def read_feed(
    store: ItemStore,
    since: int,
    *,
    limit: int,
    collections: Collection[str] = (),
    bbox: BoundingBox | None = None,
) -> FeedPage:
    """The changes after a sequence number, of some collections and some ground, or of all."""
    first = store.changes(0, limit=1)
    newest = store.sequence()
    reset = _is_foreign(since, first, newest)
    resume = 0 if reset else since
    found: list[Change] = []
    for _ in range(MAX_SCANNED // _CHUNK):
        entries = store.changes(resume, limit=_CHUNK)
        for entry in entries:
            resume = entry.sequence
            if concerns(entry, collections, bbox):
                found.append(entry)
                if len(found) == limit:
                    return FeedPage(found, resume, newest, entry is not entries[-1] or len(entries) == _CHUNK, reset)
        if len(entries) < _CHUNK:
            # Everything up to `newest` was seen; what raised it and has no entry need not be asked for again.
            return FeedPage(found, max(resume, newest), newest, more=False, reset=reset)
    return FeedPage(found, resume, newest, more=True, reset=reset)


def change_document(change: Change, address: str) -> dict[str, Any]:
    """One change as the feed and the webhooks write it; a recalled item has no address."""
    document = {
        "sequence": change.sequence,
        "action": change.action,
        "collection": change.collection,
        "id": change.item_id,
        "version": change.version,
        "changed": format_datetime(change.changed),
        "bbox": list(change.bbox),
    }
    if change.action == "recall":
        return {**document, "reason": change.reason}
    return {**document, "href": address}


def _is_foreign(since: int, first: list[Change], newest: int) -> bool:
    """Whether a number is from a feed that is no longer: ahead of this one, or before its first entry.

    A catalogue that is made anew from the files jumps ahead of all its numbers and tells everything again.
    """
    return since > newest or (bool(first) and 0 < since < first[0].sequence - 1)


def concerns(change: Change, collections: Collection[str], bbox: BoundingBox | None) -> bool:
    """Whether a change is of some collections (of all, where none is named) and of some ground."""
    if collections and change.collection not in collections:
        return False
    return bbox is None or any(
        _overlap(ours, theirs) for ours in split_bbox(change.bbox) for theirs in split_bbox(bbox)
    )


def _overlap(one: BoundingBox, other: BoundingBox) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
