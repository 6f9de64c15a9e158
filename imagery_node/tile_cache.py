"""TileCache: drawn tiles by ETag, up to a number of bytes, least recently asked for first out."""

from collections import OrderedDict

from imagery_node.tile_answer import Drawn

_ENTRY_BYTES = 600
"""What an entry costs beside its body, so that empty tiles are bounded too."""


class TileCache:
    """Belongs to the event loop's thread. An ETag says everything about a tile, so no entry ever grows stale."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._held_bytes = 0
        self._tiles: OrderedDict[bytes, Drawn] = OrderedDict()

    def get(self, etag: bytes) -> Drawn | None:
        """A tile; None when it is not held."""
        tile = self._tiles.get(etag)
        if tile is not None:
            self._tiles.move_to_end(etag)
        return tile

    def put(self, etag: bytes, tile: Drawn) -> None:
        """Hold a tile, at the cost of those asked for longest ago."""
        if etag in self._tiles:
            return
        self._tiles[etag] = tile
        self._held_bytes += len(tile.body) + _ENTRY_BYTES
        while self._held_bytes > self._capacity_bytes:
            _, evicted = self._tiles.popitem(last=False)
            self._held_bytes -= len(evicted.body) + _ENTRY_BYTES
