"""Decoding one stored block of a Cog into pixels and their validity.

Compressions that are read: none, LZW, DEFLATE (both codes), Zstandard, JPEG and WebP; predictors: none, horizontal and
floating point; samples: 1 bit (masks), 8, 16 or 32 bits, as `cog.py` lists them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from imagery_node.cog import Cog, Level
from imagery_node.errors import UnreadableAssetError

Pixels = NDArray[Any]
"""(row, column, sample) in the file's type; alpha, if the file has it, is the last sample."""

NONE, LZW, JPEG, ADOBE_DEFLATE, DEFLATE, ZSTD, WEBP = 1, 5, 7, 8, 32946, 50000, 50001
RGB, YCBCR = 2, 6
_NO_PREDICTOR, _HORIZONTAL, _FLOATING_POINT = 1, 2, 3
_OPAQUE = 128
"""Alpha from here up counts as valid: at least half of the pixel was imaged."""

_BYTE_CODECS: dict[int, Callable[..., Any]] = {
    LZW: imagecodecs.lzw_decode,
    ADOBE_DEFLATE: imagecodecs.deflate_decode,
    DEFLATE: imagecodecs.deflate_decode,
    ZSTD: imagecodecs.zstd_decode,
}


@dataclass(frozen=True, slots=True)
class Block:
    """The decoded pixels of one block, padding at the image's edge included."""

    pixels: Pixels
    valid: NDArray[np.bool_] | None
    """(row, column); None when every pixel is valid."""

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return self.pixels.nbytes + (0 if self.valid is None else self.valid.nbytes)


def decode_block(cog: Cog, level: int, row: int, col: int) -> Block:
    """Read and decode one block. A sparse block is all invalid zeros.

    Nodata: the file's mask, else its alpha, else pixels that hold the nodata value in every band.

    Raises:
        UnreadableAssetError: The block cannot be read, or is not what the header says.
    """
    image = cog.levels[level]
    pixels = _read_pixels(cog, image, row, col)
    if pixels is None:
        nothing = np.zeros((), image.dtype.newbyteorder("="))
        shape = image.block_shape
        return Block(np.broadcast_to(nothing, (*shape, image.samples)), np.broadcast_to(np.False_, shape))
    valid = _validity(cog, image, row, col, pixels)
    pixels.setflags(write=False)  # many readers share it
    return Block(pixels, None if valid is None or valid.all() else valid)


def decode_mask(cog: Cog, mask: Level, row: int, col: int) -> NDArray[np.bool_]:
    """Validity of one block from the file's mask; a sparse block is all invalid."""
    pixels = _read_pixels(cog, mask, row, col)
    return np.zeros(mask.block_shape, np.bool_) if pixels is None else pixels[..., 0] != 0


def _read_pixels(cog: Cog, level: Level, row: int, col: int) -> Pixels | None:
    """All samples of one block; None where the file is sparse."""
    planes = []
    for plane in range(len(level.offsets)):
        length = int(level.byte_counts[plane, row, col])
        if length == 0:
            return None
        if length > cog.length:
            raise UnreadableAssetError(f"{cog.path.name}: block {row}, {col} claims {length} bytes, more than the file")
        stored = cog.read(int(level.offsets[plane, row, col]), length)
        try:
            planes.append(_decode(level, stored))
        except (RuntimeError, ValueError) as error:
            raise UnreadableAssetError(f"{cog.path.name}: block {row}, {col} is damaged: {error}") from error
    return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)


def _decode(level: Level, stored: bytes) -> Pixels:
    """One stored block as (row, column, sample); raises RuntimeError or ValueError where it is damaged."""
    samples = level.samples_per_block
    shape = (*level.block_shape, samples)
    if level.compression == JPEG:
        space = {YCBCR: "YCBCR", RGB: "RGB"}.get(level.photometric)
        return imagecodecs.jpeg8_decode(
            stored,
            tables=level.jpeg_tables,
            colorspace=space,
            outcolorspace="RGB" if space else None,
            out=np.empty(shape if samples > 1 else shape[:2], np.uint8),
        ).reshape(shape)
    if level.compression == WEBP:
        return imagecodecs.webp_decode(stored, hasalpha=samples == 4, out=np.empty(shape, np.uint8))
    row_bytes = (shape[1] * samples * level.bits + 7) // 8
    data = _decompress(level.compression, stored, shape[0] * row_bytes)
    if level.bits == 1:
        rows = np.frombuffer(data, np.uint8).reshape(shape[0], row_bytes)
        return np.unpackbits(rows, axis=1, count=shape[1]).reshape(shape)
    return _undo_prediction(level, np.frombuffer(data, level.dtype).reshape(shape))


def _decompress(compression: int, stored: bytes, length: int) -> bytes | bytearray:
    """Exactly `length` bytes: the output buffer bounds what a hostile block can unpack to."""
    if compression == NONE:
        data: bytes | bytearray = stored
    elif compression in _BYTE_CODECS:
        data = _BYTE_CODECS[compression](stored, out=bytearray(length))
    else:
        raise ValueError(f"compression {compression} is not read")
    if len(data) != length:
        raise ValueError(f"unpacks to {len(data)} bytes, expected {length}")
    return data


def _undo_prediction(level: Level, pixels: Pixels) -> Pixels:
    if level.predictor == _FLOATING_POINT:
        # The bytes were sorted by significance, most significant first, whatever the byte order of the file.
        return imagecodecs.floatpred_decode(np.ascontiguousarray(pixels), axis=-2)
    native = pixels.astype(level.dtype.newbyteorder("="), copy=False)
    if level.predictor == _HORIZONTAL:
        return imagecodecs.delta_decode(native, axis=-2, out=native if native.flags.writeable else None)
    if level.predictor != _NO_PREDICTOR:
        raise ValueError(f"predictor {level.predictor} is not read")
    return native


def _validity(cog: Cog, level: Level, row: int, col: int, pixels: Pixels) -> NDArray[np.bool_] | None:
    if level.mask is not None:
        return decode_mask(cog, level.mask, row, col)
    if cog.has_alpha:
        return np.asarray(pixels[..., -1] >= _OPAQUE)
    if cog.nodata is None and pixels.dtype.kind != "f":
        return None
    valid = _has_value(pixels[..., 0], cog.nodata)
    for sample in range(1, pixels.shape[2]):
        if valid.all():  # the rule: in the first band already
            break
        valid |= _has_value(pixels[..., sample], cog.nodata)
    return valid


def _has_value(band: Pixels, nodata: float | None) -> NDArray[np.bool_]:
    if band.dtype.kind != "f":
        return np.asarray(band != nodata)
    return np.isfinite(band) if nodata is None else np.isfinite(band) & (band != nodata)
