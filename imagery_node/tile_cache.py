"""TileCache: drawn tiles by ETag, up to a number of bytes, least recently asked for first out."""

from collections import OrderedDict

_ENTRY_BYTES = 200
"""What an entry costs beside its body, so that empty tiles are bounded too."""


class TileCache:
    """Belongs to the event loop's thread. An ETag says everything about a tile, so no entry ever grows stale."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._held_bytes = 0
        self._bodies: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, etag: bytes) -> bytes | None:
        """The body of a tile, empty for an empty tile; None when it is not held."""
        body = self._bodies.get(etag)
        if body is not None:
            self._bodies.move_to_end(etag)
        return body

    def put(self, etag: bytes, body: bytes) -> None:
        """Hold a tile, at the cost of those asked for longest ago."""
        if etag in self._bodies:
            return
        self._bodies[etag] = body
        self._held_bytes += len(body) + _ENTRY_BYTES
        while self._held_bytes > self._capacity_bytes:
            _, evicted = self._bodies.popitem(last=False)
            self._held_bytes -= len(evicted) + _ENTRY_BYTES
