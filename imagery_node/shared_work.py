"""SharedWork: work that several callers wait for is done once, and given up when all of them have left."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

Left = Callable[[], Awaitable[None]]
"""Waits until a caller is gone."""


class CallerLeftError(Exception):
    """There is nobody to answer any more."""


@dataclass
class _Work(Generic[Result]):
    task: "asyncio.Task[Result]"
    given_up: Event
    callers: int = field(default=0)


class SharedWork(Generic[Result]):
    """Belongs to the event loop's thread. A failure is told to those who wait and not to later callers."""

    def __init__(self) -> None:
        self._works: dict[Hashable, _Work[Result]] = {}

    async def result(self, key: Hashable, start: Callable[[Event], Coroutine[Any, Any, Result]], left: Left) -> Result:
        """What the work of a key gives.

        Args:
            key: Whoever asks for the same shares the work.
            start: Begins it, where nobody did; the event is set when it is in vain.
            left: Of this caller.

        Raises:
            CallerLeftError: This caller went; the work goes on while others wait for it.
        """
        work = self._works.get(key) or self._start(key, start)
        work.callers += 1
        gone = asyncio.ensure_future(left())
        try:
            await asyncio.wait((work.task, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.task.done():
                raise CallerLeftError
            return work.task.result()
        finally:
            gone.cancel()
            work.callers -= 1
            if not work.callers:
                work.given_up.set()
                self._forget(key, work)

    def _start(self, key: Hashable, start: Callable[[Event], Coroutine[Any, Any, Result]]) -> _Work[Result]:
        given_up = Event()
        work = self._works[key] = _Work(asyncio.create_task(start(given_up)), given_up)
        work.task.add_done_callback(lambda _: self._end(key, work))
        return work

    def _end(self, key: Hashable, work: _Work[Result]) -> None:
        self._forget(key, work)
        if not work.task.cancelled():
            work.task.exception()  # seen here, so that an error nobody waits for any more is not reported as lost

    def _forget(self, key: Hashable, work: _Work[Result]) -> None:
        if self._works.get(key) is work:
            del self._works[key]
