"""Pyramid: tiles of zooms at which a tile would touch too many scenes, from stored cells.

A plan takes a look at the book of cells, none at scenes: its cost does not grow with their number.
"""

import hashlib
import logging
import math
import time
from functools import lru_cache

import apsw

from catalog.change_feed import concerns
from catalog.search import Change, ItemStore
from imagery_node.cell_store import CellStore
from imagery_node.encoding import encode_shares
from imagery_node.errors import SupersededError, UnreadableAssetError
from imagery_node.pyramid_book import PyramidBook, State
from imagery_node.pyramid_cell import CellPixels, cell_number, children, join
from imagery_node.pyramid_key import Drawing, PyramidKey
from imagery_node.scene_index import SceneList, Snapshot
from imagery_node.tile_plan import ENGINE_VERSION, Header, Plan, cache_control, max_age_s
from imagery_node.tile_request import TileRequest

logger = logging.getLogger(__name__)

_NEWS = 1000
"""Changes that are compared with a tile's place; behind more than these every tile counts as stale."""
_WISH_HOLDS_S = 600.0
_WISHES_KEPT = 1000
_NO_SCENES = SceneList((), None, complete=True)


class Pyramid:
    """Answers from the pyramids of a home; for any thread."""

    def __init__(self, store: ItemStore, book: PyramidBook, cells: CellStore, *, dated_max_age_s: int) -> None:
        self._store = store
        self._book = book
        self._cells = cells
        self._dated_max_age_s = dated_max_age_s
        self._wished: dict[str, float] = {}
        self._news = lru_cache(maxsize=8)(self._read_news)

    def generation(self) -> tuple[int, int]:
        """Another one whenever plans may have become others; asks no disk."""
        try:
            return self._book.generation()
        except (OSError, apsw.Error):
            return 0, 0

    def covers(self, request: TileRequest) -> bool:
        """Whether a pyramid may answer: a tile of a layer, coarse enough, with nothing of the caller's own in it."""
        return PyramidKey.of(request) is not None

    def plan(self, snapshot: Snapshot, request: TileRequest) -> Plan | None:
        """Plan a tile; None where its scenes are to be drawn: there is no pyramid, or not yet here.

        Raises:
            NotFoundError: There is no such layer or rendering.
            BadRenderingError: The rendering cannot be shown as a tile.
        """
        key = PyramidKey.of(request)
        if key is None:
            return None
        number = cell_number(request.tile)
        numbers = [number] if request.scale == 1 else children(number)
        try:
            state = self._book.state(key.name, numbers)
        except apsw.Error as error:
            logger.warning("the pyramids cannot be read, tiles are drawn from their scenes: %s", error)
            return None
        if state is None or request.tile.z >= state.pyramid.base_zoom:
            return None
        if any(number not in state.cells for number in state.dirty):
            return None
        if snapshot.layer(key.layer_id).when.nearest is not None:  # by now; the builder is about to drop the pyramid
            return None
        drawing = Drawing.of(key, snapshot)
        tags = tuple(_object(state, number) for number in numbers)
        told = ENGINE_VERSION, number, request.scale, request.format, drawing.rule.citation, tags
        etag = b'"%s"' % hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest().encode()
        if self._shows_recalled(snapshot, request, drawing, state):
            return None
        stale = self._is_stale(snapshot, request, drawing, state)
        if stale or not all(cell.complete for cell in state.cells.values()):
            told_caches: list[Header] = [(b"cache-control", b"no-cache, max-age=0"), (b"imagery-complete", b"false")]
        else:
            told_caches = [cache_control(max_age_s(drawing.layer, request.when, self._dated_max_age_s))]
        told_rest = [(b"mosaic-rule", drawing.rule.citation.encode()), (b"pyramid-lag", b"%d" % _lag(snapshot, state))]
        headers = ((b"etag", etag), *told_caches, *told_rest)
        return Plan(
            request, drawing.rendering, drawing.rule, _NO_SCENES, etag, headers, may_be_stored=False, cells=tags
        )

    def tile(self, plan: Plan) -> bytes:
        """The bytes of a planned tile; nothing when it is empty.

        Raises:
            SupersededError: A cell is gone or damaged; it is made again, and until then another plan is due.
        """
        parts: list[CellPixels | None] = []
        for tag in plan.cells or ():
            try:
                parts.append(self._cells.read(tag) if tag else None)
            except UnreadableAssetError as error:
                logger.warning("%s; it is made again", error)
                self._lose(plan, len(parts))
                raise SupersededError(f"tile {plan.request.tile} is made again") from error
        pixels = parts[0] if len(parts) == 1 else join(parts)
        return b"" if pixels is None or not pixels[..., 3].any() else encode_shares(pixels, plan.request.format)

    def wish(self, snapshot: Snapshot, request: TileRequest) -> None:
        """Ask the builder for the pyramid that would answer such requests."""
        key = PyramidKey.of(request)
        now = time.monotonic()
        if key is None or key.name in snapshot.layers or now < self._wished.get(key.name, -math.inf) + _WISH_HOLDS_S:
            return
        if len(self._wished) == _WISHES_KEPT:
            self._wished.clear()
        self._wished[key.name] = now
        try:
            self._book.wish(key.name)
        except apsw.Error as error:
            logger.warning("the wish for pyramid %s is lost: %s", key.name, error)

    def _is_stale(self, snapshot: Snapshot, request: TileRequest, drawing: Drawing, state: State) -> bool:
        """Whether a tile may look different once the builder has caught up."""
        pyramid = state.pyramid
        if state.dirty or pyramid.definition != drawing.definition():
            return True
        if pyramid.followed >= snapshot.sequence:
            return False
        news = self._news(pyramid.followed, snapshot.sequence)
        bbox = request.grid.bbox(request.tile)
        return len(news) == _NEWS or any(concerns(change, drawing.layer.collections, bbox) for change in news)

    def _shows_recalled(self, snapshot: Snapshot, request: TileRequest, drawing: Drawing, state: State) -> bool:
        """Whether the cells may still show a scene that was recalled: as far as the next thousand changes tell."""
        if state.pyramid.built >= snapshot.sequence:
            return False
        news, bbox = self._news(state.pyramid.built, snapshot.sequence), request.grid.bbox(request.tile)
        return any(c.action == "recall" and concerns(c, drawing.layer.collections, bbox) for c in news)

    def _read_news(self, since: int, _: int) -> list[Change]:
        return self._store.changes(since, limit=_NEWS)

    def _lose(self, plan: Plan, position: int) -> None:
        """Have one of the cells of a tile made again."""
        key = PyramidKey.of(plan.request)
        number = cell_number(plan.request.tile)
        try:
            state = self._book.state(key.name, ()) if key else None
            if state is not None:
                self._book.lose(state.pyramid.key, number if plan.request.scale == 1 else children(number)[position])
        except apsw.Error as error:
            logger.warning("the loss of cell %d cannot be noted: %s", number, error)


def _object(state: State, number: int) -> str | None:
    """The name of a cell's object; None where there is nothing to show."""
    cell = state.cells.get(number)
    return None if cell is None or cell.empty else cell.tag


def _lag(snapshot: Snapshot, state: State) -> int:
    """Changes of the catalogue that are not yet drawn, at most."""
    return max(0, snapshot.sequence - (state.pyramid.followed if state.is_built else state.pyramid.built))
