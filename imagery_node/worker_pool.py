"""WorkerPool: a few threads with a bounded queue in front."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from imagery_node.errors import DeadlineError, OverloadedError

Result = TypeVar("Result")


class WorkerPool:
    """Runs work in threads; refuses early what would only wait."""

    def __init__(self, name: str, workers: int, *, queue: int, queue_wait_s: float, deadline_s: float) -> None:
        self._name = name
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._room = workers + queue
        self._queue_wait_s = queue_wait_s
        self._deadline_s = deadline_s
        self._pending = 0

    async def run(self, work: Callable[[], Result], *, given_up: Event | None = None) -> Result:
        """Do the work in a thread and wait for it.

        Args:
            work: What to do.
            given_up: Is set when it takes too long: work that looks at it gives the thread back.

        Raises:
            OverloadedError: The queue is full, or the work waited in it for too long.
            DeadlineError: It takes too long; the thread ends it unheard.
        """
        if self._pending >= self._room:
            raise OverloadedError(f"the queue of {self._name} threads is full")
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._timed, work, time.monotonic())
        future.add_done_callback(self._done)
        done, _ = await asyncio.wait((future,), timeout=self._deadline_s)
        if not done:
            if given_up is not None:
                given_up.set()
            raise DeadlineError(f"the work took longer than {self._deadline_s:g} s in a {self._name} thread")
        return future.result()

    def close(self) -> None:
        """Let the threads finish and end."""
        self._threads.shutdown(cancel_futures=True)

    def _timed(self, work: Callable[[], Result], asked_at: float) -> Result:
        if time.monotonic() - asked_at > self._queue_wait_s:
            raise OverloadedError(f"the work waited longer than {self._queue_wait_s:g} s for a {self._name} thread")
        return work()

    def _done(self, future: "asyncio.Future[Result]") -> None:
        self._pending -= 1
        if not future.cancelled():
            future.exception()  # seen here, so that an error nobody waits for any more is not reported as lost
