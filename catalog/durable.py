"""Files and names that survive a power cut."""

import os
from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Write a small file where no reader looks yet, and make its content durable."""
    path.write_bytes(content)
    sync_file(path)


def move_file(source: Path, target: Path) -> None:
    """Give a durable file its place: readers see what was there before or all of it."""
    make_folder(target.parent)
    source.rename(target)
    sync_folder(target.parent)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, each name durable."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
