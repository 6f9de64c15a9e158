"""Files and names that survive a power cut."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def naming_a_full_disk(subject: str, refusal: type[Exception]) -> Iterator[None]:
    """Turn "no space left" inside the block into a refusal: file system, quota or file size limit are exhausted.

    Args:
        subject: What was being written, such as a scene and file.
        refusal: The class of the refusal.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise refusal(f"{subject}: {error.strerror}; free some space and try again") from error


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
