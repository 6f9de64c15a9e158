"""The catalogue in SQLite beside stac-fastapi-pgstac: the same Items, the same questions, two worker processes each.

    python -m benchmarks.search [10000 100000 1000000] [--rounds 3] [--questions 40] [--loaded] [--folder FOLDER]

Needs PostgreSQL 15 or newer with PostGIS (sudo apt-get install postgresql-15 postgresql-15-postgis-3). Makes an archive
of each size (`items.py`), an environment for the peer and a database cluster of its own, all in `--folder`: some 12 GB
and an hour for the three sizes. `--loaded` asks what an earlier run has loaded. As root the cluster runs as the user
`postgres`, who must be able to enter the folder.

Loading comes first: `imagery-node catalog load`, which checks every Item, beside `pypgstac load items`, which does not.
pgstac is told the types of the queryables and has an index on the cloud cover. Then both answer over HTTP: some answers
are compared with a plain scan of the Items, and one that differs ends the program with exit code 1. Latencies are those
of one client that asks alone; CPU is that of the server's processes and of PostgreSQL's, per request. On a machine with
other work CPU is the steadier figure.

  growth        the median of the first question at the largest size against that at the smallest
  paging        the last 20 of 500 pages along the links `next` against the first 20
  footprints    in this process: what a map tile asks for, the footprints of one quarter under it; twice, for the system
                may have given back the memory that held the index
  free text     of our node alone: names of satellites, sensors and pieces of titles
"""

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import morecantile
import numpy as np
import orjson

from benchmarks import stopwatch
from benchmarks.items import DAYS, EAST, FIRST_DAY, HREF_ROOT, NORTH, SOUTH, WEST, collections, write_archive
from benchmarks.peer_environment import peer_python
from benchmarks.pgstac_peer import Cluster, PgstacPeer
from benchmarks.search_scenario import Archive, Client, Question, Scenario, check, page_times, scenarios
from benchmarks.server import ROOT, Server
from catalog.store import open_store

WORKERS = "2"

_FOLDER = ROOT / "benchmarks" / "data" / "search"
_PORT = 15438
_PAGES = 500
_CHECKED = 8
_TILES = 3000
_ZOOMS = range(9, 15)
_TEXTS = ("高分二号", "GF6", "gaofen-1 pms1", "资源三号", "wfv", "L1A0001004711", "E116.4_N39.9", "20200605")


@dataclass
class Side:
    """One of the two, and what was measured of it."""

    server: Server
    cpu_s: Callable[[], float]
    client: Client = field(init=False)
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    spent_ms: dict[str, list[float]] = field(default_factory=dict)
    """CPU time per request of each round."""

    def __post_init__(self) -> None:
        self.client = Client(self.server.url + ("/stac" if self.server.name == "imagery-node" else ""))

    def measure(self, name: str, questions: Sequence[Question]) -> None:
        """Ask all questions in turn."""
        before_s = self.cpu_s()
        self.client.wake("/conformance")
        self.times_ms.setdefault(name, []).extend(self.client.get(question.path)[1] for question in questions)
        self.spent_ms.setdefault(name, []).append(1000 * (self.cpu_s() - before_s) / len(questions))

    def figures(self, name: str) -> tuple[float, float, float]:
        """p50 and p95 of the latency and the CPU time per request, in milliseconds."""
        p50, p95 = np.percentile(self.times_ms[name], (50, 95))
        return float(p50), float(p95), statistics.median(self.spent_ms[name])


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--loaded", action="store_true", help="ask what an earlier run has loaded")
    parser.add_argument("--folder", type=Path, default=_FOLDER)
    options = parser.parse_args()
    os.environ["CATALOG_REMOTE_STORES"] = HREF_ROOT
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python = peer_python(folder / "environment", Path(__file__).with_name("pgstac_peers.txt"))
    medians = []
    with Cluster(folder / "postgres", _PORT) as cluster:
        for size in sorted(options.sizes):
            peer = PgstacPeer(python, cluster, f"items_{size}")
            if not options.loaded:
                _load(folder, size, peer, cluster)
            medians.append(_ask(folder, size, peer, cluster, options.rounds, options.questions))
    grown = f"{min(options.sizes):,} to {max(options.sizes):,}: {medians[-1] / medians[0]:.2f}×"
    print(f"\ngrowth from {grown}, target ≤ 2.5×")


def _load(folder: Path, size: int, peer: PgstacPeer, cluster: Cluster) -> None:
    archive, described, items, home = (
        folder / f"{name}_{size}" for name in ("archive", "collections", "items", "home")
    )
    print(f"writing {size:,} items, load average {os.getloadavg()[0]:.1f}", file=sys.stderr)
    write_archive(archive, size)
    described.write_bytes(b"".join(orjson.dumps(document) + b"\n" for document in collections()))
    with archive.open("rb") as source, items.open("wb") as target:  # pypgstac takes them from a file of their own
        source.seek(described.stat().st_size)
        shutil.copyfileobj(source, target)
    peer.create(described)
    before_s, started = cluster.cpu_s(), stopwatch.started_now()
    children_s = os.times().children_user + os.times().children_system
    peer.load(items)
    theirs = stopwatch.spent(started)["wall_s"]
    their_cpu_s = cluster.cpu_s() - before_s + os.times().children_user + os.times().children_system - children_s
    peer.index(folder)
    shutil.rmtree(home, ignore_errors=True)
    ours = stopwatch.run([sys.executable, "-m", "imagery_node.cli", "catalog", "load", archive, "--home", home])
    items.unlink()
    rates = f"{size / ours['wall_s']:,.0f}/s, pypgstac {size / theirs:,.0f}/s: {theirs / ours['wall_s']:.1f}×"
    spent = f"{ours['cpu_s'] / size * 1e6:.0f} and {their_cpu_s / size * 1e6:.0f} µs an item"
    print(f"\n{size:,} items loaded, every one checked by us: {rates}, target 2.5×; CPU {spent};", end=" ")
    print(f"{ours['peak_mib']:.0f} MiB at most in one of our processes")


def _ask(folder: Path, size: int, peer: PgstacPeer, cluster: Cluster, rounds: int, count: int) -> float:
    """Measure everything at one size; returns our median latency of the first kind of question."""
    archive = Archive(folder / f"archive_{size}")
    asked = scenarios(archive, count)
    home = folder / f"home_{size}"
    with ExitStack() as stack:
        their_server = stack.enter_context(peer.server(workers=WORKERS, log=folder / "pgstac.log"))
        node = stack.enter_context(_node(home, folder / "node.log"))
        theirs = Side(their_server, lambda: their_server.settled_cpu_s() + cluster.cpu_s())
        ours = Side(node, node.settled_cpu_s)
        for scenario in asked:
            for side in (theirs, ours):
                check(side.client, scenario, archive, count=_CHECKED)
        for number in range(rounds):
            print(f"round {number + 1}, load average {os.getloadavg()[0]:.1f}", file=sys.stderr)
            for scenario in asked:
                for side in (theirs, ours):
                    side.measure(scenario.name, scenario.questions)
            ours.measure("free text", [Question(f"/search?limit=100&q={quote(text)}") for text in _TEXTS])
        _report(size, asked, theirs, ours)
        for side in (theirs, ours):
            _report_paging(side, archive, rounds)
    _report_footprints(home)
    return ours.figures(asked[0].name)[0]


def _node(home: Path, log: Path) -> Server:
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--home", str(home), "--port", "{port}"]
    environment = {"IMAGERY_NODE_PYRAMID": "off"}  # the files of these Items are nowhere
    return Server("imagery-node", [*command, "--workers", WORKERS], log=log, environment=environment)


def _report(size: int, asked: Sequence[Scenario], theirs: Side, ours: Side) -> None:
    row = "{:28}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}{:>10}{:>10}{:>9}".format
    print(f"\n{size:,} items; P: stac-fastapi-pgstac, N: imagery-node; milliseconds, one client")
    print(row("", "p50 P", "N", "p95 P", "N", "p50 ×", "target", "CPU P", "N", "CPU ×"))
    for scenario in asked:
        (p50, p95, cpu), (our_p50, our_p95, our_cpu) = theirs.figures(scenario.name), ours.figures(scenario.name)
        latencies = [f"{value:.3g}" for value in (p50, our_p50, p95, our_p95)]
        spent = [f"{cpu:.3g}", f"{our_cpu:.3g}", f"{cpu / our_cpu:.1f}"]
        print(row(scenario.name, *latencies, f"{p50 / our_p50:.1f}", f"{scenario.target:g}", *spent))
    _, p95, cpu = ours.figures("free text")
    print(f"free text: p95 {p95:.1f} ms, target ≤ 100 ms; CPU {cpu:.1f} ms")


def _report_paging(side: Side, archive: Archive, rounds: int) -> None:
    walks, (limit, *_) = zip(*(page_times(side.client, archive, _PAGES) for _ in range(rounds)), strict=True)
    times_ms = np.min(walks, axis=0).tolist()  # other work on the machine only ever adds
    first, last = statistics.median(times_ms[:20]), statistics.median(times_ms[-20:])
    told = f"first {first:.3g} ms, last {last:.3g} ms, {last / first:.2f}×, target ≤ 1.15×"
    print(f"{len(times_ms)} pages of {limit} by {side.server.name}: {told}")


def _report_footprints(home: Path) -> None:
    store = open_store(home, read_only=True)
    for name in ("for the first time", "again"):
        random, grid, times_ms, found = np.random.default_rng(5), morecantile.tms.get("WebMercatorQuad"), [], 0
        for _ in range(_TILES):
            zoom = int(random.choice(_ZOOMS))
            bbox = grid.bounds(grid.tile(random.uniform(WEST, EAST), random.uniform(SOUTH, NORTH), zoom))
            start = FIRST_DAY + timedelta(days=int(random.integers(DAYS - 91)))
            started = time.perf_counter()
            found += len(store.footprints(None, tuple(bbox), (start, start + timedelta(days=91))))
            times_ms.append(1000 * (time.perf_counter() - started))
        p50, p99 = np.percentile(times_ms, (50, 99))
        told = f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, target ≤ 1 ms; {found / _TILES:.1f} scenes on average"
        print(f"footprints of {_TILES} tiles in a quarter, {name}: {told}")
    store.close()


if __name__ == "__main__":
    main()
