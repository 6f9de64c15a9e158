"""SqliteStore: the embedded ItemStore. Readers never wait for a writer; a writer waits for the one before it."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import orjson

from catalog.errors import ItemExistsError, UnknownCollectionError, UnknownItemError
from catalog.item import check_item
from catalog.search import Action, BoundingBox, Change, Footprint, Interval, Page, Search
from catalog.store import feed, row
from catalog.store.claim import LEASE_S, ClaimBook
from catalog.store.collection_row import measure_extent, put_collection, read_collection, widen_extent
from catalog.store.database import Database, deadline, immediate, translated
from catalog.store.selection import TokenBook, check_search, find_footprints, matches

SEARCH_DEADLINE_S = 10.0
"""L03; measured over the database's work, between two chunks of geometries at the latest."""

_PAGE = 500


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

    def item(self, collection: str, item_id: str) -> dict[str, Any]:
        """See `ItemStore`."""
        with self._reading() as connection:
            document: dict[str, Any] = orjson.loads(row.read_document(connection, collection, item_id)[1])
            return document

    def search(self, search: Search) -> Page:
        """See `ItemStore`."""
        selection = check_search(search)
        after = self._tokens.read(search, search.token) if search.token is not None else None
        with self._reading() as connection, deadline(connection, SEARCH_DEADLINE_S):
            found = list(islice(matches(connection, selection, after), selection.limit + 1))
            shown = found[: selection.limit]
            items = [
                orjson.loads(connection.execute("SELECT document FROM document WHERE key = ?", (match[0],)).get)
                for match in shown
            ]
        more = len(found) > len(shown)
        return Page(items, self._tokens.write(search, shown[-1][1:4]) if more else None)

    def footprints(
        self,
        collections: Sequence[str] | None,
        bbox: BoundingBox,
        interval: Interval | None,
        limit: int | None = None,
    ) -> list[Footprint]:
        """See `ItemStore`."""
        with translated():
            return list(islice(find_footprints(self._connection(), collections, bbox, interval), limit))

    def claim(self, scene_id: str) -> AbstractContextManager[int]:
        """See `ItemStore`."""
        return self._claims.claim(scene_id)

    def check_fence(self, scene_id: str, fence: int) -> None:
        """See `ItemStore`."""
        with translated():
            _check_fence(self._connection(), scene_id, fence)

    def register(self, item: dict[str, Any], *, fence: int | None = None) -> Change:
        """See `ItemStore`."""
        footprint = check_item(item)
        with self._writing() as connection:
            if fence is not None:
                _check_fence(connection, footprint.item_id, fence)
            connection.execute(
                "DELETE FROM tombstone WHERE collection = ? AND id = ?", (footprint.collection, footprint.item_id)
            )
            return _list(connection, item, footprint)

    def load(
        self,
        items: Iterable[dict[str, Any]],
        *,
        collections: Iterable[dict[str, Any]] = (),
        file: str | None = None,
    ) -> int:
        """See `ItemStore`."""
        with self._writing() as connection:
            _put_collections(connection, collections)
            if file is not None:
                connection.execute("INSERT INTO loaded VALUES (?)", (file,))
            return _load(connection, items)

    def loaded_files(self) -> set[str]:
        """See `ItemStore`."""
        with self._reading() as connection:
            return {file for (file,) in connection.execute("SELECT file FROM loaded")}

    def refill(
        self,
        collections: Iterable[dict[str, Any]],
        items: Iterable[dict[str, Any]],
        recalled: Iterable[Change],
        *,
        loaded: Iterable[str] = (),
    ) -> int:
        """See `ItemStore`."""
        with self._writing() as connection:
            if connection.execute("SELECT EXISTS (SELECT 1 FROM collection)").get:
                feed.raise_sequence(connection)
            for table in ("place", "document", "item", "tombstone", "collection", "loaded"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
            _put_collections(connection, collections)
            connection.executemany("INSERT INTO loaded VALUES (?)", [(file,) for file in loaded])
            _load(connection, items)
            for change in recalled:
                with contextlib.suppress(UnknownItemError):  # its files are gone
                    _recall(connection, change.collection, change.item_id, change.reason, change.changed)
            return int(connection.execute("SELECT count(*) FROM item").get)

    def recall(self, collection: str, item_id: str, *, reason: str) -> Change:
        """See `ItemStore`."""
        with self._writing() as connection:
            return _recall(connection, collection, item_id, reason, datetime.now(UTC))

    def restore(self, collection: str, item_id: str) -> Change:
        """See `ItemStore`."""
        with self._writing() as connection:
            found: Any = connection.execute(
                "DELETE FROM tombstone WHERE collection = ? AND id = ? RETURNING document", (collection, item_id)
            ).fetchall()
            if not found:
                raise UnknownItemError(f"item {item_id!r:.140} of {collection!r:.140} is not recalled")
            item = orjson.loads(found[0][0])
            return _list(connection, item, check_item(item), action="restore")

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
                    "SELECT collection, id, document FROM item JOIN document USING (key)"
                    " WHERE (collection, id) > (?, ?) ORDER BY collection, id LIMIT ?",
                    (*behind, _PAGE),
                ).fetchall()
            yield from (orjson.loads(document) for _, _, document in page)
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


def _list(
    connection: apsw.Connection, item: dict[str, Any], footprint: Footprint, *, action: Action | None = None
) -> Change:
    if connection.execute("SELECT 1 FROM collection WHERE id = ?", (footprint.collection,)).get is None:
        raise UnknownCollectionError(f"item {footprint.item_id}: there is no collection {footprint.collection!r}")
    replaced = row.put_item(connection, item, footprint)
    if replaced:
        measure_extent(connection, footprint.collection)
    else:
        widen_extent(connection, footprint.collection, footprint.geometry.bounds)
    return feed.record(connection, action or _listing(replaced), footprint, datetime.now(UTC))


def _load(connection: apsw.Connection, items: Iterable[dict[str, Any]]) -> int:
    """List many items, but keep those recalled that are recalled."""
    known = {name for (name,) in connection.execute("SELECT id FROM collection")}
    recalled = set(connection.execute("SELECT collection, id FROM tombstone"))
    now, count, touched = datetime.now(UTC), 0, set()
    for item in items:
        footprint = check_item(item)
        if footprint.collection not in known:
            raise UnknownCollectionError(f"item {footprint.item_id}: there is no collection {footprint.collection!r}")
        if (footprint.collection, footprint.item_id) in recalled:
            connection.execute(
                "UPDATE tombstone SET document = ? WHERE collection = ? AND id = ?",
                (orjson.dumps(item), footprint.collection, footprint.item_id),
            )
            continue
        feed.record(connection, _listing(row.put_item(connection, item, footprint)), footprint, now)
        touched.add(footprint.collection)
        count += 1
    for collection in touched:
        measure_extent(connection, collection)
    return count


def _listing(replaced: bool) -> Action:
    return "replace" if replaced else "publish"


def _recall(connection: apsw.Connection, collection: str, item_id: str, reason: str | None, when: datetime) -> Change:
    key, document = row.read_document(connection, collection, item_id)
    footprint = check_item(orjson.loads(document))
    row.remove_item(connection, key)
    measure_extent(connection, collection)
    change = feed.record(connection, "recall", footprint, when, reason)
    connection.execute("INSERT INTO tombstone VALUES (?, ?, ?, ?)", (collection, item_id, change.sequence, document))
    return change
