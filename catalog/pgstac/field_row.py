"""Which properties the items of each collection have, as rows.

Every function works inside the caller's transaction.
"""

from collections.abc import Sequence

from catalog.field_notes import FieldNotes, Noted
from catalog.pgstac.database import Session
from catalog.search import Field


def write_fields(connection: Session, notes: FieldNotes) -> None:
    """Add everything noted to what is known of the collections."""
    query = "SELECT types, texts FROM field WHERE (collection, name) = (%s, %s)"
    for collection, name, noted in sorted(notes, key=lambda note: note[:2]):
        found = connection.execute(query, (collection, name)).fetchone()
        whole = _noted(*found) if found else Noted()
        whole.add(noted.types, noted.texts)
        if found is None or whole != _noted(*found):
            texts = None if whole.texts is None else sorted(whole.texts)
            connection.execute(
                "INSERT INTO field VALUES (%s, %s, %s, %s) ON CONFLICT (collection, name)"
                " DO UPDATE SET types = EXCLUDED.types, texts = EXCLUDED.texts",
                (collection, name, sorted(whole.types), texts),
            )


def read_fields(connection: Session, collections: Sequence[str]) -> list[Field]:
    """The fields of some collections, or of all, by name."""
    found: dict[str, Noted] = {}
    rows = connection.execute(
        "SELECT name, types, texts FROM field WHERE collection = ANY(%s) OR %s", (list(collections), not collections)
    )
    for name, types, texts in rows:
        found.setdefault(name, Noted()).add(types, texts)
    return [
        Field(name, tuple(sorted(noted.types)), tuple(sorted(noted.texts or ())) if noted.types == {"string"} else ())
        for name, noted in sorted(found.items())
    ]


def _noted(types: list[str], texts: list[str] | None) -> Noted:
    return Noted(set(types), None if texts is None else set(texts))
