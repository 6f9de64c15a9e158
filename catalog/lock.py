"""Lock files: flocked for as long as the owner lives, so that a dead owner can be told from a slow one."""

import fcntl
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_SUFFIX = ".lock"

_POLL_S = 0.05


@contextmanager
def exclusive(path: Path, *, wait_s: float = math.inf) -> Iterator[None]:
    """Wait for, then hold, the one lock of this file; the file stays.

    Raises:
        BlockingIOError: Someone else held it for longer than `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait_s == math.inf else fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
        yield


@contextmanager
def exclusive_if_free(path: Path) -> Iterator[bool]:
    """Hold the one lock of this file unless someone else does; gives whether it is held."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Own a new lock file until the block ends or the process dies.

    Creating and sweeping lock files of one folder exclude each other, so a file that is seen unlocked has a dead owner.
    """
    with _guard(path.parent):
        file = path.open("x")
        fcntl.flock(file, fcntl.LOCK_EX)
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_owned(path: Path) -> bool:
    """Whether a living owner holds the lock file."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def orphans(folder: Path) -> Iterator[Path]:
    """The lock files of dead owners, while no new one can appear; each may be deleted when it is given."""
    with _guard(folder):
        for path in sorted(folder.glob(f"*{LOCK_SUFFIX}")):
            if path.name != LOCK_SUFFIX and not is_owned(path):
                yield path


@contextmanager
def _guard(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / LOCK_SUFFIX):
        yield
