"""Remote stores: the addresses below which assets may lie that are read over HTTP, or are objects of S3 (T02)."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

MAX_ADDRESS_LENGTH = 2048

_OBJECT = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_NOT_IN_KEYS = frozenset(" \\%?#")
"""What one client takes as it stands and the next one for an escape, a query or another path."""
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\]", re.ASCII)
_PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+", re.ASCII)
_HIDDEN = re.compile(r"[\x00-\x20\x7f/\\%?#]")
"""What must not come out of an escape: a client or server on the way may take it for a part of the address."""


def is_remote(href: str) -> bool:
    """Whether an href is an address and not a path."""
    return "://" in href[:16]


def is_object(address: str) -> bool:
    """Whether an address is that of an object in a bucket, which means nothing outside this node."""
    return address.startswith(_OBJECT)


def is_elsewhere(href: str) -> bool:
    """Whether clients get the bytes from another host, at this very address."""
    return is_remote(href) and not is_object(href)


def read_store(text: str) -> str:
    """The address of a store as addresses are compared with it: it ends in a slash.

    Keys of objects are written as they are, without escapes.

    Raises:
        ValueError: It is not a plain address.
    """
    address = _normalised(text)
    if address is None:
        shown = text.rpartition("@")[2]  # a password is not repeated
        raise ValueError(
            f"{shown!r:.200} must be written https://host[:port]/prefix or s3://bucket/prefix, without user, query"
            " or '..'"
        )
    return address.rstrip("/") + "/"


def resolve_address(href: str, stores: Sequence[str]) -> str | None:
    """The address behind an href, normalised; None unless it lies below one of the stores.

    Scheme, host and port must be those of the store and the path must begin with the store's.
    """
    address = _normalised(href)
    return address if address is not None and address.startswith(tuple(stores)) else None


def origin_of(address: str) -> str:
    """Scheme, host and port of a normalised address; of an object, its bucket."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _normalised(text: str) -> str | None:
    """An address with its scheme and host in lower case and its port written out; None when it is not plain."""
    if len(text) > MAX_ADDRESS_LENGTH or not text.isprintable() or " " in text:
        return None
    if is_object(text):
        return _normalised_object(text)
    if not text.isascii():
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in _PORTS or "@" in parts.netloc or "?" in text or "#" in text or not _HOST.fullmatch(host):
        return None
    return f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}{parts.path or '/'}" if _is_plain(parts) else None


def _normalised_object(text: str) -> str | None:
    bucket, _, key = text.removeprefix(_OBJECT).partition("/")
    named = key.removesuffix("/").split("/") if key else []
    plain = not _NOT_IN_KEYS & set(key) and not {"", ".", ".."} & set(named)
    return f"{_OBJECT}{bucket}/{key}" if _BUCKET.fullmatch(bucket) and ".." not in bucket and plain else None


def _is_plain(parts: SplitResult) -> bool:
    """Whether no server can take the path for another one."""
    path = parts.path or "/"
    if not _PATH.fullmatch(path) or any(_HIDDEN.search(unquote(escape)) for escape in re.findall("%..", path)):
        return False
    return not any(unquote(part) in {"", ".", ".."} for part in path.removesuffix("/").split("/")[1:])
