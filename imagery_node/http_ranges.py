"""HttpRanges: byte ranges of files in other stores; whatever is not exactly what was asked for is an error."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from itertools import count
from pathlib import PurePosixPath
from threading import BoundedSemaphore

import httpx

from catalog.errors import UnreadableFileError
from catalog.outbound import PassingError, make_client, pause_s
from catalog.remote_file import Part
from catalog.remote_store import origin_of
from imagery_node.breaker import Breaker
from imagery_node.errors import UnreadableAssetError

ATTEMPTS = 3
READ_S = 8.0
"""For all attempts of one read together; a tile's deadline is longer."""
SILENCE_S = 4.0
"""Without a byte from the host."""

_CONNECTIONS = 64
_PER_HOST = 16
"""Reads of one host or bucket at a time (L34): a slow one holds up its own readers only."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", re.ASCII)


class HttpRanges:
    """Reads for all threads of a process over connections that are kept."""

    def __init__(self, locate: Callable[[str], str] = str) -> None:
        """Prepare.

        Args:
            locate: Where an address is asked for at this moment, which may hold a secret: it is told to nobody.
        """
        self._locate = locate
        self._breakers: dict[str, Breaker] = defaultdict(Breaker)
        self._places: dict[str, BoundedSemaphore] = defaultdict(lambda: BoundedSemaphore(_PER_HOST))
        self._generations: Counter[str] = Counter()

    def read(self, address: str, offset: int, length: int) -> Part:
        """The bytes from `offset`; fewer than `length` only where the file ends.

        Raises:
            UnreadableAssetError: The file is not there, or the host does not answer as it should.
        """
        origin, deadline = origin_of(address), time.monotonic() + READ_S
        with self._place(origin, deadline):
            return self._read(self._breakers[origin], address, offset, length, deadline)

    def _read(self, breaker: Breaker, address: str, offset: int, length: int, deadline: float) -> Part:
        for attempt in count(1):
            if not breaker.lets_through():
                raise UnreadableAssetError("its host failed several times and is not asked for some seconds")
            try:
                part = self._ask(address, offset, length, deadline)
            except PassingError as error:
                breaker.tell(worked=False)
                wait_s = pause_s(attempt)
                if attempt == ATTEMPTS or time.monotonic() + wait_s > deadline:
                    raise UnreadableAssetError(f"cannot read byte {offset}: {error}") from error
                time.sleep(wait_s)
            except BaseException:
                breaker.tell(worked=True)  # it answered; this file is the trouble
                raise
            else:
                breaker.tell(worked=True)
                return part
        raise AssertionError  # for the type checker: the loop has no end

    def read_for_client(self, address: str, offset: int, length: int) -> Part:
        """As `read`, for who only passes the bytes on.

        Raises:
            UnreadableFileError: As the other one.
        """
        try:
            return self.read(address, offset, length)
        except UnreadableAssetError as error:
            raise UnreadableFileError(f"{PurePosixPath(address).name}: {error}") from error

    def generation(self, address: str) -> int:
        """Changes when a file was found to be another one: what is remembered of it is then of no use."""
        return self._generations[address]

    def forget(self, address: str) -> None:
        """The file is another one now."""
        self._generations[address] += 1

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    @contextmanager
    def _place(self, origin: str, deadline: float) -> Iterator[None]:
        """One of the places for reads of a host."""
        places = self._places[origin]
        if not places.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise UnreadableAssetError("its host is asked for as much as it may be, and gives nothing")
        try:
            yield
        finally:
            places.release()

    @cached_property
    def _client(self) -> httpx.Client:
        return make_client(silence_s=SILENCE_S, connections=_CONNECTIONS)

    def _ask(self, address: str, offset: int, length: int, deadline: float) -> Part:
        data = bytearray()
        asked = {"range": f"bytes={offset}-{offset + length - 1}"}
        try:
            with self._client.stream("GET", self._locate(address), headers=asked) as answer:
                whole = _length(answer, offset, length)
                expected = min(length, whole - offset)
                for piece in answer.iter_raw():
                    data += piece
                    if len(data) > expected or time.monotonic() > deadline:
                        break
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PassingError(f"{type(error).__name__} {error}".rstrip()) from error
        if len(data) != expected:
            raise PassingError(f"{len(data)} bytes came of {expected}")
        return Part(bytes(data), whole, answer.headers.get("etag") or answer.headers.get("last-modified", ""))


def _length(answer: httpx.Response, offset: int, length: int) -> int:
    """The length of the whole file, from an answer that carries exactly the range asked for."""
    status = answer.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise PassingError(f"status {status}")
    if answer.is_redirect:
        raise UnreadableAssetError("its host redirects, which is not followed")
    if status != HTTPStatus.PARTIAL_CONTENT:
        raise UnreadableAssetError(f"its host answers {status}, expected 206 with a part of the file")
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if found is None or answer.headers.get("content-encoding", "identity") != "identity":
        raise UnreadableAssetError("its host sends something else than a range of bytes")
    first, last, whole = map(int, found.groups())
    if (first, last) != (offset, min(offset + length, whole) - 1) or last < first:
        raise UnreadableAssetError(f"its host sends bytes {first}–{last} of {whole}, asked were {length} from {offset}")
    return whole
