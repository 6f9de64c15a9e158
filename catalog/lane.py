"""Lane: lets a few heavy answers be made at a time, without holding threads for those that wait."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread

from catalog.errors import BusyError

Result = TypeVar("Result")


class Lane:
    """So many at once; who waits too long for a turn is refused."""

    def __init__(self, at_once: int, *, wait_s: float) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._wait_s = wait_s

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do the work in a thread when it is its turn.

        Raises:
            BusyError: It was not its turn in time.
        """
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError as error:
            raise BusyError(f"no turn within {self._wait_s:g} s") from error
        try:
            return await to_thread.run_sync(work)
        finally:
            self._turns.release()
