"""Blocks → cloud-optimized GeoTIFF.

Blocks arrive in any order from several threads, are compressed at once and spooled to a scratch file; `finish` writes
the directory and copies them into place, so memory does not depend on the size of the image. The layout is that of
GDAL's COG driver: ghost header, all directories, then blocks from the smallest overview to the full image, each row
by row, each between its size and its last four bytes, a mask block right behind its image block.
Sources: OGC 21-026 (COG); GDAL COG driver documentation, «File structure».
"""

import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from cog_builder.cog_layout import CogLayout, Compression, Place
from cog_builder.tiff_directory import TRAILER_BYTES, TiffDirectories

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_DEFLATE_LEVEL = 4
"""A sharpened scene is 4 % larger than at 6, and compressing it takes little more than half the time."""
_ZSTD_LEVEL = 9
_JPEG_QUALITY = 85
_WEBP_QUALITY, _WEBP_METHOD = 80, 2
"""Method 4, the usual one, takes twice as long for 5 % fewer bytes."""
_MCU_PX = 16
_CLASSIC_LIMIT = 2**32 - 2**16


class CogWriter:
    """Writes one COG. Not valid pixels become nodata or masked; a block without a valid pixel takes no space."""

    def __init__(self, path: Path, layout: CogLayout) -> None:
        self.path = path
        self.layout = layout
        self._spool = path.with_suffix(".spool").open("w+b")
        self._lock = threading.Lock()
        self._end = 0
        self._places: dict[Place, tuple[int, int, int]] = {}
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
            image = self._lossy_block(_smooth_outside(pixels, valid))
            mask = bytes(imagecodecs.zlib_encode(np.packbits(valid, axis=1).tobytes(), level=_DEFLATE_LEVEL))
        else:
            filled = np.where(valid[..., None], pixels, pixels.dtype.type(self.layout.nodata or 0))
            image = _lossless_block(filled, self.layout.compression)
        with self._lock:
            offset, self._end = self._end, self._end + len(image) + len(mask)
            self._places[level, row, col] = offset, len(image), len(mask)
        _write_all(self._spool.fileno(), image + mask, offset)

    def finish(self) -> None:
        """Write the file and remove the spool."""
        wide = self._end + self._end // 64 > _CLASSIC_LIMIT
        directories = TiffDirectories(self.layout, self._places, self._jpeg_tables, wide=wide)
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

    def _lossy_block(self, pixels: Pixels) -> bytes:
        if self.layout.compression == "webp":
            return bytes(
                imagecodecs.webp_encode(
                    np.ascontiguousarray(pixels), level=_WEBP_QUALITY, method=_WEBP_METHOD, lossless=False
                )
            )
        self._jpeg_tables, image = _jpeg_block(pixels)
        return image

    def _in_file_order(self) -> Iterator[tuple[bytes, bytes]]:
        for place in self.layout.places():
            if place in self._places:
                offset, image, mask = self._places[place]
                data = os.pread(self._spool.fileno(), image + mask, offset)
                yield data[:image], data[image:]


def _write_all(file: int, data: bytes, offset: int) -> None:
    """Write at an offset; a full disk writes a part first and only refuses the rest."""
    left = memoryview(data)
    while left:
        done = os.pwrite(file, left, offset)
        left, offset = left[done:], offset + done


def _write_framed(out: BinaryIO, data: bytes) -> None:
    out.write(struct.pack("<I", len(data)) + data + data[-TRAILER_BYTES:].rjust(TRAILER_BYTES, b"\0"))


def _lossless_block(pixels: Pixels, compression: Compression) -> bytes:
    """Horizontal differencing (TIFF predictor 2), then DEFLATE or Zstandard."""
    differences = pixels.copy()
    differences[:, 1:] -= pixels[:, :-1]
    if compression == "zstd":
        return bytes(imagecodecs.zstd_encode(differences.tobytes(), level=_ZSTD_LEVEL))
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
    """Give hidden pixels the mean colour of their 16 × 16 cell, so that no dark edge rings into shown ones."""
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
