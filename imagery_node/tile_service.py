"""TileService: a tile request → scenes → validator → the cheapest way to the bytes.

Three ways are tried in order: nothing (the client has the tile), verbatim (a stored block is the tile), compose (draw
it from decoded blocks). The event loop only does what needs no disk: a plan it remembers, a block that the system holds
in memory. Plans are made and blocks first read in the reading threads, tiles are drawn in the drawing threads.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import NamedTuple

from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.encoding import MEDIA_TYPES, Format, choose_format, encode
from imagery_node.errors import NotFoundError, SupersededError
from imagery_node.grid import TILE_SIDE
from imagery_node.mosaic import Picture, draw
from imagery_node.rendering import Rendering
from imagery_node.renders import complete
from imagery_node.scene_index import Scene, SceneIndex, SceneList, Snapshot
from imagery_node.source_file import Location, RemoteFile
from imagery_node.tile_cache import TileCache
from imagery_node.tile_request import TileRequest
from imagery_node.verbatim import stored_tile
from imagery_node.worker_pool import WorkerPool

ENGINE_VERSION = "1"
"""Part of every ETag: raise it when the same scenes come to give other pixels."""

Address = tuple[str, bytes]
"""Path and query string as the client wrote them."""

Header = tuple[bytes, bytes]

_PLANS_KEPT = 20_000


@dataclass(slots=True)
class Plan:
    """What a tile will show, known before any pixel is read."""

    request: TileRequest
    rendering: Rendering
    """The one asked for, completed."""
    scenes: SceneList
    etag: bytes
    headers: tuple[Header, ...]
    may_be_stored: bool
    """False once no stored block was found to be this tile."""
    file: Location | None = None
    """Where the stored block may be; None until someone looked."""


class Answer(NamedTuple):
    """One answer over HTTP."""

    status: int
    headers: list[Header]
    body: bytes = b""


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
    ) -> None:
        self.counts: Counter[str] = Counter()
        """Answers by how they came about: not_modified, verbatim, cached, composed, empty."""
        self._index = index
        self._cogs = cogs
        self._drawing = drawing
        self._reading = reading
        self._tiles = tile_cache
        self._scenes_per_tile = scenes_per_tile
        self._dated_cache_control = _cache_control(dated_max_age_s)
        self._drawings: dict[bytes, asyncio.Task[bytes]] = {}
        self._snapshot: Snapshot | None = None
        self._plans: dict[Address, Plan] = {}

    async def answer(self, address: Address, read: Callable[[], TileRequest], known_tags: bytes) -> Answer:
        """Answer one request.

        Args:
            address: Under which the plan is remembered.
            read: Reads the address when it was not seen before.
            known_tags: The If-None-Match header, or nothing.
        """
        try:
            return await self._answer(address, read, known_tags)
        except SupersededError:  # the catalogue has become another meanwhile
            return await self._answer(address, read, known_tags)

    async def draw(self, request: TileRequest) -> tuple[Snapshot, SceneList, Picture]:
        """The picture of a tile as arrays, with the scenes it was offered and the catalogue they come from."""
        snapshot = self._index.newest()
        plan = await self._reading.run(partial(self._plan, snapshot, request))
        given_up = Event()
        draw_it = partial(self._draw, snapshot, plan, given_up)
        return snapshot, plan.scenes, await self._drawing.run(draw_it, given_up=given_up)

    async def _answer(self, address: Address, read: Callable[[], TileRequest], known_tags: bytes) -> Answer:
        snapshot = self._index.newest()
        plans = self._plans_of(snapshot)
        plan = plans.get(address)
        if plan is None:
            plan = plans[address] = await self._reading.run(partial(self._plan, snapshot, read()))
        if known_tags and (plan.etag in known_tags or known_tags == b"*"):
            return self._finish("not_modified", 304, plan)
        return await self._answer_with_body(snapshot, plan)

    def _plans_of(self, snapshot: Snapshot) -> dict[Address, Plan]:
        if snapshot is not self._snapshot or len(self._plans) >= _PLANS_KEPT:
            self._snapshot, self._plans = snapshot, {}
        return self._plans

    def _plan(self, snapshot: Snapshot, request: TileRequest) -> Plan:
        collections = request.item[:1] if request.item else snapshot.layer(request.layer_id or "").collections
        rendering = complete(request.rendering, snapshot, collections)
        scenes = self._scenes(snapshot, request, rendering)
        etag = _etag(request, rendering, scenes)
        dated = request.when.interval is not None
        headers = [(b"etag", etag), (b"cache-control", self._dated_cache_control if dated else b"public, no-cache")]
        if scenes.shown_date:
            headers.append((b"imagery-date", scenes.shown_date.isoformat().encode()))
        if not scenes.complete:
            headers.append((b"imagery-complete", b"false"))
        may_be_stored = bool(scenes.scenes) and request.scale == 1 and request.format != "png"
        return Plan(request, rendering, scenes, etag, tuple(headers), may_be_stored and _is_plain(rendering))

    def _scenes(self, snapshot: Snapshot, request: TileRequest, rendering: Rendering) -> SceneList:
        if request.item:
            scene = snapshot.scene(*request.item, request.when)
            if snapshot.raster(scene, rendering.asset) is None:
                raise NotFoundError(f"item {scene.item_id} has no asset {rendering.asset!r}")
            return SceneList((scene,), request.when.nearest_date([scene.acquired]), complete=True)
        layer = snapshot.layer(request.layer_id or "")
        bbox = request.grid.bbox(request.tile)
        return snapshot.scenes(layer, bbox, request.when, at_most=self._scenes_per_tile)

    async def _answer_with_body(self, snapshot: Snapshot, plan: Plan) -> Answer:
        if not plan.scenes.scenes:
            return self._finish("empty", 204, plan)
        if plan.may_be_stored:
            stored = await self._stored(snapshot, plan)
            if stored:
                return self._finish("verbatim", 200, plan, stored)
            plan.may_be_stored = False
        cached = self._tiles.get(plan.etag)
        if cached is not None:
            return self._finish("cached", 200, plan, cached) if cached else self._finish("empty", 204, plan)
        body = await self._composed(snapshot, plan)
        self._tiles.put(plan.etag, body)
        return self._finish("composed", 200, plan, body) if body else self._finish("empty", 204, plan)

    async def _stored(self, snapshot: Snapshot, plan: Plan) -> bytes | None:
        """The tile as a file stores it, without a change of threads where no disk has to be waited for."""
        cog = self._cogs.held(plan.file) if plan.file else None
        if cog is not None:
            try:
                return stored_tile(cog, plan.request.tile, plan.request.format or "jpeg", at_once=True)
            except BlockingIOError:
                pass
        stored = self._tiles.get(plan.etag) or await self._reading.run(partial(self._read_stored, snapshot, plan))
        if stored and isinstance(plan.file, RemoteFile):  # of others the system holds the blocks in memory
            self._tiles.put(plan.etag, stored)
        return stored

    def _read_stored(self, snapshot: Snapshot, plan: Plan) -> bytes | None:
        plan.file = snapshot.raster(plan.scenes.scenes[0], plan.rendering.asset)
        if plan.file is None:
            return None
        return stored_tile(self._cogs.open(plan.file), plan.request.tile, plan.request.format or "jpeg")

    async def _composed(self, snapshot: Snapshot, plan: Plan) -> bytes:
        """The drawn tile; nothing when no scene has a valid pixel here. Callers of one tile share one drawing."""
        task = self._drawings.get(plan.etag)
        if task is None:
            given_up = Event()
            work = partial(self._compose, snapshot, plan, given_up)
            task = asyncio.create_task(self._drawing.run(work, given_up=given_up))
            self._drawings[plan.etag] = task
            task.add_done_callback(lambda _: self._drawings.pop(plan.etag))
        return await asyncio.shield(task)

    def _compose(self, snapshot: Snapshot, plan: Plan, given_up: Event) -> bytes:
        picture = self._draw(snapshot, plan, given_up)
        if not picture.valid.any():
            return b""
        return encode(picture, plan.request.format or choose_format(picture))

    def _draw(self, snapshot: Snapshot, plan: Plan, given_up: Event) -> Picture:
        request = plan.request
        sources = [partial(self._open, snapshot, scene, plan.rendering.asset) for scene in plan.scenes.scenes]
        side = TILE_SIDE * request.scale
        return draw(sources, request.grid.bounds(request.tile), (side, side), plan.rendering, self._cogs, given_up)

    def _open(self, snapshot: Snapshot, scene: Scene, asset: str) -> Cog | None:
        file = snapshot.raster(scene, asset)
        return self._cogs.open(file) if file else None

    def _finish(self, lane: str, status: int, plan: Plan, body: bytes = b"") -> Answer:
        self.counts[lane] += 1
        headers = [*plan.headers, (b"server-timing", lane.encode())]
        if body:
            media_type = MEDIA_TYPES[plan.request.format or _format_of(body)]
            headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        return Answer(status, headers, body)


def _etag(request: TileRequest, rendering: Rendering, scenes: SceneList) -> bytes:
    """Changes exactly when the bytes may: the interval asked for is not in it, only the scenes it selects."""
    versions = [(scene.collection, scene.item_id, scene.version) for scene in scenes.scenes]
    told = (ENGINE_VERSION, request.grid.name, request.tile, request.scale, request.format, rendering, versions)
    return b'"%s"' % hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest().encode()


def _cache_control(max_age_s: int) -> bytes:
    return f"public, max-age={max_age_s}, must-revalidate".encode() if max_age_s else b"public, no-cache"


def _is_plain(rendering: Rendering) -> bool:
    return rendering == Rendering(asset=rendering.asset)


def _format_of(body: bytes) -> Format:
    return "png" if body.startswith(b"\x89PNG") else "jpeg"
