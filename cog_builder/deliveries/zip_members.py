"""Members of a zip file; its table of contents is only read when it is of a reasonable size."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cog_builder.errors import IncompleteDeliveryError, UnsafeArchiveError

_MAX_READ_BYTES = 4 * 1024 * 1024
"""More than the table of contents of any delivery; one member takes about 0.2 KiB there."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The other methods of `zipfile` unpack without any bound on memory."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, OverflowError, NotImplementedError)


@dataclass
class ZipMember:
    """One member, open for reading."""

    name: str
    kind: str
    """`file`, `folder`, or what else it is."""
    packed_bytes: int | None
    content: IO[bytes] | None
    remaining: int
    """Bytes of content that the table of contents still promises."""
    archive: str

    def read(self, count: int, /) -> bytes:
        """The next bytes of the content; nothing at its end, where the checksum has been proven."""
        if self.content is None:
            return b""
        try:
            data = self.content.read(count)
        except _DAMAGE as error:
            raise _damaged(self.archive, error) from error
        self.remaining -= len(data)
        if not data and self.remaining:
            raise _damaged(self.archive, f"{self.name[:120]!a} is {self.remaining} bytes shorter than promised")
        return data


def zip_members(path: Path) -> Iterator[ZipMember]:
    """Every member in the order of the table of contents.

    Raises:
        IncompleteDeliveryError: The table of contents or a member is missing or damaged.
        UnsafeArchiveError: The table of contents is overlong or not about the whole file, or a member is encrypted or
            compressed by an unusual method.
    """
    with _CautiousFile(path) as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except _DAMAGE as error:
            raise _damaged(path.name, error) from error
        with archive:
            if first := min((info.header_offset for info in archive.infolist()), default=0):
                raise UnsafeArchiveError(
                    f"{path.name}: its table of contents begins at byte {first}, expected one archive and nothing else"
                )
            for info in archive.infolist():
                yield _member(archive, info, path.name)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> ZipMember:
    if info.flag_bits & 1:
        raise UnsafeArchiveError(f"{name}: {info.orig_filename[:120]!a} is encrypted, expected a readable archive")
    if info.compress_type not in _METHODS:
        raise UnsafeArchiveError(
            f"{name}: {info.orig_filename[:120]!a} is compressed by method {info.compress_type}, expected deflate"
        )
    kind = _kind(info)
    try:
        content = archive.open(info) if kind == "file" else None
    except _DAMAGE as error:
        raise _damaged(name, error) from error
    return ZipMember(info.orig_filename, kind, info.compress_size, content, info.file_size, name)


def _kind(info: zipfile.ZipInfo) -> str:
    if info.is_dir():
        return "folder"
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "symbolic link"
    return "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "special file"


def _damaged(archive: str, reason: object) -> IncompleteDeliveryError:
    said = str(reason)[:200] or type(reason).__name__
    return IncompleteDeliveryError(f"{archive}: the zip file is cut short or damaged ({said}); fetch it again")


class _CautiousFile(io.FileIO):
    """Refuses to read much at once: `zipfile` loads a table of contents whole, however long it claims to be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_READ_BYTES:
            raise UnsafeArchiveError(f"{self.name}: a table of contents of {size} bytes, expected one product")
        return super().read(size) or b""
