"""A full disk has a name of its own."""

import errno
import os
from pathlib import Path

import pytest

from catalog.durable import naming_a_full_disk
from catalog.errors import DiskFullError


def test_a_full_device_is_named():
    full = pytest.raises(DiskFullError, match="some file: No space left on device; free some space")
    with full, naming_a_full_disk("some file", DiskFullError), Path("/dev/full").open("wb", buffering=0) as device:
        device.write(b"x")


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EFBIG])
def test_so_are_a_quota_and_a_file_size_limit(number):
    with pytest.raises(DiskFullError), naming_a_full_disk("some file", DiskFullError):
        raise OSError(number, os.strerror(number))


def test_other_troubles_keep_their_names(tmp_path):
    with pytest.raises(FileNotFoundError), naming_a_full_disk("some file", DiskFullError):
        (tmp_path / "nothing").read_bytes()
