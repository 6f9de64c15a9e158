"""CogCache: open files and decoded blocks, kept within bounds and shared by all threads."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from imagery_node.block import Block, decode_block
from imagery_node.cog import Cog, open_cog
from imagery_node.source_file import Location, file_version

T = TypeVar("T")


class CogCache:
    """Headers and blocks, each made once however many threads ask at the same time."""

    def __init__(self, header_count: int, block_bytes: int) -> None:
        self._cogs = _Cache[Cog](header_count, weigh=lambda _: 1)
        self._blocks = _Cache[Block](block_bytes, weigh=lambda block: block.nbytes)

    def open(self, path: Location) -> Cog:
        """The parsed header of a file, read again when the path names another file.

        Raises:
            UnreadableAssetError: The file is missing or not a tiled GeoTIFF.
        """
        return self._cogs.get((path, file_version(path)), lambda: open_cog(path))

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
        return self._blocks.get((cog.path, cog.version, level, row, col), lambda: decode_block(cog, level, row, col))


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
