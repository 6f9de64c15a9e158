"""Deliveries taken apart and put together again, and the shared data beside the repository when they are there."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from cog_builder.deliveries import open_delivery

SHARED = Path(__file__).parents[3] / "shared" / "data"


def shared(pattern):
    """The shared files of a glob pattern, for `parametrize`; one skipped case when there are none."""
    found = sorted(SHARED.glob(pattern))
    missing = pytest.param(None, id="missing", marks=pytest.mark.skip(reason=f"../shared/data/{pattern} is not here"))
    return [pytest.param(path, id=path.name) for path in found] or [missing]


def opened(delivery, tmp_path):
    """The one scene of a delivery."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    [scene] = open_delivery(delivery, workspace)
    return scene


def the_file(folder, ending):
    """The one file of a delivered folder whose name ends so."""
    [path] = [path for path in folder.iterdir() if path.name.endswith(ending)]
    return path


def edit(path, old, new):
    """Replace text that must be there."""
    text = path.read_bytes()
    assert old.encode() in text, f"{old} is not in {path.name}"
    path.write_bytes(text.replace(old.encode(), new.encode()))


def set_tag(path, tag, value):
    """Give a tag of an XML file another text."""
    before, opening, rest = path.read_text().partition(f"<{tag}>")
    assert opening, f"<{tag}> is not in {path.name}"
    path.write_text(before + opening + value + rest[rest.index(f"</{tag}>") :])


def tar_of(path, members, mode="w:gz"):
    """A tar of (TarInfo or name, bytes) pairs."""
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zip_of(path, members):
    """A zip of (ZipInfo or name, bytes) pairs."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return path


def members_of(folder, prefix=""):
    return [(prefix + path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
