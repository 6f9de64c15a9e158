"""Where jobs run, with real workers: what they answer, what becomes of them when a worker dies or nobody waits."""

import os
import subprocess
import sys
import threading
import time

import dask
import distributed  # noqa: F401  # its settings are there before one of them is changed and put back
import pytest
from distributed import LocalCluster

from cog_builder.errors import GeolocationError, WorkerLostError
from imagery_node.commands.engine import open_engine
from imagery_node.commands.failure import ClusterLostError
from tests.support import jobs


class DroppedError(Exception):
    pass


@pytest.fixture(scope="module")
def cluster():
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), open_engine("local", processes=2) as engine:
        yield engine


def test_without_dask_everything_happens_here():
    with open_engine(None, processes=4) as engine:
        seen = []
        engine.each(range(3), lambda number: seen.append((number, engine.run(jobs.process_id))))
    assert seen == [(number, os.getpid()) for number in range(3)]


def test_P22_workers_are_processes_of_their_own_that_were_spawned(cluster):
    seen = []
    cluster.each(range(8), lambda _: seen.append(cluster.run(jobs.process_id)))
    assert len(seen) == 8
    assert os.getpid() not in seen
    for worker in set(seen):
        command = subprocess.run(["/bin/ps", "-o", "args=", str(worker)], capture_output=True, text=True, check=True)
        assert "multiprocessing.spawn" in command.stdout


def test_a_refusal_comes_back_as_it_was_raised(cluster):
    with pytest.raises(GeolocationError, match=r"^off the earth$"):
        cluster.run(jobs.refuse, GeolocationError("off the earth"))


def test_a_job_whose_worker_dies_is_done_by_another(cluster, tmp_path):
    assert cluster.run(jobs.die_once, tmp_path / "mark") not in (None, os.getpid())


def test_P10_a_job_that_kills_its_workers_is_given_up_and_the_others_go_on(cluster):
    with pytest.raises(WorkerLostError, match="2 workers that took this died"):
        cluster.run(jobs.die)
    assert cluster.run(jobs.process_id)


def test_an_error_of_the_work_ends_it(cluster):
    def work(number):
        cluster.run(jobs.process_id)
        if number == 3:
            raise DroppedError

    with pytest.raises(DroppedError):
        cluster.each(iter(range(10_000)), work)


@pytest.mark.parametrize("dask_address", [None, "local"])
def test_a_job_is_dropped_when_its_heed_says_so(dask_address):
    stopped = threading.Event()

    def heed():
        if stopped.is_set():
            raise DroppedError

    with open_engine(dask_address, processes=1, heed=heed) as engine:
        threading.Timer(0.5, stopped.set).start()
        start = time.monotonic()
        with pytest.raises(DroppedError):
            engine.run(jobs.work, progress=lambda scene, share: None)
        assert time.monotonic() - start < 10


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr("imagery_node.commands.engine._CONNECT_S", 0.5)
    with (
        pytest.raises(ClusterLostError, match=r"tcp://127\.0\.0\.1:1: .*[Tt]imed out"),
        open_engine("tcp://127.0.0.1:1", processes=1),
    ):
        pass


def test_a_scheduler_that_goes_away_is_no_fault_of_the_scene():
    with (
        LocalCluster(n_workers=1, processes=True, dashboard_address=":0", silence_logs=50) as cluster,
        open_engine(cluster.scheduler_address, processes=1) as engine,
    ):
        threading.Timer(1.0, cluster.close).start()
        with pytest.raises(ClusterLostError, match="is gone"):
            engine.run(jobs.work)


def test_distributed_is_only_loaded_where_it_is_used():
    code = "import sys, imagery_node.commands.builder, imagery_node.app; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
