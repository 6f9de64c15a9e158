"""Collections: the packaged documents before outside judges, and those derived from items."""

import pytest

from catalog.collection import (
    COMPOSITE_OF,
    check_collection,
    collection_document,
    derived_collection,
    packaged_collections,
)
from catalog.errors import InvalidItemError, UnknownCollectionError
from cog_builder.quality import FLAGS_TEXT
from tests.support.schemas import check_document, stac_validator
from tests.support.stac import some_collection, some_items

NATURAL = {"assets": ["analytic"], "bidx": [3, 2, 1], "rescale": [[0, 3000]]}

every_collection = pytest.mark.parametrize("collection", packaged_collections())


def test_the_collections_of_known_satellites_are_packaged():
    names = packaged_collections()
    assert {"gf1-pms", "gf6-wfv", "gf7-fwd", "zy3-nad", "hj2b-ccd", "cb04a-wpm", "cbers4-awfi", "jl1-pms"} <= set(names)
    assert list(names) == sorted(set(names))
    assert len(names) == 38


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
        shown = rendering.get("bidx", rendering.get("expression", "").split(";") if "expression" in rendering else [])
        assert len(shown) == len(rendering.get("rescale", []))


@every_collection
def test_a_packaged_collection_speaks_chinese_and_english(collection):
    document = collection_document(collection)
    texts = [document["title"], *(asset["title"] for asset in document["item_assets"].values())]
    for chinese, english in [text.split(" · ") for text in texts] + [document["description"].split("\n\n")]:
        assert any("一" <= letter <= "鿿" for letter in chinese)
        assert english.isprintable()
        assert not any("一" <= letter <= "鿿" for letter in english)


@every_collection
def test_the_natural_rendering_is_the_stretch_of_the_picture(collection):
    document = collection_document(collection)
    stretch, natural = document["imagery_node:stretch"], document["renders"]["natural"]
    bands = document["item_assets"]["analytic"]["bands"]
    shown = [bands[index - 1]["name"] for index in natural["bidx"]]
    assert stretch["bands"] == (shown if len(shown) == 3 else shown * 3)
    rescale = natural["rescale"] if len(shown) == 3 else natural["rescale"] * 3
    for low, high, pair in zip(stretch["low"], stretch["high"], rescale, strict=True):
        assert [low, high] == pytest.approx([value * bands[0]["raster:scale"] for value in pair])
        assert 0 < low < high < 1
    assert 1 <= stretch["gamma"] < 2
    assert natural["color_formula"] == f"gamma rgb {stretch['gamma']:g}"


def colours_shown(document, rendering):
    bands = document["item_assets"]["analytic"]["bands"]
    return [bands[index - 1]["eo:common_name"] for index in document["renders"][rendering]["bidx"]]


@every_collection
def test_pictures_are_true_colour_where_there_is_blue_else_false_colour_or_grey_and_say_so(collection):
    document = collection_document(collection)
    common = {band["eo:common_name"] for band in document["item_assets"]["analytic"]["bands"]}
    expected, title = (
        (["red", "green", "blue"], "真彩色 · True colour")
        if "blue" in common
        else (["nir", "red", "green"], "标准假彩色 · False colour, vegetation in red")
        if "nir" in common
        else (["pan"], "灰度 · Grey")
    )
    assert colours_shown(document, "natural") == expected
    assert document["renders"]["visual"] == {"title": title, "assets": ["visual"]}


@every_collection
def test_false_colour_is_offered_once_where_there_is_a_near_infrared(collection):
    document = collection_document(collection)
    common = {band["eo:common_name"] for band in document["item_assets"]["analytic"]["bands"]}
    assert ("false-colour" in document["renders"]) == ({"nir", "blue"} <= common)
    if "false-colour" in document["renders"]:
        assert colours_shown(document, "false-colour") == ["nir", "red", "green"]


@every_collection
def test_indexes_are_offered_where_the_bands_are(collection):
    document = collection_document(collection)
    common = [band["eo:common_name"] for band in document["item_assets"]["analytic"]["bands"]]
    names = [band["name"] for band in document["item_assets"]["analytic"]["bands"]]
    for index, needed in {"ndvi": ("nir", "red"), "ndwi": ("green", "nir"), "ndre": ("nir", "rededge")}.items():
        assert (index in document["renders"]) == set(common).issuperset(needed)
        if index in document["renders"]:
            one, other = (names[common.index(band)] for band in needed)
            assert document["renders"][index]["expression"] == f"({one}-{other})/({one}+{other})"


@pytest.mark.parametrize("collection", ["gf1-pms", "gf1-wfv", "gf2-pms"])
def test_the_colours_of_the_first_collections_stay_as_they_were(collection):
    document = collection_document(collection)
    assert document["imagery_node:stretch"] == {
        "bands": ["B3", "B2", "B1"],
        "low": [0.025, 0.04, 0.06],
        "high": [0.26, 0.25, 0.24],
        "gamma": 1.4,
    }
    assert document["renders"]["natural"]["rescale"] == [[250, 2600], [400, 2500], [600, 2400]]
    assert document["renders"]["false-colour"]["rescale"] == [[200, 5000], [250, 2600], [400, 2500]]


@every_collection
def test_composites_of_a_packaged_collection_have_a_collection_too(collection):
    document = collection_document(f"{collection}-composite")
    check_collection(document)
    check_document(document, stac_validator())
    assert document[COMPOSITE_OF] == collection
    assert set(document["item_assets"]) == {"visual", "analytic", "quality", "thumbnail", "count"}
    source = collection_document(collection)
    assert set(document["renders"]) == set(source["renders"])
    assert document["imagery_node:stretch"] == source["imagery_node:stretch"]
    assert collection_document(collection) == source


def test_flags_are_described_as_they_are_written():
    assert FLAGS_TEXT in collection_document("gf1-pms")["item_assets"]["quality"]["description"]


def test_a_document_is_the_callers_own():
    collection_document("gf1-pms")["summaries"]["platform"].append("changed")
    assert collection_document("gf1-pms")["summaries"]["platform"] == ["gaofen-1"]


def test_products_on_a_map_have_no_camera_model():
    assert {"rpc", "rpc-pan", "metadata-pan"} <= set(collection_document("gf2-pms")["item_assets"])
    wpm = set(collection_document("cbers4a-wpm")["item_assets"])
    assert "metadata-pan" in wpm
    assert not {"rpc", "rpc-pan"} & wpm


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
        ({"extent": {"spatial": {"bbox": {}}, "temporal": {"interval": [[None, None]]}}}, "list of boxes"),
        ({"extent": {"spatial": {"bbox": []}, "temporal": {"interval": [["then", None]]}}}, "RFC 3339"),
        ({"extent": {"spatial": {"bbox": []}, "temporal": {"interval": [[5, None]]}}}, "bad extent"),
        ({"summaries": "x"}, "summaries"),
        ({"properties": None}, "properties"),
    ],
)
def test_a_collection_that_breaks_a_rule_is_named_with_the_field(change, found):
    with pytest.raises(InvalidItemError, match=found):
        check_collection(some_collection("x") | change)
    with pytest.raises(InvalidItemError, match="license"):
        check_collection({key: value for key, value in some_collection("x").items() if key != "license"})


def test_one_stretch_may_serve_all_bands():
    check_collection(some_collection("x") | {"renders": {"natural": NATURAL}})
