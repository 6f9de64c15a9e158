"""`kill -9` of the watch and of the Dask workers it builds on; benchmarks/kill_watch.py does more of it."""

from benchmarks.kill_watch import HEIGHT_M, cluster_of, kill_watches, kill_workers, make_deliveries
from tests.support.command import files_of, imagery_node, told


def test_P01_killed_watches_publish_each_scene_once(tmp_path):
    toll = kill_watches(tmp_path, deliveries=10, kills=4, seed=7)
    assert toll.violations == []
    assert (toll.kills, toll.published) == (4, 10)
    assert toll.in_the_middle > 0


def test_P10_a_lost_dask_worker_loses_no_scene(tmp_path):
    toll = kill_workers(tmp_path, deliveries=8, kills=1, seed=3)
    assert toll.violations == []
    assert (toll.kills, toll.published) == (1, 8)


def test_a_cluster_builds_the_same_files_as_one_process(tmp_path):
    two = make_deliveries(tmp_path / "deliveries", 2)
    here, there = tmp_path / "here", tmp_path / "there"
    assert imagery_node("publish", *two, "--home", here, "--height", HEIGHT_M).returncode == 0
    with cluster_of(tmp_path / "cluster", workers=1) as cluster:
        done = imagery_node("publish", *two, "--home", there, "--height", HEIGHT_M, "--dask", cluster.address, "--json")
    assert [line["state"] for line in told(done).values()] == ["published"] * 2, done.stdout
    assert files_of(here) == files_of(there)
