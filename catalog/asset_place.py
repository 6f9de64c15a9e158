"""Where an asset lies: a file of the node or of an allowed root, or an address below an allowed store (T02)."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from catalog.errors import InvalidItemError
from catalog.item import ASSET_SUFFIXES, asset_path
from catalog.remote_store import is_remote, resolve_address


def asset_place(
    item: dict[str, Any],
    key: str,
    *,
    home: Path,
    asset_roots: Sequence[Path] = (),
    remote_stores: Sequence[str] = (),
) -> Path | str:
    """The file of an asset, or the address of a remote one: checked whenever it is asked for, as settings change.

    Raises:
        UnknownItemError: The item has no such asset, or its file is gone.
        InvalidItemError: The href leads elsewhere or to something that is not an image or side-file.
    """
    asset = item["assets"].get(key)
    if asset is None or not is_remote(asset["href"]):
        return asset_path(item, key, home=home, asset_roots=asset_roots)
    address = remote_address(asset["href"], remote_stores)
    if address is None:
        raise InvalidItemError(f"item {item['id']!r}: the href of asset {key!r} is outside CATALOG_REMOTE_STORES")
    return address


def remote_address(href: str, stores: Sequence[str]) -> str | None:
    """The normalised address of a remote image or side-file; None unless it lies below one of the stores."""
    address = resolve_address(href, stores)
    return address if address and PurePosixPath(address).suffix.lower() in ASSET_SUFFIXES else None
