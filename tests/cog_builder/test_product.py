"""What each file of a scene holds, and how a block of it comes about."""

from dataclasses import replace

import numpy as np
import pytest

from catalog.collection import collection_document
from cog_builder.calibration import calibration
from cog_builder.drawing import Drawn
from cog_builder.map_grid import MapGrid
from cog_builder.product import analytic_product, sharp_product, visual_product
from cog_builder.stretch import Stretch
from tests.support.deliveries import opened
from tests.support.simulated import tiny_delivery

GRID = MapGrid(4548, 450_000.0, 4_420_000.0, 8.0, 1300, 900)
PART = (0, 16), (32, 48)


class Drawing:
    """The same ground everywhere, on the left half of every block: a scene's drawing and its main image's in one."""

    def __init__(self, *reflectance, scene=None):
        self.reflectance = reflectance
        self.main = self
        if scene is not None:
            self.image, self.line = scene.main, calibration(scene, scene.main)

    def thinned(self, step):
        return self

    def draw(self, grid, rows, cols, interpolation):
        return self.colours(grid, rows, cols)

    def colours(self, grid, rows, cols):
        shape = rows[1] - rows[0], cols[1] - cols[0]
        valid = np.zeros(shape, np.bool_)
        valid[:, : shape[1] // 2] = True
        values = np.broadcast_to(np.array(self.reflectance, np.float32), (*shape, 4))
        return Drawn(values, valid, np.zeros(shape, np.bool_))

    finest = colours


class Nothing:
    main = None

    def colours(self, grid, rows, cols):
        return None

    finest = colours


class CloudyWhereBright:
    pixel_m, reach_px = 0.0, 0

    def __call__(self, view):
        bright = view.reflectance[..., view.common_names.index("blue")] > 0.4
        return bright, ~bright


CLOUDS = CloudyWhereBright()
STRETCH = Stretch.of_collection(collection_document("gf1-pms"))


@pytest.fixture
def scene(tmp_path):
    return opened(tiny_delivery("gf1-pms", tmp_path, packing="folder"), tmp_path)


def test_reflectance_is_stored_as_ten_thousandths_with_zero_kept_for_nodata(scene):
    drawing = Drawing(0.12344, 1.3, 0.0, -0.02, scene=scene)
    analytic, _ = analytic_product(scene, drawing, GRID, "deflate", CLOUDS).draw(*PART)
    assert analytic.pixels.dtype == np.uint16
    assert analytic.pixels[0, 0].tolist() == [1234, 13_000, 1, 1]
    sharp, *_ = sharp_product(scene, Drawing(9.0, 6.5535, 0.00004, 0.5), GRID, "deflate").draw(*PART)
    assert sharp.pixels[0, 0].tolist() == [65_535, 65_535, 1, 5000]


def test_quality_flags_are_drawn_on_the_grid_of_the_reflectance(scene):
    product = analytic_product(scene, Drawing(0.5, 0.5, 0.5, 0.5, scene=scene), GRID, "deflate", CLOUDS)
    analytic, quality = product.draw(*PART)
    np.testing.assert_array_equal(quality.valid, analytic.valid)
    assert quality.pixels[..., 0].tolist() == [[4] * 8 + [1] * 8] * 16
    assert product.layouts["analytic"].grid == product.layouts["quality"].grid == GRID
    assert product.layouts["quality"].nodata == 1


def test_reflectance_files_say_what_they_hold(scene):
    for product in (
        analytic_product(scene, Nothing(), GRID, "zstd", CLOUDS),
        sharp_product(scene, Nothing(), GRID, "zstd"),
    ):
        layout = next(iter(product.layouts.values()))
        assert (layout.dtype, layout.nodata, layout.compression, layout.block_px) == ("uint16", 0, "zstd", 512)
        assert [band.description for band in layout.bands] == ["B1 blue", "B2 green", "B3 red", "B4 nir"]
        assert {band.scale for band in layout.bands} == {0.0001}
        assert layout.tags == {
            "TITLE": scene.title,
            "ACQUISITION_TIME_UTC": "2022-03-15T03:20:11Z",
            "SATELLITE": "GF1",
            "SENSOR": "PMS1",
        }


@pytest.mark.parametrize(("width", "height", "overviews"), [(512, 300, 0), (513, 300, 1), (1300, 900, 2), (9, 4097, 4)])
def test_overviews_go_down_to_a_block(scene, width, height, overviews):
    grid = MapGrid(4548, 0.0, 0.0, 8.0, width, height)
    layout = analytic_product(scene, Nothing(), grid, "deflate", CLOUDS).layouts["analytic"]
    assert layout.overviews == overviews
    assert max(layout.shape(overviews)) <= 512


def test_the_picture_is_stretched_and_its_blocks_are_tiles(scene):
    product = visual_product(scene, Drawing(0.05, 0.1, 0.2, 0.3), GRID, 3, STRETCH)
    [picture] = product.draw(*PART)
    red, green, blue = picture.pixels[0, 0].tolist()
    assert 255 > red > green > blue > 0
    layout = product.layouts["visual"]
    assert (layout.dtype, layout.compression, layout.block_px, layout.overviews) == ("uint8", "jpeg", 256, 3)
    assert [band.color for band in layout.bands] == ["red", "green", "blue"]


def test_a_picture_is_drawn_with_the_stretch_and_into_the_file_it_is_given(scene):
    darker = replace(STRETCH, high=tuple(2 * value for value in STRETCH.high))
    usual, dark = (
        visual_product(scene, Drawing(0.1, 0.1, 0.2, 0.3), GRID, 3, stretch, key="visual-c", compression="webp")
        for stretch in (STRETCH, darker)
    )
    assert list(dark.layouts) == ["visual-c"]
    assert (dark.layouts["visual-c"].compression, dark.layouts["visual-c"].masked) == ("webp", True)
    assert (dark.draw(*PART)[0].pixels[0, 0] < usual.draw(*PART)[0].pixels[0, 0]).all()


def test_where_there_is_no_image_nothing_is_drawn(scene):
    for product in (
        analytic_product(scene, Nothing(), GRID, "deflate", CLOUDS),
        sharp_product(scene, Nothing(), GRID, "deflate"),
        visual_product(scene, Nothing(), GRID, 3, STRETCH),
    ):
        assert product.draw(*PART) is None
        assert product.block_count == {512: 6, 256: 24}[next(iter(product.layouts.values())).block_px]
