"""The watch with real processes: slow and interrupted senders, refusals, its state, signals."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.kill_watch import (
    Watch,
    all_settled,
    item_id,
    left_in_staging,
    make_deliveries,
    state_of,
    wait_until,
)
from catalog.store import open_store
from cog_builder.elevation import ConstantHeight
from tests.support.command import files_of, imagery_node, in_process, told
from tests.support.simulated import tiny_delivery
from tests.support.tiffs import read_tiff, write_tiff

HEIGHT = ("--height", 100)
SETTLE_S = 0.5
PAUSE_S = 3 * SETTLE_S


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Good deliveries, to be copied into inboxes."""
    return make_deliveries(tmp_path_factory.mktemp("whole") / "deliveries", 7)


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def watch_once(inbox, home, *options, settle=0):
    """One pass; gives the finished process."""
    return in_process("watch", inbox, "--home", home, "--once", "--settle", settle, *HEIGHT, "--json", *options)


def mark(delivery):
    delivery.with_name(f"{delivery.name}.done").touch()


def published_scenes(home):
    return sorted(path.parent.parent.name for path in home.glob("scenes/*/*/1/item.json"))


class TestP06:
    """Nothing is taken before its sender has finished."""

    def drip(self, content, into, *, pauses_s):
        """Write in parts with these pauses; gives what writes the last part."""
        step = len(content) // (len(pauses_s) + 1)
        parts = [content[at * step : (at + 1) * step] for at in range(len(pauses_s))]
        for part, pause_s in zip(parts, pauses_s, strict=True):
            with into.open("ab") as file:
                file.write(part)
            time.sleep(pause_s)

        def finish():
            with into.open("ab") as file:
                file.write(content[len(pauses_s) * step :])

        return finish

    def slowly(self, whole, inbox):
        return self.drip(whole.read_bytes(), inbox / whole.name, pauses_s=[SETTLE_S / 2] * 6)

    def with_a_long_pause(self, whole, inbox):
        return self.drip(whole.read_bytes(), inbox / whole.name, pauses_s=[0.1, PAUSE_S, 0.1])

    def under_another_name(self, whole, inbox):
        part = inbox / f"{whole.name}.part"
        shutil.copy(whole, part)
        time.sleep(PAUSE_S)
        return lambda: part.rename(inbox / whole.name)

    def into_space_made_before(self, whole, inbox):
        path, content = inbox / whole.name, whole.read_bytes()
        path.write_bytes(content[:5000] + bytes(len(content) - 5000))
        time.sleep(PAUSE_S)
        return lambda: path.write_bytes(content)

    def after_its_checksum(self, whole, inbox):
        digest = hashlib.sha256(whole.read_bytes()).hexdigest()
        (inbox / f"{whole.name}.sha256").write_text(f"{digest}  {whole.name}\n")
        return self.drip(whole.read_bytes(), inbox / whole.name, pauses_s=[PAUSE_S])

    def as_a_folder(self, whole, inbox):
        folder = inbox / whole.name.removesuffix(".tar.gz")
        made = inbox.parent / folder.name
        made.mkdir()
        subprocess.run(["tar", "--extract", "--file", str(whole), "--directory", str(made)], check=True)
        *first, last = sorted(made.iterdir(), key=lambda path: path.stat().st_size)
        folder.mkdir()
        for path in first:
            shutil.copy(path, folder)
            time.sleep(SETTLE_S)
        time.sleep(PAUSE_S)
        return lambda: shutil.copy(last, folder)

    def over_an_older_marker(self, whole, inbox):
        mark(inbox / whole.name)
        time.sleep(0.1)
        return self.drip(whole.read_bytes(), inbox / whole.name, pauses_s=[PAUSE_S])

    def test_P06_whatever_a_sender_does_nothing_is_taken_too_early(self, whole, inbox, home):
        ways = (
            self.slowly, self.with_a_long_pause, self.under_another_name, self.into_space_made_before,
            self.after_its_checksum, self.as_a_folder, self.over_an_older_marker,
        )  # fmt: skip
        premature = []

        def send(way, delivery):
            finish = way(delivery, inbox)
            records = [record for name, record in state_of(home).items() if name.startswith(delivery.name[:-7])]
            if item_id(delivery) in published_scenes(home) or any(record["state"] != "waiting" for record in records):
                premature.append((way.__name__, records))
            finish()

        with Watch(inbox, home, "--settle", SETTLE_S) as watch:
            wait_until(lambda: "watching" in watch.log.read_text())
            senders = [threading.Thread(target=send, args=pair) for pair in zip(ways, whole, strict=True)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            wait_until(lambda: all_settled(home, len(ways)))
            assert watch.stop() == 0
            told = watch.lines()
        assert premature == []
        assert [line["state"] for line in told] == ["published"] * len(ways)
        assert published_scenes(home) == sorted(map(item_id, whole))
        assert not (home / "rejected").exists()


class TestARefusal:
    def test_is_reported_once_and_tried_again_when_the_delivery_changes(self, whole, inbox, home):
        bad = inbox / whole[0].name
        bad.write_bytes(whole[0].read_bytes()[:9000])
        mark(bad)
        shutil.copy(whole[1], inbox)
        first = watch_once(inbox, home)
        assert first.returncode == 1
        assert {name: line["state"] for name, line in told(first).items()} == {
            bad.name: "refused",
            whole[1].name: "published",
        }
        report = json.loads((home / "rejected" / f"{bad.name}.json").read_text())
        assert (report["delivery"], report["state"], report["code"]) == (bad.name, "refused", "incomplete_delivery")
        assert "cut short" in report["reason"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", report["since"])
        assert bad.exists()
        again = watch_once(inbox, home)
        assert (again.returncode, again.stdout) == (0, "")
        shutil.copy(whole[0], bad)
        mark(bad)
        better = watch_once(inbox, home)
        assert told(better)[bad.name]["state"] == "published"
        assert list((home / "rejected").iterdir()) == []

    def test_of_a_wrong_checksum_names_it(self, whole, inbox, home):
        shutil.copy(whole[0], inbox)
        (inbox / f"{whole[0].name}.md5").write_text("0" * 32)
        line = told(watch_once(inbox, home))[whole[0].name]
        assert (line["state"], line["code"]) == ("refused", "wrong_checksum")
        assert published_scenes(home) == []
        (inbox / f"{whole[0].name}.md5").unlink()
        assert told(watch_once(inbox, home))[whole[0].name]["state"] == "published"

    def test_waits_where_the_delivery_may_still_be_on_its_way(self, whole, inbox, home):
        bad = inbox / whole[0].name
        bad.write_bytes(whole[0].read_bytes()[:9000])
        with Watch(inbox, home, "--settle", SETTLE_S) as watch:
            wait_until(lambda: state_of(home).get(bad.name, {}).get("code"))
            waiting = state_of(home)[bad.name]
            wait_until(lambda: state_of(home)[bad.name]["state"] == "refused")
            watch.stop()
        assert (waiting["state"], waiting["code"]) == ("waiting", "incomplete_delivery")
        assert time.time() - bad.stat().st_mtime > 10 * SETTLE_S
        assert [line["code"] for line in watch.lines()] == ["incomplete_delivery"]
        assert watch.log.read_text().count("is taken") == 1

    @pytest.mark.parametrize(
        ("code", "age_s", "tried"),
        [("disk_full", 100, False), ("disk_full", 700, True), ("store_unavailable", 100, True)],
    )
    def test_that_is_not_the_deliverys_fault_is_tried_again_after_a_while(self, whole, inbox, home, code, age_s, tried):
        shutil.copy(whole[0], inbox)
        watch_once(inbox, home)
        since = datetime.fromtimestamp(time.time() - age_s, UTC).isoformat()
        record = state_of(home)[whole[0].name] | {"state": "refused", "code": code, "since": since}
        (home / "watch/state.ndjson").write_text(json.dumps(record) + "\n")
        assert (whole[0].name in told(watch_once(inbox, home))) == tried
        assert state_of(home)[whole[0].name]["state"] == ("published" if tried else "refused")

    def test_of_a_name_in_another_encoding_is_told_all_the_same(self, inbox, home):
        (inbox / os.fsdecode(b"\xd5\xfd\xc9\xe4.zip")).write_bytes(b"no archive")
        (inbox / ("n" * 250)).write_bytes(b"no archive")
        done = watch_once(inbox, home)
        assert sorted(told(done)) == ["\\xd5\\xfd\\xc9\\xe4.zip", "n" * 250]
        reports = [json.loads(path.read_text()) for path in (home / "rejected").iterdir()]
        assert {report["code"] for report in reports} == {"unrecognised_delivery"}
        assert len(reports) == 2

    def test_of_one_scene_does_not_lose_the_others_of_its_delivery(self, inbox, home, tmp_path):
        ground = ConstantHeight(100.0)
        both = inbox / "both-cameras"
        for number, camera in enumerate(("WFV3", "WFV4")):
            one = tiny_delivery(
                "gf1-wfv", tmp_path, packing="folder", sensor_name=camera, product_id=500 + number, elevation=ground
            )
            shutil.copytree(one, both, dirs_exist_ok=True)
        damaged = next(path for path in both.iterdir() if path.name.startswith("GF1_WFV4") and path.suffix == ".tiff")
        pixels = read_tiff(damaged)
        damaged.unlink()
        write_tiff(damaged, pixels, compress="deflate")
        data = bytearray(damaged.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 5000] = bytes(5000)
        damaged.write_bytes(data)
        lines = [json.loads(line) for line in watch_once(inbox, home).stdout.splitlines()]
        good, bad = sorted(lines, key=lambda line: line["state"])
        assert (good["state"], good["item_id"]) == ("published", "GF1_WFV3_20220315T032011_L1A500")
        assert (bad["code"], bad["item_id"]) == ("unreadable_image", "GF1_WFV4_20220315T032011_L1A501")
        record = state_of(home)["both-cameras"]
        assert (record["state"], record["items"], record["code"]) == ("refused", [good["item_id"]], bad["code"])


class TestTheState:
    def test_is_a_line_for_each_delivery(self, whole, inbox, home):
        shutil.copy(whole[0], inbox)
        watch_once(inbox, home)
        record = state_of(home)[whole[0].name]
        assert (record["state"], record["items"]) == ("published", [item_id(whole[0])])
        assert record["size"] == whole[0].stat().st_size

    def test_may_be_lost(self, whole, inbox, home):
        shutil.copy(whole[0], inbox)
        watch_once(inbox, home)
        before = files_of(home)
        (home / "watch/state.ndjson").write_text('{"half a line')
        assert told(watch_once(inbox, home))[whole[0].name]["state"] == "already_published"
        assert files_of(home) == before
        assert state_of(home)[whole[0].name]["state"] == "published"

    def test_forgets_what_is_gone_from_the_inbox(self, whole, inbox, home):
        for delivery in whole[:2]:
            shutil.copy(delivery, inbox)
        watch_once(inbox, home)
        (inbox / whole[0].name).unlink()
        watch_once(inbox, home)
        assert list(state_of(home)) == [whole[1].name]

    def test_is_kept_by_one_watch_at_a_time(self, inbox, home):
        with Watch(inbox, home) as watch:
            wait_until(lambda: "watching" in watch.log.read_text())
            other = imagery_node("watch", inbox, "--home", home, "--once", *HEIGHT)
            assert other.returncode == 1
            assert "another process watches" in other.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_P16_a_signal_ends_it_cleanly_in_the_middle_of_a_scene(whole, inbox, home, number):
    for delivery in whole:
        shutil.copy(delivery, inbox)
    with Watch(inbox, home, "--settle", 0) as watch:
        wait_until(lambda: watch.log.read_text().count("is taken") > 1)
        wait_until(lambda: left_in_staging(home))
        watch.process.send_signal(number)
        assert watch.process.wait(60) == 0
    assert "stopped watching" in watch.log.read_text()
    assert left_in_staging(home) == []
    assert len(published_scenes(home)) < len(whole)
    store = open_store(home)
    assert published_scenes(home) == sorted(item["id"] for item in store.all_items())


def test_an_idle_watch_takes_next_to_no_cpu(whole, inbox, home):
    shutil.copy(whole[0], inbox)
    with Watch(inbox, home, "--settle", 0) as watch:
        wait_until(lambda: all_settled(home, 1))
        before = cpu_s(watch.process.pid)
        time.sleep(2)
        assert cpu_s(watch.process.pid) - before < 0.2
        assert watch.stop() == 0


def cpu_s(pid):
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
