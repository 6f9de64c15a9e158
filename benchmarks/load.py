"""Closed-loop load: some connections ask for the addresses of a list in turn, each as soon as it has its answer."""

import asyncio
import functools
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_SCRIPT = Path(__file__).with_name("wrk_replay.lua")
_CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Target(NamedTuple):
    """One address of the list."""

    path: str
    etag: str = ""
    """Sent as If-None-Match unless empty."""


@dataclass(frozen=True)
class Load:
    """What the clients saw."""

    requests: int
    seconds: float
    p50_ms: float
    failures: int
    """Answers with a status of 400 or more, and broken connections."""


def run_load(base_url: str, targets: Sequence[Target], *, connections: int, seconds: float) -> Load:
    """Ask for `seconds`; by wrk where it is installed."""
    if _find_wrk():
        return _run_wrk(base_url, targets, connections, seconds)
    return asyncio.run(_run_clients(base_url, targets, connections, seconds))


@functools.cache
def _find_wrk() -> str | None:
    path = shutil.which("wrk")
    if path is None:
        print(
            "wrk is not installed (sudo apt-get install wrk): a slower Python client takes its place, which holds back"
            " the rates of the faster server; CPU per request is not affected",
            file=sys.stderr,
        )
    return path


def _run_wrk(base_url: str, targets: Sequence[Target], connections: int, seconds: float) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listing:
        listing.writelines(f"{target.path}\t{target.etag}\n" for target in targets)
        listing.flush()
        command = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s"]
        done = subprocess.run(
            [*command, "-s", str(_SCRIPT), base_url, "--", listing.name], capture_output=True, text=True, check=True
        )
    return Load(**json.loads(done.stdout.splitlines()[-1]))


async def _run_clients(base_url: str, targets: Sequence[Target], connections: int, seconds: float) -> Load:
    place = urllib.parse.urlsplit(base_url)
    begun = time.perf_counter()
    clients = [_Client(targets, index * len(targets) // connections) for index in range(connections)]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.ask(place.hostname or "", place.port or 80, begun + seconds))
    times_ms = [time_ms for client in clients for time_ms in client.times_ms]
    failures = sum(client.failures for client in clients)
    return Load(len(times_ms), time.perf_counter() - begun, statistics.median(times_ms), failures)


class _Client:
    def __init__(self, targets: Sequence[Target], start: int) -> None:
        requests = [_request(target) for target in targets]
        self._requests = itertools.cycle(requests[start:] + requests[:start])
        self.times_ms: list[float] = []
        self.failures = 0

    async def ask(self, host: str, port: int, end: float) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        while (begun := time.perf_counter()) < end:
            writer.write(next(self._requests))
            head = await reader.readuntil(b"\r\n\r\n")
            length = _CONTENT_LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            self.times_ms.append(1000 * (time.perf_counter() - begun))
            self.failures += head[9:10] >= b"4"
        writer.close()
        await writer.wait_closed()


def _request(target: Target) -> bytes:
    condition = f"If-None-Match: {target.etag}\r\n" if target.etag else ""
    return f"GET {target.path} HTTP/1.1\r\nHost: localhost\r\n{condition}\r\n".encode()
