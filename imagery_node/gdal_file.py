"""Files for GDAL, with the one driver that leads nowhere else (T03); remote ones through our own reader of ranges.

GDAL's own HTTP client would follow redirects out of the allowed stores.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import rasterio
from rasterio.abc import FileContainer

from imagery_node.errors import UnreadableAssetError
from imagery_node.source_file import Location, OpenFile, RemoteFile, open_file
from imagery_node.tiff import HEAD_BYTES


@dataclass(frozen=True)
class _Reading:
    """What GDAL does for this thread now."""

    file: RemoteFile
    failures: list[UnreadableAssetError] = field(default_factory=list)


_reading: ContextVar[_Reading] = ContextVar("_reading")


def open_geotiff(location: Location) -> Any:
    """A rasterio dataset of a GeoTIFF; a remote one is opened and read inside `telling_failures`.

    Raises:
        RasterioIOError: GDAL cannot read it.
    """
    if isinstance(location, RemoteFile):
        return rasterio.open(_name(location), driver="GTiff", opener=_container())
    return rasterio.open(location, driver="GTiff")


@contextmanager
def telling_failures(location: Location) -> Iterator[None]:
    """Raise what could not be read of a remote file in this block, whatever GDAL made of it.

    Raises:
        UnreadableAssetError: The host did not answer as it should.
    """
    if not isinstance(location, RemoteFile):
        yield
        return
    reading = _Reading(location)
    token = _reading.set(reading)
    try:
        yield
    except Exception as error:
        if reading.failures:
            raise reading.failures[0] from error
        raise
    finally:
        _reading.reset(token)
    if reading.failures:
        raise reading.failures[0]


class _RangeFile(io.RawIOBase):
    """A remote file as GDAL's plug-in wants it; small reads are made of larger ones."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._at = 0
        self._chunk = (0, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.length}[whence]
        self._at = start + offset
        return self._at

    def read(self, length: int = -1) -> bytes:
        """The next bytes; none where the file ends, and none where they cannot be had, which is then told."""
        left = max(0, self._file.length - self._at)
        length = left if length < 0 else min(length, left)
        try:
            data = self._read(length) if length else b""
        except UnreadableAssetError as error:
            _reading.get().failures.append(error)
            return b""
        self._at += len(data)
        return data

    def _read(self, length: int) -> bytes:
        start, chunk = self._chunk
        if not start <= self._at <= self._at + length <= start + len(chunk):
            start = self._at
            chunk = self._file.read(start, max(length, min(HEAD_BYTES, self._file.length - start)))
            self._chunk = start, chunk
        return chunk[self._at - start : self._at - start + length]


class _Container(FileContainer):  # type: ignore[misc]  # rasterio is untyped
    """Gives GDAL the one file that is being read, and nothing that lies beside it."""

    def open(self, path: str, mode: str = "r", **_: Any) -> io.RawIOBase:
        reading = _reading.get(None)
        if reading is None or path != _name(reading.file) or "r" not in mode:
            raise FileNotFoundError(path)
        try:
            return _RangeFile(open_file(reading.file))
        except UnreadableAssetError as error:
            reading.failures.append(error)
            raise FileNotFoundError(path) from error

    def isfile(self, path: str) -> bool:
        return path == _name(_reading.get().file)

    def isdir(self, path: str) -> bool:
        return False

    def ls(self, path: str) -> list[str]:
        return []

    def mtime(self, path: str) -> int:
        return 0

    def size(self, path: str) -> int:
        raise FileNotFoundError(path)

    def rm(self, path: str) -> None:
        raise PermissionError(path)


def _name(file: RemoteFile) -> str:
    """A name without `s3://`, at which rasterio would look for credentials of its own."""
    return file.address.replace("://", "/")


@cache
def _container() -> _Container:
    """One for the process: GDAL keeps each that it was ever given."""
    return _Container()
