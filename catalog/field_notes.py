"""Which properties items have, noted of many items at once: what `queryables` describes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

MAX_TEXTS = 32
"""Of a property; one that has more is not described by them."""

_JSON_TYPES = {str: "string", int: "number", float: "number", bool: "boolean", list: "array", dict: "object"}


@dataclass
class Noted:
    """What is known of one property."""

    types: set[str] = field(default_factory=set)
    """As JSON calls them."""
    texts: set[str] | None = field(default_factory=set)
    """None when there are too many."""

    def add(self, types: Iterable[str], texts: Iterable[str] | None) -> None:
        """Know more; None as texts says that there are too many."""
        self.types.update(types)
        if self.texts is None:
            return
        if texts is None:
            self.texts = None
        elif not self.texts.issuperset(texts):
            whole = self.texts.union(texts)
            self.texts = whole if len(whole) <= MAX_TEXTS else None


class FieldNotes:
    """The properties of the items of each collection; may be made in another process and merged."""

    def __init__(self) -> None:
        self._noted: dict[str, dict[str, Noted]] = {}

    def __iter__(self) -> Iterator[tuple[str, str, Noted]]:
        """Collection, name of the property, and what is known of it."""
        return ((collection, name, noted) for collection, known in self._noted.items() for name, noted in known.items())

    def note(self, items: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Add items: the collection and the properties of each."""
        alike = defaultdict[tuple[str, tuple[str, ...]], list[Mapping[str, Any]]](list)
        for collection, properties in items:
            alike[collection, tuple(properties)].append(properties)
        for (collection, names), documents in alike.items():
            columns = zip(*[document.values() for document in documents], strict=True)
            for name, values in zip(names, columns, strict=True):
                self._note_values(collection, name, values)

    def merge(self, other: "FieldNotes") -> None:
        """Add what was noted elsewhere."""
        for collection, name, noted in other:
            known = self._noted.setdefault(collection, {})
            known.setdefault(name, Noted()).add(noted.types, noted.texts)

    def _note_values(self, collection: str, name: str, values: Sequence[Any]) -> None:
        types = {*map(type, values)} - {NoneType}
        if types:
            texts = {value for value in values if type(value) is str} if str in types else ()
            noted = self._noted.setdefault(collection, {}).setdefault(name, Noted())
            noted.add([_JSON_TYPES[found] for found in types], texts)
