"""Stored blocks that already are map tiles: sent as they lie in the file, no pixel decoded."""

from morecantile import Tile

from imagery_node.block import JPEG, WEBP, YCBCR, decode_mask
from imagery_node.cog import Cog, Level
from imagery_node.encoding import Format
from imagery_node.grid import TILE_SIDE

_COMPRESSIONS: dict[Format, int] = {"jpeg": JPEG, "webp": WEBP}
_START_OF_IMAGE, _END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"


def stored_tile(cog: Cog, tile: Tile, media: Format, *, at_once: bool = False) -> bytes | None:
    """The tile as the file stores it.

    Args:
        cog: The file.
        tile: Of WebMercatorQuad.
        media: Format that is wanted.
        at_once: Never wait for the disk and never decode a mask.

    Returns:
        A complete JPEG or WebP of 256 × 256 pixels; None unless one block of the file is exactly this tile of
        WebMercatorQuad in this format, in colours of 8 bits, and all its pixels are valid.

    Raises:
        UnreadableAssetError: The block cannot be read.
        BlockingIOError: It cannot be had at once.
    """
    placed = cog.tile_levels.get(tile.z)
    if placed is None:
        return None
    index, first_col, first_row = placed
    level, row, col = cog.levels[index], tile.y - first_row, tile.x - first_col
    whole = 0 <= row < level.shape[0] // TILE_SIDE and 0 <= col < level.shape[1] // TILE_SIDE
    if not whole or level.compression != _COMPRESSIONS.get(media) or level.planar or level.samples - cog.has_alpha != 3:
        return None
    length = int(level.byte_counts[0, row, col])
    if length == 0 or not _unmasked(cog, index, row, col, at_once=at_once):
        return None
    read = cog.read_at_once if at_once else cog.read
    stored = read(int(level.offsets[0, row, col]), length)
    return _complete_jpeg(level, stored) if media == "jpeg" else _opaque_webp(stored)


def _unmasked(cog: Cog, index: int, row: int, col: int, *, at_once: bool) -> bool:
    """Whether the mask shows the whole block; it is decoded once per file and block."""
    mask = cog.levels[index].mask
    if mask is None:
        return cog.nodata is None
    key = index, row, col
    if key not in cog.known_full:
        if at_once:
            raise BlockingIOError("the mask was not looked at yet")
        cog.known_full[key] = bool(decode_mask(cog, mask, row, col).all())
    return cog.known_full[key]


def _complete_jpeg(level: Level, stored: bytes) -> bytes | None:
    """A block with the tables all blocks share put back; only YCbCr says its colours without further markers."""
    if level.photometric != YCBCR or not stored.startswith(_START_OF_IMAGE):
        return None
    tables = level.jpeg_tables or _START_OF_IMAGE + _END_OF_IMAGE
    return tables.removesuffix(_END_OF_IMAGE) + stored[len(_START_OF_IMAGE) :]


def _opaque_webp(stored: bytes) -> bytes | None:
    """The block, unless its header speaks of transparency. Source: RFC 9649 §2.7, §3.4."""
    kind = stored[12:16]
    has_alpha = (kind == b"VP8X" and stored[20] & 0x10) or (kind == b"VP8L" and stored[24] & 0x10)
    return None if has_alpha or stored[:4] != b"RIFF" else stored
