"""Layers and their order."""

from datetime import UTC, datetime

import shapely
from hypothesis import given
from hypothesis import strategies as st

from catalog.search import Footprint
from imagery_node.layer import make_layers

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
