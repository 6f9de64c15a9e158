"""Which properties items have, noted item by item: what `queryables` describes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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
        if self.texts is not None:
            self.texts = None if texts is None else self.texts.union(texts)
        if self.texts is not None and len(self.texts) > MAX_TEXTS:
            self.texts = None


class FieldNotes:
    """The properties of the items of each collection; may be made in another process and merged."""

    def __init__(self) -> None:
        self._noted: dict[str, dict[str, Noted]] = {}

    def __iter__(self) -> Iterator[tuple[str, str, Noted]]:
        """Collection, name of the property, and what is known of it."""
        return ((collection, name, noted) for collection, known in self._noted.items() for name, noted in known.items())

    def note(self, collection: str, properties: Mapping[str, Any]) -> None:
        """Add the properties of one item."""
        known = self._noted.setdefault(collection, {})
        for name, value in properties.items():
            if value is None:
                continue
            noted = known.get(name)
            if noted is None:
                noted = known[name] = Noted()
            kind = _JSON_TYPES[type(value)]
            if kind not in noted.types or (kind == "string" and noted.texts is not None and value not in noted.texts):
                noted.add([kind], [value] if kind == "string" else [])

    def merge(self, other: "FieldNotes") -> None:
        """Add what was noted elsewhere."""
        for collection, name, noted in other:
            known = self._noted.setdefault(collection, {})
            known.setdefault(name, Noted()).add(noted.types, noted.texts)
