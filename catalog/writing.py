"""Writing one by one and in bulk, as programs elsewhere do over HTTP: what it does to the files and the store.

What is written is kept as `catalog load` keeps it, in a file that is in its place before the commit: a rebuild finds
it, and a crash leaves all of a request or nothing. Deleting an item is recalling it.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from catalog import sidecar
from catalog.checked_item import CheckedItem
from catalog.durable import move_file, write_file
from catalog.entity_tag import document_tag, names_tag
from catalog.errors import (
    InvalidItemError,
    ItemChangedError,
    ItemExistsError,
    UnknownCollectionError,
    UnknownItemError,
)
from catalog.fail_point import fail_point
from catalog.item_lines import check_lines
from catalog.loaded_file import new_loaded_file, newest_number, only_loader
from catalog.loading import Places
from catalog.publishing import recall
from catalog.search import ItemStore, Search

DELETED = "deleted by a transaction"
"""Reason of a recall that another transaction may undo; what an operator recalled stays recalled."""

MAX_WAIT_S = 10.0
"""For others who load, and for a publisher of the same scene."""

Document = dict[str, Any]
Change = Callable[[Document], Document]
"""From the document as it is to what it shall be."""


class Writer:
    """Adds, changes and deletes items and collections of one node."""

    def __init__(
        self,
        store: ItemStore,
        *,
        home: Path,
        asset_roots: Sequence[Path] = (),
        remote_stores: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._home = home
        self._places = Places(asset_roots, remote_stores)

    def add_items(self, collection: str, items: Sequence[Document], *, replace: bool = False) -> None:
        """List items, all or none; with `replace` also in the place of others of the same ids.

        Raises:
            UnknownCollectionError: There is no such collection.
            InvalidItemError: One breaks a rule, stands twice, or is of another collection.
            ItemExistsError: One is listed, was published, or was recalled by the operator.
        """
        if not items:
            raise InvalidItemError("there is no item to add")
        with self._file(f"items of {collection}") as keep:
            self._store.collection(collection)
            checked = self._checked(collection, items)
            ids = [item.item_id for item in checked]
            if len(set(ids)) < len(ids):
                raise InvalidItemError("two items have the same id")
            if not replace:
                self._refuse_listed(collection, ids)
            keep(checked, ())
        self._undelete(collection, ids)

    def change_item(self, collection: str, item_id: str, change: Change, *, if_match: str | None = None) -> None:
        """Put another document in the place of an item's.

        Raises:
            UnknownItemError: It is not listed.
            ItemChangedError: It is not the document that `if_match` is of.
            InvalidItemError: The new one breaks a rule, or has another name.
            ItemExistsError: It was published by this node, which alone may replace it.
        """
        with self._file(f"item {item_id}") as keep:
            item = self._store.item(collection, item_id)
            _check_tag(item, if_match)
            self._refuse_ours(collection, item_id)
            changed = change(item)
            if changed.setdefault("id", item_id) != item_id:
                raise InvalidItemError(f"item {item_id}: the document has the id {changed['id']!r:.140}")
            keep(self._checked(collection, [changed]), ())

    def delete_item(self, collection: str, item_id: str, *, if_match: str | None = None) -> None:
        """Recall an item.

        Raises:
            UnknownItemError: It is not listed.
            ItemChangedError: It is not the document that `if_match` is of.
        """
        with only_loader(self._home, wait_s=MAX_WAIT_S):
            _check_tag(self._store.item(collection, item_id), if_match)
            recall(
                item_id,
                home=self._home,
                store=self._store,
                reason=DELETED,
                collections=(collection,),
                wait_s=MAX_WAIT_S,
            )

    def add_collection(self, document: Document) -> None:
        """Add a collection.

        Raises:
            InvalidItemError: The document breaks a rule.
            ItemExistsError: There is one of that id.
        """
        collection = _checked_collection(document)
        with self._file(f"collection {collection['id']}") as keep:
            with contextlib.suppress(UnknownCollectionError):
                self._store.collection(collection["id"])
                raise ItemExistsError(f"there is a collection {collection['id']}")
            keep((), [collection])

    def change_collection(self, collection: str, change: Change, *, if_match: str | None = None) -> None:
        """Put another document in the place of a collection's.

        Raises:
            UnknownCollectionError: There is no such collection.
            ItemChangedError: It is not the document that `if_match` is of.
            InvalidItemError: The new one breaks a rule, or has another name.
        """
        with self._file(f"collection {collection}") as keep:
            document = self._store.collection(collection)
            _check_tag(document, if_match)
            changed = change(document)
            if changed.setdefault("id", collection) != collection:
                raise InvalidItemError(f"collection {collection}: the document has the id {changed['id']!r:.140}")
            keep((), [_checked_collection(changed)])

    def delete_collection(self, collection: str, *, if_match: str | None = None) -> None:
        """Remove a collection that holds nothing.

        Raises:
            UnknownCollectionError: There is no such collection.
            ItemChangedError: It is not the document that `if_match` is of.
            ItemExistsError: It holds items, or recalled scenes that may be restored.
        """
        with only_loader(self._home, wait_s=MAX_WAIT_S):
            _check_tag(self._store.collection(collection), if_match)
            listed = self._store.search(Search(collections=(collection,), limit=1)).items
            if listed or any(map(sidecar.versions, sidecar.scene_folders_of(self._home, collection))):
                raise ItemExistsError(f"collection {collection} holds items; remove them first")
            now = datetime.now(UTC)
            sidecar.write_removal(self._home, collection, last_loaded=newest_number(self._home), removed=now)
            fail_point("remove")
            self._store.remove_collection(collection)

    @contextlib.contextmanager
    def _file(self, subject: str) -> Iterator[Callable[[Sequence[CheckedItem], Sequence[Document]], None]]:
        """A new loaded file; gives what keeps items and collections in it and lists them."""
        with new_loaded_file(self._home, subject, wait_s=MAX_WAIT_S) as (copy, target):

            def keep(items: Sequence[CheckedItem], collections: Sequence[Document]) -> None:
                lines = [*map(orjson.dumps, collections), *(item.document for item in items)]
                write_file(copy, b"\n".join(lines) + b"\n")
                move_file(copy, target)
                fail_point("load")
                self._store.load(items, collections=collections, file=target.name)

            yield keep

    def _checked(self, collection: str, items: Sequence[Document]) -> list[CheckedItem]:
        """Items that are good, belong where they are sent, and take no name of the node's own."""
        for item in items:
            if item.setdefault("collection", collection) != collection:
                raise InvalidItemError(f"item {item.get('id')!r:.140} is of collection {item['collection']!r:.140}")
        checked = []
        lines = b"\n".join(map(orjson.dumps, items))
        for found in check_lines(lines, rule=self._places.check_assets):
            if isinstance(found, InvalidItemError):
                raise found
            if not isinstance(found, CheckedItem):
                raise InvalidItemError("a Collection stands where an Item is expected")
            self._refuse_ours(found.collection, found.item_id)
            checked.append(found)
        return checked

    def _refuse_ours(self, collection: str, item_id: str) -> None:
        scene = sidecar.scene_folder(self._home, collection, item_id)
        if sidecar.versions(scene):
            raise ItemExistsError(f"scene {item_id} was published by this node, which alone may replace it")
        recalled = sidecar.tombstone(scene)
        if recalled is not None and recalled.reason != DELETED:
            raise ItemExistsError(f"item {item_id} was recalled; it must be restored first")

    def _refuse_listed(self, collection: str, ids: Iterable[str]) -> None:
        for item_id in ids:
            with contextlib.suppress(UnknownItemError):
                self._store.item(collection, item_id)
                raise ItemExistsError(f"there is an item {item_id} in collection {collection}")

    def _undelete(self, collection: str, ids: Iterable[str]) -> None:
        """List what was deleted once: loading put the new document behind the tombstone."""
        for item_id in ids:
            if sidecar.tombstone(sidecar.scene_folder(self._home, collection, item_id)) is not None:
                sidecar.remove_tombstone(self._home, collection, item_id)
                with contextlib.suppress(UnknownItemError):
                    self._store.restore(collection, item_id)


def _checked_collection(document: Document) -> Document:
    (found,) = check_lines(orjson.dumps(document))
    if isinstance(found, InvalidItemError):
        raise found
    if not isinstance(found, dict):
        raise InvalidItemError("an Item stands where a Collection is expected")
    return found


def _check_tag(document: Document, if_match: str | None) -> None:
    if if_match is not None and not names_tag(if_match, document_tag(document)):
        raise ItemChangedError(f"{document['id']} is not the document of If-Match any more; read it again")
