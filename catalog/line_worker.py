"""A process that checks lines for another: `python -m catalog.line_worker`, which `LineWorker` starts.

It takes a function and then batches of lines from its input, and gives what the function makes of each. It ends with
its input, so it never outlives the process that started it.
"""

import contextlib
import gc
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Any

from catalog.errors import StoreUnavailableError

_PIPE_BYTES = 1024 * 1024
"""Room for a batch and what is made of it, so that nobody waits for the other to read; the most that Linux gives."""


class LineWorker:
    """One such process; it works on one batch at a time."""

    def __init__(self, check: Callable[[bytes], list[Any]]) -> None:
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(  # noqa: S603  # ourselves
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=_PIPE_BYTES
        )
        self._send(check)

    def begin(self, lines: bytes) -> None:
        """Let it work on a batch, once it has given the one before."""
        self._send(lines)

    def result(self) -> list[Any]:
        """What it made of the batch."""
        try:
            found: list[Any] = pickle.load(_open(self._process.stdout))  # noqa: S301  # our own process
        except EOFError as error:
            raise StoreUnavailableError("a process that checks items was ended; try again") from error
        return found

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError), self._process:
            pass

    def _send(self, what: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # `result` tells
            pickle.dump(what, _open(self._process.stdin), pickle.HIGHEST_PROTOCOL)
            _open(self._process.stdin).flush()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the process was started without a pipe")
    return pipe


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    gc.disable()  # documents have no cycles
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one decides
    with contextlib.suppress(EOFError, BrokenPipeError):
        check = pickle.load(requests)  # noqa: S301  # from the process that started this one
        while True:
            pickle.dump(check(pickle.load(requests)), answers, pickle.HIGHEST_PROTOCOL)  # noqa: S301
            answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
