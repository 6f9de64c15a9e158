"""Which deliveries in an inbox have arrived whole, by what can be seen from outside."""

import hashlib
import os
import time
from dataclasses import replace

import pytest

from cog_builder.errors import WrongChecksumError
from imagery_node.commands.inbox import Inbox, has_changed, verify_checksum

SETTLE_S = 60.0


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "inbox"


@pytest.fixture
def inbox(folder):
    folder.mkdir()
    return Inbox(folder, settle_s=SETTLE_S)


def put(path, content=b"pixels", age_s=0.0):
    """A file that was last written to so long ago."""
    path.write_bytes(content)
    os.utime(path, times=(time.time() - age_s,) * 2)
    return path


def only(inbox):
    [sighting] = inbox.sightings()
    return sighting


@pytest.mark.parametrize(
    "name", [".s.tar.gz", "s.tar.gz.part", "s.tmp", "s.filepart", "s.CRDOWNLOAD", "s.done", "s.md5", "s.sha256"]
)
def test_unfinished_files_and_files_beside_deliveries_are_no_deliveries(inbox, folder, name):
    put(folder / name)
    put(folder / "scene.tar.gz")
    assert only(inbox).path.name == "scene.tar.gz"


def test_a_delivery_that_has_just_come_is_not_ready(inbox, folder):
    put(folder / "scene.tar.gz")
    assert not inbox.is_ready(only(inbox))


def test_an_old_date_makes_no_delivery_quiet(inbox, folder):
    put(folder / "scene.tar.gz", age_s=1e6)
    assert not inbox.is_ready(only(inbox))


@pytest.mark.parametrize(
    ("quiet_s", "ready", "given_up"), [(59, False, False), (60, True, False), (599, True, False), (600, True, True)]
)
def test_a_quiet_delivery_is_ready_and_after_ten_times_as_long_given_up(inbox, folder, quiet_s, ready, given_up):
    put(folder / "scene.tar.gz")
    sighting = replace(only(inbox), quiet_s=quiet_s)
    assert inbox.is_ready(sighting) == ready
    assert inbox.is_given_up(sighting) == given_up


def test_every_change_starts_the_wait_anew(folder):
    folder.mkdir()
    path = put(folder / "scene.tar.gz")
    quick = Inbox(folder, settle_s=0.2)
    for _ in range(4):
        time.sleep(0.1)
        put(path, path.read_bytes() + b"more", age_s=100)
        assert not quick.is_ready(only(quick))
    time.sleep(0.25)
    assert quick.is_ready(only(quick))


def test_a_folder_changes_with_anything_inside_it(inbox, folder):
    deep = folder / "scene" / "images"
    deep.mkdir(parents=True)
    put(deep / "scene.tiff")
    before = only(inbox)
    assert not has_changed(before)
    put(deep / "scene.tiff", b"more pixels")
    assert has_changed(before)
    assert only(inbox).fingerprint.size == len(b"more pixels")


def test_a_delivery_that_is_gone_has_changed(inbox, folder):
    path = put(folder / "scene.tar.gz")
    before = only(inbox)
    path.unlink()
    assert has_changed(before)
    assert list(inbox.sightings()) == []


class TestAMarker:
    def test_makes_a_delivery_ready_at_once_and_for_good(self, inbox, folder):
        put(folder / "scene.tar.gz")
        put(folder / "scene.tar.gz.done", b"")
        sighting = only(inbox)
        assert inbox.is_ready(sighting)
        assert inbox.is_given_up(sighting)

    def test_from_before_the_delivery_says_nothing(self, inbox, folder):
        put(folder / "scene.tar.gz.done", b"", age_s=10)
        put(folder / "scene.tar.gz")
        assert not inbox.is_ready(only(inbox))

    def test_that_comes_later_is_a_change(self, inbox, folder):
        put(folder / "scene.tar.gz", age_s=10)
        before = only(inbox)
        put(folder / "scene.tar.gz.done", b"")
        assert has_changed(before)


class TestAChecksum:
    @pytest.mark.parametrize(
        ("suffix", "form"),
        [
            (".sha256", "{sha256}  scene.tar.gz\n"),
            (".sha256", "SHA256 (scene.tar.gz) = {sha256}"),
            (".md5", "{md5} *scene.tar.gz\r\n"),
            (".md5", "{MD5}"),
        ],
    )
    def test_is_read_in_the_usual_forms(self, inbox, folder, suffix, form):
        path = put(folder / "scene.tar.gz")
        sha256, md5 = (hashlib.new(name, b"pixels").hexdigest() for name in ("sha256", "md5"))
        (folder / f"scene.tar.gz{suffix}").write_text(form.format(sha256=sha256, md5=md5, MD5=md5.upper()))
        verify_checksum(path)
        put(path, b"pixelz")
        with pytest.raises(WrongChecksumError, match=rf"its {suffix[1:]} is .*, scene\.tar\.gz{suffix} says"):
            verify_checksum(path)

    def test_that_is_none_is_refused(self, inbox, folder):
        path = put(folder / "scene.tar.gz")
        put(folder / "scene.tar.gz.sha256", b"soon")
        with pytest.raises(WrongChecksumError, match="holds no sha256 checksum of 64 digits"):
            verify_checksum(path)

    def test_shortens_the_wait_but_not_the_patience(self, inbox, folder):
        put(folder / "scene.tar.gz")
        put(folder / "scene.tar.gz.md5")
        assert not inbox.is_ready(replace(only(inbox), quiet_s=1))
        assert inbox.is_ready(replace(only(inbox), quiet_s=2))
        assert not inbox.is_given_up(replace(only(inbox), quiet_s=599))


@pytest.mark.parametrize("name", [b"\xd5\xfd\xc9\xe4.zip", b"n" * 255, "正射影像.zip".encode()])
def test_any_name_is_seen(inbox, folder, name):
    put(folder / os.fsdecode(name))
    verify_checksum(only(inbox).path)
    assert os.fsencode(only(inbox).path.name) == name


def test_a_missing_inbox_is_an_empty_one(inbox, folder, caplog):
    folder.rmdir()
    assert list(inbox.sightings()) == []
    assert "cannot be read" in caplog.text


def test_what_nobody_can_look_at_is_passed_over_and_told_once(tmp_path, caplog):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "good.zip").write_bytes(b"PK")
    inbox = Inbox(tmp_path, settle_s=60)
    assert [[sighting.path.name for sighting in inbox.sightings()] for _ in range(2)] == [["good.zip"]] * 2
    assert [record.message.split(":")[0] for record in caplog.records] == ["loop cannot be read"]


def test_a_pipe_under_the_name_of_a_checksum_is_not_waited_for(tmp_path):
    delivery = tmp_path / "good.zip"
    delivery.write_bytes(b"PK")
    os.mkfifo(tmp_path / "good.zip.sha256")
    verify_checksum(delivery)
