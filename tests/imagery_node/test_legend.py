import io

import numpy as np
import pytest
from PIL import Image, ImageFont

from catalog.collection import collection_document, packaged_collections
from imagery_node.errors import BadRenderingError
from imagery_node.legend import _band_text, draw_legend, legend_document
from imagery_node.renders import read_render
from tests.support.stac import some_collection

LAYER, COLLECTION = "/raster/layers/img/renders", "/raster/collections/gf2-pms/renders"


def _legend(name, collection="gf1-pms", **render):
    document = collection_document(collection)
    render = render or document["renders"][name]
    return legend_document(name, render, read_render(name, render), document)


def _pixels(legend):
    return np.asarray(Image.open(io.BytesIO(draw_legend(legend))))


@pytest.mark.parametrize("collection", packaged_collections())
def test_every_rendering_of_a_packaged_collection_has_a_legend(collection):
    for name in collection_document(collection)["renders"]:
        legend = _legend(name, collection)
        assert legend["titles"].keys() == {"zh", "en"}
        assert _pixels(legend).shape[1:] == (320, 3)


def test_an_index_is_a_ramp_with_round_ticks():
    legend = _legend("ndvi")
    assert legend["kind"] == "ramp"
    assert (legend["minimum"], legend["maximum"], legend["unit"]) == (-0.2, 0.9, None)
    assert legend["ticks"] == [-0.2, 0, 0.2, 0.4, 0.6, 0.8]
    assert [legend["stops"][0]["value"], legend["stops"][-1]["value"]] == [-0.2, 0.9]
    assert legend["titles"] == {"zh": "归一化植被指数 NDVI", "en": "Vegetation index NDVI"}


def test_the_drawn_ramp_has_the_colours_of_the_stops():
    legend = _legend("ndvi")
    row = _pixels(legend)[36, 11:309].astype(int)
    for share in (0, 5, 10):
        expected = np.frombuffer(bytes.fromhex(legend["stops"][share]["color"][1:]), np.uint8).astype(int)
        assert np.abs(row[round(share / 10 * 297)] - expected).max() <= 6


def test_a_gamma_bends_the_ramp():
    plain = _legend("x", assets=["analytic"], bidx=[4], rescale=[[0, 5000]])
    bent = _legend("x", assets=["analytic"], bidx=[4], rescale=[[0, 5000]], color_formula="gamma rgb 2")
    middle = {kind["stops"][5]["color"] for kind in (plain, bent)}
    assert middle == {"#808080", "#b4b4b4"}
    assert (bent["maximum"], bent["unit"]) == (0.5, "reflectance")


def test_three_bands_say_which_they_are():
    legend = _legend("false-colour")
    assert [(band["color"], band["common_name"]) for band in legend["bands"]] == [
        ("red", "nir"), ("green", "red"), ("blue", "green"),
    ]  # fmt: skip
    assert (legend["bands"][0]["minimum"], legend["bands"][0]["maximum"]) == (0.02, 0.5)
    assert [band["name"] for band in _legend("visual")["bands"]] == ["B3", "B2", "B1"]
    assert [band["color"] for band in _legend("visual", "gf7-fwd")["bands"]] == ["grey"]


def test_the_stretch_of_a_band_is_written_in_letters_the_font_has():
    font = ImageFont.load_default(12)
    text = _band_text(_legend("false-colour")["bands"][0])
    drawn = {letter: bytes(font.getmask(letter)) for letter in text if letter != " "}
    assert "0.5" in text
    assert bytes(font.getmask("\uffff")) not in drawn.values()


def test_classes_are_listed_with_their_colours():
    legend = _legend("x", assets=["quality"], colormap=[[[4, 8], "#ffffff"], [[0, 1], [0, 128, 0]]])
    assert legend["classes"] == [
        {"low": 0, "high": 1, "color": "#008000"},
        {"low": 4, "high": 8, "color": "#ffffff"},
    ]
    assert (0, 128, 0) in {tuple(pixel) for pixel in _pixels(legend).reshape(-1, 3).tolist()}


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255), (0.001, 0.0017), (-3e6, 5), (0, 7)])
def test_ticks_are_few_and_inside(low, high):
    ticks = _legend("x", assets=["quality"], bidx=[1], rescale=[[low, high]])["ticks"]
    assert 3 <= len(ticks) <= 7
    assert low - 1e-9 <= ticks[0] < ticks[-1] <= high * (1 + 1e-9)


def test_legends_are_served_for_layers_and_collections(node):
    for root in (LAYER, COLLECTION):
        document = node.get(f"{root}/false-colour/legend.json").json()
        assert document["render"] == "false-colour"
        picture = node.get(f"{root}/false-colour/legend.png")
        assert picture.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(picture.content)).width == 320


def test_renderings_are_listed_with_addresses_that_work(node):
    renders = node.get(COLLECTION).json()["renders"]
    assert [render["name"] for render in renders] == ["visual", "natural", "false-colour"]  # not the one of two assets
    for render in renders:
        for address in render["legend"].values():
            assert node.get(address.removeprefix(node.url)).status_code == 200


def test_a_client_that_has_the_legend_is_told_so(node):
    for kind in ("json", "png"):
        tag = node.get(f"{LAYER}/natural/legend.{kind}").headers["etag"]
        again = node.get(f"{LAYER}/natural/legend.{kind}", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{LAYER}/nope/legend.png", 404),
        ("/raster/layers/nope/renders/natural/legend.png", 404),
        ("/raster/collections/nope/renders", 404),
        (f"{LAYER}/natural/legend.svg", 404),
        (f"{LAYER}/a%20b/legend.png", 400),
        (f"{LAYER}/of-two/legend.png", 400),
        (f"{LAYER}/natural/legend.png?width=9", 400),
    ],
)
def test_what_has_no_legend_is_refused(node, path, status):
    assert node.get(path).status_code == status


def test_a_collection_from_elsewhere_may_describe_nothing(node):
    node.store.put_collection(
        some_collection("bare")
        | {"item_assets": {"visual": {"bands": 5}}, "renders": {"visual": {"assets": ["visual"]}, "odd": {}}}
    )
    assert node.get("/raster/collections/bare/renders/visual/legend.json").status_code == 400
    assert node.get("/raster/collections/bare/renders/odd/legend.json").status_code == 400


@pytest.mark.parametrize(
    "render",
    [
        {},
        {"assets": "visual"},
        {"assets": ["visual", "analytic"]},
        {"assets": ["visual"], "bidx": 3},
        {"assets": ["visual"], "bidx": ["a"]},
        {"assets": ["visual"], "rescale": [[0]]},
        {"assets": ["visual"], "expression": 5},
        {"assets": ["visual"], "colormap_name": ["viridis"]},
        {"assets": ["visual"], "colormap": {"0": "red"}},
        {"assets": ["visual"], "color_formula": "sigmoidal rgb 3 0.5"},
        {"assets": ["visual"], "color_formula": 3},
    ],
)
def test_renderings_that_tiles_cannot_show_are_refused(render):
    with pytest.raises(BadRenderingError):
        read_render("x", render)
