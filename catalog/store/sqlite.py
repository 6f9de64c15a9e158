"""SqliteStore: the embedded ItemStore. Readers never wait for a writer; a writer waits for the one before it."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

from catalog.checked_item import CheckedItem
from catalog.errors import ItemExistsError, UnknownItemError
from catalog.item import checked_item
from catalog.search import BoundingBox, Bucket, Change, Field, Footprint, Interval, Page, Search
from catalog.served_item import ServedItem, given_item
from catalog.store import feed, row
from catalog.store.aggregate import check_names
from catalog.store.bulk import load_items
from catalog.store.claim import LEASE_S, ClaimBook
from catalog.store.collection_row import put_collection, read_collection
from catalog.store.database import Database, deadline, immediate, translated
from catalog.store.finding import Finding
from catalog.store.footprint import find_footprints
from catalog.store.listing import list_item, recall_item, restored_item
from catalog.store.selection import Selection, check_search
from catalog.store.token_book import Position, TokenBook
from catalog.store.vocabulary import read_fields

SEARCH_DEADLINE_S = 10.0
"""L03; measured over the database's work, between two chunks of geometries at the latest."""

_PAGE = 500
_CONTENT = ("place", "document", "item", "wording", "field", "tombstone", "collection", "loaded")
"""Tables of what is held."""


class SqliteStore:
    """The catalogue in one SQLite file; safe for many threads and processes."""

    def __init__(self, database: Database, claims_folder: Path, *, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._claims = ClaimBook(database, claims_folder, lease_s=lease_s)
        with translated():
            self._tokens = TokenBook(self._connection().execute("SELECT value FROM fact WHERE name = 'token_key'").get)

    def collections(self) -> list[dict[str, Any]]:
        """See `ItemStore`."""
        with self._reading() as connection:
            names = [name for (name,) in connection.execute("SELECT id FROM collection ORDER BY id")]
            return [read_collection(connection, name) for name in names]

    def collection(self, collection: str) -> dict[str, Any]:
        """See `ItemStore`."""
        with self._reading() as connection:
            return read_collection(connection, collection)

    def put_collection(self, document: dict[str, Any]) -> None:
        """See `ItemStore`."""
        with self._writing() as connection:
            _put_collections(connection, [document])

    def remove_collection(self, collection: str) -> None:
        """See `ItemStore`."""
        with self._writing() as connection:
            read_collection(connection, collection)
            if connection.execute("SELECT EXISTS (SELECT 1 FROM item WHERE collection = ?)", (collection,)).get:
                raise ItemExistsError(f"collection {collection} holds items; remove them first")
            for table, column in (
                ("tombstone", "collection"),
                ("wording", "collection"),
                ("field", "collection"),
                ("collection", "id"),
            ):
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (collection,))  # noqa: S608
            feed.raise_sequence(connection)

    def item(self, collection: str, item_id: str) -> dict[str, Any]:
        """See `ItemStore`."""
        with self._reading() as connection:
            _, served = row.read_item(connection, collection, item_id)
        return given_item(served)

    def search(self, search: Search) -> Page:
        """See `ItemStore`."""
        selection = check_search(search)
        behind, matched = self._tokens.read(search, search.token) if search.token is not None else (None, None)
        with self._finding(selection, behind) as finding:
            found, more, counted = finding.page()
            served = finding.documents(found)
        matched = counted if behind is None else matched
        return Page(served, self._tokens.write(search, found[-1][2:], matched) if more else None, matched)

    def aggregate(self, search: Search, names: Sequence[str]) -> dict[str, list[Bucket]]:
        """See `ItemStore`."""
        check_names(names)
        with self._finding(check_search(search)) as finding:
            return finding.buckets(names)

    def fields(self, collections: Sequence[str] = ()) -> list[Field]:
        """See `ItemStore`."""
        with self._reading() as connection:
            return read_fields(connection, collections)

    def footprints(
        self,
        collections: Sequence[str] | None,
        bbox: BoundingBox,
        interval: Interval | None,
        limit: int | None = None,
    ) -> list[Footprint]:
        """See `ItemStore`."""
        with self._reading() as connection:
            return list(islice(find_footprints(connection, collections, bbox, interval), limit))

    def claim(self, scene_id: str) -> AbstractContextManager[int]:
        """See `ItemStore`."""
        return self._claims.claim(scene_id)

    def check_fence(self, scene_id: str, fence: int) -> None:
        """See `ItemStore`."""
        with translated():
            _check_fence(self._connection(), scene_id, fence)

    def register(self, item: dict[str, Any], *, fence: int | None = None) -> Change:
        """See `ItemStore`."""
        checked = checked_item(item)
        with self._writing() as connection:
            if fence is not None:
                _check_fence(connection, checked.item_id, fence)
            restored_item(connection, checked.collection, checked.item_id)
            return list_item(connection, checked)

    def load(
        self,
        items: Iterable[dict[str, Any] | CheckedItem],
        *,
        collections: Iterable[dict[str, Any]] = (),
        file: str | None = None,
    ) -> int:
        """See `ItemStore`."""
        with self._writing() as connection:
            _put_collections(connection, collections)
            if file is not None:
                connection.execute("INSERT INTO loaded VALUES (?)", (file,))
            return load_items(connection, items)

    def loaded_files(self) -> set[str]:
        """See `ItemStore`."""
        with self._reading() as connection:
            return {file for (file,) in connection.execute("SELECT file FROM loaded")}

    def refill(
        self,
        collections: Iterable[dict[str, Any]],
        items: Iterable[dict[str, Any] | CheckedItem],
        recalled: Iterable[Change],
        *,
        loaded: Iterable[str] = (),
    ) -> int:
        """See `ItemStore`."""
        with self._writing() as connection:
            if connection.execute("SELECT EXISTS (SELECT 1 FROM collection)").get:
                feed.raise_sequence(connection)
            for table in _CONTENT:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
            connection.execute("INSERT INTO words(words) VALUES ('delete-all')")
            _put_collections(connection, collections)
            connection.executemany("INSERT INTO loaded VALUES (?)", [(file,) for file in loaded])
            load_items(connection, items)
            for change in recalled:
                with contextlib.suppress(UnknownItemError):  # its files are gone
                    recall_item(connection, change.collection, change.item_id, change.reason, change.changed)
            return int(connection.execute("SELECT count(*) FROM item").get)

    def recall(self, collection: str, item_id: str, *, reason: str) -> Change:
        """See `ItemStore`."""
        with self._writing() as connection:
            return recall_item(connection, collection, item_id, reason, datetime.now(UTC))

    def restore(self, collection: str, item_id: str) -> Change:
        """See `ItemStore`."""
        with self._writing() as connection:
            item = restored_item(connection, collection, item_id)
            if item is None:
                raise UnknownItemError(f"item {item_id!r:.140} of {collection!r:.140} is not recalled")
            return list_item(connection, checked_item(item), "restore")

    def tombstones(self) -> list[Change]:
        """See `ItemStore`."""
        with self._reading() as connection:
            return feed.read_tombstones(connection)

    def all_items(self) -> Iterator[dict[str, Any]]:
        """See `ItemStore`."""
        behind = ("", "")
        while True:
            with self._reading() as connection:
                page: Any = connection.execute(
                    "SELECT collection, id, document, given FROM item JOIN document USING (key)"
                    " WHERE (collection, id) > (?, ?) ORDER BY collection, id LIMIT ?",
                    (*behind, _PAGE),
                ).fetchall()
            yield from (given_item(ServedItem(*served)) for _, _, *served in page)
            if len(page) < _PAGE:
                return
            behind = page[-1][:2]

    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        """See `ItemStore`."""
        with self._reading() as connection:
            return feed.read_changes(connection, since, limit)

    def sequence(self) -> int:
        """See `ItemStore`."""
        with translated():
            return feed.read_sequence(self._connection())

    def check(self) -> None:
        """See `ItemStore`."""
        self.sequence()

    def close(self) -> None:
        """See `ItemStore`."""
        self._database.close()

    def _connection(self) -> apsw.Connection:
        return self._database.connection()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        """Several statements that see one state."""
        with translated(), self._connection() as connection:
            yield connection

    @contextlib.contextmanager
    def _finding(self, selection: Selection, behind: Position | None = None) -> Iterator[Finding]:
        with (
            self._reading() as connection,
            deadline(connection, SEARCH_DEADLINE_S, selection.advice) as check_time,
        ):
            yield Finding(connection, selection, check_time, behind=behind)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[apsw.Connection]:
        connection = self._connection()
        with translated(), immediate(connection):
            yield connection


def _check_fence(connection: apsw.Connection, scene_id: str, fence: int) -> None:
    if connection.execute("SELECT fence FROM claim WHERE scene = ?", (scene_id,)).get != fence:
        raise ItemExistsError(f"scene {scene_id}: another publisher took over while this one paused")


def _put_collections(connection: apsw.Connection, documents: Iterable[dict[str, Any]]) -> None:
    changed = [put_collection(connection, document) for document in documents]
    if any(changed):
        feed.raise_sequence(connection)
