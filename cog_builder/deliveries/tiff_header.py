"""What a TIFF says about itself, read without any image library.

TIFF 6.0 and BigTIFF, first image only. Everything is bounded before it is believed (T08, limits L31), and every strip
or tile must lie inside the file, which is how a truncated delivery is found before any pixel is decoded.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cog_builder.errors import IncompleteDeliveryError, UnreadableImageError

MAX_SIDE_PX = 200_000
MAX_BANDS = 32
MAX_BLOCK_BYTES = 256 * 1024**2
MAX_PAGES = 64
MAX_RATIO = 1000
"""Decoded bytes per byte of the file; lossless compression of real images stays far below."""
COMPRESSIONS = {
    1: "none",
    5: "LZW",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
    50000: "Zstandard",
}
"""Codes of the lossless compressions; no other decoder is shown a foreign file."""
_MAX_TAGS = 1000

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _BANDS, _SAMPLE_FORMAT = 256, 257, 258, 259, 277, 339
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR = 273, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_NEEDED = {
    _WIDTH,
    _HEIGHT,
    _BITS,
    _COMPRESSION,
    _BANDS,
    _SAMPLE_FORMAT,
    _STRIP_OFFSETS,
    _ROWS_PER_STRIP,
    _STRIP_BYTES,
    _PLANAR,
    _TILE_WIDTH,
    _TILE_HEIGHT,
    _TILE_OFFSETS,
    _TILE_BYTES,
}
_TYPES = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}
"""Unsigned TIFF types → numpy type: BYTE, SHORT, LONG, LONG8."""


@dataclass(frozen=True)
class TiffHeader:
    """Shape and sample type of the first image."""

    width: int
    height: int
    band_count: int
    sample_bits: int
    sample_format: int
    """1 unsigned integer, 2 signed integer, 3 floating point."""


def read_tiff_header(path: Path) -> TiffHeader:
    """The header of the first image, after checking that the file is whole.

    Raises:
        UnreadableImageError: Not a TIFF, or beyond the limits.
        IncompleteDeliveryError: The file ends before its pixels do.
    """
    with path.open("rb") as stream:
        directory = _Directory(stream, path.name)
    height, width = directory.one(_HEIGHT), directory.one(_WIDTH)
    header = TiffHeader(
        width=width,
        height=height,
        band_count=directory.one(_BANDS, 1),
        sample_bits=directory.one(_BITS, 1),
        sample_format=directory.one(_SAMPLE_FORMAT, 1),
    )
    _check_limits(header, directory)
    _check_blocks(header, directory)
    return header


def _check_limits(header: TiffHeader, directory: "_Directory") -> None:
    name = directory.name
    if not (0 < header.width <= MAX_SIDE_PX and 0 < header.height <= MAX_SIDE_PX):
        raise UnreadableImageError(f"{name}: {header.width}×{header.height} px, expected 1 to {MAX_SIDE_PX} per side")
    if not 0 < header.band_count <= MAX_BANDS:
        raise UnreadableImageError(f"{name}: {header.band_count} bands, expected 1 to {MAX_BANDS}")
    if (compression := directory.one(_COMPRESSION, 1)) not in COMPRESSIONS:
        expected = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
        raise UnreadableImageError(f"{name}: compression {compression}, expected {expected}")
    decoded = header.width * header.height * header.band_count * header.sample_bits // 8
    if decoded > directory.file_bytes * MAX_RATIO:
        raise UnreadableImageError(
            f"{name}: {directory.file_bytes} bytes claim {decoded} bytes of pixels, expected at most {MAX_RATIO}:1"
        )


def _check_blocks(header: TiffHeader, directory: "_Directory") -> None:
    name = directory.name
    tiled = directory.has(_TILE_WIDTH)
    rows = directory.one(_TILE_HEIGHT) if tiled else min(directory.one(_ROWS_PER_STRIP, header.height), header.height)
    cols = directory.one(_TILE_WIDTH) if tiled else header.width
    planes = header.band_count if directory.one(_PLANAR, 1) == 2 else 1
    if rows < 1 or cols < 1:
        raise UnreadableImageError(f"{name}: blocks of {cols}×{rows} px, expected at least one pixel")
    block_bytes = rows * cols * (header.band_count // planes) * header.sample_bits // 8
    if block_bytes > MAX_BLOCK_BYTES:
        raise UnreadableImageError(f"{name}: a block decodes to {block_bytes} bytes, expected ≤ {MAX_BLOCK_BYTES}")
    count = -(-header.height // rows) * -(-header.width // cols) * planes
    offsets = directory.many(_TILE_OFFSETS if tiled else _STRIP_OFFSETS, count)
    lengths = directory.many(_TILE_BYTES if tiled else _STRIP_BYTES, count)
    if not lengths.all():
        raise IncompleteDeliveryError(f"{name}: block {int(np.argmin(lengths))} of {count} is empty, expected pixels")
    ends = offsets.astype(np.float64) + lengths
    if ends.max() > directory.file_bytes:
        raise IncompleteDeliveryError(
            f"{name}: {directory.file_bytes} bytes, expected at least {ends.max():.0f}; the file is cut short"
        )
    if directory.one(_COMPRESSION, 1) == 1:
        needed = header.width * header.height * header.band_count * header.sample_bits // 8
        if int(lengths.sum()) < needed:
            raise IncompleteDeliveryError(f"{name}: {int(lengths.sum())} bytes of pixels, expected {needed}")


class _Directory:
    """Tags of the first image; the chain of further images is only counted."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self.file_bytes = os.fstat(stream.fileno()).st_size
        self._stream = stream
        mark = self._at(0, 2)
        self._order = {b"II": "<", b"MM": ">"}.get(mark, "<")
        version = self._number(2, 2)
        if mark not in (b"II", b"MM") or version not in (42, 43):
            raise UnreadableImageError(f"{name}: begins with {self._at(0, 4).hex(' ')}, expected a TIFF")
        self._big = version == 43
        first = self._number(8, 8) if self._big else self._number(4, 4)
        self._entries, following = self._read_entries(first)
        self._values = {tag: self._load(tag) for tag in _NEEDED & self._entries.keys()}
        self._count_pages(first, following)

    def has(self, tag: int) -> bool:
        """Whether the tag is there."""
        return tag in self._values

    def one(self, tag: int, default: int | None = None) -> int:
        """The value of a tag; where there is one per band, all must be equal."""
        values = self._values.get(tag)
        if values is None:
            if default is None:
                raise UnreadableImageError(f"{self.name}: TIFF tag {tag} is missing")
            return default
        if (values != values[0]).any():
            raise UnreadableImageError(f"{self.name}: TIFF tag {tag} differs between bands, expected one value")
        return int(values[0])

    def many(self, tag: int, count: int) -> NDArray[np.uint64]:
        """Exactly `count` values of a tag."""
        values = self._values.get(tag, np.empty(0, np.uint64))
        if len(values) != count:
            raise UnreadableImageError(f"{self.name}: TIFF tag {tag} has {len(values)} values, expected {count}")
        return values

    def _read_entries(self, start: int) -> tuple[dict[int, tuple[int, int, int]], int]:
        """Tag → (type, count, where the value field stands) of one directory, and where the next directory is."""
        head, entry, pointer = (8, 20, 8) if self._big else (2, 12, 4)
        count = self._number(start, head)
        if not 0 < count <= _MAX_TAGS:
            raise UnreadableImageError(f"{self.name}: a directory of {count} tags, expected 1 to {_MAX_TAGS}")
        entries = {}
        for at in range(start + head, start + head + count * entry, entry):
            tag = self._number(at, 2)
            if tag in entries:  # decoders do not agree on which of the two counts
                raise UnreadableImageError(f"{self.name}: TIFF tag {tag} comes twice, expected one value")
            entries[tag] = (self._number(at + 2, 2), self._number(at + 4, pointer), at + 4 + pointer)
        return entries, self._number(start + head + count * entry, pointer)

    def _load(self, tag: int) -> NDArray[np.uint64]:
        kind, count, at = self._entries[tag]
        if kind not in _TYPES or not 0 < count <= MAX_SIDE_PX * MAX_BANDS:
            raise UnreadableImageError(f"{self.name}: TIFF tag {tag} has {count} values of type {kind}")
        dtype = np.dtype(self._order + _TYPES[kind])
        pointer = 8 if self._big else 4
        if count * dtype.itemsize > pointer:
            at = self._number(at, pointer)
        return np.frombuffer(self._at(at, count * dtype.itemsize), dtype).astype(np.uint64)

    def _count_pages(self, first: int, following: int) -> None:
        seen = {first}
        while following:
            if following in seen or len(seen) >= MAX_PAGES:
                raise UnreadableImageError(f"{self.name}: more than {MAX_PAGES} images or a loop of them, expected one")
            seen.add(following)
            _, following = self._read_entries(following)

    def _number(self, at: int, length: int) -> int:
        return int.from_bytes(self._at(at, length), "little" if self._order == "<" else "big")

    def _at(self, at: int, length: int) -> bytes:
        if at + length > self.file_bytes:
            raise IncompleteDeliveryError(
                f"{self.name}: {self.file_bytes} bytes, expected at least {at + length}; the file is cut short"
            )
        self._stream.seek(at)
        return self._stream.read(length)
