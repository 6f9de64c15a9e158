"""A process that checks lines for another: a copy of it, which has everything imported already.

It takes batches of lines from its input, and gives what a function makes of each. It ends with its input, so it never
outlives the process that started it.
"""

import contextlib
import fcntl
import gc
import os
import pickle
import signal
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

from catalog.errors import StoreUnavailableError

_PIPE_BYTES = 1024 * 1024
"""Room for a batch or what is made of it, so that nobody waits for the other to read; the most that Linux gives."""

_FIRST_FILE = 3
"""Behind the standard streams."""


class LineWorker:
    """One such process; it works on one batch at a time."""

    def __init__(self, check: Callable[[bytes], list[Any]]) -> None:
        requests, ours = _pipe()
        theirs, answers = _pipe()
        self._requests = open(ours, "wb", buffering=_PIPE_BYTES)  # noqa: SIM115, PTH123  # `stop` closes it
        self._answers = open(theirs, "rb", buffering=_PIPE_BYTES)  # noqa: SIM115, PTH123
        self._process = get_context("fork").Process(target=_serve, args=(check, requests, answers), daemon=True)
        self._process.start()
        os.close(requests)
        os.close(answers)

    def begin(self, lines: bytes) -> None:
        """Let it work on a batch, once it has given the one before."""
        with contextlib.suppress(BrokenPipeError):  # `result` tells
            pickle.dump(lines, self._requests, pickle.HIGHEST_PROTOCOL)
            self._requests.flush()

    def result(self) -> list[Any]:
        """What it made of the batch."""
        try:
            found: list[Any] = pickle.load(self._answers)  # noqa: S301  # our own process
        except (EOFError, pickle.UnpicklingError) as error:
            self._process.join()  # it may have something to say
            raise StoreUnavailableError("a process that checks items was ended; try again") from error
        return found

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._process.close()
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        self._answers.close()


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    fcntl.fcntl(ends[0], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return ends


def _serve(check: Callable[[bytes], list[Any]], requests: int, answers: int) -> None:
    first, last = sorted((requests, answers))
    for low, high in ((_FIRST_FILE, first), (first + 1, last), (last + 1, os.sysconf("SC_OPEN_MAX"))):
        os.closerange(low, high)  # what else the other process has open is its own: locks, the input of other workers
    gc.disable()  # documents have no cycles
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one decides
    with (
        contextlib.suppress(EOFError, pickle.UnpicklingError, BrokenPipeError),
        open(requests, "rb", buffering=_PIPE_BYTES) as source,
        open(answers, "wb", buffering=_PIPE_BYTES) as target,
    ):
        while True:
            pickle.dump(check(pickle.load(source)), target, pickle.HIGHEST_PROTOCOL)  # noqa: S301
            target.flush()
