"""Blocks → cloud-optimized GeoTIFF, and the check of the finished file.

Blocks arrive in any order from several threads, are compressed at once and spooled to a scratch file; `finish` writes
the directory and copies them into place, so memory does not depend on the size of the image. The layout is that of
GDAL's COG driver: ghost header, all directories, then blocks from the smallest overview to the full image, each row
by row, each between its size and its last four bytes, a mask block right behind its image block.
Sources: TIFF 6.0; OGC 19-008r4 (GeoTIFF 1.1); OGC 21-026 (COG); GDAL COG driver documentation, «File structure».
"""

import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal
from xml.sax.saxutils import escape, quoteattr

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from cog_builder.map_grid import MapGrid

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_DEFLATE_LEVEL = 6
_JPEG_QUALITY = 85
_MCU_PX = 16
_CLASSIC_LIMIT = 2**32 - 2**16
_LEADER, _TRAILER = 4, 4
_SHORT, _LONG, _DOUBLE, _LONG8, _ASCII, _UNDEFINED = 3, 4, 12, 16, 2, 7


@dataclass(frozen=True)
class BandInfo:
    """What the file says about one band."""

    description: str
    scale: float = 1.0
    color: str | None = None
    """GDAL colour interpretation: `blue`, `gray` …"""


@dataclass(frozen=True)
class CogLayout:
    """What a COG is made of, apart from its pixels."""

    grid: MapGrid
    bands: tuple[BandInfo, ...]
    dtype: Literal["uint8", "uint16"]
    compression: Literal["deflate", "jpeg"]
    block_px: int
    overviews: int
    nodata: int | None = None
    """Nodata value; None where a mask says it (JPEG)."""
    tags: dict[str, str] = field(default_factory=dict)
    """Free metadata of the dataset (GDAL's default domain)."""

    @property
    def masked(self) -> bool:
        """Whether validity is an internal mask."""
        return self.compression == "jpeg"

    def shape(self, level: int) -> tuple[int, int]:
        """(height, width) in pixels of the full image (0) or an overview."""
        return -(-self.grid.height // 2**level), -(-self.grid.width // 2**level)

    def blocks(self, level: int) -> tuple[int, int]:
        """(rows, columns) of blocks of a level."""
        height, width = self.shape(level)
        return -(-height // self.block_px), -(-width // self.block_px)


class CogWriter:
    """Writes one COG. Not valid pixels become nodata or masked; a block without a valid pixel takes no space."""

    def __init__(self, path: Path, layout: CogLayout) -> None:
        self.path = path
        self.layout = layout
        self._spool = path.with_suffix(".spool").open("w+b")
        self._lock = threading.Lock()
        self._end = 0
        self._places: dict[tuple[int, int, int], tuple[int, int, int]] = {}
        """(level, row, column) → spool offset, bytes of image, bytes of mask."""
        self._jpeg_tables = b""

    def put(self, level: int, row: int, col: int, pixels: Pixels, valid: NDArray[np.bool_]) -> None:
        """Take one block; thread-safe.

        Args:
            level: 0 for the full image, k for the k-th overview.
            row: Block row.
            col: Block column.
            pixels: (row, column, band), a whole block also at the right and lower edge.
            valid: (row, column), True where there is an image.
        """
        if not valid.any():
            return
        mask = b""
        if self.layout.masked:
            tables, image = _jpeg_block(_smooth_outside(pixels, valid))
            self._jpeg_tables = tables
            mask = bytes(imagecodecs.zlib_encode(np.packbits(valid, axis=1).tobytes(), level=_DEFLATE_LEVEL))
        else:
            image = _deflate_block(np.where(valid[..., None], pixels, pixels.dtype.type(self.layout.nodata or 0)))
        with self._lock:
            offset, self._end = self._end, self._end + len(image) + len(mask)
            self._places[level, row, col] = offset, len(image), len(mask)
        os.pwrite(self._spool.fileno(), image + mask, offset)

    def finish(self) -> None:
        """Write the file and remove the spool."""
        wide = self._end + self._end // 64 > _CLASSIC_LIMIT
        directories = _Directories(self.layout, self._places, self._jpeg_tables, wide=wide)
        with self.path.open("wb") as out:
            out.write(directories.header())
            for image, mask in self._in_file_order():
                _write_framed(out, image)
                if mask:
                    _write_framed(out, mask)
        self.discard()

    def discard(self) -> None:
        """Remove the spool."""
        self._spool.close()
        self.path.with_suffix(".spool").unlink(missing_ok=True)

    def _in_file_order(self) -> Iterator[tuple[bytes, bytes]]:
        for place in _file_order(self.layout):
            if place in self._places:
                offset, image, mask = self._places[place]
                data = os.pread(self._spool.fileno(), image + mask, offset)
                yield data[:image], data[image:]


def _file_order(layout: CogLayout) -> Iterator[tuple[int, int, int]]:
    for level in range(layout.overviews, -1, -1):
        rows, cols = layout.blocks(level)
        for row in range(rows):
            for col in range(cols):
                yield level, row, col


def _write_framed(out: BinaryIO, data: bytes) -> None:
    out.write(struct.pack("<I", len(data)) + data + data[-_TRAILER:].rjust(_TRAILER, b"\0"))


def _deflate_block(pixels: Pixels) -> bytes:
    """Horizontal differencing (TIFF predictor 2), then DEFLATE."""
    differences = pixels.copy()
    differences[:, 1:] -= pixels[:, :-1]
    return bytes(imagecodecs.deflate_encode(differences.tobytes(), level=_DEFLATE_LEVEL, raw=False))


def _jpeg_block(pixels: Pixels) -> tuple[bytes, bytes]:
    """An abbreviated JPEG stream and the tables that belong in the JPEGTables tag."""
    stream = imagecodecs.jpeg8_encode(
        np.ascontiguousarray(pixels), level=_JPEG_QUALITY, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"
    )
    tables, image, at = b"\xff\xd8", b"\xff\xd8", 2
    while True:
        marker, length = struct.unpack(">HH", stream[at : at + 4])
        segment = stream[at : at + 2 + length]
        if marker in (0xFFDB, 0xFFC4):  # quantisation and Huffman tables: equal for every block of one quality
            tables += segment
        elif marker == 0xFFDA:  # start of scan: the rest is image
            return tables + b"\xff\xd9", image + stream[at:]
        elif marker & 0xFFF0 != 0xFFE0:  # application segments say nothing inside a TIFF
            image += segment
        at += 2 + length


def _smooth_outside(pixels: Pixels, valid: NDArray[np.bool_]) -> Pixels:
    """Give hidden pixels the mean colour of their JPEG cell, so that no dark edge rings into shown ones."""
    if valid.all():
        return pixels
    height, width, bands = pixels.shape
    shown = valid[..., None].astype(np.float32)
    cells = (height // _MCU_PX, _MCU_PX, width // _MCU_PX, _MCU_PX, -1)
    count = shown.reshape(cells).sum((1, 3))
    total = (pixels * shown).reshape(cells).sum((1, 3))
    mean = np.where(count > 0, total / np.maximum(count, 1), total.sum((0, 1)) / shown.sum())
    spread = mean.repeat(_MCU_PX, 0).repeat(_MCU_PX, 1)[:height, :width, :bands]
    return np.where(valid[..., None], pixels, np.rint(spread).astype(pixels.dtype))


class _Directories:
    """The part of the file before the blocks: header, ghost area and image file directories."""

    def __init__(
        self,
        layout: CogLayout,
        places: dict[tuple[int, int, int], tuple[int, int, int]],
        jpeg_tables: bytes,
        *,
        wide: bool,
    ) -> None:
        self.layout = layout
        self.places = places
        self.jpeg_tables = jpeg_tables
        self.wide = wide

    def header(self) -> bytes:
        """Bytes up to the first block; written twice, since block offsets depend on their length."""
        return self._build(len(self._build(0)))

    def _build(self, first_block: int) -> bytes:
        offsets = self._offsets(first_block)
        ghost = self._ghost()
        start = (16 if self.wide else 8) + len(ghost)
        start += start % 2
        body, position = b"", start
        kinds = [(level, mask) for level in range(self.layout.overviews + 1) for mask in (False, True)]
        kinds = [(level, mask) for level, mask in kinds if self.layout.masked or not mask]
        for index, (level, mask) in enumerate(kinds):
            entries = self._mask_entries(level) if mask else self._image_entries(level)
            entries += [
                (
                    324,
                    _LONG8 if self.wide else _LONG,
                    [offsets.get((*place, mask), (0, 0))[0] for place in self._level(level)],
                ),
                (325, _LONG, [offsets.get((*place, mask), (0, 0))[1] for place in self._level(level)]),
            ]
            directory = self._directory(sorted(entries), position, last=index == len(kinds) - 1)
            body += directory
            position += len(directory)
        first = struct.pack("<HHHQ", 43, 8, 0, start) if self.wide else struct.pack("<HI", 42, start)
        return (b"II" + first + ghost).ljust(start, b"\0") + body

    def _ghost(self) -> bytes:
        lines = ["LAYOUT=IFDS_BEFORE_DATA", "BLOCK_ORDER=ROW_MAJOR", "BLOCK_LEADER=SIZE_AS_UINT4"]
        lines += ["BLOCK_TRAILER=LAST_4_BYTES_REPEATED", "KNOWN_INCOMPATIBLE_EDITION=NO"]
        lines += ["MASK_INTERLEAVED_WITH_IMAGERY=YES"] if self.layout.masked else []
        text = "".join(f"{line}\n" for line in lines) + " "  # the space leaves room to write YES, as GDAL does
        return f"GDAL_STRUCTURAL_METADATA_SIZE={len(text):06d} bytes\n{text}".encode()

    def _level(self, level: int) -> list[tuple[int, int, int]]:
        rows, cols = self.layout.blocks(level)
        return [(level, row, col) for row in range(rows) for col in range(cols)]

    def _offsets(self, first_block: int) -> dict[tuple[int, int, int, bool], tuple[int, int]]:
        """(level, row, column, mask) → offset and bytes in the file."""
        found, position = {}, first_block
        for place in _file_order(self.layout):
            if place not in self.places:
                continue
            _, image, mask = self.places[place]
            for size, is_mask in ((image, False), (mask, True)):
                if size:
                    found[(*place, is_mask)] = position + _LEADER, size
                    position += _LEADER + size + _TRAILER
        return found

    def _image_entries(self, level: int) -> list[tuple[int, int, list[float] | list[int] | bytes]]:
        layout, count = self.layout, len(self.layout.bands)
        bits = 8 * np.dtype(layout.dtype).itemsize
        entries: list[tuple[int, int, list[float] | list[int] | bytes]] = [
            (254, _LONG, [1 if level else 0]),
            (258, _SHORT, [bits] * count),
            (259, _SHORT, [7 if layout.compression == "jpeg" else 8]),
            (262, _SHORT, [6 if layout.compression == "jpeg" else 1]),
            (277, _SHORT, [count]),
            (284, _SHORT, [1]),
            (339, _SHORT, [1] * count),
            *self._size_entries(level),
        ]
        if layout.compression == "jpeg":
            entries += [(347, _UNDEFINED, self.jpeg_tables), (530, _SHORT, [2, 2])]
        else:
            entries += [(317, _SHORT, [2])]
            entries += [(338, _SHORT, [0] * (count - 1))] if count > 1 else []
        if layout.nodata is not None:
            entries.append((42113, _ASCII, f"{layout.nodata}\0".encode()))
        if level == 0:
            entries += [(42112, _ASCII, self._metadata()), *self._geo_entries()]
        return entries

    def _mask_entries(self, level: int) -> list[tuple[int, int, list[float] | list[int] | bytes]]:
        return [
            (254, _LONG, [5 if level else 4]),
            (258, _SHORT, [1]),
            (259, _SHORT, [8]),
            (262, _SHORT, [4]),
            (277, _SHORT, [1]),
            (284, _SHORT, [1]),
            *self._size_entries(level),
        ]

    def _size_entries(self, level: int) -> list[tuple[int, int, list[float] | list[int] | bytes]]:
        height, width = self.layout.shape(level)
        block = self.layout.block_px
        return [(256, _LONG, [width]), (257, _LONG, [height]), (322, _SHORT, [block]), (323, _SHORT, [block])]

    def _metadata(self) -> bytes:
        items = [f"<Item name={quoteattr(name)}>{escape(value)}</Item>" for name, value in self.layout.tags.items()]
        for sample, band in enumerate(self.layout.bands):
            place = f'sample="{sample}"'
            items.append(f'<Item name="DESCRIPTION" {place} role="description">{escape(band.description)}</Item>')
            if band.scale != 1:
                items.append(f'<Item name="SCALE" {place} role="scale">{band.scale!r}</Item>')
                items.append(f'<Item name="OFFSET" {place} role="offset">0</Item>')
            if band.color:
                items.append(f'<Item name="COLORINTERP" {place} role="colorinterp">{band.color.title()}</Item>')
        return f"<GDALMetadata>{''.join(items)}</GDALMetadata>\0".encode()

    def _geo_entries(self) -> list[tuple[int, int, list[float] | list[int] | bytes]]:
        grid = self.layout.grid
        keys = [1, 1, 1, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, grid.epsg]  # projected, pixel is area, EPSG code
        return [
            (33550, _DOUBLE, [grid.pixel_m, grid.pixel_m, 0.0]),
            (33922, _DOUBLE, [0.0, 0.0, 0.0, grid.left, grid.top, 0.0]),
            (34735, _SHORT, keys),
        ]

    def _directory(
        self, entries: list[tuple[int, int, list[float] | list[int] | bytes]], position: int, *, last: bool
    ) -> bytes:
        """One directory with the values that do not fit into its entries right behind it."""
        entry_size, inline, word = (20, 8, "Q") if self.wide else (12, 4, "I")
        head = struct.pack("<Q" if self.wide else "<H", len(entries))
        values_at = position + len(head) + entry_size * len(entries) + struct.calcsize(word)
        table, values = b"", b""
        for tag, kind, value in entries:
            data = value if isinstance(value, bytes) else struct.pack(f"<{len(value)}{_FORMATS[kind]}", *value)
            count = len(value)
            if len(data) <= inline:
                field_bytes = data.ljust(inline, b"\0")
            else:
                field_bytes = struct.pack("<" + word, values_at + len(values))
                values += data + b"\0" * (len(data) % 2)
            table += struct.pack("<HH" + word, tag, kind, count) + field_bytes
        next_at = 0 if last else values_at + len(values)
        return head + table + struct.pack("<" + word, next_at) + values


_FORMATS = {_SHORT: "H", _LONG: "I", _DOUBLE: "d", _LONG8: "Q"}
