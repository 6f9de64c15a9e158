"""Threads with a queue in front."""

import asyncio
import time
from threading import Event

import pytest

from imagery_node.errors import DeadlineError
from imagery_node.worker_pool import WorkerPool


def test_work_that_nobody_waits_for_any_more_is_told_so_and_gives_its_thread_back():
    pool = WorkerPool("drawing", 1, queue=1, queue_wait_s=5, deadline_s=0.2)

    async def ask():
        given_up = Event()
        with pytest.raises(DeadlineError):
            await pool.run(lambda: given_up.wait(30), given_up=given_up)
        begun = time.monotonic()
        assert await pool.run(lambda: "next") == "next"
        assert time.monotonic() - begun < 10

    asyncio.run(ask())
    pool.close()
