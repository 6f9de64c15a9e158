"""The node, with the number of its reads of image files so far in each answer's `Image-Reads` header."""

import os

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagery_node.app import app_from_environment


def counting_node() -> ASGIApp:
    """The application; every byte of an image file comes through os.pread (see imagery_node.cog)."""
    reads = 0
    pread = os.pread

    def counted_pread(descriptor: int, length: int, offset: int) -> bytes:
        nonlocal reads
        reads += 1
        return pread(descriptor, length, offset)

    os.pread = counted_pread
    node = app_from_environment()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"image-reads", str(reads).encode())]
            await send(message)

        await node(scope, receive, send_with_count)

    return answer
