"""Does the node hold up? Memory and descriptors over many mixed requests, and what overload does to it.

    python -m benchmarks.soak [--requests 50000] [--folder FOLDER]

Uses the scenes of `mosaics.py`. One worker process, so that its memory is one number.

  soak      tiles of layers and items in all formats, zooms and dates, dates and points of places, searches; every fifth
            client leaves before its answer. Memory is fitted after the first third (target ≤ 2 MB per 10,000 requests,
            P12); descriptors must be back at what they were (P13).
  overload  tiles of 512 pixels that are drawn anew each time, arriving at a constant rate: first the rate that can
            just be answered, then 3 times as many (P25: at least 80 % of the best goodput, refusals within 50 ms).
"""

import argparse
import asyncio
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.mosaic_data import NATIVE, mosaic_items
from benchmarks.mosaics import FOLDER, list_in_node, node, tiles_over
from benchmarks.server import Server

_CLIENTS = 8
_LEAVING = 5
"""Every so many-th client leaves early."""
_LOOK_EVERY = 1000
_OVERLOAD_S = 15.0
_CAPACITY_S = 8.0
_MIB = 1 << 20


class Reply(NamedTuple):
    """One answer."""

    status: int
    took_s: float


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    items = mosaic_items(NATIVE, folder)
    list_in_node(folder, [NATIVE])
    tiles = [f"{tile.z}/{tile.x}/{tile.y}" for tile in tiles_over(items, range(6, 17), 40)]
    ids = [str(item["id"]) for item in items]
    with node(folder, "soak", tile_cache_mib=16, workers=1) as server:
        print(asyncio.run(_soak(server, _mixed(tiles, ids), options.requests)))
    with node(folder, "overload", tile_cache_mib=0, workers=1) as server:
        paths = [f"/raster/layers/{NATIVE.collection}/tiles/WebMercatorQuad/{tile}@2x.png" for tile in tiles]
        print(asyncio.run(_overload(server, paths)))


def _mixed(tiles: Sequence[str], ids: Sequence[str]) -> Iterator[str]:
    """Requests without end, the same each time."""
    chosen = random.Random(3)  # noqa: S311 - the same each time
    layer = f"/raster/layers/{NATIVE.collection}"
    while True:
        tile, item, day = chosen.choice(tiles), chosen.choice(ids), f"2024-{chosen.randint(1, 12):02}-15"
        suffix = chosen.choice(("", ".png", ".webp", ".jpg", "@2x.webp"))
        where = f"116.{chosen.randint(30, 45)},39.{chosen.randint(88, 96)}"
        yield chosen.choice(
            (
                f"{layer}/tiles/WebMercatorQuad/{tile}{suffix}",
                f"{layer}/tiles/WebMercatorQuad/{tile}{suffix}?datetime={day}",
                f"/raster/layers/img/tiles/WebMercatorQuad/{tile}{suffix}?datetime=../{day}",
                f"/raster/collections/{NATIVE.collection}/items/{item}/tiles/WebMercatorQuad/{tile}{suffix}",
                f"/raster/collections/{NATIVE.collection}/items/{item}/preview.png?assets=visual&max_size=128",
                f"{layer}/dates?point={where}",
                f"/stac/search?limit=10&datetime={day}T00:00:00Z/..",
                f"/stac/collections/{NATIVE.collection}/items/{item}",
            )
        )


async def _soak(server: Server, paths: Iterator[str], count: int) -> str:
    """Ask, and look at memory and descriptors meanwhile."""
    await _ask_all(server, itertools.islice(paths, _LOOK_EVERY))
    base = _descriptors(server.worker_pid)
    statuses: Counter[int] = Counter()
    used_mib = []
    started = time.perf_counter()
    for _ in range(0, count, _LOOK_EVERY):
        statuses += await _ask_all(server, itertools.islice(paths, _LOOK_EVERY))
        used_mib.append(_resident_mib(server.worker_pid))
    spent_s = time.perf_counter() - started
    await asyncio.sleep(8)  # the server closes idle connections after five seconds
    left = _descriptors(server.worker_pid) - base
    later = used_mib[len(used_mib) // 3 :]
    slope = float(np.polyfit(np.arange(len(later)), later, 1)[0]) * 10_000 / _LOOK_EVERY
    told = ", ".join(f"{status or 'left early'}: {number}" for status, number in sorted(statuses.items()))
    return (
        f"{count} requests in {spent_s:.0f} s ({told}); memory {used_mib[0]:.0f} → {later[0]:.0f} → {used_mib[-1]:.0f}"
        f" MiB, {slope:+.2f} MiB per 10,000 requests after the first third, target ≤ 2; descriptors {left:+d}, target 0"
    )


async def _ask_all(server: Server, paths: Iterator[str]) -> Counter[int]:
    """Ask with several clients; 0 counts those that left early."""
    statuses: Counter[int] = Counter()

    async def client(number: int) -> None:
        for asked, path in enumerate(paths, number):
            leaves = asked % _LEAVING == 0
            statuses[(await _ask(server, path, leaves=leaves)).status] += 1

    await asyncio.gather(*(client(number) for number in range(_CLIENTS)))
    return statuses


async def _ask(server: Server, path: str, *, leaves: bool = False) -> Reply:
    """One request on a connection of its own; status 0 where the client or the server left."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        if leaves:
            await asyncio.sleep(0.001)
            return Reply(0, 0.0)
        head = await reader.readline()
        await reader.read()
        return Reply(int(head.split()[1]) if head else 0, time.perf_counter() - started)
    except ConnectionError:
        return Reply(0, time.perf_counter() - started)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _overload(server: Server, paths: Sequence[str]) -> str:
    """The best goodput of clients that wait for each other, then three times as many arrivals."""
    asked = itertools.cycle(paths)
    for path in paths:
        await _ask(server, path)
    done, end = 0, time.perf_counter() + _CAPACITY_S

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end:
            reply = await _ask(server, next(asked))
            done += reply.status == 200

    await asyncio.gather(*(client() for _ in range(_CLIENTS)))
    peak = done / _CAPACITY_S
    answers, arrivals = list[asyncio.Task[Reply]](), round(3 * peak * _OVERLOAD_S)
    started = time.perf_counter()
    for number in range(arrivals):
        await asyncio.sleep(max(0.0, started + number / (3 * peak) - time.perf_counter()))
        answers.append(asyncio.create_task(_ask(server, next(asked))))
    replies = await asyncio.gather(*answers)
    spent_s = time.perf_counter() - started
    statuses = Counter(reply.status for reply in replies)
    refused = [1000 * reply.took_s for reply in replies if reply.status in {429, 503}] or [0.0]
    started = time.perf_counter()
    after = await _ask(server, paths[0])
    return (
        f"overload: {peak:.0f} tiles/s at best; at 3 times the arrivals {statuses[200] / spent_s:.0f}/s"
        f" ({100 * statuses[200] / spent_s / peak:.0f} %, target ≥ 80 %); {dict(sorted(statuses.items()))}; refusals"
        f" within {statistics.median(refused):.0f} ms at the median and {np.percentile(refused, 99):.0f} ms p99,"
        f" target 50; the next tile after it took {1000 * after.took_s:.0f} ms"
    )


def _resident_mib(pid: int) -> float:
    """Source: proc(5), /proc/pid/statm."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / _MIB


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


if __name__ == "__main__":
    main()
