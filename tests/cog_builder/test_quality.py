"""The flags of a pixel, and how a detector is shown a scene block by block."""

from dataclasses import dataclass

import numpy as np
import pytest
from rasterio import Affine

from cog_builder.calibration import Calibration
from cog_builder.cloud_rule import SimpleCloudRule
from cog_builder.drawing import ImageDrawing, PartDrawing
from cog_builder.map_grid import MapGrid
from cog_builder.orthorectification import Placement
from cog_builder.quality import CLOUD, CLOUD_SHADOW, FILL, SATURATED, CloudSearch, flags
from cog_builder.scene import ImagePart, MapReference, SourceImage
from cog_builder.sensor import known_sensors
from tests.support.built import built, pixels_of

BANDS = known_sensors()["GF1", "PMS1"].bands
SIDE = 700
GAIN = 0.001
"""Reflectance per digital number here."""


@dataclass(frozen=True)
class Sun:
    """All that a search asks of a scene."""

    sun_elevation: float = 40.0
    sun_azimuth: float = 150.0


@dataclass(frozen=True)
class Raw:
    pixels: np.ndarray

    @property
    def shape(self):
        return self.pixels.shape

    def read(self, rows, cols):
        return self.pixels[slice(*rows), slice(*cols)].copy()


@dataclass(frozen=True)
class Recorder:
    """Takes what it is shown down and says that whatever is brighter than half is cloud, the rest shadow."""

    pixel_m: float
    reach_px: int
    views: list

    def __call__(self, view):
        self.views.append(view)
        bright = view.reflectance[..., 0] > 0.5
        return bright, ~bright


def test_flags_add_up_and_fill_stands_alone():
    valid = np.array([[True, True, True, True, False, False]])
    saturated = np.array([[False, True, False, True, False, True]])
    clouds = np.array([[0, CLOUD_SHADOW, CLOUD, CLOUD, 0, CLOUD]], np.uint8)
    found = flags(valid, saturated, clouds)
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, SATURATED + CLOUD_SHADOW, CLOUD, SATURATED + CLOUD, FILL, FILL]]
    assert (FILL, SATURATED, CLOUD, CLOUD_SHADOW) == (1, 2, 4, 8)


def search(pixels, detector, *, gsd_m=8.0, gains=(GAIN,) * 4):
    """A search over an image that was delivered on the very grid of its flags."""
    height, width, _ = pixels.shape
    place = MapReference(4509, Affine(gsd_m, 0, 450_000.0, 0, -gsd_m, 4_420_000.0))
    image = SourceImage("ms", (ImagePart((), width, height, place),), BANDS, gsd_m, gains, (0.0,) * 4, 1023)
    line = Calibration(np.full(4, GAIN, np.float32), np.zeros(4, np.float32))
    drawing = ImageDrawing(image, (PartDrawing(Placement(place, None, (height, width)), Raw(pixels)),), line)
    return CloudSearch(detector, Sun(), drawing, MapGrid(4509, 450_000.0, 4_420_000.0, gsd_m, width, height))


def sky(cell_px=16):
    """Digital numbers of a meadow with clouds of many shapes."""
    random = np.random.default_rng(5)
    cells = -(-SIDE // cell_px)
    cloudy = np.kron(random.random((cells, cells)) > 0.9, np.ones((cell_px, cell_px), np.bool_))[:SIDE, :SIDE]
    dn = np.where(cloudy[..., None], [450, 440, 430, 500], [90, 90, 70, 350])
    dn[np.roll(cloudy, (90, -50), (0, 1)) & ~cloudy] //= 2
    return (dn + random.integers(-3, 4, dn.shape)).astype(np.uint16)


@pytest.mark.parametrize("block_px", [512, 256, 90])
def test_blocks_join_without_a_seam(block_px):
    whole = search(sky(), SimpleCloudRule()).flags((0, SIDE), (0, SIDE))
    assert {CLOUD, CLOUD_SHADOW} < set(np.unique(whole))
    clouds = search(sky(), SimpleCloudRule())
    joined = np.zeros_like(whole)
    for row in range(0, SIDE, block_px):
        for col in range(0, SIDE, block_px):
            rows, cols = (row, min(row + block_px, SIDE)), (col, min(col + block_px, SIDE))
            joined[slice(*rows), slice(*cols)] = clouds.flags(rows, cols)
    np.testing.assert_array_equal(joined, whole)


@pytest.mark.parametrize(
    ("gsd_m", "wanted_m", "shown_m"),
    [(8.0, 32.0, 32.0), (8.0, 31.9, 16.0), (3.24, 32.0, 25.92), (16.0, 32.0, 32.0), (50.0, 32.0, 50.0), (8.0, 0, 8.0)],
)
def test_a_detector_is_shown_pixels_of_at_most_its_size_with_its_reach_around(gsd_m, wanted_m, shown_m):
    pixels = np.full((300, 300, 4), 100, np.uint16)
    pixels[64:128, 128:192] = 900
    detector = Recorder(wanted_m, 5, [])
    found = search(pixels, detector, gsd_m=gsd_m).flags((64, 192), (64, 192))
    [view] = detector.views
    step = round(shown_m / gsd_m)
    assert view.pixel_m == pytest.approx((shown_m, shown_m))
    assert view.reflectance.shape == (128 // step + 10, 128 // step + 10, 4)
    assert view.common_names == ("blue", "green", "red", "nir")
    assert (view.sun_elevation, view.sun_azimuth) == (40.0, 150.0)
    np.testing.assert_allclose(view.ceiling, 1.023, rtol=1e-6)
    expected = np.full((128, 128), CLOUD_SHADOW)
    expected[:64, 64:] = CLOUD
    np.testing.assert_array_equal(found, expected)


def test_a_view_tells_the_image_from_what_is_around_it():
    detector = Recorder(0.0, 6, [])
    search(np.full((40, 50, 4), 100, np.uint16), detector).flags((0, 40), (0, 50))
    [view] = detector.views
    assert view.valid[6:-6, 6:-6].all()
    assert view.valid.sum() == 40 * 50


def test_where_no_image_is_and_in_a_scene_without_calibration_nobody_is_asked():
    pixels, detector = np.full((40, 50, 4), 900, np.uint16), Recorder(0.0, 6, [])
    assert not search(pixels, detector).flags((500, 540), (0, 50)).any()
    assert not search(pixels, detector, gains=None).flags((0, 40), (0, 50)).any()
    assert detector.views == []


def test_clouds_of_a_built_scene_are_flagged_and_the_file_says_how():
    cloudy = pixels_of(built("gf1-wfv", cloud_percent=40.0).folder / "quality.tif")[..., 0]
    clear = pixels_of(built("gf1-wfv").folder / "quality.tif")[..., 0]
    imaged = cloudy != FILL
    assert ((cloudy & CLOUD) > 0)[imaged].mean() == pytest.approx(0.4, abs=0.12)
    assert ((clear & CLOUD) > 0)[imaged].mean() < 0.06


class TestAnImageMuchFinerThanTheDetector:
    """GF-7 FWD has pixels of 0.8 m; whole windows of those would be 80 times what a block needs."""

    def test_is_read_only_where_the_detector_looks(self):
        read = []

        @dataclass(frozen=True)
        class Counted(Raw):
            def read(self, rows, cols):
                found = super().read(rows, cols)
                read.append(found.size)
                return found

        width = height = 1500
        pixels = np.add.outer(np.arange(height), np.arange(width)).astype(np.uint16)[..., None] % 900 + 1
        place = MapReference(32650, Affine(1.0, 0, 500_000, 0, -1.0, 4_000_000))
        image = SourceImage("ms", (ImagePart((), width, height, place),), BANDS[:1], 1.0, (GAIN,), (0.0,), 1023)
        line = Calibration(np.full(1, GAIN, np.float32), np.zeros(1, np.float32))
        part = PartDrawing(Placement(place, None, (height, width)), Counted(pixels))
        views = []
        grid = MapGrid(32650, 500_000, 4_000_000, 1.0, 1536, 1536)
        search = CloudSearch(Recorder(32.0, 4, views), Sun(), ImageDrawing(image, (part,), line), grid)
        search.flags((512, 1024), (512, 1024))
        assert sum(read) < pixels.size / 16
        middles = 32 * np.arange(12, 36) + 16
        shown = np.add.outer(middles, middles) % 900 + 1
        assert views[0].valid.all()
        far = abs(views[0].reflectance[..., 0] / GAIN - shown) > 2
        assert far.mean() < 0.08  # where the made-up values jump from 900 to 1
