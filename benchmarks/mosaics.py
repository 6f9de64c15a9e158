"""Mosaic tiles beside titiler-pgstac: the same scenes, the same tiles, two worker processes each.

    python -m benchmarks.mosaics [--rounds 3] [--seconds 4] [--connections 8] [--folder FOLDER]

24 overlapping scenes of 6 places × 4 dates, 8-bit in UTM as an agency's own product would be, and 256 scenes over a
degree; every tile asks for all dates, newest on top. Needs PostgreSQL and PostGIS as `search.py` does, and installs the
peer into an environment of its own in `--folder`. Each answer is compared with rio-tiler's mosaic of all scenes before
anything is timed; one of ours that is wrong ends the program with exit code 1, those of the peer are told.

  blocks cached  z10–z16 without our cache of drawn tiles: only headers and decoded blocks are held
  tile cache     the same tiles with it, asked for once before
  not modified   the same with If-None-Match
  low zoom       z4–z9, where a tile touches many scenes; one tile after another, each drawn once before

CPU is that of the servers' process trees, the peer's database included, per request.
"""

import argparse
import io
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import morecantile
import numpy as np
import orjson
from morecantile import Tile
from PIL import Image
from shapely import unary_union
from shapely.geometry import box, shape

from benchmarks.load import Target, run_load
from benchmarks.mosaic_data import NATIVE, WIDE, MosaicPlan, collection_document, draw_reference, mosaic_items
from benchmarks.peer_environment import TITILER_ENVIRONMENT, peer_python
from benchmarks.pgstac_peer import Cluster, PgstacPeer
from benchmarks.picture import compare
from benchmarks.server import ROOT, Answer, Server, ask

WORKERS = 2

FOLDER = ROOT / "benchmarks" / "data" / "mosaics"
_PORT = 15437
_ZOOMS, _LOW_ZOOMS = range(10, 17), range(4, 10)
_TILES_PER_ZOOM, _LOW_TILES_PER_ZOOM = 25, 10
_CHECKED = 40
_LEAST_COVERED = 0.3
_SLOW_S = 20.0
"""So long the peer is asked for low zooms each round."""
_GRID = morecantile.tms.get("WebMercatorQuad")


class Figures(NamedTuple):
    """Of one run."""

    rate: float
    cpu_ms: float
    p50_ms: float


@dataclass
class Side:
    """One server and what it is asked for in one scenario."""

    server: Server
    cpu_s: Callable[[], float]
    targets: list[Target]
    slow: bool = False
    """Ask one tile after another, for a limited time."""

    def measure(self, connections: int, seconds: float) -> Figures:
        """One run."""
        before_s, started = self.cpu_s(), time.perf_counter()
        if self.slow:
            times_ms = []
            for target in self.targets:
                begun = time.perf_counter()
                ask(self.server, target.path)
                times_ms.append(1000 * (time.perf_counter() - begun))
                if time.perf_counter() - started > _SLOW_S and len(times_ms) >= 5:
                    break
            spent_s = time.perf_counter() - started
            return Figures(
                len(times_ms) / spent_s, 1000 * (self.cpu_s() - before_s) / len(times_ms), statistics.median(times_ms)
            )
        load = run_load(self.server.url, self.targets, connections=connections, seconds=seconds)
        if load.failures:
            sys.exit(f"{self.server.name}: {load.failures} requests failed")
        # Each client leaves one request behind that is worked on but not counted.
        cpu_ms = 1000 * (self.cpu_s() - before_s) / (load.requests + connections)
        return Figures(load.requests / load.seconds, cpu_ms, load.p50_ms)


class Row(NamedTuple):
    """One line of the report."""

    name: str
    cpu_target: float
    peer: Side
    node: Side


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run of load")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python = peer_python(folder / "environment", Path(__file__).with_name("pgstac_peers.txt"))
    plans = {plan.collection: plan for plan in (NATIVE, WIDE)}
    items = {name: mosaic_items(plan, folder) for name, plan in plans.items()}
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(folder / "postgres", _PORT))
        peer = PgstacPeer(python, cluster, "mosaics")
        peer.create(list_in_node(folder, plans.values()))
        for name in plans:
            peer.load(folder / f"{name}.ndjson")
        theirs = stack.enter_context(
            peer.tile_server(workers=str(WORKERS), log=folder / "peer.log", **TITILER_ENVIRONMENT)
        )
        drawing, caching = (
            stack.enter_context(node(folder, name, tile_cache_mib=mib))
            for name, mib in (("drawing", 0), ("caching", 256))
        )
        rows = _prepare(items, plans, theirs, lambda: theirs.settled_cpu_s() + cluster.cpu_s(), drawing, caching)
        print(_measure(rows, options.rounds, options.seconds, options.connections))


def list_in_node(folder: Path, plans: Iterable[MosaicPlan]) -> Path:
    """List the items in our catalogue; returns the file of the collections."""
    collections = folder / "collections.ndjson"
    collections.write_bytes(b"".join(orjson.dumps(collection_document(plan)) + b"\n" for plan in plans))
    for listing in [collections, *(folder / f"{plan.collection}.ndjson" for plan in plans)]:
        command = [sys.executable, "-m", "imagery_node.cli", "catalog", "load", listing, "--home", folder / "home"]
        environment = {**os.environ, "CATALOG_ASSET_ROOTS": str(folder)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return collections


def node(folder: Path, name: str, *, tile_cache_mib: int, workers: int = WORKERS) -> Server:
    """Our server over the scenes of a folder."""
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--home", str(folder / "home"), "--port", "{port}"]
    environment = {"CATALOG_ASSET_ROOTS": str(folder), "IMAGERY_NODE_TILE_CACHE_MIB": str(tile_cache_mib)}
    return Server(name, [*command, "--workers", str(workers)], log=folder / f"{name}.log", environment=environment)


def _prepare(
    items: dict[str, list[dict[str, Any]]],
    plans: dict[str, MosaicPlan],
    theirs: Server,
    their_cpu_s: Callable[[], float],
    drawing: Server,
    caching: Server,
) -> list[Row]:
    """Ask for every tile once, compare, and list what will be timed."""

    def their_path(plan: MosaicPlan, tile: Tile) -> str:
        place = f"/collections/{plan.collection}/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.webp"
        return f"{place}?tilesize=256&assets=visual&datetime={plan.interval}"

    def our_path(plan: MosaicPlan, tile: Tile) -> str:
        place = f"/raster/layers/{plan.collection}/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.webp"
        return f"{place}?datetime={plan.interval}"

    rows = []
    for plan, zooms, per_zoom in (
        (NATIVE, _ZOOMS, _TILES_PER_ZOOM),
        (NATIVE, _LOW_ZOOMS, _LOW_TILES_PER_ZOOM),
        (WIDE, _LOW_ZOOMS, _LOW_TILES_PER_ZOOM),
    ):
        held = items[plan.collection]
        tiles = tiles_over(held, zooms, per_zoom)
        ours = [our_path(plan, tile) for tile in tiles]
        slow = zooms is _LOW_ZOOMS
        name = f"{'low zoom' if slow else 'mosaic'}, {len(held)} scenes"
        answers = {server: [ask(server, path) for path in ours] for server in (drawing, caching)}
        for server, found in answers.items():
            if problems := _problems(held, tiles, found):
                sys.exit(f"{name} by {server.name}:\n" + "\n".join(problems))
        their_targets = [Target(their_path(plan, tile)) for tile in tiles]
        problems = _problems(held, tiles, [ask(theirs, target.path) for target in their_targets])
        print(f"{name}: {len(tiles)} tiles, ours are right, {len(problems)} of the peer's are not", file=sys.stderr)
        peer = Side(theirs, their_cpu_s, their_targets, slow)
        targets = [Target(path) for path in ours]
        if slow:
            rows.append(Row(name, 80 if plan is NATIVE else 200, peer, Side(caching, caching.settled_cpu_s, targets)))
            continue
        tags = [Target(path, answer.headers["ETag"]) for path, answer in zip(ours, answers[caching], strict=True)]
        if any(ask(caching, *target).status != 304 for target in tags):
            sys.exit("not every tile is answered 304")
        rows += [
            Row("blocks cached", 15, peer, Side(drawing, drawing.settled_cpu_s, targets)),
            Row("tile cache warm", 150, peer, Side(caching, caching.settled_cpu_s, targets)),
            Row("not modified", 300, peer, Side(caching, caching.settled_cpu_s, tags)),
        ]
    return rows


def tiles_over(items: Sequence[dict[str, Any]], zooms: range, per_zoom: int) -> list[Tile]:
    """Tiles over the scenes in a fixed, mixed order; at native zooms those that are covered well."""
    ground = unary_union([shape(item["geometry"]) for item in items])
    tiles = []
    for zoom in zooms:
        found = []
        for tile in _GRID.tiles(*ground.bounds, (zoom,)):
            bounds = box(*_GRID.bounds(tile))
            share = bounds.intersection(ground).area / bounds.area
            if share > _LEAST_COVERED or (share > 0 and zooms is _LOW_ZOOMS):
                found.append(tile)
        tiles += random.Random(zoom).sample(found, min(len(found), per_zoom))  # noqa: S311 - the same each time
    random.Random(0).shuffle(tiles)  # noqa: S311 - as above
    return tiles


def _problems(items: list[dict[str, Any]], tiles: Sequence[Tile], answers: Sequence[Answer]) -> list[str]:
    """What is wrong with some of the answers."""
    found = []
    step = max(1, len(tiles) // _CHECKED)
    for tile, answer in list(zip(tiles, answers, strict=True))[::step]:
        bounds = box(*_GRID.bounds(tile))
        near = [item for item in items if shape(item["geometry"]).intersects(bounds)]
        reference = draw_reference(near, (tile.x, tile.y, tile.z))
        where = f"tile {tile.z}/{tile.x}/{tile.y}"
        if answer.status != 200:
            if reference is not None and _shown(reference) > 0:
                found.append(f"{where} is answered {answer.status}")
        elif reference is not None and (problem := compare(answer.body, reference).problem):
            found.append(f"{where}: {problem}")
    return found


def _shown(body: bytes) -> int:
    return int((np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))[..., 3] > 0).sum())


def _measure(rows: list[Row], rounds: int, seconds: float, connections: int) -> str:
    """Time everything in turn; medians of the rounds as a table."""
    many: dict[tuple[str, str], list[Figures]] = {}
    alone: dict[tuple[str, str], list[Figures]] = {}
    for number in range(rounds):
        print(f"round {number + 1}, load average {os.getloadavg()[0]:.1f}", file=sys.stderr)
        timed = set()
        for row in rows:
            for kind, side in (("P", row.peer), ("N", row.node)):
                key = (row.name, kind)
                if kind == "P" and id(side) in timed:
                    continue  # the same tiles of the peer stand beside several of ours
                timed.add(id(side))
                many.setdefault(key, []).append(side.measure(connections, seconds))
                if not side.slow:
                    alone.setdefault(key, []).append(side.measure(1, seconds))
    line = "{:24}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}{:>8}{:>12}".format
    told = [
        f"P: titiler-pgstac, N: imagery-node; medians, {connections} clients, low zooms by one",
        line("", "req/s P", "N", "CPU ms P", "N", "p50 ms P", "N", "rate ×", "CPU ×", "target", "N 1→many"),
    ]
    last = many[(rows[0].name, "P")]
    for row in rows:
        last = many.get((row.name, "P"), last)
        peer, node = _median(last), _median(many[row.name, "N"])
        one = _median(alone[row.name, "N"])
        figures = (peer.rate, node.rate, peer.cpu_ms, node.cpu_ms, peer.p50_ms, one.p50_ms)
        told.append(
            line(
                row.name,
                *(f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in figures),
                f"{node.rate / peer.rate:.0f}",
                f"{peer.cpu_ms / node.cpu_ms:.0f}",
                f"{row.cpu_target:g}",
                f"{node.cpu_ms / one.cpu_ms:.2f}",
            )
        )
    return "\n".join([*told, "p50 N is that of one client alone"])


def _median(runs: list[Figures]) -> Figures:
    return Figures(*(statistics.median(values) for values in zip(*runs, strict=True)))


if __name__ == "__main__":
    main()
