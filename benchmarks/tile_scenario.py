"""The kinds of tile that are timed, what is expected of them, and what was measured."""

import statistics
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from benchmarks.load import Load, Target, run_load
from benchmarks.server import Server
from benchmarks.tile_data import STRETCH

Lane = Literal["verbatim", "composed", "not_modified"]
"""How the node's Server-Timing header says that an answer came about."""


@dataclass(frozen=True)
class Scenario:
    """One kind of tile."""

    name: str
    asset: str
    extension: str
    lane: Lane
    cpu_target: float
    """Times less CPU than the peer."""
    rate_target: float | None = None
    """Times the peer's requests per second."""
    query: str = ""


_RGB = f"&bidx=3&bidx=2&bidx=1&rescale={STRETCH[0]},{STRETCH[1]}"
_NDVI = "&expression=(b4-b3)%2F(b4%2Bb3)&rescale=-1,1&colormap_name=rdylgn"

NOT_MODIFIED = Scenario("not modified", "visual", "webp", "not_modified", 50, 50)
PUBLISHED = (
    Scenario("verbatim jpg", "visual", "jpg", "verbatim", 40, 40),
    Scenario("rgb jpg", "sharp", "jpg", "composed", 6, query=_RGB),
    Scenario("ndvi png", "sharp", "png", "composed", 6, query=_NDVI),
)
"""Of the published scene."""
LISTED = (
    Scenario("visual jpg", "visual", "jpg", "composed", 6),
    Scenario("visual webp", "visual", "webp", "composed", 5),
    Scenario("visual png", "visual", "png", "composed", 4),
    NOT_MODIFIED,
)
"""Of the listed scene."""


class Run(NamedTuple):
    """One run of load against one server."""

    load: Load
    cpu_ms: float
    """Per request."""


@dataclass
class Side:
    """One server in one scenario."""

    server: Server
    targets: list[Target]
    tile_bytes: float
    """Mean size of a tile."""
    _runs: dict[int, list[Run]] = field(default_factory=dict)
    """By number of connections."""

    def measure(self, *, connections: int, seconds: float) -> None:
        """Add one run."""
        before_s = self.server.settled_cpu_s()
        load = run_load(self.server.url, self.targets, connections=connections, seconds=seconds)
        used_s = self.server.settled_cpu_s() - before_s
        # Each client leaves one request behind that is worked on but not counted.
        run = Run(load, 1000 * used_s / (load.requests + connections))
        self._runs.setdefault(connections, []).append(run)

    def rate(self, connections: int) -> float:
        """Median requests per second."""
        return statistics.median(run.load.requests / run.load.seconds for run in self._runs[connections])

    def cpu_ms(self, connections: int) -> float:
        """Median CPU time per request."""
        return statistics.median(run.cpu_ms for run in self._runs[connections])

    def p50_ms(self, connections: int) -> float:
        """Median of the median latencies."""
        return statistics.median(run.load.p50_ms for run in self._runs[connections])

    def failures(self) -> int:
        """Failed requests of all runs."""
        return sum(run.load.failures for runs in self._runs.values() for run in runs)


@dataclass(frozen=True)
class Match:
    """Both servers in one scenario."""

    scenario: Scenario
    node: Side
    peer: Side
