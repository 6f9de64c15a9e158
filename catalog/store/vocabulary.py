"""What is kept once for many items: the wording they share, and which fields there are.

Every function works inside the caller's transaction.
"""

from collections.abc import Sequence

import apsw
import orjson

from catalog.checked_item import CheckedItem, Value
from catalog.field_notes import FieldNotes, Noted
from catalog.queryable import QUERYABLES
from catalog.search import Field
from catalog.wording import sensor_wording

_PLATFORM = [queryable.name for queryable in QUERYABLES].index("platform")


class Wordings:
    """Keys of wordings: one for all items of a collection, satellite and instrument."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._keys: dict[tuple[str, Value, tuple[str, ...]], int] = {}

    def key(self, item: CheckedItem) -> int:
        """The key of an item's wording, written down when it is new."""
        platform = item.values[_PLATFORM]
        asked = (item.collection, platform, item.instruments)
        found = self._keys.get(asked)
        if found is None:
            words = (item.collection, sensor_wording([str(platform)] if platform else [], list(item.instruments)))
            self._connection.execute("INSERT OR IGNORE INTO wording(collection, text) VALUES (?, ?)", words)
            query = "SELECT key FROM wording WHERE collection = ? AND text = ?"
            found = self._keys[asked] = int(self._connection.execute(query, words).get)
        return found


def write_fields(connection: apsw.Connection, notes: FieldNotes) -> None:
    """Add everything noted to what is known of the collections."""
    for collection, name, noted in notes:
        known = Noted()
        place = (collection, name)
        for types, texts in connection.execute(
            "SELECT types, texts FROM field WHERE collection = ? AND name = ?", place
        ):
            known.add(orjson.loads(types), texts and orjson.loads(texts))
        whole = Noted(set(known.types), known.texts)
        whole.add(noted.types, noted.texts)
        if whole != known:
            texts = None if whole.texts is None else orjson.dumps(sorted(whole.texts))
            values = (*place, orjson.dumps(sorted(whole.types)), texts)
            connection.execute("INSERT OR REPLACE INTO field VALUES (?, ?, ?, ?)", values)


def read_fields(connection: apsw.Connection, collections: Sequence[str]) -> list[Field]:
    """The fields of some collections, or of all, by name."""
    query = "SELECT name, types, texts FROM field"
    if collections:
        query += " WHERE collection IN (SELECT value FROM json_each(?))"
    found: dict[str, Noted] = {}
    for name, types, texts in connection.execute(query, [orjson.dumps(collections).decode()] if collections else ()):
        found.setdefault(name, Noted()).add(orjson.loads(types), texts and orjson.loads(texts))
    return [
        Field(name, tuple(sorted(noted.types)), tuple(sorted(noted.texts or ())) if noted.types == {"string"} else ())
        for name, noted in sorted(found.items())
    ]
