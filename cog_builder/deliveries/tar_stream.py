"""Members of a tar stream, read front to back, believing nothing.

The interpreter's own `tarfile` reads extension headers of any length into memory and, in Python versions still in use,
loops or backtracks without end on crafted headers (CVE-2025-8194, CVE-2024-6232). Deliveries need little of the format:
POSIX ustar with pax or GNU long names (POSIX.1-2017, pax, "ustar Interchange Format").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cog_builder.errors import IncompleteDeliveryError, UnrecognisedDeliveryError, UnsafeArchiveError

_BLOCK = 512
_MAX_EXTENSION_BYTES = 64 * 1024
_DRAIN_BYTES = 1024 * 1024
_OCTAL = set(b"01234567")
_KINDS = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hard link",
    b"2": "symbolic link",
    b"3": "character device",
    b"4": "block device",
    b"5": "folder",
    b"6": "pipe",
    b"S": "sparse file",
}


class ByteSource(Protocol):
    """Anything that reads forward."""

    def read(self, count: int, /) -> bytes:
        """At most `count` bytes; nothing at the end."""


@dataclass
class TarMember:
    """One member; its content must be read before the next member is asked for, or is skipped."""

    name: str
    kind: str
    """`file`, `folder`, or what else it is."""
    remaining: int
    """Bytes of content not yet read."""
    stream: ByteSource
    archive: str
    packed_bytes: int | None = None
    """Not known inside a compressed tar."""

    def read(self, count: int, /) -> bytes:
        """The next bytes of the content; nothing at its end."""
        data = self.stream.read(min(count, self.remaining))
        if not data and self.remaining:
            raise _cut_short(self.archive)
        self.remaining -= len(data)
        return data


def is_tar(first_block: bytes) -> bool:
    """Whether this is a tar header with a right checksum; older tars have no magic."""
    return len(first_block) == _BLOCK and any(first_block) and _checksum_holds(first_block)


def tar_members(stream: ByteSource, archive: str) -> Iterator[TarMember]:
    """Every member in order; the stream is then read to its end, so that a compressed one proves its own checksum.

    Raises:
        UnrecognisedDeliveryError: The stream does not begin with a tar header.
        IncompleteDeliveryError: The stream ends early or a header is damaged.
        UnsafeArchiveError: An extension header is overlong, a member is a sparse file, or more follows the end mark.
    """
    long_name: str | None = None
    long_size: int | None = None
    at_start = True
    while any(block := _exactly(stream, _BLOCK, archive)):
        if not _checksum_holds(block):
            if at_start:
                raise UnrecognisedDeliveryError(f"{archive}: neither a tar archive nor a compressed one")
            raise IncompleteDeliveryError(f"{archive}: a member header is damaged; fetch the archive again")
        at_start = False
        kind, size = block[156:157], _number(block[124:136], archive)
        if kind in b"xgLK":
            extension = _extension(stream, size, archive)
            if kind == b"L":
                long_name = _text(extension.rstrip(b"\0"), archive)
            elif kind == b"x":
                pax = _pax_records(extension, archive)
                long_name = pax.get("path", long_name)
                long_size = _decimal(pax["size"], archive) if "size" in pax else None
            continue
        name = _ustar_name(block, archive) if long_name is None else long_name
        stated = size if long_size is None else long_size
        label = "folder" if name.endswith("/") else _KINDS.get(kind, f"member of type {kind!r}")
        member = TarMember(name, label, stated if label == "file" else 0, stream, archive)
        yield member
        while member.read(_DRAIN_BYTES):
            pass
        _exactly(stream, -stated % _BLOCK if label == "file" else 0, archive)
        long_name = long_size = None
    while rest := stream.read(_DRAIN_BYTES):
        if rest.count(0) != len(rest):
            raise UnsafeArchiveError(f"{archive}: more data follow the end mark, expected one archive and nothing else")


def _exactly(stream: ByteSource, count: int, archive: str) -> bytes:
    data = b""
    while len(data) < count:
        part = stream.read(count - len(data))
        if not part:
            raise _cut_short(archive)
        data += part
    return data


def _cut_short(archive: str) -> IncompleteDeliveryError:
    return IncompleteDeliveryError(
        f"{archive}: the archive ends in the middle, expected an end mark; it is cut short or still being copied"
    )


def _checksum_holds(block: bytes) -> bool:
    stated = block[148:156].strip(b" \0")
    counted = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    return bool(stated) and not set(stated) - _OCTAL and int(stated, 8) == counted


def _number(field: bytes, archive: str) -> int:
    if field[0] == 0x80:  # GNU base-256 for sizes from 8 GiB up
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if set(digits) - _OCTAL:
        raise IncompleteDeliveryError(f"{archive}: a member size reads {field!r}, expected octal digits")
    return int(digits or b"0", 8)


def _decimal(text: str, archive: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise UnsafeArchiveError(f"{archive}: a pax size reads {text[:40]!r}, expected digits")
    return int(text)


def _extension(stream: ByteSource, size: int, archive: str) -> bytes:
    if size > _MAX_EXTENSION_BYTES:
        raise UnsafeArchiveError(
            f"{archive}: an extension header of {size} bytes, expected at most {_MAX_EXTENSION_BYTES}"
        )
    return _exactly(stream, size + -size % _BLOCK, archive)[:size]


def _pax_records(extension: bytes, archive: str) -> dict[str, str]:
    records = {}
    position = 0
    while position < len(extension):
        space = extension.find(b" ", position, position + 8)
        digits = extension[position:space]
        length = int(digits) if space > 0 and digits.isdigit() else 0
        if not 5 <= length <= len(extension) - position:
            raise UnsafeArchiveError(f"{archive}: a pax header does not follow its own lengths")
        key, _, value = extension[space + 1 : position + length - 1].partition(b"=")
        if key.startswith(b"GNU.sparse"):
            raise UnsafeArchiveError(f"{archive}: a sparse file, expected regular files only")
        if key in (b"path", b"size"):
            records[key.decode()] = _text(value, archive)
        position += length
    return records


def _ustar_name(block: bytes, archive: str) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name, archive)


def _text(raw: bytes, archive: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnsafeArchiveError(f"{archive}: a member name is not UTF-8: {raw[:80]!r}") from error
