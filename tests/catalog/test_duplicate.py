"""The same acquisition under two ids, against a real store."""

import copy

import pytest

from catalog.duplicate import find_duplicates
from catalog.errors import InvalidItemError
from catalog.item import STEREO, WARNINGS, with_warnings
from tests.support.stac import crossing_item, some_collection, some_items


def scene(item_id="A", *, when="2022-03-15T03:20:11Z", east=0.0, width=0.4, collection="gf2-pms", **properties):
    """An item of a square of ground."""
    west, south = 116.0 + east, 39.8
    corners = [(0, 0), (width, 0), (width, 0.4), (0, 0.4), (0, 0)]
    item = copy.deepcopy(some_items(1)[0])
    camera = {"platform": "gaofen-2", "instruments": ["pms1"], "processing:level": "L1A"}
    return item | {
        "id": item_id,
        "collection": collection,
        "bbox": [west, south, west + width, south + 0.4],
        "geometry": {"type": "Polygon", "coordinates": [[[west + x, south + y] for x, y in corners]]},
        "properties": item["properties"] | camera | {"datetime": when} | properties,
    }


@pytest.fixture
def listed(store):
    """A store with the scene A, and nothing else near it."""
    for collection in ("gf1-pms", "gf1-wfv", "gf2-pms"):
        store.put_collection(some_collection(collection))
    store.register(scene())
    return store


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(scene("B"), id="the same"),
        pytest.param(scene("B", when="2022-03-15T03:20:12Z"), id="a second later"),
        pytest.param(scene("B", when="2022-03-15T11:20:10.5+08:00"), id="half a second earlier in Beijing"),
        pytest.param(scene("B", east=0.15), id="a little to the east"),
        pytest.param(scene("B", width=0.1), id="a part of it"),
        pytest.param(scene("B", collection="gf1-pms"), id="in another collection"),
        pytest.param(scene("B", gsd=0.8), id="of another grain"),
    ],
)
def test_the_same_acquisition_under_another_id_is_named(listed, other):
    [warning] = find_duplicates(listed, other)
    assert warning.startswith("duplicate_acquisition: gf2-pms/A is listed")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(scene("A"), id="the same id"),
        pytest.param(scene("B", when="2022-03-15T03:20:12.1Z"), id="the next scene of the strip"),
        pytest.param(scene("B", east=0.25), id="beside it with some overlap"),
        pytest.param(scene("B", east=10), id="elsewhere"),
        pytest.param(scene("B", platform="gaofen-1"), id="another satellite"),
        pytest.param(scene("B", instruments=["pms2"]), id="another camera"),
        pytest.param(scene("B", **{"processing:level": "L2A"}), id="another level"),
        pytest.param(
            scene("B", **{STEREO: {"view": "forward", "siblings": [{"collection": "gf2-pms", "id": "A"}]}}),
            id="another view of one stereo scene",
        ),
    ],
)
def test_another_acquisition_is_not(listed, other):
    assert find_duplicates(listed, other) == []


def test_every_duplicate_is_named_with_time_and_overlap(listed):
    listed.register(scene("C", when="2022-03-15T03:20:11.4Z", east=0.1))
    found = find_duplicates(listed, scene("B", when="2022-03-15T03:20:11.2Z"))
    assert sorted(found) == [
        "duplicate_acquisition: gf2-pms/A is listed, taken by the same camera 0.2 s apart, "
        "and shares 100% of the ground",
        "duplicate_acquisition: gf2-pms/C is listed, taken by the same camera 0.2 s apart, "
        "and shares 75% of the ground",
    ]


def test_a_recalled_scene_is_no_duplicate(listed):
    listed.recall("gf2-pms", "A", reason="wrong")
    assert find_duplicates(listed, scene("B")) == []


def test_a_scene_on_both_sides_of_the_antimeridian_is_compared_too(listed):
    crossing = crossing_item()
    listed.register(crossing)
    [warning] = find_duplicates(listed, crossing | {"id": "again"})
    assert crossing["id"] in warning


def test_an_item_that_breaks_a_rule_is_refused(listed):
    with pytest.raises(InvalidItemError):
        find_duplicates(listed, scene("B") | {"bbox": None})


def test_warnings_are_added_once_and_the_item_given_is_kept():
    item = scene()
    assert with_warnings(item, []) is item
    one = with_warnings(item, ["saturated: 9 %"])
    two = with_warnings(one, ["saturated: 9 %", "nearly_empty: 0.5 %"])
    assert WARNINGS not in item["properties"]
    assert one["properties"][WARNINGS] == ["saturated: 9 %"]
    assert two["properties"][WARNINGS] == ["saturated: 9 %", "nearly_empty: 0.5 %"]
    assert {name: value for name, value in two["properties"].items() if name != WARNINGS} == item["properties"]
