"""A limit on the size of files, which stands in for a full disk."""

import os
import resource

NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Python cuts off at the limit what it compiles, and reads it the next time."""


def small_files(limit):
    """Options of `subprocess.run` for a child whose files have at most so many bytes."""
    return {"preexec_fn": limit_files(limit), "env": os.environ | NO_BYTECODE}


def limit_files(limit):
    """What such a child does before it begins."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
