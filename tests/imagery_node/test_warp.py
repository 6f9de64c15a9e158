"""A tile against independent ways to the same pixels: GDAL's warper, and positions computed with pyproj."""

import tracemalloc

import cv2
import morecantile
import numpy as np
import pytest
import rasterio
from morecantile import Tile
from pyproj import Transformer
from rasterio.transform import from_bounds, from_origin
from rasterio.warp import Resampling, reproject

from imagery_node.cog_cache import CogCache
from imagery_node.errors import UnreadableAssetError
from imagery_node.grid import PixelGrid, get_grid, to_web_mercator
from imagery_node.warp import touched, warp
from tests.support.rasters import BEIJING_UTM, GAUSS_KRUGER_117E, UTM_50N, landscape, write_cog, write_tiled

GRID = get_grid("WebMercatorQuad")
SHAPE = (256, 256)
RGBN = (0, 1, 2, 3)


@pytest.fixture
def cache():
    return CogCache(16, 1 << 27)


@pytest.fixture(scope="module")
def analytic(tmp_path_factory):
    """uint16 at 2 m, four bands, nodata outside a turned rectangle."""
    pixels = landscape(1501, 1403, 4)
    row, col = np.mgrid[0:1501, 0:1403]
    pixels[:, (0.2 * col + row < 250) | (row - 0.15 * col > 1350)] = 0
    path = tmp_path_factory.mktemp("warp") / "analytic.tif"
    return write_cog(path, pixels, nodata=0, COMPRESS="DEFLATE", PREDICTOR="2", OVERVIEW_RESAMPLING="AVERAGE")


@pytest.fixture(scope="module")
def visual(tmp_path_factory):
    """uint8 at 2 m, with alpha."""
    pixels = landscape(1501, 1403, 4, "uint8", low=1, high=255)
    row, col = np.mgrid[0:1501, 0:1403]
    pixels[3] = np.where((0.2 * col + row > 250) & (row - 0.15 * col < 1350), 255, 0)
    pixels[:3, pixels[3] == 0] = 0
    path = tmp_path_factory.mktemp("warp") / "visual.tif"
    return write_cog(path, pixels, alpha=True, COMPRESS="ZSTD", PREDICTOR="2", OVERVIEW_RESAMPLING="AVERAGE")


def draw(cache, path, bands, bounds, shape=SHAPE):
    """The whole target: values with NaN where nothing is valid."""
    cog = cache.open(path)
    target = PixelGrid.over(bounds, shape)
    out = np.full((*shape, len(bands)), np.nan)
    part = touched(cog, target)
    warped = warp(cog, bands, target.part(*part), cache) if part else None
    if warped:
        out[part] = np.where(warped[1][..., None], warped[0], np.nan)
    return out


def draw_with_gdal(path, bands, bounds, shape=SHAPE):
    """The same by GDAL's warper from the full resolution, in floats."""
    with rasterio.open(path) as dataset:
        source = dataset.read([band + 1 for band in bands]).astype(np.float32)
        source[:, dataset.dataset_mask() == 0] = np.nan
        out = np.full((len(bands), *shape), np.nan, np.float32)
        reproject(
            source,
            out,
            src_transform=dataset.transform,
            src_crs=dataset.crs,
            src_nodata=np.nan,
            dst_transform=from_bounds(*bounds, *shape[::-1]),
            dst_crs="EPSG:3857",
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
            tolerance=0.01,
        )
    return np.moveaxis(out, 0, -1)


def tile_over(zoom, east=BEIJING_UTM[0] + 1400, north=BEIJING_UTM[1] - 1500):
    x, y = to_web_mercator(UTM_50N).transform(east, north)
    side = GRID.pixel_sides[zoom] * 256
    return Tile(int((x - GRID.left) / side), int((GRID.top - y) / side), zoom)


@pytest.mark.parametrize("place", [(1400, 1500), (300, 480), (1300, 2800), (2700, 1500)])
@pytest.mark.parametrize("zoom", [16, 17, 19])
@pytest.mark.parametrize(("name", "bands", "unit"), [("analytic", RGBN, 40), ("visual", RGBN[:3], 1)])
def test_from_native_zoom_up_a_tile_equals_gdals_bilinear_warp(request, cache, name, bands, unit, zoom, place):
    """To 1 grey level of 255 (visual), or 40 of 9000 (analytic): GDAL rounds positions and weights its own way."""
    path = request.getfixturevalue(name)
    bounds = GRID.bounds(tile_over(zoom, BEIJING_UTM[0] + place[0], BEIJING_UTM[1] - place[1]))
    ours, theirs = draw(cache, path, bands, bounds), draw_with_gdal(path, bands, bounds)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert both.any()
    assert np.abs(ours - theirs)[both].max() <= unit
    assert np.abs(ours - theirs)[both].mean() <= unit / 4
    assert (np.isfinite(ours) != np.isfinite(theirs)).any(axis=2).sum() <= 3


@pytest.mark.parametrize("zoom", [12, 13, 14, 15])
@pytest.mark.parametrize(("name", "bands"), [("analytic", RGBN), ("visual", RGBN[:3])])
def test_from_overviews_a_tile_equals_gdals_warp_of_the_full_resolution(request, cache, name, bands, zoom):
    """To 6 % of the picture's contrast: two kernels one after the other are not quite GDAL's single one."""
    path = request.getfixturevalue(name)
    bounds = GRID.bounds(tile_over(zoom))
    ours, theirs = draw(cache, path, bands, bounds), draw_with_gdal(path, bands, bounds)
    both = np.isfinite(ours) & np.isfinite(theirs)
    difference = (ours - theirs)[both]
    assert difference.std() <= 0.06 * theirs[both].std()
    assert abs(difference.mean()) <= 0.01 * theirs[both].std()
    shown, expected = (np.isfinite(picture[..., 0]).astype(np.uint8) for picture in (ours, theirs))
    # An overview's pixel is valid where any pixel below it is: up to one overview pixel more at the edge.
    assert (cv2.erode(expected, np.ones((3, 3))) <= shown).all()
    assert (shown <= cv2.dilate(expected, np.ones((5, 5)))).all()


@pytest.mark.parametrize("zoom", [13, 14, 15, 16, 18])
@pytest.mark.parametrize(
    ("crs", "dtype"), [(UTM_50N, "int16"), (GAUSS_KRUGER_117E, "uint16"), ("EPSG:4490", "float32")]
)
def test_pixels_that_hold_their_position_arrive_where_they_belong(tmp_path, cache, crs, dtype, zoom):
    """Within 0.06 source pixels, of the overview used where one is: no shift, no flip, no half pixel."""
    row, col = np.mgrid[0:1024, 0:1280]
    transform = {
        UTM_50N: from_origin(*BEIJING_UTM, 2, 2),
        GAUSS_KRUGER_117E: from_origin(447_000, 4_418_000, 2, 2),
        "EPSG:4490": from_origin(116.38, 39.9, 2.4e-5, 1.8e-5),
    }[crs]
    base = 20_500 if dtype == "uint16" else 0
    pixels = np.stack([base + 32 * (col - 640), base + 37 * (row - 512)]).astype(dtype)
    path = write_cog(tmp_path / "a.tif", pixels, crs=crs, transform=transform, OVERVIEW_RESAMPLING="AVERAGE")
    middle = Transformer.from_crs(crs, "EPSG:3857", always_xy=True).transform(*(transform * (700, 500)))
    side = GRID.pixel_sides[zoom] * 256
    tile = Tile(int((middle[0] - GRID.left) / side), int((GRID.top - middle[1]) / side), zoom)
    bounds = GRID.bounds(tile)
    drawn = draw(cache, path, (0, 1), bounds)

    to_file = Transformer.from_crs("EPSG:3857", crs, always_xy=True)
    at = np.arange(256) + 0.5
    pixel = GRID.pixel_sides[zoom]
    x, y = np.meshgrid(bounds[0] + at * pixel, bounds[3] - at * pixel)
    expected_col, expected_row = ~transform * to_file.transform(x, y)
    reach = max(2.0, 2 * pixel / 2.4)  # a kernel that hangs over the image's edge has no middle
    inner = (expected_col > reach) & (expected_col < 1280 - reach) & (expected_row > reach)
    inner &= expected_row < 1024 - reach
    assert inner.sum() > 500
    found_col, found_row = (drawn[..., 0] - base) / 32 + 640.5, (drawn[..., 1] - base) / 37 + 512.5
    allowed = 0.06 * max(1.0, pixel * 0.77 / 2)
    assert np.abs(found_col - expected_col)[inner].max() <= allowed
    assert np.abs(found_row - expected_row)[inner].max() <= allowed


@pytest.mark.parametrize("zoom", [13, 14, 15, 16, 17])
@pytest.mark.parametrize("name", ["analytic", "visual"])
def test_four_tiles_equal_the_one_of_double_size(request, cache, name, zoom):
    path = request.getfixturevalue(name)
    parent = tile_over(zoom)
    whole = draw(cache, path, (0, 1, 2), GRID.bounds(parent), (512, 512))
    children = [
        [
            draw(cache, path, (0, 1, 2), GRID.bounds(Tile(2 * parent.x + dx, 2 * parent.y + dy, zoom + 1)))
            for dx in (0, 1)
        ]
        for dy in (0, 1)
    ]
    joined = np.concatenate([np.concatenate(pair, axis=1) for pair in children])
    np.testing.assert_array_equal(np.isfinite(joined), np.isfinite(whole))
    assert np.nanmax(np.abs(joined - whole)) <= (1 if name == "visual" else 4)


@pytest.mark.parametrize("zoom", [12, 13, 14, 15, 16, 18])
@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask", "nan"])
def test_what_is_not_valid_never_bleeds(tmp_path, cache, kind, zoom):
    rng = np.random.default_rng(5)
    valid = (rng.random((60, 60)) < 0.6).repeat(17, 0).repeat(17, 1)[:1000, :1000]
    value, hidden, dtype = {"nan": (0.25, np.nan, "float32"), "nodata": (5000, 0, "uint16")}.get(
        kind, (200, 3, "uint8")
    )
    pixels = np.where(valid, value, hidden).astype(dtype)[None].repeat(3, 0)
    how = {"nodata": {"nodata": 0}, "nan": {"nodata": np.nan}, "mask": {"mask": valid}, "alpha": {"alpha": True}}[kind]
    if kind == "alpha":
        pixels = np.concatenate([pixels, (valid * np.uint8(255))[None]])
    path = write_cog(tmp_path / "a.tif", pixels, COMPRESS="DEFLATE", OVERVIEW_RESAMPLING="AVERAGE", **how)
    drawn = draw(cache, path, (0, 1, 2), GRID.bounds(tile_over(zoom, BEIJING_UTM[0] + 1000, BEIJING_UTM[1] - 1000)))
    shown = np.isfinite(drawn)
    assert 0 < shown.mean() < 1
    np.testing.assert_allclose(drawn[shown], value, rtol=1e-6)


@pytest.mark.parametrize("write", [write_cog, write_tiled], ids=["with overviews", "without overviews"])
@pytest.mark.parametrize("zoom", [10, 11, 12, 13, 14, 15])
def test_a_fine_pattern_becomes_grey_and_not_moire(tmp_path, cache, write, zoom):
    stripes = np.where((np.arange(2000)[:, None] + np.arange(2000)) % 2, 20, 220).astype(np.uint8)[None]
    how = {"OVERVIEW_RESAMPLING": "AVERAGE"} if write is write_cog else {}
    path = write(tmp_path / "a.tif", stripes, COMPRESS="DEFLATE", **how)
    drawn = draw(cache, path, (0,), GRID.bounds(tile_over(zoom)))
    inner = np.isfinite(drawn)
    assert inner.any()
    assert np.abs(drawn[inner] - 120).mean() < 4


def test_a_file_on_the_grid_is_copied_and_not_interpolated(tmp_path, cache):
    pixels = landscape(700, 800, 3, "uint8")
    tile = tile_over(15)
    left, _, _, top = GRID.bounds(tile)
    side = GRID.pixel_sides[15]
    transform = from_origin(left - 100 * side, top + 50 * side, side, side)
    path = write_cog(tmp_path / "a.tif", pixels, crs="EPSG:3857", transform=transform)
    drawn = draw(cache, path, (2, 0), GRID.bounds(tile))
    np.testing.assert_array_equal(drawn, np.moveaxis(pixels[[2, 0], 50:306, 100:356], 0, -1))


def test_a_file_in_web_mercator_off_the_grid_equals_gdals_warp(tmp_path, cache):
    left, _, _, top = GRID.bounds(tile_over(16))
    path = write_cog(
        tmp_path / "a.tif",
        landscape(900, 900, 5),
        crs="EPSG:3857",
        transform=from_origin(left - 40.3, top + 77.7, 2.6, 2.6),
    )
    bounds = GRID.bounds(tile_over(16))
    difference = draw(cache, path, (4, 1), bounds) - draw_with_gdal(path, (4, 1), bounds)
    assert np.abs(difference).max() <= 40


@pytest.mark.parametrize("zoom", [1, 2, 3, 4, 6, 8])
def test_at_low_zooms_where_the_map_bends_positions_are_still_right(tmp_path, cache, zoom):
    """Within a fifth of a target pixel: a kernel as wide as a bent pixel has its middle elsewhere."""
    row, col = np.mgrid[0:1024, 0:1024]
    transform = from_origin(-200_000, 6_000_000, 1500, 1500)
    pixels = np.stack([100 + 60 * col, 100 + 60 * row]).astype(np.uint16)
    path = write_cog(tmp_path / "a.tif", pixels, transform=transform, OVERVIEW_RESAMPLING="AVERAGE")
    bounds = GRID.bounds(tile_over(zoom, 300_000, 5_300_000))
    drawn = draw(cache, path, (0, 1), bounds)
    at, pixel = np.arange(256) + 0.5, GRID.pixel_sides[zoom]
    x, y = np.meshgrid(bounds[0] + at * pixel, bounds[3] - at * pixel)
    with np.errstate(invalid="ignore"):  # the far side of the earth
        expected = np.stack(~transform * Transformer.from_crs("EPSG:3857", UTM_50N, always_xy=True).transform(x, y), -1)
    reach = pixel / 1500
    inner = ((expected > reach) & (expected < 1024 - reach)).all(axis=2)
    assert inner.sum() > (500 if zoom > 4 else 3)
    assert np.abs((drawn - 100) / 60 + 0.5 - expected)[inner].max() <= 0.2 * max(1, reach)


def test_a_scene_elsewhere_touches_nothing(analytic, cache):
    target = PixelGrid.over(GRID.bounds(Tile(3, 3, 4)), SHAPE)
    assert touched(cache.open(analytic), target) is None


def test_L08_a_huge_file_without_overviews_is_refused_instead_of_decoded(tmp_path, cache):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "width": 40_000, "height": 40_000, "count": 1, "dtype": "uint8", "tiled": True}
    with rasterio.open(path, "w", crs=UTM_50N, transform=from_origin(*BEIJING_UTM, 2, 2), sparse_ok=True, **profile):
        pass
    with pytest.raises(UnreadableAssetError, match="overview"):
        draw(cache, path, (0,), GRID.bounds(tile_over(9)))


@pytest.mark.parametrize("zoom", [4, 6, 8])
def test_a_tile_far_coarser_than_the_file_costs_little_and_keeps_its_mean(cache, visual, zoom):
    with rasterio.open(visual) as file:
        longitude, latitude = Transformer.from_crs(file.crs, 4326, always_xy=True).transform(*file.xy(700, 700))
        seen = file.dataset_mask() > 0
        mean = file.read(1)[seen].mean()
    tile = morecantile.tms.get("WebMercatorQuad").tile(longitude, latitude, zoom)
    tracemalloc.start()
    drawn = draw(cache, visual, (0,), GRID.bounds(tile))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    shown = drawn[~np.isnan(drawn)]
    assert shown.size > 0 or zoom < 7  # below half a pixel a scene is not shown
    if shown.size:
        assert abs(shown.mean() - mean) < 0.1 * mean
