"""The corpus of broken deliveries: every way to break a file or an archive, ready to be delivered."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from tests.support.broken_archives import BROKEN_ARCHIVES, PACKERS
from tests.support.broken_files import BROKEN_FILES, UNBUILDABLE
from tests.support.deliveries import members_of
from tests.support.simulated import tiny_delivery

_PACKINGS = ("tar.gz", "folder", "zip", "tar")


@dataclass(frozen=True)
class Case:
    """One broken delivery."""

    make: Callable[[Path], Path]
    """Makes it in an empty folder."""
    error: type[Exception]
    said: str
    """Regular expression of what the message must say."""


def _with_broken_file(breaking, packing):
    def make(place):
        folder = tiny_delivery("gf1-pms", place, packing="folder")
        breaking(folder)
        if packing == "folder":
            return folder
        archive = PACKERS[packing](place / f"{folder.name}.{packing}", members_of(folder))
        shutil.rmtree(folder)
        return archive

    return make


def _packed_wrongly(pack):
    def make(place):
        folder = tiny_delivery("gf1-pms", place, packing="folder")
        members = members_of(folder)
        shutil.rmtree(folder)
        return pack(place / "delivery.bin", members)

    return make


def _cases(broken_files):
    """The files of a table, in every packing in turn."""
    return {
        f"{name}, {packing}": Case(_with_broken_file(breaking, packing), error, said)
        for (name, (breaking, error, said)), packing in zip(broken_files.items(), cycle(_PACKINGS), strict=False)
    }


UNBUILDABLE_CORPUS = _cases(UNBUILDABLE)
"""Refused when they are built."""
CORPUS = {
    **_cases(BROKEN_FILES),
    **{name: Case(_packed_wrongly(pack), error, said) for name, (pack, error, said) in BROKEN_ARCHIVES.items()},
}
"""Refused when they are opened."""
