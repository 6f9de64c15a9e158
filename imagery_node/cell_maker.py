"""CellMaker: one cell of a pyramid, drawn from scenes or averaged from its children."""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from threading import Event, Lock

import numpy as np

from imagery_node.cell_store import CellStore
from imagery_node.cog_cache import CogCache
from imagery_node.composite import scenes_drawn
from imagery_node.errors import BadRenderingError, DeadlineError, SupersededError, UnreadableAssetError
from imagery_node.grid import TILE_SIDE, WEB_MERCATOR_QUAD, get_grid
from imagery_node.pyramid_book import CellRow, PyramidBook
from imagery_node.pyramid_cell import CellPixels, cell_tile, children, shrink
from imagery_node.pyramid_key import DRAWING_VERSION, Drawing
from imagery_node.scene_index import Snapshot
from imagery_node.tile_drawing import draw_scenes
from imagery_node.when import ALWAYS

logger = logging.getLogger(__name__)

LATER = CellRow("", empty=True, complete=False)
"""Of a cell that could not be made now."""

_ALL_SCENES = 1_000_000


class CellMaker:
    """Makes cells; for any thread. A tag says all that a cell's pixels depend on, so that equal tags need no pixels."""

    def __init__(self, book: PyramidBook, cells: CellStore, cogs: CogCache) -> None:
        self.counts: Counter[str] = Counter()
        """Cells by what was done: drawn, averaged, reused, unchanged, removed."""
        self.lacking: set[str] = set()
        """Items that could not be read, one of each cell."""
        self._book = book
        self._cells = cells
        self._cogs = cogs
        self._grid = get_grid(WEB_MERCATOR_QUAD)
        self._counting = Lock()

    def draw(
        self, snapshot: Snapshot, drawing: Drawing, known: Mapping[int, CellRow], stop: Event, number: int
    ) -> CellRow | None:
        """A base cell, from the scenes that lie on it."""
        tile = cell_tile(number)
        bbox = self._grid.bbox(tile)
        at_most = scenes_drawn(drawing.rule, _ALL_SCENES)
        listed = snapshot.scenes(drawing.layer, bbox, ALWAYS, at_most=at_most, rule=drawing.rule)
        if not listed.scenes:
            return self._count("removed" if number in known else "unchanged", None)
        versions = [(scene.collection, scene.item_id, scene.version) for scene in listed.scenes]
        tag = _tag(number, drawing.effect(), versions)
        if number in known and known[number].tag == tag:
            return self._count("unchanged", known[number]._replace(complete=listed.complete))
        if self._is_stored(tag):
            return self._count("reused", CellRow(tag, empty=False, complete=listed.complete))
        bounds, shape = self._grid.bounds(tile), (TILE_SIDE, TILE_SIDE)
        picture, faulty = None, tuple(range(len(versions)))
        try:
            picture = draw_scenes(
                snapshot, listed.scenes, drawing.rule, drawing.rendering, bounds, shape, self._cogs, stop
            )
            faulty = picture.unreadable
        except (SupersededError, DeadlineError):
            return LATER
        except (UnreadableAssetError, BadRenderingError) as error:
            logger.debug("cell %s of %s stays empty: %s", tile, drawing.layer.layer_id, error)
        if faulty:
            self.lacking.add(listed.scenes[faulty[0]].item_id)
            tag = _tag(tag, [versions[position] for position in faulty])
        is_empty = picture is None or not picture.valid.any()
        if picture is not None and not is_empty:
            self._cells.write(tag, np.dstack((picture.pixels, picture.valid * np.uint8(255))))
        return self._count("drawn", CellRow(tag, is_empty, complete=listed.complete and not faulty))

    def average(self, key: int, known: Mapping[int, CellRow], number: int) -> CellRow | None:
        """A cell above others, from its four children."""
        there = self._book.cells(key, children(number))
        if not there:
            return self._count("removed" if number in known else "unchanged", None)
        parts = [there.get(child) for child in children(number)]
        tag = _tag([part and part.tag for part in parts])
        made = CellRow(tag, all(cell.empty for cell in there.values()), all(cell.complete for cell in there.values()))
        if number in known and known[number].tag == tag:
            return self._count("unchanged", made)
        if made.empty:
            return self._count("averaged", made)
        if self._is_stored(tag):
            return self._count("reused", made)
        pixels: list[CellPixels | None] = []
        for child, part in zip(children(number), parts, strict=True):
            try:
                pixels.append(self._cells.read(part.tag) if part and not part.empty else None)
            except UnreadableAssetError as error:
                logger.warning("%s; it is made again", error)
                self._book.lose(key, child)
                return LATER
        self._cells.write(tag, shrink(pixels))
        return self._count("averaged", made)

    def _is_stored(self, tag: str) -> bool:
        """Whether another pyramid, or a builder before this one, has made these pixels."""
        try:
            self._cells.read(tag)
        except UnreadableAssetError:
            return False
        return True

    def _count(self, done: str, cell: CellRow | None) -> CellRow | None:
        with self._counting:
            self.counts[done] += 1
        return cell


def _tag(*told: object) -> str:
    return hashlib.blake2b(repr((DRAWING_VERSION, *told)).encode(), digest_size=16).hexdigest()
