"""HeavyLane: statistics, series, animations and cut-outs, a few at once; a tile never waits behind them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from threading import Event
from typing import Any

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from catalog.request_limits import StrictRoute
from imagery_node.errors import DeadlineError, OverloadedError
from imagery_node.settings import ImageryNodeSettings


class HeavyLane:
    """Few requests at once, each within its time; one per process."""

    def __init__(self, settings: ImageryNodeSettings) -> None:
        self._slots = asyncio.Semaphore(settings.heavy_in_flight)
        self._queue_wait_s = settings.queue_wait_s
        self.deadline_s = settings.heavy_deadline_s

    def route_class(self) -> type[StrictRoute]:
        """A route class whose requests go through this lane."""
        lane = self

        class HeavyRoute(StrictRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def handle_in_lane(request: Request) -> Response:
                    return await lane.run(handle(request))

                return handle_in_lane

        return HeavyRoute

    async def run(self, work: Coroutine[Any, Any, Response]) -> Response:
        """Do the work when there is room.

        Raises:
            OverloadedError: There was none for too long.
            DeadlineError: It takes too long; it ends unheard, and its room is free only then.
        """
        try:
            await self._enter()
        except OverloadedError:
            work.close()
            raise
        task = asyncio.create_task(work)
        task.add_done_callback(self._leave)
        done, _ = await asyncio.wait((task,), timeout=self.deadline_s)
        if not done:
            raise self.late()
        return task.result()

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Be in the lane; raises OverloadedError when there was no room for too long."""
        await self._enter()
        try:
            yield
        finally:
            self._slots.release()

    def late(self) -> DeadlineError:
        """What to say of work that takes too long."""
        return DeadlineError(f"the work took longer than {self.deadline_s:g} s")

    async def _enter(self) -> None:
        try:
            async with asyncio.timeout(self._queue_wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise OverloadedError("too many statistics and cut-outs are asked for at once") from error

    def _leave(self, task: "asyncio.Task[Response]") -> None:
        self._slots.release()
        if not task.cancelled():
            task.exception()  # seen here, so that an error nobody waits for any more is not reported as lost


class HeavyAnswer(StreamingResponse):
    """An answer whose parts are made in the lane one by one, each sent when it is ready.

    What goes wrong before the first part is answered as an error. Later the answer breaks off without its end, so that
    no client takes a part for the whole.
    """

    def __init__(
        self,
        lane: HeavyLane,
        work: Callable[[Event], Iterator[bytes]],
        *,
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`work` begins and then makes parts in threads; the event is set when nobody waits for it any more."""
        super().__init__((), media_type=media_type, headers=headers)
        self._lane = lane
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the lane is left with the last part, or when the client has left."""
        given_up, left = Event(), Event()
        async with self._lane.room():
            timer = asyncio.get_running_loop().call_later(self._lane.deadline_s, given_up.set)
            watch = asyncio.create_task(_watch(receive, left, given_up))
            try:
                await self._send(send, given_up)
            except DeadlineError:
                if not left.is_set():
                    raise
            finally:
                timer.cancel()
                watch.cancel()

    async def _send(self, send: Send, given_up: Event) -> None:
        parts = await run_in_threadpool(self._work, given_up)
        part = await run_in_threadpool(next, parts, None)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while part is not None:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await run_in_threadpool(next, parts, None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _watch(receive: Receive, left: Event, given_up: Event) -> None:
    """Give up once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    left.set()
    given_up.set()
