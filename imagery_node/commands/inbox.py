"""An inbox: what lies in it, and which deliveries have arrived whole (P06).

Three things tell that a delivery is complete: a marker `NAME.done` that its sender wrote after it, a checksum in
`NAME.sha256` or `NAME.md5` that it has, or that it has been quiet for some time and can be read to its end. While none
holds, what is wrong with a delivery says nothing: it may still be on its way.
"""

import functools
import hashlib
import logging
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cog_builder.errors import WrongChecksumError

logger = logging.getLogger(__name__)

MARKER = ".done"
CHECKSUMS = {".sha256": "sha256", ".md5": "md5"}
UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload")

_PAUSE_S = 2.0
"""A file that changed so recently is not worth a checksum."""
_PATIENCE = 10
"""So many times the settling time, a delivery that cannot be read may be on its way."""
_MOST_CHECKSUM_BYTES = 4096
_LATEST_S = 253_402_300_799
"""The end of the year 9999; file systems know later times."""


@dataclass(frozen=True)
class Fingerprint:
    """What tells one state of a delivery from the next, files beside it included."""

    size: int
    """Bytes, of a folder those of its files."""
    modified: str
    """When it was last written to: UTC, ISO 8601."""


@dataclass(frozen=True)
class Sighting:
    """A delivery as it lies in the inbox."""

    path: Path
    fingerprint: Fingerprint
    finished: bool
    """Its sender says that it is all there."""
    quiet_s: float
    """How long nothing has changed."""


class Inbox:
    """A folder that senders put deliveries into, each a file or a folder."""

    def __init__(self, folder: Path, *, settle_s: float) -> None:
        self._folder = folder
        self._settle_s = settle_s
        self._known: dict[str, tuple[Fingerprint, float]] = {}
        self._unreadable: set[str] = set()

    def sightings(self) -> Iterator[Sighting]:
        """Everything that could be a delivery, each as it is when its turn comes."""
        try:
            names = sorted(filter(_is_delivery, os.listdir(self._folder)))  # noqa: PTH208  # names are enough
        except OSError as error:
            logger.warning("%s cannot be read: %s", self._folder, error.strerror)
            return
        self._known = {name: self._known[name] for name in names if name in self._known}
        for name in names:
            sighting = self._look(self._folder / name)
            if sighting is not None:
                yield sighting

    def _look(self, path: Path) -> Sighting | None:
        """A delivery as it is now; None when it is gone, or nobody can look at it."""
        now = time.time()
        try:
            measures = _measured(path)
        except OSError as error:
            if path.name not in self._unreadable:
                logger.warning("%s cannot be read: %s; it is passed over", path.name, error.strerror)
            self._unreadable.add(path.name)
            return None
        if measures is None:
            return None
        fingerprint = _fingerprint(path, measures)
        known, since = self._known.get(path.name, (None, min(measures.changed_ns / 1e9, now)))
        if known not in (None, fingerprint):
            since = now
        self._known[path.name] = fingerprint, since
        marked_ns = _written_ns(_beside(path, MARKER))
        return Sighting(path, fingerprint, marked_ns is not None and marked_ns >= measures.modified_ns, now - since)

    def is_ready(self, sighting: Sighting) -> bool:
        """Whether it is worth opening."""
        wait_s = min(_PAUSE_S, self._settle_s) if _checksum_files(sighting.path) else self._settle_s
        return sighting.finished or sighting.quiet_s >= wait_s

    def is_given_up(self, sighting: Sighting) -> bool:
        """Whether what is wrong with it now will stay so."""
        return sighting.finished or sighting.quiet_s >= _PATIENCE * self._settle_s


def has_changed(sighting: Sighting) -> bool:
    """Whether a delivery is no longer what it was when it was seen."""
    try:
        measures = _measured(sighting.path)
    except OSError:
        return True
    return measures is None or _fingerprint(sighting.path, measures) != sighting.fingerprint


def verify_checksum(path: Path) -> None:
    """Compare a file with the checksums beside it, if there are any.

    Raises:
        WrongChecksumError: One is different, or its file holds none.
    """
    for beside, algorithm in _checksum_files(path):
        with beside.open("rb") as file:
            text = file.read(_MOST_CHECKSUM_BYTES).decode("ascii", "replace").lower()
        new = functools.partial(hashlib.new, algorithm, usedforsecurity=False)
        digits = new().digest_size * 2
        stated = re.search(rf"\b[0-9a-f]{{{digits}}}\b", text)
        if stated is None:
            raise WrongChecksumError(f"{path.name}: {beside.name} holds no {algorithm} checksum of {digits} digits")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, new).hexdigest()
        if found != stated[0]:
            raise WrongChecksumError(f"{path.name}: its {algorithm} is {found}, {beside.name} says {stated[0]}")


def _is_delivery(name: str) -> bool:
    return not name.startswith(".") and not name.lower().endswith((*UNFINISHED, MARKER, *CHECKSUMS))


def _checksum_files(path: Path) -> list[tuple[Path, str]]:
    """The files with a checksum of this one, and the algorithm of each; a folder has none."""
    files = [(_beside(path, suffix), algorithm) for suffix, algorithm in CHECKSUMS.items()]
    return [(beside, algorithm) for beside, algorithm in files if os.path.isfile(beside) and path.is_file()]  # noqa: PTH113  # names can be too long for is_file


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@dataclass(frozen=True)
class _Measures:
    size: int
    changed_ns: int
    """When anything about it last changed, its name included."""
    modified_ns: int
    """When it was last written to."""


def _measured(path: Path) -> _Measures | None:
    """What can be seen from outside of a file, or of all that a folder holds; None when something of it is gone.

    Raises:
        OSError: Something of it cannot be looked at.
    """
    try:
        found = [path.stat()]
        for folder, folders, files in os.walk(path):
            found += [os.lstat(os.path.join(folder, name)) for name in (*folders, *files)]  # noqa: PTH118  # often many
    except FileNotFoundError:
        return None
    return _Measures(
        size=sum(entry.st_size for entry in found if stat.S_ISREG(entry.st_mode)),
        changed_ns=max(max(entry.st_ctime_ns, entry.st_mtime_ns) for entry in found),
        modified_ns=max(entry.st_mtime_ns for entry in found),
    )


def _fingerprint(path: Path, measures: _Measures) -> Fingerprint:
    beside = [_written_ns(_beside(path, suffix)) or 0 for suffix in (MARKER, *CHECKSUMS)]
    seconds = min(max(measures.modified_ns, *beside, 0) / 1e9, _LATEST_S)
    modified = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return Fingerprint(measures.size, modified.replace("+00:00", "Z"))


def _written_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
