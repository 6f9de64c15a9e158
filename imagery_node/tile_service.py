"""TileService: a tile request → scenes → validator → the cheapest way to the bytes.

Four ways are tried in order: nothing (the client has the tile), pyramid (at low zooms stored cells are the tile),
verbatim (a stored block is the tile), compose (draw it from decoded blocks). The event loop only does what needs no
disk: a plan it remembers, a block that the system holds in memory. Plans are made and blocks first read in the reading
threads, tiles are drawn in the drawing threads.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Event
from time import perf_counter

from imagery_node.cog_cache import CogCache
from imagery_node.errors import SupersededError, UnreadableAssetError
from imagery_node.mosaic import Picture
from imagery_node.pyramid import Pyramid
from imagery_node.pyramid_key import without_interval
from imagery_node.scene_index import SceneIndex, SceneList, Snapshot
from imagery_node.shared_work import Left, SharedWork
from imagery_node.source_file import RemoteFile
from imagery_node.tile_answer import Answer, Drawn, explain, respond
from imagery_node.tile_cache import TileCache
from imagery_node.tile_drawing import Values, draw_and_encode, draw_pixel, draw_tile
from imagery_node.tile_plan import Plan, plan_tile
from imagery_node.tile_request import TileRequest
from imagery_node.verbatim import stored_tile
from imagery_node.worker_pool import WorkerPool

Address = tuple[str, bytes]
"""Path and query string as the client wrote them."""

_PLANS_KEPT = 20_000
_NOTHING = Drawn(b"")


class TileService:
    """Answers tile requests; one per process."""

    def __init__(
        self,
        index: SceneIndex,
        cogs: CogCache,
        *,
        drawing: WorkerPool,
        reading: WorkerPool,
        tile_cache: TileCache,
        scenes_per_tile: int,
        dated_max_age_s: int,
        pyramid: Pyramid | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        """Answers by how they came about: not_modified, verbatim, cached, pyramid, composed, empty, explained."""
        self._index = index
        self._cogs = cogs
        self._drawing = drawing
        self._reading = reading
        self._tiles = tile_cache
        self._scenes_per_tile = scenes_per_tile
        self._dated_max_age_s = dated_max_age_s
        self._pyramid = pyramid
        self._drawings = SharedWork[Drawn]()
        self._snapshot: Snapshot | None = None
        self._plans: dict[Address, Plan] = {}

    async def answer(self, address: Address, read: Callable[[], TileRequest], known_tags: bytes, left: Left) -> Answer:
        """Answer one request.

        Args:
            address: Under which the plan is remembered.
            read: Reads the address when it was not seen before.
            known_tags: The If-None-Match header, or nothing.
            left: Waits until the client is gone.

        Raises:
            CallerLeftError: The client did not wait for its tile.
        """
        try:
            return await self._answer(address, read, known_tags, left)
        except SupersededError:  # the catalogue has become another meanwhile
            return await self._answer(address, read, known_tags, left)

    async def draw(self, request: TileRequest) -> tuple[Snapshot, SceneList, Picture]:
        """The picture of a tile as arrays, with the scenes it was offered and the catalogue they come from."""
        snapshot = self._index.newest()
        plan = await self._reading.run(partial(self._plan, snapshot, request))
        given_up = Event()
        draw_it = partial(draw_tile, snapshot, plan, self._cogs, given_up)
        return snapshot, plan.scenes, await self._drawing.run(draw_it, given_up=given_up)

    async def draw_pixel(self, request: TileRequest, row: int, col: int) -> tuple[Snapshot, Plan, Picture, Values]:
        """One pixel of a tile as a picture, with the values of the topmost scene that shows in it."""
        snapshot = self._index.newest()
        plan = await self._reading.run(partial(self._plan, snapshot, request))
        given_up = Event()
        work = partial(draw_pixel, snapshot, plan, (row, col), self._cogs, given_up)
        picture, values = await self._drawing.run(work, given_up=given_up)
        return snapshot, plan, picture, values

    async def _answer(self, address: Address, read: Callable[[], TileRequest], known_tags: bytes, left: Left) -> Answer:
        snapshot = self._index.newest()
        plans = self._plans_of(snapshot)
        plan = plans.get(address)
        if plan is None or (self._pyramid and plan.generation not in {None, self._pyramid.generation()}):
            plan = plans[address] = await self._reading.run(partial(self._plan_cheapest, snapshot, read()))
        if plan.request.explain:
            return await self._explained(snapshot, plan)
        if known_tags and (plan.etag in known_tags or known_tags == b"*"):
            return self._finish("not_modified", 304, plan, _NOTHING)
        return await self._answer_with_body(snapshot, plan, left)

    def _plans_of(self, snapshot: Snapshot) -> dict[Address, Plan]:
        if snapshot is not self._snapshot or len(self._plans) >= _PLANS_KEPT:
            self._snapshot, self._plans = snapshot, {}
        return self._plans

    def _plan_cheapest(self, snapshot: Snapshot, request: TileRequest) -> Plan:
        """Plan a tile from a pyramid where there is one, else from its scenes."""
        named = without_interval(request, snapshot) if self._pyramid else request
        if self._pyramid is None or not self._pyramid.covers(named):
            return self._plan(snapshot, request)
        begun = perf_counter()
        generation = self._pyramid.generation()
        stored = self._pyramid.plan(snapshot, named)
        plan = stored if stored and not request.explain else self._plan(snapshot, request)
        if stored:
            plan.cells = stored.cells
        elif not plan.scenes.complete:
            self._pyramid.wish(snapshot, named)
        plan.generation = generation
        plan.seconds = perf_counter() - begun
        return plan

    def _plan(self, snapshot: Snapshot, request: TileRequest) -> Plan:
        begun = perf_counter()
        plan = plan_tile(
            snapshot, request, scenes_per_tile=self._scenes_per_tile, dated_max_age_s=self._dated_max_age_s
        )
        plan.seconds = perf_counter() - begun
        return plan

    async def _answer_with_body(self, snapshot: Snapshot, plan: Plan, left: Left) -> Answer:
        if not plan.scenes.scenes and not any(plan.cells or ()):
            return self._finish("empty", 204, plan, _NOTHING)
        stored = await self._stored(snapshot, plan) if plan.may_be_stored else None
        if stored:
            whole = plan.scenes.complete or plan.scenes.rest_beneath
            return self._finish("verbatim", 200, plan, Drawn(stored, whole))
        cached = self._tiles.get(plan.etag)
        if cached is not None:
            return self._finish_drawn("cached", plan, cached)
        drawn = await self._composed(snapshot, plan, left)
        if not drawn.unreadable:
            self._tiles.put(plan.etag, drawn)
        return self._finish_drawn("composed" if plan.cells is None else "pyramid", plan, drawn)

    async def _stored(self, snapshot: Snapshot, plan: Plan) -> bytes | None:
        """The tile as a file stores it; None where none does, or cannot be read now: other scenes may show here."""
        try:
            stored = await self._find_stored(snapshot, plan)
        except UnreadableAssetError:
            return None
        plan.may_be_stored = stored is not None
        return stored

    async def _find_stored(self, snapshot: Snapshot, plan: Plan) -> bytes | None:
        """The same, without a change of threads where no disk has to be waited for."""
        cog = self._cogs.held(plan.file) if plan.file else None
        if cog is not None:
            try:
                return stored_tile(cog, plan.request.tile, plan.request.format or "jpeg", at_once=True)
            except BlockingIOError:
                pass
        held = self._tiles.get(plan.etag)
        stored = held.body if held else await self._reading.run(partial(self._read_stored, snapshot, plan))
        if stored and isinstance(plan.file, RemoteFile):  # of others the system holds the blocks in memory
            self._tiles.put(plan.etag, Drawn(stored))
        return stored

    def _read_stored(self, snapshot: Snapshot, plan: Plan) -> bytes | None:
        plan.file = snapshot.raster(plan.scenes.scenes[0], plan.rendering.asset)
        if plan.file is None:
            return None
        return stored_tile(self._cogs.open(plan.file), plan.request.tile, plan.request.format or "jpeg")

    async def _composed(self, snapshot: Snapshot, plan: Plan, left: Left) -> Drawn:
        """The drawn tile. Callers of one tile share one drawing, which ends when all of them have left."""

        async def start(given_up: Event) -> Drawn:
            return await self._drawing.run(partial(self._compose, snapshot, plan, given_up), given_up=given_up)

        return await self._drawings.result(plan.etag, start, left)

    def _compose(self, snapshot: Snapshot, plan: Plan, given_up: Event) -> Drawn:
        if self._pyramid and plan.cells is not None:
            return Drawn(self._pyramid.tile(plan))
        return draw_and_encode(snapshot, plan, self._cogs, given_up)[1]

    async def _explained(self, snapshot: Snapshot, plan: Plan) -> Answer:
        """How the tile comes about; it is drawn even where an ordinary request would not have to."""
        given_up = Event()
        work = partial(draw_and_encode, snapshot, plan, self._cogs, given_up)
        picture, drawn = await self._drawing.run(work, given_up=given_up)
        stored = await self._stored(snapshot, plan) if plan.may_be_stored and plan.scenes.scenes else None
        lane = "pyramid" if plan.cells else "verbatim" if stored else "composed" if drawn.body else "empty"
        self.counts["explained"] += 1
        return explain(lane, plan, picture, drawn)

    def _finish_drawn(self, lane: str, plan: Plan, drawn: Drawn) -> Answer:
        return self._finish(lane, 200, plan, drawn) if drawn.body else self._finish("empty", 204, plan, drawn)

    def _finish(self, lane: str, status: int, plan: Plan, drawn: Drawn) -> Answer:
        self.counts[lane] += 1
        return respond(lane, status, plan, drawn, timed=lane in {"composed", "pyramid"})
