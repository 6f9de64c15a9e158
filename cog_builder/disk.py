"""A full disk, said in our words wherever files are written."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cog_builder.errors import BuildResourceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def naming_a_full_disk(subject: str) -> Iterator[None]:
    """Turn "no space left" inside the block into `BuildResourceError` with the name `disk_full`.

    Args:
        subject: What was being written, such as a scene and file.

    Raises:
        BuildResourceError: The file system, the quota or the file size limit is exhausted.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise BuildResourceError(
            f"{subject}: disk_full: {error.strerror}; free some space or choose another disk, then build again"
        ) from error
