"""Intake: items of one peer come into this catalogue and go out of it again; their files stay where they are.

Files are the truth here as everywhere: what is taken is a file in `home/loaded`, a recall is a tombstone.
"""

import logging
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from catalog.adoption import adopt_collection, adopt_item, origin_catalog
from catalog.checked_item import CheckedItem
from catalog.errors import DiskFullError, InvalidItemError, UnknownItemError
from catalog.fail_point import fail_point
from catalog.item_lines import check_lines
from catalog.loading import Places, load
from catalog.peer import Peer
from catalog.publishing import recall, restore
from catalog.search import ItemStore
from catalog.sidecar import scene_folder, versions
from catalog.staging import staging_folder

logger = logging.getLogger(__name__)

_REFUSALS_TOLD = 20


@dataclass
class Tally:
    """What came in and went out."""

    taken: int = 0
    recalled: int = 0
    unchanged: int = 0
    refused: int = 0


class Intake:
    """Takes what a peer lists into one node; scenes of the node's own and items from elsewhere are never touched."""

    def __init__(
        self,
        peer: Peer,
        *,
        home: Path,
        store: ItemStore,
        remote_stores: tuple[str, ...],
        collections: frozenset[str] = frozenset(),
        reserve_mib: int = 0,
    ) -> None:
        """Prepare.

        Args:
            peer: Whose items these are.
            home: The node's folder.
            store: Its catalogue.
            remote_stores: Where the files of taken items may lie.
            collections: Take only these; all of them when empty.
            reserve_mib: Free space that is never used.
        """
        self.tally = Tally()
        self._peer = peer
        self._home = home
        self._store = store
        self._remote_stores = remote_stores
        self._places = Places((), remote_stores)
        self._collections = collections
        self._reserve_mib = reserve_mib
        self._mark = f"{peer.url}: "
        """Reasons of recalls that the peer may undo begin with it."""

    def wants(self, collection: object) -> bool:
        """Whether items of a collection are taken at all."""
        return not self._collections or collection in self._collections

    def held(self) -> Iterator[tuple[str, str]]:
        """Collection and id of the peer's items that are listed here."""
        for item in self._store.all_items():
            if origin_catalog(item) == self._peer.url and self.wants(item["collection"]):
                yield item["collection"], item["id"]

    def take(self, documents: Iterable[dict[str, Any]]) -> None:
        """List items, all in one transaction; those that are the same already are left alone.

        Raises:
            DiskFullError: There is no room; none was listed.
        """
        recalled = {(change.collection, change.item_id): change.reason or "" for change in self._store.tombstones()}
        lines, restored = dict[str, list[bytes]](), list[tuple[str, str]]()
        for item in self._checked(documents):
            key = item.collection, item.item_id
            if key not in recalled and self._is_the_same(item):
                self.tally.unchanged += 1
                continue
            if key in recalled:
                if not recalled[key].startswith(self._mark):
                    continue  # it was recalled here, which only this node undoes
                restored.append(key)
            lines.setdefault(item.collection, []).append(item.document)
        if lines:
            self._load(lines)
        for collection, item_id in restored:
            restore(item_id, home=self._home, store=self._store, collections=(collection,))
        fail_point("follow")

    def recall(self, collection: str, item_id: str, reason: str) -> None:
        """Take an item of the peer out of every answer; nothing happens when it is not one that is listed."""
        held = self._held_item(collection, item_id)
        if held is not None and origin_catalog(held) == self._peer.url:
            recall(item_id, home=self._home, store=self._store, reason=self._mark + reason, collections=(collection,))
            self.tally.recalled += 1

    def _load(self, lines: dict[str, list[bytes]]) -> None:
        if shutil.disk_usage(self._home).free < self._reserve_mib * 2**20:
            raise DiskFullError(f"{self._peer.url}: less than the reserve of {self._reserve_mib} MiB is free")
        with staging_folder(self._home) as staged:
            batch = staged / "batch.ndjson"
            documents = [*self._described(lines), *(document for items in lines.values() for document in items)]
            batch.write_bytes(b"\n".join(documents) + b"\n")
            load(batch, home=self._home, store=self._store, remote_stores=self._remote_stores)
        self.tally.taken += sum(map(len, lines.values()))

    def _described(self, collections: Iterable[str]) -> Iterator[bytes]:
        """The peer's documents of collections that are not known here."""
        known = {document["id"] for document in self._store.collections()}
        for collection in collections:
            document = None if collection in known else self._peer.collection(collection)
            if document is not None and document.get("id") == collection:
                try:
                    yield orjson.dumps({**adopt_collection(document, self._peer), "type": "Collection"})
                except InvalidItemError as error:
                    self._refuse(error)

    def _checked(self, documents: Iterable[dict[str, Any]]) -> list[CheckedItem]:
        """Items that may be listed here, each once; the others are refused."""
        lines = []
        for document in documents:
            try:
                item = adopt_item(document, self._peer)
                if self.wants(item["collection"]) and not self._came_back(document):
                    lines.append(orjson.dumps(item))
            except (InvalidItemError, TypeError) as error:
                self._refuse(error)
        good: dict[tuple[str, str], CheckedItem] = {}
        for found in check_lines(b"\n".join(lines), rule=self._check_place):
            if isinstance(found, CheckedItem):
                good[found.collection, found.item_id] = found
            elif isinstance(found, InvalidItemError):
                self._refuse(found)
        return list(good.values())

    def _came_back(self, item: dict[str, Any]) -> bool:
        """Whether it is from this node, which the peer follows."""
        return origin_catalog(item) is not None and self._is_own(item)

    def _check_place(self, item: dict[str, Any]) -> None:
        self._places.check_assets(item)
        held = self._held_item(item["collection"], item["id"])
        if self._is_own(item) or (held is not None and origin_catalog(held) != self._peer.url):
            raise InvalidItemError(f"item {item['id']} of {item['collection']}: this node has another one of that name")

    def _is_own(self, item: dict[str, Any]) -> bool:
        """Whether this node has files of that name, or lists an item that it took from nobody."""
        held = self._held_item(item["collection"], item["id"])
        listed = held is not None and origin_catalog(held) is None
        return listed or bool(versions(scene_folder(self._home, item["collection"], item["id"])))

    def _is_the_same(self, item: CheckedItem) -> bool:
        held = self._held_item(item.collection, item.item_id)
        return held is not None and orjson.dumps(held, option=orjson.OPT_SORT_KEYS) == item.document

    def _held_item(self, collection: str, item_id: str) -> dict[str, Any] | None:
        try:
            return self._store.item(collection, item_id)
        except UnknownItemError:
            return None

    def _refuse(self, error: Exception) -> None:
        self.tally.refused += 1
        if self.tally.refused <= _REFUSALS_TOLD:
            logger.warning("%s: refused: %s", self._peer.url, error)
