"""The covering set against exhaustive search, and what greedy alone may promise."""

import itertools

import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog import covering_set as module
from catalog.covering_set import MAX_EXACT_SCENES, SLIVER_KM2
from catalog.covering_set import covering_set as choose
from catalog.surface import area_km2

TOWN = shapely.box(104, 30, 104.8, 30.8)

squares = st.tuples(st.integers(-2, 8), st.integers(-2, 8), st.integers(2, 6), st.integers(2, 6)).map(
    lambda at: shapely.box(104 + at[0] / 10, 30 + at[1] / 10, 104 + (at[0] + at[2]) / 10, 30 + (at[1] + at[3]) / 10)
)
few = st.lists(squares, min_size=1, max_size=8).map(lambda found: np.array(found, dtype=object))


def covering_set(area, scenes):
    chosen = choose(area, scenes)
    return chosen.numbers, chosen.method


def bare_km2(scenes, numbers):
    """What of the town the numbered scenes leave bare of that which all of them cover."""
    covered = shapely.intersection(TOWN, shapely.union_all(scenes))
    return area_km2(shapely.difference(covered, shapely.union_all([scenes[number] for number in numbers])))


def smallest(scenes):
    """The size of the smallest set, by trying them all."""
    return next(
        size
        for size in range(len(scenes) + 1)
        if any(bare_km2(scenes, chosen) < SLIVER_KM2 for chosen in itertools.combinations(range(len(scenes)), size))
    )


@settings(max_examples=60, deadline=None)
@given(few)
def test_of_few_scenes_the_set_is_the_smallest_there_is(scenes):
    chosen, method = covering_set(TOWN, scenes)
    assert method == "exact"
    assert bare_km2(scenes, chosen) < SLIVER_KM2
    assert len(set(chosen)) == len(chosen) == smallest(scenes)


@pytest.mark.parametrize("seed", range(8))
def test_turned_scenes_too(seed):
    random = np.random.default_rng(seed)
    scenes = turned(random, 9)
    chosen, method = covering_set(TOWN, scenes)
    assert method == "exact"
    assert bare_km2(scenes, chosen) < SLIVER_KM2 * len(scenes)
    assert len(chosen) == smallest(scenes)


def test_greedy_is_bettered_where_it_takes_the_tempting_one():
    """The widest strip is taken first by greedy, and both of the others are needed all the same."""
    top, bottom = shapely.box(104, 30.4, 104.8, 30.8), shapely.box(104, 30, 104.8, 30.4)
    thirds = [shapely.box(104, 30, 104.5, 30.8), shapely.box(104.5, 30, 104.8, 30.8)]
    tempting = shapely.box(104.05, 30.01, 104.75, 30.79)
    scenes = np.array([tempting, top, bottom, *thirds], dtype=object)
    assert module._greedy(module._pieces(TOWN, scenes), scenes, lambda: None)[0] == 0
    chosen, method = covering_set(TOWN, scenes)
    assert (len(chosen), method) == (2, "exact")
    assert 0 not in chosen


def test_many_scenes_are_covered_greedily_without_a_needless_one():
    scenes = turned(np.random.default_rng(3), MAX_EXACT_SCENES + 90)
    chosen, method = covering_set(TOWN, scenes)
    assert method == "greedy"
    assert bare_km2(scenes, chosen) < SLIVER_KM2 * len(chosen)
    for number in chosen:
        assert bare_km2(scenes, [other for other in chosen if other != number]) > SLIVER_KM2


def test_a_search_that_would_take_too_long_is_given_up_and_said_to_be_greedy(monkeypatch):
    scenes = turned(np.random.default_rng(1), 40)
    monkeypatch.setattr(module, "MAX_STEPS", 3)
    chosen, method = covering_set(TOWN, scenes)
    assert method == "greedy"
    assert bare_km2(scenes, chosen) < SLIVER_KM2 * len(chosen)


def test_of_scenes_that_add_the_same_the_first_is_taken():
    scene = shapely.box(103, 29, 106, 32)
    assert covering_set(TOWN, np.array([scene, scene, scene], dtype=object)) == ([0], "exact")


def test_nothing_is_taken_for_a_sliver_or_for_what_lies_beside():
    sliver = shapely.box(103, 29, 104 + 1e-9, 32)
    beside = shapely.box(90, 29, 91, 32)
    assert covering_set(TOWN, np.array([sliver, beside], dtype=object)) == ([], "exact")
    assert covering_set(TOWN, np.array([], dtype=object)) == ([], "exact")


def test_what_each_adds_is_told_in_turn_and_adds_up():
    scenes = turned(np.random.default_rng(5), 12)
    chosen = choose(TOWN, scenes)
    first = scenes[chosen.numbers[0]]
    assert chosen.added_km2[0] == pytest.approx(area_km2(shapely.intersection(TOWN, first)))
    assert chosen.added_km2 == sorted(chosen.added_km2, reverse=True)
    assert sum(chosen.added_km2) == pytest.approx(area_km2(shapely.intersection(TOWN, shapely.union_all(scenes))))


def test_the_clock_is_looked_at():
    def ring():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        choose(TOWN, turned(np.random.default_rng(5), 100), check_time=ring)


def turned(random, count):
    """Squares of about 40 km around the town, each turned a little."""
    centres = random.uniform((103.95, 29.95), (104.85, 30.85), (count, 2))
    boxes = [shapely.box(x - 0.2, y - 0.2, x + 0.2, y + 0.2) for x, y in centres]
    angles = random.normal(12, 3, count)
    return np.array([shapely.affinity.rotate(box, angle) for box, angle in zip(boxes, angles, strict=True)])
