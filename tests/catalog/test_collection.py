"""Collections: the packaged documents before outside judges, and those derived from items."""

import pytest

from catalog.collection import check_collection, collection_document, derived_collection, packaged_collections
from catalog.errors import InvalidItemError, UnknownCollectionError
from tests.support.schemas import check_document, stac_validator
from tests.support.stac import some_collection, some_items

NATURAL = {"assets": ["analytic"], "bidx": [3, 2, 1], "rescale": [[0, 3000]]}

every_collection = pytest.mark.parametrize("collection", packaged_collections())


def test_the_three_sensors_are_packaged():
    assert packaged_collections() == ("gf1-pms", "gf1-wfv", "gf2-pms")


@every_collection
def test_a_packaged_collection_is_valid_stac(collection):
    document = collection_document(collection)
    check_collection(document)
    check_document(document, stac_validator())


@every_collection
def test_renderings_name_assets_and_bands_that_there_are(collection):
    document = collection_document(collection)
    for rendering in document["renders"].values():
        for key in rendering["assets"]:
            bands = document["item_assets"][key].get("bands", [])
            assert all(1 <= index <= len(bands) for index in rendering.get("bidx", []))
        assert len(rendering.get("bidx", [])) == len(rendering.get("rescale", []))


@every_collection
def test_the_natural_rendering_is_the_stretch_of_the_picture(collection):
    document = collection_document(collection)
    stretch, natural = document["imagery_node:stretch"], document["renders"]["natural"]
    bands = document["item_assets"]["analytic"]["bands"]
    for index, (low, high) in zip(natural["bidx"], natural["rescale"], strict=True):
        colour, scale = bands[index - 1]["eo:common_name"], bands[index - 1]["raster:scale"]
        assert [low * scale, high * scale] == pytest.approx(stretch[colour])


def test_only_sensors_with_a_pan_band_have_a_sharp_asset():
    assert "sharp" not in collection_document("gf1-wfv")["item_assets"]
    assert collection_document("gf2-pms")["item_assets"]["sharp"]["gsd"] == 0.8


def test_an_unknown_collection_is_refused():
    with pytest.raises(UnknownCollectionError, match="gf9"):
        collection_document("gf9")


def test_a_derived_collection_is_valid_stac_and_names_the_assets():
    document = derived_collection(some_items(3))
    check_collection(document)
    check_document(document, stac_validator())
    assert document["item_assets"]["thumbnail"] == {"type": "image/webp", "roles": ["thumbnail"]}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"id": "a b"}, "id"),
        ({"id": "img"}, "layer of all"),
        ({"links": ["x"]}, "links"),
        ({"stac_extensions": "x"}, "stac_extensions"),
        ({"title": 5}, "title"),
        ({"renders": None}, "renders"),
        ({"renders": {"natural": NATURAL | {"assets": []}}}, "assets"),
        ({"renders": {"natural": {"assets": ["analytic"]}}}, "bidx"),
        ({"renders": {"natural": NATURAL | {"bidx": [0, 1]}}}, "bidx"),
        ({"renders": {"natural": NATURAL | {"rescale": None}}}, "rescale"),
        ({"renders": {"natural": NATURAL | {"rescale": [[0, 1], [0, 1]]}}}, "rescale"),
        ({"renders": {"natural": NATURAL | {"rescale": [[0, "1"]]}}}, "rescale"),
        ({"extent": {}}, "extent"),
        ({"extent": {"spatial": {"bbox": [[1, 2]]}, "temporal": {"interval": [[None, None]]}}}, "bbox"),
        ({"extent": {"spatial": {"bbox": []}, "temporal": {"interval": [[None]]}}}, "two ends"),
    ],
)
def test_a_collection_that_breaks_a_rule_is_named_with_the_field(change, found):
    with pytest.raises(InvalidItemError, match=found):
        check_collection(some_collection("x") | change)
    with pytest.raises(InvalidItemError, match="license"):
        check_collection({key: value for key, value in some_collection("x").items() if key != "license"})


def test_one_stretch_may_serve_all_bands():
    check_collection(some_collection("x") | {"renders": {"natural": NATURAL}})
