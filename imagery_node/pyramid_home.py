"""The pyramids of one home: where they lie, who reads and who builds them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import apsw

from imagery_node.cell_store import CellStore
from imagery_node.cog_cache import CogCache
from imagery_node.pyramid import Pyramid
from imagery_node.pyramid_book import PyramidBook
from imagery_node.pyramid_builder import PyramidBuilder
from imagery_node.pyramid_thread import PyramidThread
from imagery_node.scene_index import SceneIndex
from imagery_node.settings import ImageryNodeSettings

logger = logging.getLogger(__name__)

FOLDER = "pyramids"

_POLL_S = 1.0
_FILE_HEADERS = 128
_BLOCK_BYTES = 32 * 1024 * 1024
"""The builder's own, so that it does not take the place of what tiles need."""


@dataclass(frozen=True)
class PyramidHome:
    """Book and objects of the pyramids, and the catalogue they follow."""

    folder: Path
    book: PyramidBook
    cells: CellStore
    index: SceneIndex
    settings: ImageryNodeSettings

    @classmethod
    def open(cls, index: SceneIndex, settings: ImageryNodeSettings) -> "PyramidHome | None":
        """Open the pyramids of the settings' home; None where nothing can be written there."""
        folder = settings.home / FOLDER
        try:
            return cls(folder, PyramidBook(folder), CellStore.in_folder(folder), index, settings)
        except (OSError, apsw.Error) as error:
            logger.warning("no pyramids, tiles of low zooms are drawn from their scenes: %s: %s", folder, error)
            return None

    def reader(self) -> Pyramid:
        """What answers tiles."""
        max_age_s = self.settings.dated_tile_max_age_s
        return Pyramid(self.index.store, self.book, self.cells, dated_max_age_s=max_age_s)

    def builder(self, *, threads: int = 1) -> PyramidBuilder:
        """What builds; only for who holds the folder's lock."""
        return PyramidBuilder(
            self.index,
            self.book,
            self.cells,
            scenes_per_tile=self.settings.pyramid_scenes,
            cogs=CogCache(_FILE_HEADERS, _BLOCK_BYTES),
            threads=threads,
        )

    def thread(self) -> PyramidThread:
        """What builds behind a serving process."""
        return PyramidThread(self.folder, self.builder, poll_s=_POLL_S)

    def close(self) -> None:
        """Close the book."""
        self.book.close()
