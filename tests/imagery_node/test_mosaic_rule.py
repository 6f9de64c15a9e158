"""Mosaic rules: which scene lies on top."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from catalog.search import Footprint
from imagery_node.errors import BadParameterError
from imagery_node.mosaic_rule import MAX_FEATHER_PX, NEWEST, RULES, MosaicRule, Weights, find_rule

GROUND = shapely.box(0, 0, 1, 1)


def scene(name, month, cloud=None, gsd_m=1.0):
    return Footprint("gf2-pms", name, "1", datetime(2024, month, 1, tzinfo=UTC), GROUND, gsd_m, cloud)


SCENES = [scene("old", 1, 5.0, 8.0), scene("unknown", 3, None, 2.0), scene("cloudy", 6, 60.0), scene("new", 9, 20.5)]


def names(rule, scenes=SCENES, **options):
    return [each.item_id for each in rule.sort(scenes, **options)]


@pytest.mark.parametrize(
    ("rule", "order"),
    [
        ("newest", "new cloudy unknown old"),
        ("newest-clear", "unknown old new cloudy"),
        ("oldest", "old unknown cloudy new"),
        ("clearest", "old unknown new cloudy"),
        ("finest", "new cloudy unknown old"),
        ("nearest", "new cloudy unknown old"),
        ("clear-pixels", "unknown old new cloudy"),
        ("median", "old unknown new cloudy"),
    ],
)
def test_each_rule_orders_the_scenes_as_its_name_says(rule, order):
    assert names(find_rule(rule)) == order.split()


def test_the_nearest_scene_to_an_instant_lies_on_top_on_either_side_of_it():
    assert names(RULES["nearest"], nearest_to=datetime(2024, 5, 1, tzinfo=UTC)) == ["cloudy", "unknown", "old", "new"]


def test_a_weighted_rule_adds_up_what_each_scene_pays():
    def order(**weights):
        return names(
            MosaicRule("own", order="weighted", weights=Weights(**weights)),
            off_nadir=lambda each: {"cloudy": 1.0, "new": 2.0}.get(each.item_id, 0.0),
        )

    assert order(gsd=1.0) == ["new", "cloudy", "unknown", "old"]
    assert order(cloud=1.0) == ["old", "unknown", "new", "cloudy"]
    assert order(age=1.0) == ["new", "cloudy", "unknown", "old"]
    assert order(off_nadir=1.0) == ["unknown", "old", "cloudy", "new"]
    assert order(cloud=1.0, age=0.2) == ["new", "old", "unknown", "cloudy"]  # they pay 20.5, 53.8, 56.8 and 78.4


def test_view_angles_are_asked_for_only_where_they_count():
    asked = []
    for rule in RULES.values():
        rule.sort(SCENES, off_nadir=lambda each: asked.append(each) or 0.0)
    assert len(asked) == len(SCENES)  # of `weighted`


@given(st.permutations([scene("b", 5), scene("a", 5), scene("c", 5), scene("d", 5, 20.0)]))
def test_ties_are_broken_the_same_way_however_the_scenes_were_found(found):
    for rule in RULES.values():
        assert names(rule, found) == ["a", "b", "c", "d"]


def test_L06_feathers_are_bounded():
    assert replace(NEWEST, feather_px=MAX_FEATHER_PX).feather_px == 32
    for feather_px in (-1, MAX_FEATHER_PX + 1):
        with pytest.raises(BadParameterError) as refused:
            replace(NEWEST, feather_px=feather_px)
        assert refused.value.code == "limit.feather"


def test_a_rule_nobody_knows_is_refused_with_the_known_ones():
    with pytest.raises(BadParameterError, match=r"'shiniest', expected newest, .*clearest-pixel"):
        find_rule("shiniest")


def test_a_rule_is_a_document_with_a_version():
    assert find_rule("clearest").citation == "clearest/1"
    assert find_rule("weighted").document()["weights"] == {"gsd": 2.0, "cloud": 1.0, "age": 0.1, "off_nadir": 1.0}
