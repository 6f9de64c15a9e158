"""A new file of `loaded/`: in its place before the commit that lists what it holds, and gone again without one."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

from catalog import lock
from catalog.durable import naming_a_full_disk
from catalog.errors import DiskFullError, StoreUnavailableError
from catalog.sidecar import loaded_files, loading_lock
from catalog.staging import staging_folder


class BusyError(StoreUnavailableError):
    """Something else is being loaded."""

    transient = True


@contextlib.contextmanager
def new_loaded_file(home: Path, subject: str, *, wait_s: float = math.inf) -> Iterator[tuple[Path, Path]]:
    """Be the one who loads; gives a file to write documents to, and the place where it belongs before the commit.

    The place is empty again unless the block ends well.

    Args:
        home: The node's folder.
        subject: What is loaded, for messages.
        wait_s: How long to wait for others.

    Raises:
        BusyError: Others took longer.
        DiskFullError: There is no room.
    """
    with (
        naming_a_full_disk(subject, DiskFullError),
        staging_folder(home) as staged,
        only_loader(home, wait_s=wait_s),
        contextlib.ExitStack() as undo,
    ):
        target = home / "loaded" / f"{newest_number(home) + 1:06d}.ndjson"
        undo.callback(target.unlink, missing_ok=True)
        yield staged / "documents.ndjson", target
        undo.pop_all()


@contextlib.contextmanager
def only_loader(home: Path, *, wait_s: float = math.inf) -> Iterator[None]:
    """Keep everyone else from loading meanwhile.

    Raises:
        BusyError: Someone was loading for longer than `wait_s`.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.exclusive(loading_lock(home), wait_s=wait_s))
        except BlockingIOError as error:
            raise BusyError("something else is being loaded; try again later") from error
        yield


def newest_number(home: Path) -> int:
    """The number of the file that was loaded last; 0 before the first."""
    return max((int(path.stem) for path in loaded_files(home)), default=0)
