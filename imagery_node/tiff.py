"""The structure of a TIFF file: its directories and their tags, read without GDAL and without pixels.

Source: TIFF 6.0 §2 and the BigTIFF design; bounds from the limit L31 (pages, loops, sizes).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imagery_node.errors import UnreadableAssetError

ReadRange = Callable[[int, int], bytes]
"""(offset, length) → exactly these bytes of one file, or UnreadableAssetError."""

HEAD_BYTES = 1 << 16
"""What is read at once: the directories of a COG, which come first, nearly always fit."""

MAX_DIRECTORIES = 64
MAX_TAGS = 256
MAX_TAG_BYTES = 1 << 24

NEW_SUBFILE_TYPE, IMAGE_WIDTH, IMAGE_LENGTH, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
SAMPLES_PER_PIXEL, PLANAR_CONFIGURATION, PREDICTOR = 277, 284, 317
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTE_COUNTS = 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 338, 339, 347
MODEL_PIXEL_SCALE, MODEL_TIEPOINT, MODEL_TRANSFORMATION, GEO_KEY_DIRECTORY = 33550, 33922, 34264, 34735
GDAL_METADATA, GDAL_NODATA = 42112, 42113

_KNOWN_TAGS = frozenset(
    {NEW_SUBFILE_TYPE, IMAGE_WIDTH, IMAGE_LENGTH, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC}
    | {SAMPLES_PER_PIXEL, PLANAR_CONFIGURATION, PREDICTOR}
    | {TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTE_COUNTS, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES}
    | {MODEL_PIXEL_SCALE, MODEL_TIEPOINT, MODEL_TRANSFORMATION, GEO_KEY_DIRECTORY, GDAL_METADATA, GDAL_NODATA}
)
_ENDIAN: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_BYTES = "V"
_TYPES = {1: "u1", 2: _BYTES, 3: "u2", 4: "u4", 7: _BYTES, 9: "i4", 11: "f4", 12: "f8", 13: "u4", 16: "u8", 18: "u8"}
"""TIFF field type → numpy type; text and opaque values stay bytes."""


@dataclass(frozen=True)
class Directory:
    """The tags of one image of the file that this project knows."""

    byte_order: str
    """`<` or `>`, as numpy writes it; of the samples too."""
    numbers: Mapping[int, NDArray[Any]]
    texts: Mapping[int, bytes]

    def integer(self, tag: int, default: int) -> int:
        """The first value of a numeric tag."""
        values = self.numbers.get(tag)
        return default if values is None or not len(values) else int(values[0])

    def text(self, tag: int) -> str:
        """A text tag without its closing zero; empty when it is not there."""
        return self.texts.get(tag, b"").split(b"\0")[0].decode("utf-8", "replace")


def read_directories(read: ReadRange, length: int) -> list[Directory]:
    """All directories of a classic or big TIFF, in the order of the file.

    Args:
        read: Gives ranges of the file.
        length: Size of the file in bytes.

    Raises:
        UnreadableAssetError: It is not a TIFF, its directories loop or reach past its end.
    """
    head = read(0, min(length, HEAD_BYTES))

    def at(offset: int, count: int) -> bytes:
        if offset + count > length:
            raise UnreadableAssetError(f"TIFF directory reaches to byte {offset + count} of {length}")
        return head[offset : offset + count] if offset + count <= len(head) else read(offset, count)

    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    version = int.from_bytes(head[2:4], _ENDIAN[order]) if order else 0
    if version not in (42, 43):
        raise UnreadableAssetError("not a TIFF file")
    return list(_walk(at, order, big=version == 43))


def _walk(at: ReadRange, order: str, *, big: bool) -> Iterator[Directory]:
    """Follow the chain of directories."""

    def number(offset: int, size: int) -> int:
        return int.from_bytes(at(offset, size), _ENDIAN[order])

    count_size, entry_size, pointer_size = (8, 20, 8) if big else (2, 12, 4)
    offset, seen = number(8 if big else 4, pointer_size), set[int]()
    while offset:
        if offset in seen or len(seen) == MAX_DIRECTORIES:
            raise UnreadableAssetError(f"TIFF directories loop or are more than {MAX_DIRECTORIES}")
        seen.add(offset)
        count = number(offset, count_size)
        if count > MAX_TAGS:
            raise UnreadableAssetError(f"TIFF directory of {count} tags, at most {MAX_TAGS} are read")
        entries = at(offset + count_size, count * entry_size)
        yield _directory(at, order, [entries[i : i + entry_size] for i in range(0, len(entries), entry_size)])
        offset = number(offset + count_size + count * entry_size, pointer_size)


def _directory(at: ReadRange, order: str, entries: list[bytes]) -> Directory:
    """Decode the known tags of one directory."""
    endian = _ENDIAN[order]
    numbers: dict[int, NDArray[Any]] = {}
    texts: dict[int, bytes] = {}
    for entry in entries:
        tag, field = int.from_bytes(entry[:2], endian), _TYPES.get(int.from_bytes(entry[2:4], endian))
        if tag not in _KNOWN_TAGS or field is None:
            continue
        inline = 8 if len(entry) == 20 else 4
        count = int.from_bytes(entry[4 : 4 + inline], endian)
        size = count * (1 if field == _BYTES else int(field[1]))
        if size > MAX_TAG_BYTES:
            raise UnreadableAssetError(f"TIFF tag {tag} holds {size} bytes, at most {MAX_TAG_BYTES} are read")
        value = entry[-inline:][:size] if size <= inline else at(int.from_bytes(entry[-inline:], endian), size)
        if field == _BYTES:
            texts[tag] = value
        else:
            numbers[tag] = np.frombuffer(value, order + field)
    return Directory(order, numbers, texts)
