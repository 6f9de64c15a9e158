"""PyramidBuilder: keeps the pyramids of a home up with the catalogue, cell by cell.

The change feed says on which ground something may look different. The base cells there are compared by the scenes
that lie on them, and drawn where these changed; then the cells above, each from its four children. Pixels are stored
under the tag of what they are made of before the book names them, so that a builder may die at any time: the next one
goes on where the book says.
"""

import json
import logging
import math
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

from catalog.change_feed import read_feed
from catalog.search import Change, Footprint, Search
from imagery_node.cell_maker import LATER, CellMaker
from imagery_node.cell_store import CellStore
from imagery_node.cog_cache import CogCache
from imagery_node.errors import BadRenderingError, NotFoundError
from imagery_node.pyramid_book import PyramidBook, PyramidRow
from imagery_node.pyramid_cell import (
    MAX_CELLS,
    cell_tile,
    cells_touched,
    count_cells,
)
from imagery_node.pyramid_key import MAX_BASE_ZOOM, Drawing, PyramidKey
from imagery_node.scene_index import WORLD, SceneIndex, Snapshot
from imagery_node.when import ALWAYS

logger = logging.getLogger(__name__)

MAX_WISHES = 16
"""Pyramids beside those of the layers themselves; where more are asked for, those asked for last."""

MAX_WISHED_SCENES = 20_000
"""Of such a pyramid: for more scenes a tile of low zoom shows some of them and says so."""

_SMALLEST_SIDE = 1e-4
"""Degrees."""
_BATCH = 64
"""Cells between two commits."""
_PAGE = 1000
_SAMPLE = 200
"""Scenes that tell how large scenes of a layer are, the newest."""
_SMALL_SCENES = 0.1
"""Share of the scenes that may be smaller than those the base zoom is made for."""
_GRACE_S = 3600.0
"""So long an object stays that no cell has any more: an answer may be about to read it."""
_TRY_AGAIN_S = 600.0
"""After which unreadable scenes are tried again."""


class PyramidBuilder:
    """The one builder of a home; who runs it holds the lock."""

    def __init__(
        self,
        index: SceneIndex,
        book: PyramidBook,
        cells: CellStore,
        *,
        scenes_per_tile: int,
        cogs: CogCache,
        threads: int = 1,
    ) -> None:
        """Prepare.

        Args:
            index: The catalogue.
            book: What there is already.
            cells: Where pixels are kept.
            scenes_per_tile: A layer with more scenes gets a pyramid, up to the zoom at which a tile touches so few.
            cogs: Where decoded blocks come from.
            threads: That draw.
        """
        self._index = index
        self._book = book
        self._cells = cells
        self._maker = CellMaker(book, cells, cogs)
        self._scenes_per_tile = scenes_per_tile
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="pyramid")
        self._tried_at = time.monotonic()
        self._wanted: tuple[int, list[str]] = -1, []

    @property
    def counts(self) -> Counter[str]:
        """Cells by what was done since the start: drawn, averaged, reused, unchanged, removed."""
        return self._maker.counts

    def clean(self) -> None:
        """Begin: a damaged book anew, and objects that a dead builder stored and did not name are left to expire."""
        self._book.discard_if_damaged()
        self._book.retire_unknown(self._cells.tags())

    def catch_up(self, stop: Event, *, layers: Collection[str] = ()) -> None:
        """Bring the pyramids up to the catalogue of now, or only those of some layers.

        Args:
            stop: Set from another thread, it ends the work after the cells at hand.
            layers: Their ids; all where none is named.

        Raises:
            NotFoundError: A layer that is named does not exist.
        """
        snapshot = self._index.newest()
        for layer_id in layers:
            snapshot.layer(layer_id)
        names = self._names(snapshot)
        retry = time.monotonic() - self._tried_at > _TRY_AGAIN_S
        for name in names:
            if not layers or PyramidKey.parse(name).layer_id in layers:
                self._bring_up(name, stop, retry=retry)
        if retry:
            self._tried_at = time.monotonic()
        for name in self._book.pyramids().keys() - set(names):
            self._book.drop(name)
        expired = self._book.expired(time.time() - _GRACE_S)
        if expired:
            self._cells.delete(expired)
            self._book.forget(expired)
        self._book.forget_wishes(but=MAX_WISHES)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    def _names(self, snapshot: Snapshot) -> list[str]:
        """The pyramids to keep: of each layer with many scenes, and of what was asked for."""
        there = self._book.pyramids()
        if self._wanted[0] != snapshot.sequence:
            many = [name for name in snapshot.layers if name in there or self._has_many(snapshot, name)]
            self._wanted = snapshot.sequence, many
        wishes = [
            name for name in self._book.wishes(MAX_WISHES) if name in there or self._is_affordable(snapshot, name)
        ]
        return list(dict.fromkeys([*self._wanted[1], *wishes]))

    def _is_affordable(self, snapshot: Snapshot, name: str) -> bool:
        """Whether what was asked for may be built: of the layers' own pyramids each is."""
        try:
            layer = Drawing.of(PyramidKey.parse(name), snapshot).layer
        except (NotFoundError, BadRenderingError):
            return False
        search = Search(collections=layer.collections, interval=layer.when.interval)
        ((total,),) = self._index.store.aggregate(search, ["total_count"]).values()
        return total.count <= MAX_WISHED_SCENES

    def _has_many(self, snapshot: Snapshot, layer_id: str) -> bool:
        return len(self._sample(snapshot, PyramidKey(layer_id), self._scenes_per_tile + 1)) > self._scenes_per_tile

    def _sample(self, snapshot: Snapshot, key: PyramidKey, limit: int) -> list[Footprint]:
        layer = snapshot.layer(key.layer_id)
        if layer.when.nearest is not None:
            return []
        return snapshot.footprints(layer, WORLD, ALWAYS, limit=limit)[0]

    def _bring_up(self, name: str, stop: Event, *, retry: bool) -> None:
        """Make the cells of one pyramid that are to be made."""
        key = PyramidKey.parse(name)
        made = 0
        while not stop.is_set():
            snapshot = self._index.newest()
            try:
                drawing = Drawing.of(key, snapshot)
            except (NotFoundError, BadRenderingError) as error:
                logger.warning("no pyramid of %s: %s", name, error)
                self._book.drop(name)
                return
            row = self._follow(key, drawing, snapshot)
            if retry:
                self._book.mark_incomplete(row.key)
                retry = False
            numbers = self._book.next_dirty(row.key, _BATCH)
            if not numbers:
                if row.built != row.followed:
                    self._book.finish(row.key, row.followed)
                if made:
                    logger.info("pyramid %s: %d cells looked at, up to change %d", name, made, row.followed)
                if lacking := self._maker.lacking:
                    logger.warning("pyramid %s lacks %d scenes or more, such as %s", name, len(lacking), min(lacking))
                    lacking.clear()
                return
            self._make_all(row, drawing, numbers, stop)
            made += len(numbers)

    def _follow(self, key: PyramidKey, drawing: Drawing, snapshot: Snapshot) -> PyramidRow:
        """The row of a pyramid, with every cell marked that may look different now."""
        definition = drawing.definition()
        row = self._book.pyramids().get(key.name)
        if row is None:
            zoom = base_zoom(self._sample(snapshot, key, _SAMPLE), self._scenes_per_tile)
            row = self._book.create(key.name, definition, zoom)
            logger.info("pyramid %s begins, its base is zoom %d", key.name, zoom)
        while True:
            try:
                if row.definition != definition:
                    self._redefine(row, definition)
                if row.followed != snapshot.sequence:
                    self._read_news(row, drawing)
                return self._book.pyramids()[key.name]
            except _TooWideError as error:
                row = self._book.create(key.name, definition, error.zoom)
                logger.info("pyramid %s begins anew, its base is zoom %d: a scene is wide", key.name, error.zoom)

    def _read_news(self, row: PyramidRow, drawing: Drawing) -> None:
        """Mark what changed in the catalogue since the last time."""
        since, more = row.followed, True
        while more:
            page = read_feed(self._index.store, since, limit=_PAGE, collections=drawing.layer.collections)
            if page.reset:
                self._book.mark_all(row.key)
            self._mark(row, page.changes)
            self._book.follow(row.key, page.resume)
            since, more = page.resume, page.more

    def _redefine(self, row: PyramidRow, definition: str) -> None:
        """Mark what another rendering or rule shows differently, and where collections came, went or changed order."""
        before, after = json.loads(row.definition), json.loads(definition)
        if before["drawn"] != after["drawn"]:
            self._book.mark_all(row.key)
        differing = {name for name, _ in before["collections"].items() ^ after["collections"].items()}
        since, more = 0, bool(differing)
        while more:
            page = read_feed(self._index.store, since, limit=_PAGE, collections=differing)
            self._mark(row, page.changes)
            since, more = page.resume, page.more
        self._book.define(row.key, definition)

    def _mark(self, row: PyramidRow, changes: Iterable[Change]) -> None:
        """Mark the cells that changes touch, a bounded number at a time."""
        numbers: set[int] = set()
        for change in changes:
            count = count_cells(change.bbox, row.base_zoom)
            if count > MAX_CELLS:
                raise _TooWideError(max(1, row.base_zoom - math.ceil(math.log(count / MAX_CELLS, 4))))
            numbers |= cells_touched(change.bbox, row.base_zoom)
            if len(numbers) > MAX_CELLS:
                self._book.mark(row.key, numbers)
                numbers.clear()
        self._book.mark(row.key, numbers)

    def _make_all(self, row: PyramidRow, drawing: Drawing, numbers: Sequence[int], stop: Event) -> None:
        """Make cells of one zoom and list them; those that could not be made now stay marked."""
        known = self._book.cells(row.key, numbers)
        if cell_tile(numbers[0]).z == row.base_zoom:
            make = partial(self._maker.draw, self._index.newest(), drawing, known, stop)
        else:
            make = partial(self._maker.average, row.key, known)
        made = zip(numbers, self._threads.map(make, numbers), strict=True)
        self._book.commit(row.key, {number: cell for number, cell in made if cell is not LATER})


class _TooWideError(Exception):
    """A change touches too many cells of a pyramid."""

    def __init__(self, zoom: int) -> None:
        super().__init__(f"the base must be zoom {zoom}")
        self.zoom = zoom


def base_zoom(footprints: Sequence[Footprint], scenes_per_tile: int) -> int:
    """The coarsest zoom at which a tile touches so few of the smaller ones of scenes that lie side by side.

    A tile as large as t scenes touches (t + 1)² of them. It is coarser where a scene would touch too many tiles.
    """
    sides = sorted(
        math.sqrt(each.geometry.area / math.cos(math.radians(max(-85, min(85, each.geometry.centroid.y)))))
        for each in footprints
    )
    side = max(sides[int(len(sides) * _SMALL_SCENES)], _SMALLEST_SIDE) / 360 if sides else 1.0
    tile = side * max(1.0, math.sqrt(scenes_per_tile) - 1)
    return max(1, min(MAX_BASE_ZOOM, math.ceil(-math.log2(tile))))
