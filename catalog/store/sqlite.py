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
import shapely

from catalog.errors import ItemExistsError, UnknownCollectionError, UnknownItemError
from catalog.geometry import bbox_area, split_bbox
from catalog.item import check_item
from catalog.search import Action, BoundingBox, Change, Footprint, Interval, Page, Search
from catalog.store import row
from catalog.store.claim import LEASE_S, ClaimBook
from catalog.store.database import Database, immediate, translated
from catalog.store.selection import TokenBook, check_search, footprint_rows, from_microseconds, matches
from catalog.timestamp import format_datetime, parse_datetime

_PAGE = 500
_INSERT_CHANGE = "INSERT INTO change(action, collection, id, version, changed, reason) VALUES (?, ?, ?, ?, ?, ?)"
_CHANGE_COLUMNS = "sequence, action, change.collection, change.id, version, changed, reason"


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
            return [_collection(connection, name) for name in names]

    def collection(self, collection: str) -> dict[str, Any]:
        """See `ItemStore`."""
        with self._reading() as connection:
            return _collection(connection, collection)

    def put_collection(self, document: dict[str, Any]) -> None:
        """See `ItemStore`."""
        with self._writing() as connection:
            _put_collection(connection, document)

    def item(self, collection: str, item_id: str) -> dict[str, Any]:
        """See `ItemStore`."""
        with self._reading() as connection:
            document: dict[str, Any] = orjson.loads(_document(connection, collection, item_id)[1])
            return document

    def search(self, search: Search) -> Page:
        """See `ItemStore`."""
        selection = check_search(search)
        after = self._tokens.read(search, search.token) if search.token is not None else None
        with self._reading() as connection:
            found = list(islice(matches(connection, selection, after), selection.limit + 1))
            shown = found[: selection.limit]
            items = [
                orjson.loads(connection.execute("SELECT document FROM document WHERE key = ?", (match[0],)).get)
                for match in shown
            ]
        more = len(found) > len(shown)
        return Page(items, self._tokens.write(search, shown[-1][1:4]) if more else None)

    def footprints(
        self, collections: Sequence[str] | None, bbox: BoundingBox, interval: Interval | None
    ) -> list[Footprint]:
        """See `ItemStore`."""
        with translated():
            rows = footprint_rows(self._connection(), collections, split_bbox(bbox), interval)
        if not rows:
            return []
        geometries = shapely.from_wkb([found[6] for found in rows])
        area = bbox_area(bbox)
        shapely.prepare(area)
        return [
            Footprint(collection, item_id, version, from_microseconds(-reverse_us), geometry, gsd_m, cloud_cover)
            for (collection, item_id, version, reverse_us, gsd_m, cloud_cover, _), geometry, touches in zip(
                rows, geometries, shapely.intersects(area, geometries), strict=True
            )
            if touches
        ]

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

    def load(self, items: Iterable[dict[str, Any]], *, collections: Iterable[dict[str, Any]] = ()) -> int:
        """See `ItemStore`."""
        with self._writing() as connection:
            for document in collections:
                _put_collection(connection, document)
            return _load(connection, items)

    def refill(
        self, collections: Iterable[dict[str, Any]], items: Iterable[dict[str, Any]], recalled: Iterable[Change]
    ) -> int:
        """See `ItemStore`."""
        with self._writing() as connection:
            for table in ("place", "document", "item", "tombstone", "collection"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
            for document in collections:
                _put_collection(connection, document)
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
            return [
                _change(values)
                for values in connection.execute(
                    f"SELECT {_CHANGE_COLUMNS} FROM tombstone JOIN change USING (sequence)"  # noqa: S608
                    " ORDER BY change.collection, change.id"
                )
            ]

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
            rows = connection.execute(
                f"SELECT {_CHANGE_COLUMNS} FROM change WHERE sequence > ? ORDER BY sequence LIMIT ?",  # noqa: S608
                (since, limit),
            )
            return [_change(values) for values in rows]

    def sequence(self) -> int:
        """See `ItemStore`."""
        with translated():
            return int(self._connection().execute("SELECT coalesce(max(sequence), 0) FROM change").get)

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


def _collection(connection: apsw.Connection, collection: str) -> dict[str, Any]:
    found = connection.execute(
        "SELECT document, west, south, east, north,"
        " (SELECT max(reverse_us) FROM item WHERE collection = ?1),"
        " (SELECT min(reverse_us) FROM item WHERE collection = ?1) FROM collection WHERE id = ?1",
        (collection,),
    ).fetchone()
    if found is None:
        raise UnknownCollectionError(f"there is no collection {collection!r:.140}")
    document: dict[str, Any] = orjson.loads(found[0])
    if found[5] is not None:
        times = [format_datetime(from_microseconds(-reverse_us)) for reverse_us in found[5:]]
        document["extent"] = {"spatial": {"bbox": [list(found[1:5])]}, "temporal": {"interval": [times]}}
    return document


def _put_collection(connection: apsw.Connection, document: dict[str, Any]) -> None:
    connection.execute(
        "INSERT INTO collection(id, document) VALUES (?1, ?2) ON CONFLICT(id) DO UPDATE SET document = ?2",
        (document["id"], orjson.dumps(document)),
    )


def _document(connection: apsw.Connection, collection: str, item_id: str) -> tuple[int, bytes]:
    found = connection.execute(
        "SELECT key, document FROM item JOIN document USING (key) WHERE collection = ? AND id = ?",
        (collection, item_id),
    ).fetchone()
    if found is None:
        raise UnknownItemError(f"there is no item {item_id!r:.140} in collection {collection!r:.140}")
    return found[0], found[1]


def _list(
    connection: apsw.Connection, item: dict[str, Any], footprint: Footprint, *, action: Action | None = None
) -> Change:
    if connection.execute("SELECT 1 FROM collection WHERE id = ?", (footprint.collection,)).get is None:
        raise UnknownCollectionError(f"item {footprint.item_id}: there is no collection {footprint.collection!r}")
    replaced = row.put_item(connection, item, footprint)
    if replaced:
        row.measure_extent(connection, footprint.collection)
    else:
        row.widen_extent(connection, footprint.collection, footprint.geometry.bounds)
    action = action or ("replace" if replaced else "publish")
    return _record(connection, action, footprint, datetime.now(UTC))


def _load(connection: apsw.Connection, items: Iterable[dict[str, Any]]) -> int:
    """List many items, but keep those recalled that are recalled."""
    known = {name for (name,) in connection.execute("SELECT id FROM collection")}
    recalled = set(connection.execute("SELECT collection, id FROM tombstone"))
    now, count, touched = format_datetime(datetime.now(UTC)), 0, set()
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
        replaced = row.put_item(connection, item, footprint)
        action = "replace" if replaced else "publish"
        connection.execute(
            _INSERT_CHANGE, (action, footprint.collection, footprint.item_id, footprint.version, now, None)
        )
        touched.add(footprint.collection)
        count += 1
    for collection in touched:
        row.measure_extent(connection, collection)
    return count


def _recall(connection: apsw.Connection, collection: str, item_id: str, reason: str | None, when: datetime) -> Change:
    key, document = _document(connection, collection, item_id)
    footprint = check_item(orjson.loads(document))
    row.remove_item(connection, key)
    row.measure_extent(connection, collection)
    change = _record(connection, "recall", footprint, when, reason)
    connection.execute("INSERT INTO tombstone VALUES (?, ?, ?, ?)", (collection, item_id, change.sequence, document))
    return change


def _record(
    connection: apsw.Connection, action: Action, footprint: Footprint, when: datetime, reason: str | None = None
) -> Change:
    values = (action, footprint.collection, footprint.item_id, footprint.version, format_datetime(when), reason)
    connection.execute(_INSERT_CHANGE, values)
    return _change((connection.last_insert_rowid(), *values))


def _change(values: tuple[Any, ...]) -> Change:
    sequence, action, collection, item_id, version, changed, reason = values
    return Change(sequence, action, collection, item_id, version, parse_datetime(changed), reason)
