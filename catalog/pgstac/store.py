"""PgStacStore: the ItemStore on a pgSTAC database, for many machines. Readers never wait for a writer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from catalog.checked_item import CheckedItem
from catalog.errors import ItemExistsError, UnknownItemError
from catalog.extent import BoundingBox, Interval
from catalog.field_notes import FieldNotes
from catalog.pgstac import feed, listing
from catalog.pgstac.aggregation import aggregate
from catalog.pgstac.claim import ClaimBook, check_fence
from catalog.pgstac.collection_row import put_collections, read_collections
from catalog.pgstac.database import Database, Session, translated, with_retries
from catalog.pgstac.field_row import read_fields
from catalog.pgstac.finding import find_page
from catalog.pgstac.footprint import find_footprints
from catalog.pgstac.news import News
from catalog.search import Bucket, Change, Field, Footprint, Page, Search
from catalog.store.claim import LEASE_S
from catalog.store.token_book import TokenBook

_PAGE = 500

Answer = TypeVar("Answer")


class PgStacStore:
    """The catalogue in one PostgreSQL database; safe for many threads, processes and machines."""

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._claims = ClaimBook(database, lease_s=lease_s)
        self._news = News(database)
        with database.connection() as connection:
            (key,) = connection.execute("SELECT value FROM fact WHERE name = 'token_key'").fetchone() or (b"",)
        self._tokens = TokenBook(key)

    def collections(self) -> list[dict[str, Any]]:
        """See `ItemStore`."""
        with self._database.connection() as connection:
            return read_collections(connection)

    def collection(self, collection: str) -> dict[str, Any]:
        """See `ItemStore`."""
        with self._database.connection() as connection:
            return read_collections(connection, collection)[0]

    def put_collection(self, document: dict[str, Any]) -> None:
        """See `ItemStore`."""

        def put() -> None:
            with self._writing() as connection:
                _put_collections(connection, [document])

        with_retries(put)

    def remove_collection(self, collection: str) -> None:
        """See `ItemStore`."""

        def remove() -> None:
            with self._writing() as connection:
                read_collections(connection, collection)
                listing.lock_collection(connection, collection)
                if connection.execute("SELECT FROM item WHERE collection = %s LIMIT 1", (collection,)).rowcount:
                    raise ItemExistsError(f"collection {collection} holds items; remove them first")
                connection.execute("DELETE FROM tombstone WHERE collection = %s", (collection,))
                connection.execute("DELETE FROM field WHERE collection = %s", (collection,))
                connection.execute("DELETE FROM collection WHERE id = %s", (collection,))
                connection.execute("DELETE FROM pgstac.collections WHERE id = %s", (collection,))
                feed.raise_sequence(connection, 1)

        with_retries(remove)

    def item(self, collection: str, item_id: str) -> dict[str, Any]:
        """See `ItemStore`."""
        with self._database.connection() as connection:
            document: dict[str, Any] = orjson.loads(listing.read_item(connection, collection, item_id).document)
            return document

    def search(self, search: Search) -> Page:
        """See `ItemStore`."""
        with self._database.reading() as connection:
            return find_page(connection, search, self._tokens)

    def aggregate(self, search: Search, names: Sequence[str]) -> dict[str, list[Bucket]]:
        """See `ItemStore`."""
        with self._database.reading() as connection:
            return aggregate(connection, search, names)

    def fields(self, collections: Sequence[str] = ()) -> list[Field]:
        """See `ItemStore`."""
        with self._database.connection() as connection:
            return read_fields(connection, collections)

    def footprints(
        self,
        collections: Sequence[str] | None,
        bbox: BoundingBox,
        interval: Interval | None,
        limit: int | None = None,
    ) -> list[Footprint]:
        """See `ItemStore`."""
        with self._database.connection() as connection:
            return find_footprints(connection, collections, bbox, interval, limit)

    def claim(self, scene_id: str) -> AbstractContextManager[int]:
        """See `ItemStore`."""
        return self._claims.claim(scene_id)

    def check_fence(self, scene_id: str, fence: int) -> None:
        """See `ItemStore`."""
        with self._database.transaction() as connection:
            check_fence(connection, scene_id, fence)

    def register(self, item: dict[str, Any], *, fence: int | None = None) -> Change:
        """See `ItemStore`."""

        def register(connection: Session, notes: FieldNotes) -> Change:
            if fence is not None:
                check_fence(connection, item["id"], fence)
            listing.lock_collection(connection, item["collection"])
            listing.take_tombstone(connection, item["collection"], item["id"])
            return _only_change(connection, listing.list_staged(connection, notes))

        return self._staged_write([item], register)

    def load(
        self,
        items: Iterable[dict[str, Any] | CheckedItem],
        *,
        collections: Iterable[dict[str, Any]] = (),
        file: str | None = None,
    ) -> int:
        """See `ItemStore`."""
        documents = list(collections)

        def load(connection: Session, notes: FieldNotes) -> int:
            _put_collections(connection, documents)
            if file is not None:
                connection.execute("INSERT INTO loaded VALUES (%s)", (file,))
            return len(listing.list_staged(connection, notes))

        return self._staged_write(items, load)

    def loaded_files(self) -> set[str]:
        """See `ItemStore`."""
        with self._database.connection() as connection:
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
        documents, gone, files = list(collections), list(recalled), list(loaded)

        def refill(connection: Session, notes: FieldNotes) -> int:
            listing.clear(connection)
            _put_collections(connection, documents)
            connection.cursor().executemany("INSERT INTO loaded VALUES (%s)", [(file,) for file in files])
            listing.list_staged(connection, notes)
            for change in gone:
                if listing.find_item(connection, change.collection, change.item_id):  # else its files are gone
                    listing.recall(connection, change.collection, change.item_id, change.reason, change.changed)
            (count,) = connection.execute("SELECT count(*) FROM item").fetchone() or (0,)
            return int(count)

        return self._staged_write(items, refill)

    def recall(self, collection: str, item_id: str, *, reason: str) -> Change:
        """See `ItemStore`."""

        def recall() -> Change:
            with self._writing() as connection:
                return listing.recall(connection, collection, item_id, reason, datetime.now(UTC))

        return with_retries(recall)

    def restore(self, collection: str, item_id: str) -> Change:
        """See `ItemStore`."""
        with self._database.connection() as connection:
            item = listing.read_tombstone(connection, collection, item_id)

        def restore(connection: Session, notes: FieldNotes) -> Change:
            listing.lock_collection(connection, collection)
            if not listing.take_tombstone(connection, collection, item_id):
                raise UnknownItemError(f"item {item_id!r:.140} of {collection!r:.140} is not recalled")
            return _only_change(connection, listing.list_staged(connection, notes, action="restore"))

        return self._staged_write([item], restore)

    def tombstones(self) -> list[Change]:
        """See `ItemStore`."""
        with self._database.connection() as connection:
            return feed.read_tombstones(connection)

    def all_items(self) -> Iterator[dict[str, Any]]:
        """See `ItemStore`."""
        behind: tuple[str, str] = ("", "")
        while True:
            with self._database.connection() as connection:
                page = connection.execute(
                    "SELECT collection, id, document FROM item JOIN document USING (key)"
                    " WHERE (collection, id) > (%s, %s) ORDER BY collection, id LIMIT %s",
                    (*behind, _PAGE),
                ).fetchall()
            yield from (orjson.loads(document) for _, _, document in page)
            if len(page) < _PAGE:
                return
            behind = page[-1][:2]

    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        """See `ItemStore`."""
        with self._database.connection() as connection:
            self._news.hear(feed.read_sequence(connection))  # else a follower could know of more than `sequence` tells
            return feed.read_changes(connection, since, limit)

    def sequence(self) -> int:
        """See `ItemStore`; costs no question to the database, and goes on answering while it is away."""
        return self._news.newest()

    def check(self) -> None:
        """See `ItemStore`; tells what the listening connection knows."""
        self._news.check()

    def close(self) -> None:
        """See `ItemStore`."""
        self._news.close()
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """One transaction; what it told the change feed is known here at once."""
        with self._database.connection() as connection:
            with translated(), connection.transaction():
                yield connection
            self._news.hear(feed.read_sequence(connection))

    def _staged_write(
        self, items: Iterable[dict[str, Any] | CheckedItem], work: Callable[[Session, FieldNotes], Answer]
    ) -> Answer:
        """Stage items once, then write until no collision ends it."""
        with self._database.connection() as connection, listing.staged(connection, items) as notes:

            def attempt() -> Answer:
                with translated(), connection.transaction():
                    return work(connection, notes)

            answer = with_retries(attempt)
            self._news.hear(feed.read_sequence(connection))
            return answer


def _put_collections(connection: Session, documents: Iterable[dict[str, Any]]) -> None:
    if put_collections(connection, documents):
        feed.raise_sequence(connection, 1)


def _only_change(connection: Session, numbers: range) -> Change:
    (change,) = feed.read_changes(connection, numbers.start - 1, 1)
    return change
