"""Counts over everything that a search finds."""

from collections.abc import Sequence

from catalog.aggregation import AGGREGATIONS, CLOUD_STEP, GEOHASH_PRECISION
from catalog.errors import InvalidSearchError
from catalog.pgstac.condition import read_condition, statement
from catalog.pgstac.database import Session
from catalog.pgstac.finding import fulfilling_keys
from catalog.search import Bucket, Search
from catalog.store.clause import Clause

_MONTH = "to_char(to_timestamp(-item.reverse_us / 1e6) AT TIME ZONE 'UTC', 'YYYY-MM-01\"T\"00:00:00\"Z\"')"
_UNROLLED = "(item.west + CASE WHEN item.west > item.east THEN item.east + 360 ELSE item.east END) / 2"
_LONGITUDE = f"({_UNROLLED} - CASE WHEN {_UNROLLED} >= 180 THEN 360 ELSE 0 END)"
_LATITUDE = "(item.south + item.north) / 2"
_KEYS = {
    "total_count": "'total_count'",
    "datetime_frequency": _MONTH,
    "collection_frequency": "item.collection",
    "platform_frequency": "item.platform",
    "cloud_cover_frequency": f"CASE WHEN item.cloud_cover >= 100 THEN {100 - CLOUD_STEP}"
    f" ELSE (floor(item.cloud_cover / {CLOUD_STEP}) * {CLOUD_STEP})::int END",
    "grid_geohash_frequency": f"ST_GeoHash(ST_MakePoint({_LONGITUDE}, {_LATITUDE}), {GEOHASH_PRECISION})",
}


def aggregate(connection: Session, search: Search, names: Sequence[str]) -> dict[str, list[Bucket]]:
    """The buckets of each aggregation, by key.

    Raises:
        InvalidSearchError: There is none of that name, or the search is out of its bounds.
    """
    unknown = [name for name in names if name not in _KEYS]
    if unknown:
        raise InvalidSearchError(f"there is no aggregation {unknown[0]!r:.80}, only {', '.join(AGGREGATIONS)}")
    condition = read_condition(connection, search)
    where = condition.decided
    if condition.selection.rest:
        where = Clause("item.key = ANY(?)", (fulfilling_keys(connection, condition),))
    return {name: _buckets(connection, _KEYS[name], where) for name in names}


def _buckets(connection: Session, key: str, where: Clause) -> list[Bucket]:
    query = (
        f"SELECT {key} AS bucket, count(*) FROM item WHERE {where.text}"  # noqa: S608  # fixed texts only
        " GROUP BY bucket HAVING count(*) > 0"
    )
    rows = connection.execute(statement(query), where.values)
    return [Bucket(str(bucket), count) for bucket, count in sorted(row for row in rows if row[0] is not None)]
