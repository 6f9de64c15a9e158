"""Layers and their order."""

from datetime import UTC, datetime

import shapely
from hypothesis import given
from hypothesis import strategies as st

from catalog.search import Footprint
from imagery_node.layer import Layer, make_layers
from imagery_node.mosaic_rule import NEWEST, RULES
from imagery_node.when import ALWAYS, LATEST, When, parse_when

SCENE = Footprint("gf2-pms", "A", "1", datetime(2024, 1, 1, tzinfo=UTC), shapely.box(0, 0, 1, 1), 1.0, None)
LAYERS = make_layers([{"id": "gf1-pms", "title": "高分一号"}, {"id": "gf2-pms"}])


def scenes(*rows):
    return [
        SCENE._replace(item_id=name, acquired=datetime(2024, month, 1, tzinfo=UTC), cloud_cover=cloud)
        for name, month, cloud in rows
    ]


def test_there_is_a_layer_per_collection_and_one_of_all():
    assert {name: layer.collections for name, layer in LAYERS.items()} == {
        "img": ("gf1-pms", "gf2-pms"), "gf1-pms": ("gf1-pms",), "gf2-pms": ("gf2-pms",),
    }  # fmt: skip
    assert [layer.title for layer in LAYERS.values()][1:] == ["高分一号", "gf2-pms"]
    assert list(LAYERS) == ["img", "gf1-pms", "gf2-pms"]


def test_img_puts_clear_and_unknown_scenes_above_cloudy_ones():
    found = scenes(("cloudy", 5, 20.1), ("clear", 3, 20.0), ("unknown", 4, None), ("old", 1, 0.0), ("grey", 2, 80.0))
    assert [scene.item_id for scene in LAYERS["img"].order(found)] == ["unknown", "clear", "old", "cloudy", "grey"]
    assert [scene.item_id for scene in LAYERS["gf2-pms"].order(found)] == ["cloudy", "unknown", "clear", "grey", "old"]


def test_img_puts_grey_pictures_beneath_colours():
    grey = {"id": "zy3-fwd", "imagery_node:stretch": {"bands": ["PAN"] * 3}}
    odd = [{"id": "x", "imagery_node:stretch": stretch} for stretch in ("?", {"bands": 3}, {"bands": []})]
    layers = make_layers([grey, {"id": "gf2-pms"}, *odd])
    [old] = scenes(("old", 1, 90.0))
    new = old._replace(item_id="new", collection="zy3-fwd", acquired=datetime(2024, 9, 1, tzinfo=UTC), cloud_cover=0.0)
    assert layers["img"].order([new, old]) == [old, new]


@given(st.permutations(scenes(("a", 5, 90.0), ("b", 5, 90.0), ("c", 5, None), ("d", 1, 0.0), ("e", 2, 30.0))))
def test_the_order_does_not_depend_on_how_the_scenes_were_found(found):
    assert [scene.item_id for scene in LAYERS["img"].order(found)] == ["c", "d", "a", "b", "e"]


def test_a_dated_layer_shows_one_period_of_its_layer():
    dated = LAYERS["img"].dated("2024Q3")
    assert (dated.layer_id, dated.title) == ("img_2024Q3", "全部影像 · All imagery 2024Q3")
    assert (dated.collections, dated.rule) == (LAYERS["img"].collections, LAYERS["img"].rule)
    assert dated.at(ALWAYS) == parse_when("2024Q3")
    assert dated.at(parse_when("2024-09/..")) == parse_when("2024-09")
    assert dated.at(LATEST) == When(parse_when("2024Q3").interval, nearest=LATEST.nearest)
    assert LAYERS["img"].dated("summer") is None
    assert dated.dated("2024") is None


def test_the_operators_layers_take_the_collections_there_are_and_the_places_of_others():
    own = [Layer("img", "Mine", (), RULES["finest"]), Layer("two", "Two", ("gf2-pms", "gf9"), NEWEST)]
    layers = make_layers([{"id": "gf1-pms"}, {"id": "gf2-pms"}], own)
    assert {name: (layer.title, layer.collections) for name, layer in layers.items()} == {
        "img": ("Mine", ("gf1-pms", "gf2-pms")),
        "gf1-pms": ("gf1-pms", ("gf1-pms",)),
        "gf2-pms": ("gf2-pms", ("gf2-pms",)),
        "two": ("Two", ("gf2-pms",)),
    }
