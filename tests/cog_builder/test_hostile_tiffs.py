"""P09, T12: damaged and hostile TIFFs before builder and server; `benchmarks/hostile_tiffs.py` shows many more."""

import os
import signal

import pytest

from benchmarks.hostile_tiffs import DECODED, Watched, judge_all
from benchmarks.tiff_mutants import MUTATIONS, good_tiffs, mutants


@pytest.fixture
def goods(tmp_path):
    return good_tiffs(tmp_path / "good")


def test_P09_mutants_are_refused_or_decoded_and_nothing_else(tmp_path):
    judged = judge_all(45, 3, tmp_path)
    assert [(one.reader, one.verdict.outcome, str(one.mutant)) for one in judged if one.is_wrong] == []
    for reader, layouts in (("builder", 14), ("server", 8)):
        of_reader = [one for one in judged if one.reader == reader]
        assert len(of_reader) == 45
        assert {one.mutant.mutation for one in of_reader} == MUTATIONS.keys()
        assert len({one.mutant.good for one in of_reader}) >= layouts, "a reader cannot read the good files"
        kinds = [one.kind for one in of_reader]
        assert kinds.count("refused") > 20
        assert kinds.count("decoded alike") + kinds.count("decoded otherwise") >= 5


def test_a_reader_that_dies_is_noticed_and_started_again(goods):
    with Watched("server") as watched:
        os.kill(watched.process.pid, signal.SIGSEGV)
        verdicts = [watched.judge(path, shape) for path, shape in list(goods.items())[-2:]]
    assert [verdict.outcome for verdict in verdicts] == ["signal: SIGSEGV", DECODED]


def test_the_same_seed_makes_the_same_mutants_and_every_mutation_its_own(goods):
    first, again = ([mutant.content for mutant in mutants(goods, 300, 5)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 250
    assert {mutant.mutation for mutant in mutants(goods, 300, 5)} == MUTATIONS.keys()
