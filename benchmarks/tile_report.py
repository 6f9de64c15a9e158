"""The figures of the tile benchmark as tables, with the ratios and the targets they miss."""

from collections.abc import Iterator, Sequence

from benchmarks.tile_scenario import Match

MAX_BYTES_RATIO = 1.3
MAX_CROWDING = 1.15
"""CPU per composed tile with all clients, against one client."""

_COLUMNS = "{:14}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}{:>16}"


def report(matches: Sequence[Match], connections: int) -> str:
    """Medians of all rounds."""
    titles = (
        *("req/s T", "N", "CPU ms T", "N", "p50 ms T", "N", "KiB T", "N"),
        *("rate ×", "CPU ×", "bytes ×", "1→many CPU T, N"),
    )
    rows = [_COLUMNS.format("", *titles), *(_row(match, connections) for match in matches)]
    missed = [line for match in matches for line in _missed(match, connections)] or ["nothing"]
    return "\n".join(
        [
            f"T: TiTiler, N: imagery-node; medians with {connections} clients; the last column is CPU per tile with"
            f" {connections} clients against one",
            *rows,
            "",
            "below target: " + "\n              ".join(missed),
        ]
    )


def _row(match: Match, connections: int) -> str:
    measured = [
        (side.rate(connections), side.cpu_ms(connections), side.p50_ms(connections), side.tile_bytes / 1024)
        for side in (match.peer, match.node)
    ]
    pairs = [
        f"{value:.3g}" if value < 1000 else f"{value:.0f}" for pair in zip(*measured, strict=True) for value in pair
    ]
    rate, cpu = _ratios(match, connections)
    crowding = [f"{side.cpu_ms(connections) / side.cpu_ms(1):.2f}" for side in (match.peer, match.node)]
    bytes_ratio = match.node.tile_bytes / match.peer.tile_bytes
    name = match.scenario.name
    return _COLUMNS.format(name, *pairs, f"{rate:.1f}", f"{cpu:.1f}", f"{bytes_ratio:.2f}", ", ".join(crowding))


def _ratios(match: Match, connections: int) -> tuple[float, float]:
    """Times the peer's requests per second, and times less CPU."""
    node, peer = match.node, match.peer
    return node.rate(connections) / peer.rate(connections), peer.cpu_ms(connections) / node.cpu_ms(connections)


def _missed(match: Match, connections: int) -> Iterator[str]:
    scenario = match.scenario
    rate, cpu = _ratios(match, connections)
    if scenario.rate_target is not None and rate < scenario.rate_target:
        yield f"{scenario.name}: {rate:.1f}× the rate, target {scenario.rate_target:g}×"
    if cpu < scenario.cpu_target:
        yield f"{scenario.name}: {cpu:.1f}× less CPU, target {scenario.cpu_target:g}×"
    bytes_ratio = match.node.tile_bytes / match.peer.tile_bytes
    if bytes_ratio > MAX_BYTES_RATIO:
        yield f"{scenario.name}: {bytes_ratio:.2f}× the bytes, target ≤ {MAX_BYTES_RATIO:g}×"
    crowding = match.node.cpu_ms(connections) / match.node.cpu_ms(1)
    if scenario.lane == "composed" and crowding > MAX_CROWDING:
        yield f"{scenario.name}: {crowding:.2f}× the CPU with {connections} clients, target ≤ {MAX_CROWDING:g}×"
