"""pgSTAC's own items: what titiler-pgstac, stac-fastapi-pgstac and others read in the same database.

The rows are those of `pgstac.upsert_items`. What an item shares with its collection is left out by pypgstac here, since
pgSTAC's function for it takes twenty times as long.
"""

import orjson
from pypgstac.hydration import dehydrate

from catalog.errors import StoreUnavailableError
from catalog.pgstac.database import Session

_CHUNK = 1000
_BASES = """
SELECT collections.id, base.base_item, base.base_item_id
FROM pgstac.collections, LATERAL pgstac.current_base_item(collections.id) AS base
WHERE collections.id IN (SELECT collection FROM touched JOIN incoming USING (key))
"""
_TABLES = """
CREATE TEMP TABLE slim(key bigint PRIMARY KEY, content jsonb NOT NULL) ON COMMIT DROP;
CREATE TEMP TABLE mirrored (LIKE pgstac.items) ON COMMIT DROP
"""
_DOCUMENTS = """
SELECT key, collection, document FROM touched JOIN incoming USING (key) WHERE key > %s ORDER BY key LIMIT %s
"""
_MIRRORED = """
INSERT INTO mirrored(id, geometry, collection, datetime, end_datetime, content)
SELECT id, pgstac.stac_geom(item), collection, pgstac.stac_datetime(item), pgstac.stac_end_datetime(item), content
FROM slim JOIN incoming USING (key), LATERAL (SELECT convert_from(document, 'UTF8')::jsonb AS item) AS whole
"""
# As pgSTAC's own trigger asks for them, in an order of its own so that two loaders do not wait for each other.
_PARTITIONS = """
SELECT pgstac.check_partition(collection, of_start, of_end) FROM (
    SELECT collection, tstzrange(min(mirrored.datetime), max(mirrored.datetime), '[]') AS of_start,
        tstzrange(min(mirrored.end_datetime), max(mirrored.end_datetime), '[]') AS of_end
    FROM mirrored JOIN pgstac.collections ON collections.id = mirrored.collection
    GROUP BY collection, coalesce(date_trunc(partition_trunc, mirrored.datetime), '-infinity') ORDER BY collection, 2
) AS parts
"""
_REPLACED = """
DELETE FROM pgstac.items USING mirrored
WHERE (items.collection, items.id) = (mirrored.collection, mirrored.id) AND items IS DISTINCT FROM mirrored
"""
_LISTED = "INSERT INTO pgstac.items SELECT * FROM mirrored ON CONFLICT DO NOTHING"
_READ_BACK = """
SELECT count(*), count(items.id) FROM mirrored
LEFT JOIN pgstac.items ON (items.collection, items.id) = (mirrored.collection, mirrored.id)
"""


def mirror_listed(connection: Session) -> None:
    """Give pgSTAC what is being listed, inside the caller's transaction.

    Raises:
        StoreUnavailableError: Not all of it is there afterwards.
    """
    bases = {name: (base, number) for name, base, number in connection.execute(_BASES)}
    connection.execute(_TABLES)
    behind = -1
    while chunk := connection.execute(_DOCUMENTS, (behind, _CHUNK)).fetchall():
        with connection.cursor().copy("COPY slim FROM STDIN") as copy:
            for key, collection, document in chunk:
                copy.write_row((key, _slim(document, *bases[collection])))
        behind = chunk[-1][0]
    for statement in (_MIRRORED, _PARTITIONS, _REPLACED, _LISTED):
        connection.execute(statement)
    given, found = connection.execute(_READ_BACK).fetchone() or (0, 0)
    if given != found:  # never a silent partial load: another loader may have come in between
        raise StoreUnavailableError(f"of {given} items {found} came to pgSTAC")


def _slim(document: bytes, base: dict[str, object], number: int | None) -> str:
    """An item without what its row and its collection say; `number` names the state of the collection."""
    content = dehydrate(base, orjson.loads(document))
    for column in ("id", "collection", "geometry", "pgstac:base_item"):
        content.pop(column, None)
    if number is not None:
        content["pgstac:base_item"] = number
    return orjson.dumps(content).decode()
