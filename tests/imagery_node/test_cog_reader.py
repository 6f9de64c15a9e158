"""Our reader of COGs against rio-tiler's: the same pixels, masks, sizes, names and places.

Where pixels are warped, GDAL is told to place them exactly (`tolerance`); by itself it lets them be off by 1/8 pixel. A
pixel may then differ only where its centre lies on the edge between two of the file, five in a thousand at most.
"""

import itertools
import warnings

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rio_tiler.errors import PointOutsideBounds, TileOutsideBounds

from imagery_node.cog_cache import CogCache
from imagery_node.cog_reader import CogReader
from imagery_node.errors import BadParameterError, BadRenderingError
from imagery_node.geotiff_reader import GeoTiffReader
from tests.support.built import built
from tests.support.rasters import GAUSS_KRUGER_117E, landscape, write_cog, write_tiled

SHAPE = (417, 503)
EXACT = {"vrt_options": {"tolerance": 0.001}}
JPEG_ERROR = 8
"""GDAL's libjpeg and ours round colours differently."""
ON_AN_EDGE = 5e-3

WEB = {"crs": "EPSG:3857", "transform": from_origin(12_955_000, 4_860_000, 2.4, 2.4)}
GK = {"crs": GAUSS_KRUGER_117E, "transform": from_origin(447_000, 4_418_000, 2, 2)}


def _valid():
    valid = np.ones(SHAPE, np.bool_)
    valid[150:250, 100:350] = False
    valid[:25] = False
    return valid


def _holed(bands, dtype, nodata):
    pixels = landscape(*SHAPE, bands, dtype, low=1, high=250 if dtype == "uint8" else 9000)
    pixels[:, ~_valid()] = nodata
    return {"pixels": pixels, "nodata": nodata}


def _masked():
    return {"pixels": landscape(*SHAPE, 3, "uint8", low=1, high=250), "mask": _valid()}


LOSSLESS = {"PREDICTOR": "2", "OVERVIEW_RESAMPLING": "AVERAGE"}
PROFILES = {
    "analytic": {**_holed(4, "uint16", 0), **GK, **LOSSLESS, "COMPRESS": "DEFLATE", "BLOCKSIZE": "512"},
    "analytic zstd": {**_holed(5, "uint16", 0), **LOSSLESS, "COMPRESS": "ZSTD", "BLOCKSIZE": "128"},
    "quality": {**_holed(1, "uint8", 255), **GK, "COMPRESS": "DEFLATE", "BLOCKSIZE": "256"},
    "visual": {**_masked(), **WEB, "COMPRESS": "JPEG", "BLOCKSIZE": "256"},
    "visual webp": {**_masked(), **WEB, "COMPRESS": "WEBP", "BLOCKSIZE": "256"},
    "without holes": {"pixels": landscape(*SHAPE, 2), "COMPRESS": "DEFLATE", "BLOCKSIZE": "128"},
}
SIZES = [{}, {"max_size": 100}, {"width": 256, "height": 256}, {"height": 211, "width": 61}]
INSIDE = [(0.3137, 0.3291, 0.6113, 0.5171), (0.0211, 0.1091, 0.2337, 0.9113), (0.5013, 0.4811, 0.5271, 0.5017)]
BOXES = [*INSIDE, (-0.2111, 0.4337, 1.3171, 1.2113)]
"""Places in a file, 0–1 eastwards and northwards: left, bottom, right, top."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cogs")
    return {name: write_cog(folder / f"{number}.tif", **PROFILES[name]) for number, name in enumerate(PROFILES)}


@pytest.fixture(scope="module")
def cache():
    return CogCache(64, 1 << 27)


@pytest.fixture(params=PROFILES)
def readers(request, files, cache):
    """GDAL's and ours of one file, and by how much lossy values may differ."""
    theirs, ours = both(files[request.param], cache)
    with theirs, ours:
        yield theirs, ours, JPEG_ERROR if request.param == "visual" else 0


def both(path, cache):
    cog = cache.open(path)
    assert cog.is_of_our_kind
    return GeoTiffReader(None, file=path), CogReader(None, file=path, cog=cog, cache=cache)


def box(reader, place, crs="EPSG:4326"):
    """A box by its place in the file."""
    left, bottom, right, top = reader.get_geographic_bounds(CRS.from_string(crs))
    x, y = right - left, top - bottom
    return left + place[0] * x, bottom + place[1] * y, left + place[2] * x, bottom + place[3] * y


def assert_same(ours, theirs, error, *, differing=0.0):
    """Equal but for lossy values, and for so large a part of the pixels."""
    for name in ("count", "band_names", "band_descriptions", "scales", "offsets", "nodata", "crs"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.bounds == pytest.approx(theirs.bounds, rel=1e-12)
    assert (ours.array.dtype, ours.array.shape) == (theirs.array.dtype, theirs.array.shape)
    off = np.abs(ours.array.data.astype(int) - theirs.array.data) > error
    off |= np.ma.getmaskarray(ours.array) != np.ma.getmaskarray(theirs.array)
    assert off.mean() <= differing


@pytest.mark.parametrize("method", ["read", "preview"])
def test_whole_images_are_the_pixels_gdal_takes(readers, method):
    theirs, ours, error = readers
    for size in [{"max_size": 100}, {"width": 256, "height": 77}, {"width": 1000}, {"max_size": 700, "indexes": (1,)}]:
        asked = {"max_size": None, **size}
        assert_same(getattr(ours, method)(**asked), getattr(theirs, method)(**asked), error)
    assert ours.dataset is None


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:32650", "EPSG:4490"])
def test_boxes_in_any_reference_system_are_the_pixels_gdal_warps(readers, crs):
    theirs, ours, error = readers
    crs = CRS.from_string(crs)
    for place, size in itertools.product(BOXES, SIZES):
        asked = {"bbox": box(theirs, place), "dst_crs": crs, **size}
        if crs != theirs.crs:
            assert_same(ours.part(**asked), theirs.part(**asked, **EXACT), error, differing=ON_AN_EDGE)
        elif min(place) > 0 and max(place) < 1:
            assert_same(ours.part(**asked), theirs.part(**asked), error)


def test_boxes_in_the_files_own_reference_system_are_the_pixels_gdal_takes(readers):
    theirs, ours, error = readers
    left, bottom, right, top = theirs.bounds
    rng = np.random.default_rng(5)
    for number in range(60):
        x, y = np.sort(rng.uniform(left, right, 2)), np.sort(rng.uniform(bottom, top, 2))
        height, width = (int(side) for side in rng.integers(1, 500, 2))
        asked = {"bbox": (x[0], y[0], x[1], y[1]), "bounds_crs": theirs.crs}
        asked |= [{"height": height, "width": width}, {"max_size": width}, {}][number % 3]
        assert_same(ours.part(**asked), theirs.part(**asked), error)


def test_pixels_that_gdal_may_misplace_are_a_few_neighbours(files, cache):
    """Without `tolerance`, as requests are answered by GDAL: off by one pixel of the level, seldom."""
    theirs, ours = both(files["without holes"], cache)
    with theirs, ours:
        for place in INSIDE:
            found, expected = (reader.part(box(reader, place)).array for reader in (ours, theirs))
            assert (found != expected).mean() < 0.02


def test_features_are_cut_out_as_rio_tiler_does(readers):
    theirs, ours, error = readers
    left, bottom, right, top = box(theirs, (0.2, 0.3, 0.7, 0.8))
    shape = {"type": "Polygon", "coordinates": [[(left, bottom), (right, bottom), (left, top), (left, bottom)]]}
    expected, found = theirs.feature(shape, max_size=200, **EXACT), ours.feature(shape, max_size=200)
    assert_same(found, expected, error, differing=ON_AN_EDGE)
    np.testing.assert_array_equal(found.cutline_mask, expected.cutline_mask)


def test_tiles_are_those_of_rio_tiler(readers):
    theirs, ours, error = readers
    west, south, east, north = box(theirs, (0.1, 0.1, 0.9, 0.9))
    tiles = list(itertools.chain(*(theirs.tms.tiles(west, south, east, north, zooms=[zoom]) for zoom in (13, 15))))
    exact = {} if theirs.crs == theirs.tms.rasterio_crs else EXACT
    for tile in tiles[:6]:
        assert_same(ours.tile(*tile), theirs.tile(*tile, **exact), error, differing=ON_AN_EDGE)
    with pytest.raises(TileOutsideBounds):
        ours.tile(0, 0, 14)


def test_points_are_the_pixels_under_them(readers):
    theirs, ours, error = readers
    left, bottom, right, top = box(theirs, (0.02, 0.02, 0.98, 0.98))
    rng = np.random.default_rng(2)
    for lon, lat in zip(rng.uniform(left, right, 40), rng.uniform(bottom, top, 40), strict=True):
        expected, found = theirs.point(lon, lat), ours.point(lon, lat)
        for name in ("band_names", "band_descriptions", "coordinates", "crs", "pixel_location", "nodata"):
            assert getattr(found, name) == getattr(expected, name)
        np.testing.assert_array_equal(np.ma.getmaskarray(found.array), np.ma.getmaskarray(expected.array))
        assert np.abs(found.array.data.astype(int) - expected.array.data).max() <= error
    for reader in (theirs, ours):
        with pytest.raises(PointOutsideBounds):
            reader.point(left - 1, bottom)


def test_statistics_are_the_same_numbers(files, cache):
    theirs, ours = both(files["analytic"], cache)
    with theirs, ours:
        assert ours.statistics(max_size=300) == theirs.statistics(max_size=300)


@pytest.mark.parametrize(
    "options",
    [
        {"resampling_method": "bilinear"},
        {"reproject_method": "cubic"},
        {"unscale": True},
        {"nodata": 500},
        {"buffer": 2},
        {"dst_crs": CRS.from_epsg(32650), "bbox": (446_000, 4_416_000, 448_000, 4_419_000)},
    ],
)
def test_what_it_does_not_read_itself_is_gdals(files, cache, options):
    theirs, ours = both(files["analytic zstd"], cache)
    with theirs, ours:
        asked = {"bbox": box(theirs, INSIDE[0]), "max_size": 120, **options}
        if "dst_crs" in options:
            asked["bounds_crs"] = options["dst_crs"]
        assert_same(ours.part(**asked), theirs.part(**asked), 0)
        assert ours.dataset is not None
        assert ours.info() == theirs.info()


def test_bands_and_costs_are_bounded_alike(files, cache):
    for reader in both(files["analytic"], cache):
        with reader:
            for asked in (
                {"width": 4096, "height": 4200},
                {"width": 4000, "height": 4000, "indexes": (1, 2, 3, 4) * 3},
            ):
                with pytest.raises(BadParameterError, match="the answer would take"):
                    reader.read(**asked)
            with pytest.raises(BadRenderingError, match="has 4 bands"):
                reader.point(*box(reader, INSIDE[0])[:2], indexes=(5,))
            with pytest.raises(BadParameterError):
                reader.part((0, 10, 1, 10), bounds_crs=reader.crs, width=1)


FOREIGN = {
    "alpha": {"pixels": landscape(256, 256, 4, "uint8"), "alpha": True},
    "signed": {"pixels": landscape(256, 256, 1, "int16"), "nodata": -1},
    "floats": {"pixels": landscape(256, 256, 1, "float32")},
    "turned": {
        "pixels": landscape(256, 256, 1),
        "transform": Affine.rotation(20) * from_origin(447_000, 4_418_000, 2, 2),
    },
    "bands apart": {"pixels": landscape(256, 256, 3), "INTERLEAVE": "BAND"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_layouts_are_left_to_gdal(tmp_path, cache, name):
    assert not cache.open(write_tiled(tmp_path / "a.tif", **FOREIGN[name])).is_of_our_kind


def test_every_raster_that_is_built_here_is_read_by_us(cache):
    rasters = sorted(built("gf2-pms").folder.glob("*.tif"))
    assert {path.stem for path in rasters} >= {"analytic", "quality", "visual"}
    for path in rasters:
        theirs, ours = both(path, cache)
        with theirs, ours:
            error = JPEG_ERROR if path.stem == "visual" else 0
            assert_same(ours.preview(max_size=50), theirs.preview(max_size=50), error)
            asked = {"bbox": box(theirs, (0.2, 0.2, 0.8, 0.8)), "max_size": 60}
            assert_same(ours.part(**asked), theirs.part(**asked, **EXACT), error, differing=ON_AN_EDGE)


def test_a_world_in_degrees_is_cut_where_the_map_ends_as_rio_tiler_does(tmp_path, cache):
    place = {"crs": "EPSG:4326", "transform": from_origin(-180, 90, 0.5, 0.5)}
    path = write_cog(tmp_path / "a.tif", landscape(360, 720, 1), **place, COMPRESS="DEFLATE", BLOCKSIZE="128")
    theirs, ours = both(path, cache)
    with theirs, ours, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert_same(ours.tile(1, 0, 1), theirs.tile(1, 0, 1), 0)
