"""Which fields of a document are served, by the rules of the fields extension (README, "Include/Exclude Semantics").

The more specific path wins, and of equal ones the included one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

MAX_FIELDS = 64
"""L22."""
MAX_PATH_LENGTH = 128

ITEM_IDENTITY = ("type", "stac_version", "id", "collection")
"""Served whatever is included: what it is."""
ITEM_DEFAULTS = (*ITEM_IDENTITY, "stac_extensions", "geometry", "bbox", "links", "assets", "properties.datetime")
"""The least that makes a valid item."""
COLLECTION_IDENTITY = ("type", "stac_version", "id")
COLLECTION_DEFAULTS = (*COLLECTION_IDENTITY, "stac_extensions", "description", "license", "extent", "links")

Tree = dict[str, "Tree"]
"""Names, and below each what of it is meant; nothing below is all of it."""


@dataclass(frozen=True)
class FieldSelection:
    """What is included, less what is excluded."""

    included: Tree
    """Empty: everything."""
    excluded: Tree

    @classmethod
    def of(cls, asked: Sequence[str], excluded: Sequence[str], *, besides: Sequence[str] = ()) -> Self:
        """From paths such as `properties.eo:cloud_cover`.

        Args:
            asked: Included by name.
            excluded: Left out, unless it or a part of it is asked for.
            besides: Included too, unless excluded. Where both are empty, everything is included.
        """
        left_out = (path for path in excluded if not _stands_in(path, asked))
        return cls(_tree([*besides, *asked]), _tree(left_out))

    def apply(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document with the selected fields; what it lacks stays lacking."""
        return _without(_only(document, self.included), self.excluded)


def _stands_in(field: str, paths: Sequence[str]) -> bool:
    return any(path == field or path.startswith(f"{field}.") for path in paths)


def _tree(paths: Iterable[str]) -> Tree:
    """A path makes the longer ones below it needless."""
    tree: Tree = {}
    for path in sorted(paths, key=len):
        node, (*parents, name) = tree, path.split(".")
        for parent in parents:
            if node.get(parent) == {}:
                break
            node = node.setdefault(parent, {})
        else:
            node.setdefault(name, {})
    return tree


def _only(document: dict[str, Any], tree: Tree) -> dict[str, Any]:
    if not tree:
        return document
    kept: dict[str, Any] = {}
    for name, below in tree.items():
        value = document.get(name)
        if isinstance(value, dict) and below:
            kept[name] = _only(value, below)
        elif name in document and not below:
            kept[name] = value
    return kept


def _without(document: dict[str, Any], tree: Tree) -> dict[str, Any]:
    kept = {name: value for name, value in document.items() if tree.get(name) != {}}
    for name, below in tree.items():
        if isinstance(kept.get(name), dict):
            kept[name] = _without(kept[name], below)
    return kept
