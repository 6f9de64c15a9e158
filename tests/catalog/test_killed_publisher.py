"""P01 and P05 with real processes: `kill -9` at any instant, two publishers of one scene, a publisher that pauses."""

import os
import signal
import time

import pytest

from benchmarks.kill_publisher import Publisher, build_scene, rehearse
from catalog.fail_point import PUBLISH_STEPS
from catalog.maintenance import sweep, verify
from catalog.store import open_store

ID = "GF2_PMS2_20241012T032247_L1A14547890001"
KILLS = int(os.environ.get("TEST_KILLS", "60"))
ROUNDS = 25


@pytest.fixture
def home(tmp_path):
    open_store(tmp_path / "home").close()
    return tmp_path / "home"


def test_P01_publishers_killed_at_any_instant_break_nothing(tmp_path):
    toll = rehearse(tmp_path, kills=KILLS, seed=20)
    assert toll.kills >= KILLS
    assert toll.violations == []
    assert toll.acknowledged > KILLS // 2
    assert toll.swept.staging_jobs > 0
    assert toll.swept.resumed > 0


def test_P05_of_two_publishing_processes_one_wins_every_round(home, tmp_path):
    publishers = [Publisher(home), Publisher(home)]
    for publisher in publishers:
        publisher.wait_until_ready()
    for number in range(ROUNDS):
        folder = build_scene(tmp_path / f"built-{number}", f"{ID}-{number}")
        for publisher in publishers:
            publisher.ask(folder)
        answers = [publisher.answer() for publisher in publishers]
        assert sorted(answer["already"] for answer in answers) == [False, True]
        assert {answer["version"] for answer in answers} == {"1"}
    for publisher in publishers:
        publisher.finish()
    store = open_store(home)
    assert [change.action for change in store.changes(0)] == ["publish"] * ROUNDS
    assert list(verify(home, store)) == []


@pytest.mark.parametrize("step", [step for step in PUBLISH_STEPS if step != "release"])
def test_P05_a_publisher_that_pauses_past_its_lease_cannot_overwrite(home, tmp_path, step):
    paused = Publisher(home, lease_s=0.5, replace=True, fail_point=f"{step}:stop")
    other = Publisher(home, lease_s=0.5, replace=True)
    paused.wait_until_ready()
    other.wait_until_ready()
    paused.ask(build_scene(tmp_path / "first", ID, seed=1))
    os.waitid(os.P_PID, paused.pid, os.WSTOPPED)
    time.sleep(0.6)
    other.ask(build_scene(tmp_path / "second", ID, seed=2))
    won = other.answer()
    os.kill(paused.pid, signal.SIGCONT)
    late = paused.answer()
    paused.finish()
    other.finish()
    store = open_store(home)
    newest = store.item("gf2-pms", ID)["properties"]["version"]
    if step == "registered":
        assert (late["version"], newest) == ("1", won["version"])
    else:
        assert late["error"] == "item_exists"
        assert won["version"] == newest
    assert sum(change.version == newest for change in store.changes(0)) == 1
    sweep(home, store, grace_s=0)
    assert store.item("gf2-pms", ID)["properties"]["version"] == newest
    assert list(verify(home, store)) == []
