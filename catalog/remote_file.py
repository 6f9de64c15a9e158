"""Files that only this node can read, sent to clients in parts as they come."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import NamedTuple

from anyio import CapacityLimiter, to_thread
from starlette.responses import StreamingResponse

from catalog.errors import BusyError, UnreadableFileError
from catalog.problem import RefusedRequestError

PIECE_BYTES = 1 << 20

_READERS = 4
"""Pieces that are read at a time, by threads of their own, and files that are looked at: a slow store holds up nobody
else."""
_PROBE_WAIT_S = 1.0
_RANGE = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))", re.ASCII)


class Part(NamedTuple):
    """One range of a file."""

    data: bytes
    length: int
    """Of the whole file."""
    validator: str
    """Its ETag or time of change; empty where the host tells neither."""


ReadPart = Callable[[str, int, int], Part]
"""The bytes of an address from an offset, so many, or fewer where the file ends; raises UnreadableFileError."""


class RemoteFiles:
    """Sends files by their addresses."""

    def __init__(self, read: ReadPart) -> None:
        self._read = read
        self._readers = CapacityLimiter(_READERS)
        self._probes = BoundedSemaphore(_READERS)

    def probe(self, address: str) -> Part:
        """Length and validator of a file.

        Raises:
            UnreadableFileError: It is not there, or its store does not answer as it should.
            BusyError: So many wait for an answer of a store that one more would hold up others.
        """
        if not self._probes.acquire(timeout=_PROBE_WAIT_S):
            raise BusyError("too many files of stores that are slow are asked for at once")
        try:
            return self._read(address, 0, 1)
        finally:
            self._probes.release()

    def send(
        self, address: str, known: Part, asked: str, headers: Mapping[str, str], media_type: str
    ) -> StreamingResponse:
        """The file, or the one part of it that a Range header asks for; any other header means the whole.

        Raises:
            RefusedRequestError: The part begins behind the end.
        """
        first, stop = _span(asked, known.length)
        told = {**headers, "accept-ranges": "bytes", "content-length": str(stop - first)}
        status = HTTPStatus.OK
        if (first, stop) != (0, known.length) or _RANGE.fullmatch(asked):
            status = HTTPStatus.PARTIAL_CONTENT
            told["content-range"] = f"bytes {first}-{stop - 1}/{known.length}"
        return StreamingResponse(self._pieces(address, known, first, stop), status, told, media_type)

    async def _pieces(self, address: str, known: Part, first: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes, each piece read once the client took the one before; the connection ends where that fails."""
        for offset in range(first, stop, PIECE_BYTES):
            length = min(PIECE_BYTES, stop - offset)
            part = await to_thread.run_sync(self._read, address, offset, length, limiter=self._readers)
            if (part.length, part.validator, len(part.data)) != (known.length, known.validator, length):
                raise UnreadableFileError(f"{address} became another file while it was sent")
            yield part.data


def _span(asked: str, length: int) -> tuple[int, int]:
    """First byte and the one behind the last."""
    found = _RANGE.fullmatch(asked)
    if found is None:
        return 0, length
    start, last, suffix = found.groups()
    if suffix:
        return max(0, length - int(suffix)), length
    first, stop = int(start), min(length, int(last) + 1 if last else length)
    if first >= stop:
        raise RefusedRequestError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "limit.range",
            f"Range lies outside the file, which has {length} bytes",
            headers={"Content-Range": f"bytes */{length}"},
        )
    return first, stop
