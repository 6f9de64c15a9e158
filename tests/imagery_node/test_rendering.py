import numpy as np
import pytest
from rio_tiler.colormap import cmap

from imagery_node.cog import open_cog
from imagery_node.colormap import colormap_names, parse_classes
from imagery_node.errors import BadRenderingError
from imagery_node.rendering import Rendering, colour, needed_bands
from tests.support.rasters import landscape, write_cog


@pytest.fixture(scope="module")
def analytic(tmp_path_factory):
    path = tmp_path_factory.mktemp("rendering") / "analytic.tif"
    return open_cog(write_cog(path, landscape(64, 64, 4), names=("blue", "green", "red", "nir"), nodata=0))


@pytest.fixture(scope="module")
def visual(tmp_path_factory):
    path = tmp_path_factory.mktemp("rendering") / "visual.tif"
    return open_cog(write_cog(path, landscape(64, 64, 4, "uint8"), alpha=True))


@pytest.fixture(scope="module")
def quality(tmp_path_factory):
    return open_cog(write_cog(tmp_path_factory.mktemp("rendering") / "quality.tif", landscape(64, 64, 1, "uint8")))


def _show(rendering, cog, *bands, valid=None):
    values = np.stack([np.atleast_2d(band) for band in bands], axis=-1)
    return colour(rendering, cog, values, np.ones(values.shape[:2], np.bool_) if valid is None else valid)


def test_the_first_three_bands_are_shown_unless_others_are_named(visual, analytic, quality):
    assert needed_bands(Rendering(), visual) == (0, 1, 2)
    assert needed_bands(Rendering(), quality) == (0,)
    assert needed_bands(Rendering("analytic", indexes=(4, 3, 2), rescale=((0, 1),)), analytic) == (3, 2, 1)
    assert needed_bands(Rendering("analytic", expression="nir-red", rescale=((0, 1),)), analytic) == (3, 2)


def test_values_are_stretched_between_the_ends_and_rounded(analytic):
    values = np.array([0, 400, 401, 404, 1200, 2000, 2001, 65535], np.uint16)
    pixels, valid = _show(Rendering("analytic", (1,), rescale=((400, 2000),)), analytic, values)
    expected = np.rint(np.clip((values.astype(float) - 400) / 1600, 0, 1) * 255)
    np.testing.assert_array_equal(pixels[0], expected[:, None].repeat(3, 1))
    assert valid.all()


def test_each_band_may_have_its_own_stretch(analytic):
    rendering = Rendering("analytic", (3, 2, 1), rescale=((0, 1000), (0, 500), (100, 2000)))
    pixels, _ = _show(rendering, analytic, *(np.array([250, 750], np.uint16) for _ in range(3)))
    assert pixels[0].tolist() == [[64, 128, 20], [191, 255, 87]]


def test_eight_bits_are_shown_as_they_are(visual):
    values = np.arange(256, dtype=np.uint8)
    pixels, _ = _show(Rendering(), visual, values, values[::-1], values // 2)
    np.testing.assert_array_equal(pixels[0], np.stack([values, values[::-1], values // 2], -1))
    weighed, _ = _show(Rendering(), visual, *(np.array([0.4, 254.6, 17.5], np.float32) for _ in range(3)))
    assert weighed[0, :2, 0].tolist() == [0, 255]


@pytest.mark.parametrize("name", ["rdylgn", "viridis", "terrain"])
def test_a_colour_map_gives_its_colours(analytic, name):
    values = np.arange(256, dtype=np.uint16)
    pixels, _ = _show(Rendering("analytic", (1,), rescale=((0, 255),), colormap=name), analytic, values)
    np.testing.assert_array_equal(pixels[0], np.array([cmap.get(name)[value][:3] for value in range(256)]))


@pytest.mark.parametrize("gamma", [0.1, 0.7, 1.4, 2.2, 10])
def test_a_gamma_raises_the_stretched_values(analytic, visual, gamma):
    values = np.array([0, 400, 401, 600, 1200, 2000, 60000], np.uint16)
    pixels, _ = _show(Rendering("analytic", (1,), rescale=((400, 2000),), gamma=gamma), analytic, values)
    expected = np.clip((values.astype(float) - 400) / 1600, 0, 1) ** (1 / gamma) * 255
    assert np.abs(pixels[0, :, 0] - expected).max() <= 0.51
    eight = np.arange(256, dtype=np.uint8)
    pixels, _ = _show(Rendering(gamma=gamma), visual, eight, eight, eight)
    assert np.abs(pixels[0, :, 2] - (eight / 255) ** (1 / gamma) * 255).max() <= 0.51


def test_a_gamma_bends_each_bands_own_stretch_and_the_colour_map(analytic):
    three = Rendering("analytic", (3, 2, 1), rescale=((0, 1000), (0, 500), (100, 2000)), gamma=2)
    pixels, _ = _show(three, analytic, *(np.array([250], np.uint16) for _ in range(3)))
    assert pixels[0, 0].tolist() == [128, 180, 72]
    mapped = Rendering("analytic", (1,), rescale=((0, 1000),), colormap="gray", gamma=2)
    assert _show(mapped, analytic, np.array([250], np.uint16))[0].tolist() == [[[128, 128, 128]]]


def test_classes_paint_intervals_and_hide_the_rest(analytic):
    classes = parse_classes('[[[100, 200], "#ff0000"], [[0, 100], [0, 255, 0]], [[300, 400], [0, 0, 255, 255]]]')
    values = np.array([0, 99, 100, 199, 200, 299, 300, 400], np.uint16)
    rendering = Rendering("analytic", (1,), classes=classes)
    assert needed_bands(rendering, analytic) == (0,)
    pixels, valid = _show(rendering, analytic, values)
    assert valid[0].tolist() == [True, True, True, True, False, False, True, False]
    assert pixels[0, valid[0]].tolist() == [[0, 255, 0]] * 2 + [[255, 0, 0]] * 2 + [[0, 0, 255]]


def test_a_class_may_be_without_end(analytic):
    rendering = Rendering("analytic", (1,), classes=parse_classes('[[[-1e39, 1e39], "#ff0000"]]'))
    pixels, valid = _show(rendering, analytic, np.array([7], np.uint16))
    assert (pixels[0, 0].tolist(), valid.all()) == ([255, 0, 0], True)


def test_only_classes_of_stored_values_are_picked_without_interpolation():
    classes = parse_classes('[[[0, 1], "#ffffff"]]')
    assert Rendering(classes=classes).is_categorical
    assert not Rendering(classes=classes, expression="b1-b2").is_categorical
    assert not Rendering(colormap="viridis").is_categorical


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "5",
        '{"0": "#ffffff"}',
        '[[[1, 1], "#ffffff"]]',
        '[[[2, 1], "#ffffff"]]',
        '[[[0, 1], "#fffff"]]',
        '[[[0, 1], "red"]]',
        "[[[0, 1], [0, 0, 256]]]",
        "[[[0, 1], [0, 0, 5, 128]]]",
        "[[[0, 1], [0, 0]]]",
        "[[[0, 1], [true, false, true]]]",
        '[[[0, 1, 2], "#ffffff"]]',
        '[[[0, "1"], "#ffffff"]]',
        '[[[0, 2], "#ffffff"], [[1, 3], "#ffffff"]]',
        "[" + ",".join(f'[[{at},{at + 1}],"#000000"]' for at in range(257)) + "]",
        " " * 8193,
    ],
)
def test_L16_colour_maps_that_are_none_are_refused(text):
    with pytest.raises(BadRenderingError, match="colormap"):
        parse_classes(text)


def test_L16_the_largest_colour_map_is_taken():
    text = "[" + ",".join(f'[[{at},{at + 1}],"#000000"]' for at in range(256)) + "]"
    assert len(parse_classes(text)) == 256


def test_an_expression_without_an_answer_is_not_valid(analytic):
    rendering = Rendering("analytic", expression="(nir-red)/(nir+red)", rescale=((-1, 1),))
    nir, red = np.array([0, 3, 1], np.uint16), np.array([0, 1, 3], np.uint16)
    pixels, valid = _show(rendering, analytic, nir, red)
    assert valid.tolist() == [[False, True, True]]
    assert pixels[0, 1:, 0].tolist() == [191, 64]


def test_what_was_hidden_stays_hidden(analytic):
    rendering = Rendering("analytic", expression="nir*2", rescale=((0, 10),))
    _, valid = _show(rendering, analytic, np.array([1, 2], np.uint16), valid=np.array([[False, True]]))
    assert valid.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"indexes": ()}, "band numbers"),
        ({"indexes": tuple(range(1, 10))}, "band numbers"),
        ({"indexes": (0,)}, "band numbers"),
        ({"indexes": (1, 1, 2)}, "once"),
        ({"indexes": (1,), "expression": "b1"}, "exclude"),
        ({"expression": "b1+"}, "its end"),
        ({"rescale": ((1.0, 1.0),)}, "minimum < maximum"),
        ({"rescale": ((2.0, 1.0),)}, "minimum < maximum"),
        ({"rescale": ((0.0, float("inf")),)}, "finite"),
        ({"rescale": ((float("nan"), 1.0),)}, "finite"),
        ({"colormap": "no_such_map"}, "colour map"),
        ({"gamma": 0.09}, "gamma"),
        ({"gamma": 10.1}, "gamma"),
        ({"gamma": float("nan")}, "gamma"),
        ({"classes": ((0.0, 1.0, (0, 0, 0)),), "colormap": "viridis"}, "in place of"),
        ({"classes": ((0.0, 1.0, (0, 0, 0)),), "gamma": 1.5}, "in place of"),
    ],
)
def test_L13_L15_L16_impossible_renderings_are_refused_when_made(fields, problem):
    with pytest.raises(BadRenderingError, match=problem):
        Rendering(**fields)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "rescale"),
        ({"indexes": (5,), "rescale": ((0, 1),)}, "4 bands"),
        ({"indexes": (1, 2), "rescale": ((0, 1),)}, "expected 1 or 3"),
        ({"indexes": (1, 2, 3), "rescale": ((0, 1), (0, 2))}, "pairs"),
        ({"indexes": (1, 2, 3), "rescale": ((0, 1),), "colormap": "viridis"}, "expected 1 with"),
        ({"expression": "b1/b2"}, "rescale"),
        ({"expression": "b1;b2", "rescale": ((0, 1),)}, "expected 1 or 3"),
        ({"expression": "swir/b2", "rescale": ((0, 1),)}, "no band"),
    ],
)
def test_renderings_that_do_not_fit_the_file_are_refused(analytic, fields, problem):
    with pytest.raises(BadRenderingError, match=problem):
        needed_bands(Rendering("analytic", **fields), analytic)


def test_every_listed_colour_map_has_256_colours():
    names = colormap_names()
    assert {"viridis", "rdylgn", "terrain", "gray"} <= names
    for name in names:
        Rendering(colormap=name)
