"""Where pixels are read from: a file of this machine, or a remote one in an allowed store, both by ranges."""

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from catalog.remote_file import Part
from imagery_node.errors import UnreadableAssetError
from imagery_node.http_ranges import HttpRanges
from imagery_node.tiff import HEAD_BYTES, ReadRange


@dataclass(frozen=True)
class RemoteFile:
    """An address that was found to lie in an allowed store, and the way to read it."""

    address: str
    ranges: HttpRanges = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.address).name

    @property
    def suffix(self) -> str:
        """With its dot."""
        return PurePosixPath(self.address).suffix


Location = Path | RemoteFile


class OpenFile(NamedTuple):
    """A file whose ranges can be read."""

    length: int
    version: Hashable
    """Tells these bytes from others under the same name, earlier or later."""
    read: ReadRange
    read_at_once: ReadRange
    """As `read`, for who must not wait: raises BlockingIOError where disk or network would have to be asked."""
    close: Callable[[], None]


def open_file(location: Location) -> OpenFile:
    """Open a file for reading.

    Raises:
        UnreadableAssetError: It is missing, or its host does not answer as it should.
    """
    return _open_remote(location) if isinstance(location, RemoteFile) else _open_local(location)


def file_version(location: Location) -> Hashable:
    """Tells a file from another one that has taken its name; of remote files only the name is known.

    Raises:
        UnreadableAssetError: The file is missing.
    """
    if isinstance(location, RemoteFile):
        return location.ranges.generation(location.address)
    try:
        return _version(os.stat(location))  # noqa: PTH116 - pathlib costs more than the rest of opening a file again
    except OSError as error:
        raise UnreadableAssetError(f"{location.name}: {error.strerror}") from error


def _version(status: os.stat_result) -> Hashable:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _open_local(path: Path) -> OpenFile:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableAssetError(f"{path.name}: {error.strerror}") from error
    status = os.fstat(descriptor)

    def read(offset: int, length: int) -> bytes:
        try:
            data = os.pread(descriptor, length, offset)
        except (OSError, OverflowError) as error:
            raise UnreadableAssetError(f"{path.name}: cannot read byte {offset}: {error}") from error
        if len(data) != length:
            raise UnreadableAssetError(f"{path.name}: ends at byte {offset + len(data)} of {offset + length}")
        return data

    def read_at_once(offset: int, length: int) -> bytes:
        """Only what the system holds in memory; nothing on a file system that cannot tell."""
        data = bytearray(length)
        try:
            found = os.preadv(descriptor, [data], offset, os.RWF_NOWAIT)
        except (OSError, OverflowError) as error:
            raise BlockingIOError(f"byte {offset} is not in memory") from error
        if found != length:
            raise BlockingIOError(f"byte {offset + found} is not in memory")
        return bytes(data)

    return OpenFile(status.st_size, _version(status), read, read_at_once, lambda: os.close(descriptor))


def _open_remote(file: RemoteFile) -> OpenFile:
    head = _read(file, 0, HEAD_BYTES)

    def read(offset: int, length: int) -> bytes:
        if offset + length <= len(head.data):
            return head.data[offset : offset + length]
        part = _read(file, offset, length)
        if (part.length, part.validator) != (head.length, head.validator):
            file.ranges.forget(file.address)
            raise UnreadableAssetError(f"{file.name}: is another file than a moment ago; ask again")
        if len(part.data) != length:
            raise UnreadableAssetError(f"{file.name}: ends at byte {head.length} of {offset + length}")
        return part.data

    def read_at_once(offset: int, length: int) -> bytes:
        raise BlockingIOError(f"byte {offset} is far away")

    return OpenFile(head.length, (head.length, head.validator), read, read_at_once, lambda: None)


def _read(file: RemoteFile, offset: int, length: int) -> Part:
    try:
        return file.ranges.read(file.address, offset, length)
    except UnreadableAssetError as error:
        raise UnreadableAssetError(f"{file.name}: {error}") from error
