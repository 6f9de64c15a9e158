"""CellStore: the pixels of cells as objects that are written once, each under its tag."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import obstore
from obstore.store import LocalStore, ObjectStore

from imagery_node.errors import UnreadableAssetError
from imagery_node.pyramid_cell import CellPixels, decode_cell, encode_cell

_SUFFIX = ".webp"


class CellStore:
    """The objects of all pyramids of a node; an object is there whole or not at all."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def in_folder(cls, folder: Path) -> "CellStore":
        """Objects as files below a folder, which is made."""
        return cls(LocalStore(folder / "cells", mkdir=True))

    def read(self, tag: str) -> CellPixels:
        """The pixels of a cell.

        Raises:
            UnreadableAssetError: The object is missing or damaged, or the store does not answer.
        """
        try:
            content = bytes(obstore.get(self._store, _path(tag)).bytes())
        except (OSError, obstore.exceptions.BaseError) as error:
            raise UnreadableAssetError(f"cell {tag} cannot be read: {error}") from error
        return decode_cell(content)

    def write(self, tag: str, pixels: CellPixels) -> None:
        """Store a cell.

        Raises:
            UnreadableAssetError: The store does not take it.
        """
        try:
            obstore.put(self._store, _path(tag), encode_cell(pixels))
        except (OSError, obstore.exceptions.BaseError) as error:
            raise UnreadableAssetError(f"cell {tag} cannot be written: {error}") from error

    def delete(self, tags: Iterable[str]) -> None:
        """Delete objects, whether they are there or not."""
        for tag in tags:
            try:
                obstore.delete(self._store, _path(tag))
            except FileNotFoundError:
                continue

    def tags(self) -> Iterator[str]:
        """What is stored."""
        for page in obstore.list(self._store):
            for found in page:
                name = found["path"].rpartition("/")[2]
                if name.endswith(_SUFFIX):
                    yield name.removesuffix(_SUFFIX)


def _path(tag: str) -> str:
    return f"{tag[:2]}/{tag}{_SUFFIX}"
