"""Getting the files of a product out of a folder or an archive that nobody vouches for.

The packing is recognised by its first bytes. Members are streamed, never extracted; only regular files of a known kind
are kept, under their own flat name; an archive that tries anything else is refused whole (T10, limits L28 and L29).
"""

import gzip
import os
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from catalog.durable import naming_a_full_disk
from cog_builder.deliveries.tar_stream import ByteSource, is_tar, tar_members
from cog_builder.deliveries.zip_members import zip_members
from cog_builder.errors import DiskFullError, IncompleteDeliveryError, UnrecognisedDeliveryError, UnsafeArchiveError

MAX_ARCHIVE_BYTES = 64 * 1024**3
MAX_UNPACKED_BYTES = 256 * 1024**3
MAX_MEMBERS = 2000
MAX_NAME_BYTES = 255
MAX_DEPTH = 8
MAX_RATIO = 200
MAX_TEXT_RATIO = 100
MAX_TEXT_BYTES = {".xml": 16 * 1024**2, ".rpb": 64 * 1024, ".rpc": 64 * 1024, "_rpc.txt": 64 * 1024}
"""By the ending of the name, whatever its letter case."""
IMAGE_ENDINGS = (".tif", ".tiff")

_ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip")
_CHUNK_BYTES = 1024 * 1024
_SMALL_BYTES = 1024 * 1024
"""Ratios say nothing about less than this."""
_OUR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Member(Protocol):
    """One member of an archive, whatever the format."""

    name: str
    kind: str
    """`file`, `folder`, or what else it is."""
    packed_bytes: int | None
    """Size before unpacking, where the format tells."""

    def read(self, count: int, /) -> bytes:
        """The next bytes of the content; nothing at its end."""


def collect_files(delivery: Path, workspace: Path) -> tuple[Path, ...]:
    """The TIFF, XML and RPC files of a delivery: those of a folder in place, those of an archive unpacked.

    Args:
        delivery: A folder, or a tar, tar.gz or zip file; its name does not matter.
        workspace: An existing empty folder, filled with the wanted members of an archive.

    Raises:
        UnrecognisedDeliveryError: Neither a folder nor a known archive, or nothing but archives in it.
        UnsafeArchiveError: The archive breaks a limit, or holds links, devices or unsafe names.
        IncompleteDeliveryError: The archive is cut short or damaged.
        DiskFullError: There is no room to unpack.
    """
    if delivery.is_dir():
        return _files_of_folder(delivery)
    if not delivery.is_file():
        raise UnrecognisedDeliveryError(f"{delivery.name}: no such file or folder")
    packed_bytes = delivery.stat().st_size
    if packed_bytes > MAX_ARCHIVE_BYTES:
        raise UnsafeArchiveError(f"{delivery.name}: {packed_bytes} bytes, expected at most {MAX_ARCHIVE_BYTES}")
    with delivery.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"PK\x03\x04"):
        members: Iterable[Member] = zip_members(delivery)
        return _unpack(members, delivery.name, workspace, _Meter(delivery.name, packed_bytes))
    if head.startswith(b"\x1f\x8b"):
        return _unpack_tar(delivery, workspace, compressed=True)
    if is_tar(head):
        return _unpack_tar(delivery, workspace, compressed=False)
    raise UnrecognisedDeliveryError(
        f"{delivery.name}: begins with {head[:4].hex(' ') or 'nothing'}, expected a folder, tar, tar.gz or zip"
    )


def _files_of_folder(folder: Path) -> tuple[Path, ...]:
    files: list[Path] = []
    archives: list[str] = []
    count = 0
    for parent, folders, names in os.walk(folder):
        if folders and len(Path(parent).relative_to(folder).parts) >= MAX_DEPTH:
            raise UnsafeArchiveError(f"{folder.name}: folders deeper than {MAX_DEPTH}, expected one product")
        count += len(names)
        if count > MAX_MEMBERS:
            raise UnsafeArchiveError(f"{folder.name}: more than {MAX_MEMBERS} files, expected one product")
        wanted = [Path(parent, name) for name in sorted(names) if _is_wanted(name)]
        for path in wanted:
            if path.is_symlink() or not path.is_file():
                raise UnsafeArchiveError(f"{folder.name}: {path.name} is a link or a device, expected a regular file")
        files += wanted
        archives += (name for name in names if name.lower().endswith(_ARCHIVE_ENDINGS))
    _check_not_nested(folder.name, files, archives)
    return tuple(files)


def _unpack_tar(delivery: Path, workspace: Path, *, compressed: bool) -> tuple[Path, ...]:
    meter = _Meter(delivery.name, delivery.stat().st_size)
    with delivery.open("rb") as packed, _naming_damage(delivery.name):
        stream: ByteSource = gzip.GzipFile(fileobj=packed) if compressed else packed
        return _unpack(tar_members(_Metered(stream, meter), delivery.name), delivery.name, workspace, None)


def _unpack(members: Iterable[Member], archive: str, workspace: Path, meter: "_Meter | None") -> tuple[Path, ...]:
    folder = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY)
    try:
        seen: set[str] = set()
        kept: dict[str, Path] = {}
        for count, member in enumerate(members, start=1):
            if count > MAX_MEMBERS:
                raise UnsafeArchiveError(f"{archive}: more than {MAX_MEMBERS} members, expected one product")
            path = _checked_path(member, archive, seen)
            if member.kind != "file" or not _is_wanted(path.name):
                continue
            if path.name.casefold() in kept:
                raise UnsafeArchiveError(f"{archive}: {path.name} comes twice, in different folders")
            kept[path.name.casefold()] = workspace / path.name
            _write(member, path.name, folder, archive, meter)
    finally:
        os.close(folder)
    _check_not_nested(archive, kept, [name for name in seen if name.endswith(_ARCHIVE_ENDINGS)])
    return tuple(kept[name] for name in sorted(kept))


def _check_not_nested(delivery: str, wanted: Collection[object], archives: list[str]) -> None:
    if archives and not wanted:
        raise UnrecognisedDeliveryError(
            f"{delivery}: holds the archive {min(archives)[:120]!a}, expected the files of one product; "
            "unpack it once, or deliver each archive inside it by itself"
        )


def _is_wanted(name: str) -> bool:
    return (
        name.lower().endswith((*MAX_TEXT_BYTES, *IMAGE_ENDINGS))
        and not name.lower().endswith(".aux.xml")
        and _OUR_NAME.fullmatch(name) is not None
    )


def _checked_path(member: Member, archive: str, seen: set[str]) -> PurePosixPath:
    """The member's path, when it is one that stays inside the archive and has not come before."""
    name = member.name.removeprefix("./").rstrip("/")
    shown = ascii(member.name[:120])
    parts = name.split("/")
    if member.kind not in ("file", "folder"):
        raise UnsafeArchiveError(f"{archive}: {shown} is a {member.kind}, expected regular files and folders only")
    if name.startswith("/") or ".." in parts or "\\" in name or re.match(r"[A-Za-z]:", name):
        raise UnsafeArchiveError(f"{archive}: {shown} leads out of the archive, expected a relative name without '..'")
    if not name.isprintable() or unicodedata.normalize("NFC", name) != name or len(name.encode()) > MAX_NAME_BYTES:
        raise UnsafeArchiveError(
            f"{archive}: {shown} is no plain name, expected at most {MAX_NAME_BYTES} printable bytes in NFC"
        )
    if len(parts) > MAX_DEPTH:
        raise UnsafeArchiveError(f"{archive}: {shown} is {len(parts)} folders deep, expected at most {MAX_DEPTH}")
    if name.casefold() in seen:
        raise UnsafeArchiveError(f"{archive}: {shown} comes twice when letter case is ignored")
    seen.add(name.casefold())
    return PurePosixPath(name)


def _write(member: Member, name: str, folder: int, archive: str, meter: "_Meter | None") -> None:
    limit = _content_limit(member, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    written = 0
    with (
        naming_a_full_disk(f"{archive}: unpacking {name}", DiskFullError),
        os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as target,
    ):
        while data := member.read(_CHUNK_BYTES):
            written += len(data)
            if written > limit:
                raise UnsafeArchiveError(f"{archive}: {name} unpacks to more than {limit} bytes")
            if meter:
                meter.count(len(data))
            target.write(data)


def _content_limit(member: Member, name: str) -> int:
    limit = next((limit for ending, limit in MAX_TEXT_BYTES.items() if name.lower().endswith(ending)), None)
    if limit is None:
        return MAX_UNPACKED_BYTES
    if member.packed_bytes is None:
        return limit
    return min(limit, max(_SMALL_BYTES, member.packed_bytes * MAX_TEXT_RATIO))


class _Meter:
    """Counts unpacked bytes against the total and the ratio of L29."""

    def __init__(self, archive: str, packed_bytes: int) -> None:
        self._archive = archive
        self._limit = min(MAX_UNPACKED_BYTES, max(_SMALL_BYTES, packed_bytes * MAX_RATIO))
        self._unpacked = 0

    def count(self, unpacked: int) -> None:
        self._unpacked += unpacked
        if self._unpacked > self._limit:
            raise UnsafeArchiveError(
                f"{self._archive}: unpacks to more than {self._limit} bytes, {MAX_RATIO} times its own size"
            )


class _Metered:
    """A stream whose every byte is counted, wanted or skipped."""

    def __init__(self, stream: ByteSource, meter: _Meter) -> None:
        self._stream = stream
        self._meter = meter

    def read(self, count: int, /) -> bytes:
        data = self._stream.read(count)
        self._meter.count(len(data))
        return data


@contextmanager
def _naming_damage(archive: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise IncompleteDeliveryError(
            f"{archive}: the compressed data are cut short or damaged ({error}); fetch the archive again"
        ) from error
