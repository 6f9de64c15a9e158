"""A full disk, said in our words wherever files are written."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cog_builder.errors import DiskFullError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def naming_a_full_disk(subject: str) -> Iterator[None]:
    """Turn "no space left" inside the block into `DiskFullError`.

    Args:
        subject: What was being written, such as a scene and file.

    Raises:
        DiskFullError: The file system, the quota or the file size limit is exhausted.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"{subject}: {error.strerror}; free some space or choose another disk, then build again"
        ) from error
