"""P07 through the command line: the whole corpus in one batch, and one good delivery in the middle of it."""

import re

import pytest

from tests.support.command import files_of, imagery_node, left_in_staging, told
from tests.support.corpus import CORPUS, UNBUILDABLE_CORPUS
from tests.support.simulated import tiny_delivery, tiny_dem

GOOD = "good.tar.gz"
CASES = CORPUS | UNBUILDABLE_CORPUS


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory):
    """Path of every case by its name, and of the good delivery."""
    found = {}
    for number, (name, case) in enumerate(CASES.items()):
        delivery = case.make(tmp_path_factory.mktemp("case"))
        found[name] = delivery.rename(delivery.with_name(f"{number}-{delivery.name}"))
    good = tiny_delivery("gf1-wfv", tmp_path_factory.mktemp("good"))
    return found, good.rename(good.with_name(GOOD))


@pytest.fixture(scope="module")
def batch(deliveries, tmp_path_factory):
    """The home and the answers of one batch."""
    broken, good = deliveries
    home = tmp_path_factory.mktemp("batch") / "home"
    paths = list(broken.values())
    middle = len(paths) // 2
    order = [*paths[:middle], good, *paths[middle:]]
    return home, imagery_node("publish", *order, "--home", home, "--dem", tiny_dem(), "--json", timeout=300)


def test_the_batch_goes_on_and_ends_with_exit_code_1(batch, deliveries):
    _, done = batch
    assert done.returncode == 1
    assert all(" INFO " in line for line in done.stderr.splitlines())
    states = {name: line["state"] for name, line in told(done).items()}
    assert states == {path.name: "refused" for path in deliveries[0].values()} | {GOOD: "published"}


@pytest.mark.parametrize(("name", "case"), CASES.items(), ids=CASES)
def test_each_is_refused_with_its_code_and_its_reason(batch, deliveries, name, case):
    line = told(batch[1])[deliveries[0][name].name]
    assert line["code"] == case.error.code
    assert re.search(case.said, line["reason"]), line["reason"]
    assert line["reason"].isprintable()


def test_the_store_holds_what_it_would_hold_without_them(batch, deliveries, tmp_path):
    home, _ = batch
    alone = tmp_path / "home"
    assert imagery_node("publish", deliveries[1], "--home", alone, "--dem", tiny_dem()).returncode == 0
    assert files_of(home) == files_of(alone)
    assert left_in_staging(home) == []
