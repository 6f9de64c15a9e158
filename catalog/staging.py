"""Staging: the files of a scene on their way in, where no reader sees them, and the checks they pass there."""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalog import lock
from catalog.errors import DiskFullError, InvalidItemError
from catalog.item import resolve_href

WASTE_SUFFIX = ".waste"


@contextlib.contextmanager
def staging_folder(home: Path) -> Iterator[Path]:
    """An empty folder on the store's file system; gone after the block, or swept when this process dies."""
    staging = home / "staging"
    name = uuid.uuid4().hex
    with lock.owned(staging / f"{name}{lock.LOCK_SUFFIX}"):
        folder = staging / name
        folder.mkdir()
        try:
            yield folder
        finally:
            remove_staged(folder)


def remove_staged(folder: Path) -> None:
    """Take a staging folder away at once, then delete it: who still writes into it finds it gone."""
    waste = folder.with_name(folder.name + WASTE_SUFFIX)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(waste)
    shutil.rmtree(waste, ignore_errors=True)


def stage_files(item: dict[str, Any], folder: Path, staged: Path, *, home: Path, reserve_mib: int) -> None:
    """Bring exactly the files that the Item names into the staging folder."""
    built_here = folder.resolve().is_relative_to((home / "staging").resolve())
    needed = 0 if built_here else sum(asset["file:size"] for asset in item["assets"].values())
    free = shutil.disk_usage(home).free - reserve_mib * 2**20
    if needed > free:
        raise DiskFullError(
            f"{item['id']}: needs {needed >> 20} MiB, free beyond the reserve of {reserve_mib} MiB are {free >> 20} MiB"
        )
    for key, asset in item["assets"].items():
        source, target = _asset_file(folder, item, key), staged / asset["href"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if built_here:
            source.rename(target)
        else:
            shutil.copyfile(source, target)


def check_files(folder: Path, item: dict[str, Any], *, checksums: bool = True) -> None:
    """Compare size and checksum of every asset with the finished bytes.

    Raises:
        InvalidItemError: Naming the asset, what was found and what the Item says.
    """
    for key, asset in item["assets"].items():
        path = _asset_file(folder, item, key)
        if path.stat().st_size != asset["file:size"]:
            raise InvalidItemError(
                f"item {item['id']}: asset {key} has {path.stat().st_size} bytes, file:size says {asset['file:size']}"
            )
        if checksums and (found := checksum(path)) != asset["file:checksum"]:
            raise InvalidItemError(
                f"item {item['id']}: asset {key} has checksum {found}, file:checksum says {asset['file:checksum']}"
            )


def checksum(path: Path) -> str:
    """The sha2-256 multihash of a file, as `file:checksum` has it."""
    with path.open("rb") as file:
        return "1220" + hashlib.file_digest(file, "sha256").hexdigest()


def _asset_file(folder: Path, item: dict[str, Any], key: str) -> Path:
    """The regular file of an asset inside a folder, reached without links."""
    href = item["assets"][key]["href"]
    path = resolve_href(href, folder=folder, asset_roots=())
    if path is None or path != Path(os.path.normpath(folder.resolve() / href)):
        raise InvalidItemError(f"item {item['id']}: the href {href!r} of asset {key} leaves the folder or is a link")
    if not path.is_file():
        raise InvalidItemError(f"item {item['id']}: the file {href} of asset {key} is missing")
    return path
