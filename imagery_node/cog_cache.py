"""CogCache: open files and decoded blocks, kept within bounds and shared by all threads."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, Self, TypeVar

from imagery_node.block import Block, decode_block
from imagery_node.cog import Cog, open_cog
from imagery_node.source_file import Location, file_version

T = TypeVar("T")


@dataclass
class ReadCount:
    """What one drawing took from files; what another one read meanwhile is not in it."""

    files_opened: int = 0
    """Headers that were not held."""
    blocks_used: int = 0
    blocks_decoded: int = 0
    """Those of the used ones that were not held."""
    bytes_read: int = 0
    """Stored bytes of the decoded blocks, masks included."""
    seconds: float = 0.0
    """Time it took to open and to decode."""


class CogCache:
    """Headers and blocks, each made once however many threads ask at the same time."""

    def __init__(self, header_count: int, block_bytes: int) -> None:
        self._cogs = _Cache[Cog](header_count, weigh=lambda _: 1)
        self._blocks = _Cache[Block](block_bytes, weigh=lambda block: block.nbytes)
        self._count = ReadCount()

    def counted(self, count: ReadCount) -> Self:
        """This cache for one drawing: the same headers and blocks, and what is read through it is counted."""
        counting = copy(self)
        counting._count = count
        return counting

    def open(self, path: Location) -> Cog:
        """The parsed header of a file, read again when the path names another file.

        Raises:
            UnreadableAssetError: The file is missing or not a tiled GeoTIFF.
        """
        return self._cogs.get((path, file_version(path)), lambda: self._open(path))

    def held(self, path: Location) -> Cog | None:
        """The header of a file if it is here already.

        Raises:
            UnreadableAssetError: The file is missing.
        """
        return self._cogs.held((path, file_version(path)))

    def block(self, cog: Cog, level: int, row: int, col: int) -> Block:
        """One decoded block; its arrays are shared: read only.

        Raises:
            UnreadableAssetError: The block cannot be read.
        """
        self._count.blocks_used += 1
        return self._blocks.get((cog.path, cog.version, level, row, col), lambda: self._decode(cog, level, row, col))

    def _open(self, path: Location) -> Cog:
        begun = perf_counter()
        cog = open_cog(path)
        self._count.files_opened += 1
        self._count.seconds += perf_counter() - begun
        return cog

    def _decode(self, cog: Cog, level: int, row: int, col: int) -> Block:
        begun = perf_counter()
        block = decode_block(cog, level, row, col)
        self._count.seconds += perf_counter() - begun
        self._count.blocks_decoded += 1
        self._count.bytes_read += cog.levels[level].stored_bytes(row, col)
        return block


class _Cache(Generic[T]):
    """Least recently used values up to a total weight; a failure is told to those who wait and not kept."""

    def __init__(self, capacity: int, *, weigh: Callable[[T], int]) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._pending: dict[Hashable, Future[T]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key; one thread makes it, the others wait for that one."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            pending = self._pending.get(key)
            if pending is None:
                mine = self._pending[key] = Future()
        if pending is not None:
            return pending.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            self._keep(key, value)
        mine.set_result(value)
        return value

    def held(self, key: Hashable) -> T | None:
        """The value of a key if it was made before."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def _keep(self, key: Hashable, value: T) -> None:
        self._values[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._capacity and self._values:
            _, evicted = self._values.popitem(last=False)
            self._weight -= self._weigh(evicted)
