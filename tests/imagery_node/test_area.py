import numpy as np
import pytest
import shapely
from pyproj import Transformer
from rasterio.transform import from_origin

from catalog.geometry import bbox_area
from imagery_node.area import Area, covered_pixels, read_pixels
from imagery_node.cog_cache import CogCache
from tests.support.rasters import BEIJING_UTM, UTM_50N, landscape, write_cog

SIDE = 200
PIXELS = landscape(SIDE, SIDE, 2)
UTM_60N, CGCS2000 = "EPSG:32660", "EPSG:4490"


@pytest.fixture
def cache():
    return CogCache(16, 1 << 24)


def cog(cache, folder, crs=UTM_50N, transform=None, name="image.tif"):
    transform = transform or from_origin(*BEIJING_UTM, 10, 10)
    return cache.open(write_cog(folder / name, PIXELS, crs=crs, transform=transform, BLOCKSIZE="128"))


def centres_in(geometry, file):
    """Which pixels of the whole file have their centre in a geometry, one by one."""
    cols, rows = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    to_degrees = Transformer.from_crs(file.georeference.crs, "OGC:CRS84", always_xy=True)
    return shapely.contains_xy(geometry, *to_degrees.transform(*(file.georeference.transform * (cols, rows))))


def found_values(area, file, cache):
    grid = area.grid(file)
    found = read_pixels(cache, file, (1,), grid)
    return np.sort(found.pixels[..., 0][area.inside(grid)[found.part] & found.valid])


@pytest.mark.parametrize(
    ("crs", "transform", "bbox"),
    [
        (UTM_50N, None, (116.384, 39.898, 116.394, 39.905)),
        (CGCS2000, from_origin(116.38, 39.91, 1e-4, 1e-4), (116.384, 39.898, 116.394, 39.905)),
        (UTM_60N, from_origin(833_000, 12_000, 10, 10), (179.995, 0.095, -179.997, 0.105)),
        (UTM_50N, None, (-180, -85, 180, 85)),
    ],
    ids=["projected", "geographic", "across the antimeridian", "the whole earth"],
)
def test_an_area_holds_the_pixels_whose_centres_lie_in_it(tmp_path, cache, crs, transform, bbox):
    file, area = cog(cache, tmp_path, crs, transform), bbox_area(bbox)
    inside = centres_in(area, file)
    assert inside.sum() > 500
    assert np.array_equal(found_values(Area(area), file, cache), np.sort(PIXELS[1][inside]))


def test_an_area_elsewhere_holds_no_pixel(tmp_path, cache):
    file = cog(cache, tmp_path)
    for geometry in (shapely.box(116.5, 39.9, 116.6, 40), shapely.box(-64, -40, -63, -39), shapely.Point(116.5, 39.9)):
        assert Area(geometry).grid(file) is None


def test_an_area_smaller_than_a_pixel_holds_one_only_if_it_has_its_centre(tmp_path, cache):
    file = cog(cache, tmp_path)
    to_degrees = Transformer.from_crs(UTM_50N, "OGC:CRS84", always_xy=True)
    for at, count in ((0.5, 1), (0.2, 0)):
        centre = shapely.Point(to_degrees.transform(*(file.georeference.transform * (50 + at, 60 + at))))
        area = Area(centre.buffer(1e-5))
        grid = area.grid(file)
        assert (grid.pixel_count, area.inside(grid).sum()) == (1, count)


def test_a_grid_is_wide_enough_for_every_file_and_no_wider_than_the_area(tmp_path, cache):
    one = cog(cache, tmp_path)
    east = cog(cache, tmp_path, transform=from_origin(BEIJING_UTM[0] + 1500, BEIJING_UTM[1], 10, 10), name="east.tif")
    everywhere = Area(shapely.box(116, 39, 117, 41))
    assert everywhere.grid(one).shape == (200, 200)
    grid = everywhere.grid(one, [east])
    assert grid.shape == (200, 350)
    assert [covered_pixels(file, grid) for file in (one, east)] == [200 * 200, 200 * 200]


def test_half_a_pixel_aside_is_another_grid(tmp_path, cache):
    one = cog(cache, tmp_path)
    aside = cog(cache, tmp_path, transform=from_origin(BEIJING_UTM[0] + 4, BEIJING_UTM[1] - 34, 10, 10), name="b.tif")
    grid = Area(shapely.box(116, 39, 117, 41)).grid(one)
    found = read_pixels(cache, aside, (0, 1), grid)
    whole, valid = np.zeros((SIDE, SIDE, 2), np.uint16), np.zeros((SIDE, SIDE), bool)
    whole[found.part], valid[found.part] = found.pixels, found.valid
    assert np.array_equal(whole[3:, :], np.moveaxis(PIXELS, 0, -1)[: SIDE - 3, :])
    assert np.array_equal(valid, np.arange(SIDE)[:, None].repeat(SIDE, 1) >= 3)
