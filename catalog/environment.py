"""A check that every package's settings share: no variable of ours goes unread."""

import os
from collections.abc import Iterable


def refuse_unknown_variables(prefix: str, fields: Iterable[str]) -> None:
    """Raise ValueError for environment variables with our prefix that name no setting: a misspelt one does nothing."""
    known = {f"{prefix}{field}".upper() for field in fields}
    unknown = sorted(name for name in os.environ if name.startswith(prefix) and name not in known)
    if unknown:
        raise ValueError(f"unknown settings: {', '.join(unknown)}")
