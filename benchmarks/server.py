"""Servers under test: each on a free port of the loopback, with the CPU time of its whole process tree."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

ROOT = Path(__file__).resolve().parent.parent

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_REST_TIMEOUT_S = 30.0
_LOOK_EVERY_S = 0.3
_RESTING_S = 0.02
"""CPU time between two looks that a server at rest stays below."""


class Answer(NamedTuple):
    """One answer over HTTP."""

    status: int
    headers: Message
    body: bytes


class Server:
    """One server, from start to stop; its log lies at `log`."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str], ready: str = "/healthz"
    ) -> None:
        """Prepare; `{port}` in the command is filled in, `ready` is a path that answers once the server is up."""
        self.name = name
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._command = [word.format(port=self.port) for word in command]
        self._environment = {**os.environ, **environment}
        self._ready = ready

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self._stop()
                raise RuntimeError(f"{self.name} did not start: {self.log.read_text()}")
            time.sleep(_LOOK_EVERY_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._process.pid

    @property
    def worker_pid(self) -> int:
        """Of the process that answers, where that is one alone."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[-1]) if children else self.pid

    def settled_cpu_s(self) -> float:
        """CPU time so far, once the server rests: it may still be at work for clients that have left."""
        end = time.monotonic() + _REST_TIMEOUT_S
        used = tree_cpu_s(self._process.pid)
        while time.monotonic() < end:
            time.sleep(_LOOK_EVERY_S)
            before, used = used, tree_cpu_s(self._process.pid)
            if used - before <= _RESTING_S:
                break
        return used

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self._ready, timeout=5):  # noqa: S310 - our own server
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _stop(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def ask(server: Server, path: str, etag: str = "") -> Answer:
    """One answer of a server, whatever its status."""
    headers = {"If-None-Match": etag} if etag else {}
    request = urllib.request.Request(server.url + path, headers=headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310 - as above
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def tree_cpu_s(root: int) -> float:
    """User and system time of a process and all below it, with those that ended. Source: proc(5), /proc/pid/stat."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
            ticks[int(stat.parent.name)] = sum(map(int, fields[11:15]))
    tree = {root}
    while below := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= below
    return sum(ticks.get(pid, 0) for pid in tree) * _TICK_S
