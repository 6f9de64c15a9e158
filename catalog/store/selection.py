"""Searches and footprint queries as SQL, and the tokens that continue a search."""

import base64
import binascii
import hashlib
import heapq
import hmac
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import apsw
import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from catalog.errors import InvalidSearchError
from catalog.geometry import bbox_area, read_bbox, read_geometry, split_bbox
from catalog.search import (
    MAX_COLLECTIONS,
    MAX_IDS,
    MAX_LIMIT,
    MAX_TOKEN_LENGTH,
    BoundingBox,
    Footprint,
    Interval,
    Search,
)

YEAR_US = 365.25 * 86_400e6
"""The R*Tree's time axis is in years: as wide as the scenes' places in degrees, so that neither axis starves."""

FOREVER_US = 1 << 62

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_OF_THESE = "AND collection IN (SELECT value FROM json_each(?))"
_SIGNATURE_BYTES = 16
_CHUNK = 512
"""So many geometries are compared at a time."""

Position = tuple[int, str, str]
"""Where an item stands in the order of answers: reverse_us, collection, id."""

Clause = tuple[str, tuple[float | str, ...]]
"""A piece of SQL and the values of its question marks."""

Row = tuple[str, str, str, int, float, float | None, bytes]
"""collection, id, version, reverse_us, gsd_m, cloud_cover, WKB."""

Match = tuple[int, int, str, str, bytes]
"""key, reverse_us, collection, id, WKB."""


def microseconds(when: datetime) -> int:
    """Since 1970, exact."""
    return (when - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(us: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True)
class Selection:
    """A checked search, ready to run."""

    collections: tuple[str, ...]
    ids: tuple[str, ...]
    area: BaseGeometry | None
    boxes: tuple[BoundingBox, ...]
    """The area's bounds, split at the antimeridian; empty without an area."""
    times: tuple[int, int] | None
    """First and last reverse_us."""
    limit: int


def check_search(search: Search) -> Selection:
    """Bring a search within its bounds (L09, L10, L21, L22).

    Raises:
        InvalidSearchError: It is outside; only a limit that is too high is lowered instead.
    """
    if search.limit < 1:
        raise InvalidSearchError(f"limit is {search.limit}, expected 1–{MAX_LIMIT}")
    if len(search.ids) > MAX_IDS or len(search.collections) > MAX_COLLECTIONS:
        raise InvalidSearchError(f"a search names at most {MAX_IDS} ids and {MAX_COLLECTIONS} collections")
    if search.bbox is not None and search.intersects is not None:
        raise InvalidSearchError("a search has bbox or intersects, not both")
    area: BaseGeometry | None = None
    boxes: tuple[BoundingBox, ...] = ()
    try:
        if search.bbox is not None:
            bbox = read_bbox(search.bbox)
            area, boxes = bbox_area(bbox), tuple(split_bbox(bbox))
        elif search.intersects is not None:
            area = read_geometry(search.intersects)
            boxes = (area.bounds,)
    except ValueError as error:
        raise InvalidSearchError(str(error)) from error
    return Selection(
        collections=tuple(dict.fromkeys(search.collections)),
        ids=tuple(dict.fromkeys(search.ids)),
        area=area,
        boxes=boxes,
        times=reverse_times(search.interval),
        limit=min(search.limit, MAX_LIMIT),
    )


def reverse_times(interval: Interval | None) -> tuple[int, int] | None:
    """First and last reverse_us inside an interval."""
    if interval is None:
        return None
    start, end = interval
    return (-FOREVER_US if end is None else -microseconds(end), FOREVER_US if start is None else -microseconds(start))


def matches(connection: apsw.Connection, selection: Selection, after: Position | None) -> Iterator[Match]:
    """Every item of the selection behind a position, newest first, exact footprints compared."""
    rows = _candidates(connection, selection, after)
    if selection.area is None:
        yield from rows
        return
    shapely.prepare(selection.area)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        inside = shapely.intersects(selection.area, shapely.from_wkb([row[4] for row in chunk]))
        yield from itertools.compress(chunk, inside)


def place_clause(box: BoundingBox, times: tuple[int, int] | None) -> Clause:
    """The R*Tree's part of a query: its floats are rounded outwards, so it may give a little too much."""
    west, south, east, north = box
    condition = "place.west <= ? AND place.east >= ? AND place.south <= ? AND place.north >= ?"
    if times is None:
        return condition, (east, west, north, south)
    timed = f"{condition} AND place.first <= ? AND place.last >= ?"
    return timed, (east, west, north, south, -times[0] / YEAR_US, -times[1] / YEAR_US)


def find_footprints(
    connection: apsw.Connection, collections: Sequence[str] | None, bbox: BoundingBox, interval: Interval | None
) -> Iterator[Footprint]:
    """Footprints that intersect a box, newest first."""
    rows = _footprint_rows(connection, collections, split_bbox(bbox), interval)
    area = bbox_area(bbox)
    shapely.prepare(area)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        geometries = shapely.from_wkb([row[6] for row in chunk])
        for row, geometry, inside in zip(chunk, geometries, shapely.intersects(area, geometries), strict=True):
            if inside:
                collection, item_id, version, reverse_us, gsd_m, cloud_cover, _ = row
                acquired = from_microseconds(-reverse_us)
                yield Footprint(collection, item_id, version, acquired, geometry, gsd_m, cloud_cover)


def _footprint_rows(
    connection: apsw.Connection, collections: Sequence[str] | None, boxes: list[BoundingBox], interval: Interval | None
) -> Iterator[Row]:
    times = reverse_times(interval)
    near, near_values = _union([place_clause(box, times) for box in boxes])
    chosen, names = ("", []) if collections is None else (_ONE_OF_THESE, [orjson.dumps(collections).decode()])
    return connection.execute(
        "SELECT collection, id, version, reverse_us, gsd_m, cloud_cover, geometry"  # noqa: S608  # fixed texts only
        f" FROM ({near}) AS near CROSS JOIN item USING (key)"
        f" WHERE reverse_us BETWEEN ? AND ? {chosen} ORDER BY reverse_us, collection, id",
        (*near_values, *(times or (-FOREVER_US, FOREVER_US)), *names),
    )


def _candidates(connection: apsw.Connection, selection: Selection, after: Position | None) -> Iterator[Match]:
    clauses = _clauses(selection, after)
    if selection.ids:
        everywhere: Clause = ("collection IN (SELECT id FROM collection)", ())
        return _rows(connection, ("item INDEXED BY item_id", ()), [everywhere, *clauses])
    if selection.boxes:
        near = _union([place_clause(box, selection.times) for box in selection.boxes])
        few = worth_sorting(connection, selection.limit)
        if _count(connection, near, at_most=few + 1) <= few:
            return _rows(connection, (f"({near[0]}) AS near CROSS JOIN item USING (key)", near[1]), clauses)
    if not selection.collections:
        return _rows(connection, ("item INDEXED BY item_newest", ()), clauses)
    source: Clause = ("item INDEXED BY item_newest_of_collection", ())
    streams = [_rows(connection, source, [("collection = ?", (name,)), *clauses]) for name in selection.collections]
    return heapq.merge(*streams, key=lambda row: row[1:4])


def _clauses(selection: Selection, after: Position | None) -> list[Clause]:
    first, last = selection.times or (-FOREVER_US, FOREVER_US)
    clauses: list[Clause] = [("reverse_us BETWEEN ? AND ?", (max(first, after[0]) if after else first, last))]
    if after:
        clauses.append(("(reverse_us, collection, id) > (?, ?, ?)", after))
    if selection.boxes:
        touching = "(item.west <= ? AND item.east >= ? AND item.south <= ? AND item.north >= ?)"
        values = [(east, west, north, south) for west, south, east, north in selection.boxes]
        clauses.append((" OR ".join([touching] * len(values)).join("()"), tuple(itertools.chain(*values))))
    for column, names in (("collection", selection.collections), ("id", selection.ids)):
        if names:
            one_of = f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608  # a column of ours
            clauses.append((one_of, (orjson.dumps(names).decode(),)))
    return clauses


def _union(places: list[Clause]) -> Clause:
    """Keys of the items in any of the boxes, each once."""
    text = " UNION ".join(f"SELECT DISTINCT box >> 1 AS key FROM place WHERE {condition}" for condition, _ in places)  # noqa: S608
    return text, tuple(itertools.chain.from_iterable(values for _, values in places))


def worth_sorting(connection: apsw.Connection, limit: int) -> int:
    """Up to how many matches the R*Tree is the shorter way: it reads and sorts them all.

    Walking along the newest items instead reads total / matches · limit of them to fill a page.
    """
    total: int = connection.execute("SELECT coalesce(max(key), 0) FROM item").get
    return math.isqrt(total * limit)


def _count(connection: apsw.Connection, near: Clause, *, at_most: int) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM ({near[0]} LIMIT {at_most})", near[1]).get  # noqa: S608
    return count


def _rows(connection: apsw.Connection, source: Clause, clauses: list[Clause]) -> Iterator[Match]:
    condition = " AND ".join(text for text, _ in clauses)
    values = (*source[1], *itertools.chain.from_iterable(values for _, values in clauses))
    return connection.execute(
        f"SELECT item.key, reverse_us, collection, id, geometry FROM {source[0]}"  # noqa: S608  # fixed texts only
        f" WHERE {condition} ORDER BY reverse_us, collection, id",
        values,
    )


class TokenBook:
    """Writes and reads the tokens that continue a search; each is bound to the search it came from."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, search: Search, position: Position) -> str:
        """A token that continues `search` behind `position`."""
        payload = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._signature(search, payload) + payload).decode().rstrip("=")

    def read(self, search: Search, token: str) -> Position:
        """The position a token stands for.

        Raises:
            InvalidSearchError: It was not given for this search.
        """
        try:
            if len(token) > MAX_TOKEN_LENGTH:
                raise ValueError("too long")
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
            if not hmac.compare_digest(signature, self._signature(search, payload)):
                raise ValueError("wrong signature")
        except (ValueError, binascii.Error) as error:
            raise InvalidSearchError("the token does not belong to this search; start again without it") from error
        reverse_us, collection, item_id = orjson.loads(payload)
        return reverse_us, collection, item_id

    def _signature(self, search: Search, payload: bytes) -> bytes:
        """Over the position and everything of the search but its limit, which may change from page to page."""
        asked = [search.collections, search.ids, search.bbox, search.intersects, reverse_times(search.interval)]
        question = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._key, hashlib.sha256(question).digest() + payload, "sha256")[:_SIGNATURE_BYTES]
