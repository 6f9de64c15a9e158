"""Delivered pixels: a foreign TIFF is decoded once, in a child process with limits, into a flat file we trust.

The flat file has no header and is read with plain positioned reads, so memory stays small whatever the scene's size.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from catalog.durable import naming_a_full_disk
from catalog.reference_system import transverse_mercator_code
from cog_builder import tiff_decoder
from cog_builder.errors import BuildResourceError, DiskFullError, GeolocationError, UnreadableImageError
from cog_builder.scene import ImagePart, MapReference

_DTYPE = np.dtype("<u2")
_GDAL_PINS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no .ovr, .aux.xml or .msk beside the TIFF is looked at (T09)
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_CACHEMAX": "32",
    "GDAL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class RawRaster:
    """Pixels in a flat file: little-endian uint16, (row, col, band) in C order."""

    path: Path
    shape: tuple[int, int, int]
    """(rows, columns, bands)."""

    def read(self, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[np.uint16]:
        """The pixels of a window, as (row, col, band); safe from many threads.

        Args:
            rows: First row, and the row after the last; inside the image.
            cols: First column, and the column after the last; inside the image.

        Raises:
            UnreadableImageError: The file has become shorter.
        """
        height, width, bands = self.shape
        (top, bottom), (left, right) = rows, cols
        if not (0 <= top <= bottom <= height and 0 <= left <= right <= width):
            raise ValueError(f"rows {rows}, columns {cols} are not inside {height}×{width}")
        pixels = np.empty((bottom - top, right - left, bands), _DTYPE)
        pixel_bytes = bands * _DTYPE.itemsize
        source = os.open(self.path, os.O_RDONLY)
        try:
            if right - left == width:
                self._fill(source, pixels, top * width * pixel_bytes)
            else:
                for row, line in enumerate(pixels, start=top):
                    self._fill(source, line, (row * width + left) * pixel_bytes)
        finally:
            os.close(source)
        return pixels

    def _fill(self, source: int, pixels: NDArray[np.uint16], position: int) -> None:
        view = pixels.reshape(-1).view(np.uint8).data
        while view:
            count = os.preadv(source, [view], position)
            if not count:
                raise UnreadableImageError(f"{self.path.name}: ends at byte {position}, expected more pixels")
            view, position = view[count:], position + count


@dataclass(frozen=True)
class BandStack:
    """An image that was delivered as one file per band."""

    bands: tuple[RawRaster, ...]
    """All of one size, with one band each."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, columns, bands)."""
        rows, cols, _ = self.bands[0].shape
        return rows, cols, len(self.bands)

    def read(self, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[np.uint16]:
        """The pixels of a window, as (row, col, band); see `RawRaster.read`."""
        return np.concatenate([band.read(rows, cols) for band in self.bands], axis=2)


def decode_part(part: ImagePart, band_count: int, folder: Path, *, timeout_s: float = 1800) -> RawRaster | BandStack:
    """Decode the TIFFs of a part into flat files in `folder`.

    Args:
        part: Its width and height must be those of the TIFFs.
        band_count: Bands of the image.
        folder: On a disk with room for the raw pixels.
        timeout_s: A child and everything it started are killed after this time.

    Raises:
        UnreadableImageError: A TIFF cannot be decoded, is of another shape, or breaks the limits of the child.
        DiskFullError: There is no room for the raw pixels.
        BuildResourceError: The time is over.
    """
    each = band_count // len(part.paths)
    shape = (part.height, part.width, each)
    files = tuple(_decode_file(path, shape, folder / f"{path.stem}.raw", timeout_s) for path in part.paths)
    return files[0] if len(files) == 1 else BandStack(files)


def read_map_references(paths: Sequence[Path], *, timeout_s: float = 60) -> list[MapReference | None]:
    """The maps that images were delivered on, or None for one that is on none.

    Raises:
        UnreadableImageError: A TIFF cannot be opened within the limits of the child.
        GeolocationError: Its CRS is none of EPSG's, or its pixels are not square and north up.
    """
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as complaints:
        tiffs = [str(path.absolute()) for path in paths]
        status = _run(["place", *tiffs], answer, complaints, paths[0].name, timeout_s)
        answer.seek(0)
        found = answer.read(tiff_decoder.COMPLAINT_BYTES).splitlines()
        if status:
            stuck = paths[min(len(found), len(paths) - 1)]
            raise UnreadableImageError(f"{stuck.name}: cannot be opened: {_reason(status, complaints)}")
    return [_map_reference(path, json.loads(line)) for path, line in zip(paths, found, strict=True)]


def _map_reference(path: Path, found: dict[str, Any] | None) -> MapReference | None:
    if found is None:
        return None
    code = (transverse_mercator_code(*found["mercator"]) if found["mercator"] else None) or found["epsg"]
    if code is None:
        raise GeolocationError(f"{path.name}: its coordinate reference system has no EPSG code, expected one that has")
    transform = Affine(*found["transform"])
    if transform.b or transform.d or not np.isclose(transform.a, -transform.e, rtol=1e-6) or transform.a <= 0:
        raise GeolocationError(
            f"{path.name}: pixels of {transform.a:g} by {transform.e:g} turned by {transform.b:g}, {transform.d:g}; "
            f"expected square ones, north up"
        )
    return MapReference(code, transform)


def _decode_file(path: Path, shape: tuple[int, int, int], into: Path, timeout_s: float) -> RawRaster:
    needed = int(np.prod(shape)) * _DTYPE.itemsize
    free = shutil.disk_usage(into.parent).free
    if free < needed:
        raise DiskFullError(f"{path.name}: {free} bytes free, expected {needed} for raw pixels")
    arguments = ["decode", str(path.absolute()), str(into.absolute()), *map(str, shape)]
    with naming_a_full_disk(path.name, DiskFullError), tempfile.TemporaryFile() as complaints:
        status = _run(arguments, subprocess.DEVNULL, complaints, path.name, timeout_s)
        if status == tiff_decoder.DISK_FULL:
            raise DiskFullError(f"{path.name}: no room for {needed} bytes of raw pixels")
        if status or into.stat().st_size != needed:
            raise UnreadableImageError(f"{path.name}: cannot be decoded: {_reason(status, complaints)}")
    return RawRaster(into, shape)


def _run(arguments: list[str], answer: IO[bytes] | int, complaints: IO[bytes], name: str, timeout_s: float) -> int:
    """Exit status of a child in its own session, with next to no environment; it never outlives this call.

    It leaves no bytecode behind (-B): what Python writes at the limit of a file's size is cut off, yet read later.
    """
    child = subprocess.Popen(  # noqa: S603  # our own script, arguments are not interpreted
        [sys.executable, "-I", "-B", "-W", "ignore", str(Path(tiff_decoder.__file__)), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=answer,
        stderr=complaints,
        cwd="/",
        env=_GDAL_PINS,
        start_new_session=True,
    )
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired as error:
        raise BuildResourceError(f"{name}: timeout: not done within {timeout_s:g} s") from error
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _reason(status: int, complaints: IO[bytes]) -> str:
    if status < 0:
        return f"the decoder was ended by {signal.Signals(-status).name}, which a damaged or hostile file can cause"
    complaints.seek(0)
    lines = complaints.read(tiff_decoder.COMPLAINT_BYTES).decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else f"the decoder ended with status {status}"
