"""The blocks of composites against numpy on the very pixels of the scenes."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from cog_builder import composite
from cog_builder.composite import Observation, composite_block
from cog_builder.errors import UnreadableImageError
from cog_builder.map_grid import MapGrid
from cog_builder.quality import CLOUD, CLOUD_SHADOW, FILL
from tests.support.rasters import BEIJING_UTM, landscape, write_cog

SIDE = 200
GRID = MapGrid(32650, BEIJING_UTM[0] + 40, BEIJING_UTM[1] - 60, 2, 120, 100)
"""Pixels of the scenes' own grid, some way inside."""
INSIDE = slice(30, 130), slice(20, 140)
NDVI_BANDS = (3, 2)


def observation(folder, name, pixels, flags=None, *, transform=None):
    """A scene as a job gets it, with files of its own."""
    transform = transform or from_origin(*BEIJING_UTM, 2, 2)
    path = write_cog(folder / f"{name}.tif", pixels, transform=transform, nodata=0)
    quality = flags is not None and write_cog(folder / f"{name}-q.tif", flags[None], transform=transform, nodata=FILL)
    with rasterio.open(path) as file:
        west, south, east, north = bbox = transform_bounds(file.crs, 4326, *file.bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(bbox),
        "properties": {"datetime": "2024-06-01T03:00:00Z"},
    }
    return Observation.of_item(item, str(path), str(quality) if quality else None)


@pytest.fixture(scope="module")
def dates(tmp_path_factory):
    """Five dates with moving clouds, a place that is never clear and a hole in all; (observations, pixels, flags)."""
    folder, rng = tmp_path_factory.mktemp("composite"), np.random.default_rng(3)
    pixels = [landscape(SIDE, SIDE, 4, seed=seed) for seed in range(5)]
    flags = []
    for values in pixels:
        found = np.zeros((SIDE, SIDE), np.uint8)
        found[rng.random((20, 20)).repeat(10, 0).repeat(10, 1) < 0.4] = CLOUD
        found[rng.random((20, 20)).repeat(10, 0).repeat(10, 1) < 0.2] |= CLOUD_SHADOW
        found[40:60, 40:60] = CLOUD
        values[:, 70:80, 70:80] = 0
        found[70:80, 70:80] = FILL
        flags.append(found)
    pixels[1][:, :, :90], flags[1][:, :90] = 0, FILL
    made = [observation(folder, f"d{date}", *pair) for date, pair in enumerate(zip(pixels, flags, strict=True))]
    return made, np.stack(pixels), np.stack(flags)


def _usable(pixels, flags):
    valid = (pixels != 0).all(axis=1)
    clear = valid & (flags & (CLOUD | CLOUD_SHADOW) == 0)
    return clear, np.where(clear.any(axis=0), clear, valid)


def _inside(values):
    return values[..., *INSIDE]


def test_the_median_is_numpys_of_the_clear_pixels(dates):
    observations, pixels, flags = dates
    block = composite_block(observations, GRID, "median", ndvi_bands=NDVI_BANDS)
    clear, usable = _usable(pixels, flags)
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        median = np.nanmedian(np.where(usable[:, None], pixels, np.nan), axis=0)
    expected = np.moveaxis(_inside(np.nan_to_num(np.rint(median))), 0, -1)
    np.testing.assert_array_equal(block.values, expected)
    np.testing.assert_array_equal(block.count, _inside(clear.sum(axis=0)))
    flag = np.where(usable.any(axis=0), np.where(clear.any(axis=0), 0, CLOUD), FILL)
    np.testing.assert_array_equal(block.flags, _inside(flag))
    assert set(np.unique(block.flags)) == {0, FILL, CLOUD}


def test_the_highest_ndvi_takes_all_bands_of_one_scene(dates):
    observations, pixels, flags = dates
    block = composite_block(observations, GRID, "max-ndvi", ndvi_bands=NDVI_BANDS)
    _, usable = _usable(pixels, flags)
    nir, red = pixels[:, 3].astype(np.float32), pixels[:, 2].astype(np.float32)
    with np.errstate(invalid="ignore"):
        best = np.where(usable, (nir - red) / (nir + red), -np.inf).argmax(axis=0)
    expected = np.take_along_axis(pixels, best[None, None], axis=0)[0] * usable.any(axis=0)
    np.testing.assert_array_equal(block.values, np.moveaxis(_inside(expected), 0, -1))


def test_the_clearest_takes_the_first_scene_that_is_clear(dates):
    observations, pixels, flags = dates
    order = [3, 0, 4, 1, 2]
    block = composite_block([observations[at] for at in order], GRID, "clearest", ndvi_bands=NDVI_BANDS)
    _, usable = _usable(pixels[order], flags[order])
    expected = np.take_along_axis(pixels[order], usable.argmax(axis=0)[None, None], axis=0)[0] * usable.any(axis=0)
    np.testing.assert_array_equal(block.values, np.moveaxis(_inside(expected), 0, -1))


def test_memory_is_bounded_by_strips_that_leave_no_trace(dates, monkeypatch):
    whole = composite_block(dates[0], GRID, "median", ndvi_bands=NDVI_BANDS)
    monkeypatch.setattr(composite, "_BYTES_AT_ONCE", 7 * GRID.width * 5 * 5 * 10)
    strips = composite_block(dates[0], GRID, "median", ndvi_bands=NDVI_BANDS)
    np.testing.assert_array_equal(strips.values, whole.values)
    np.testing.assert_array_equal(strips.count, whole.count)


def test_scenes_of_other_grids_and_without_flags_take_part(tmp_path):
    pixels = np.full((4, SIDE, SIDE), 1500, np.uint16)
    shifted = from_origin(BEIJING_UTM[0] - 3.3, BEIJING_UTM[1] + 5.1, 3, 3)
    sources = [
        observation(tmp_path, "plain", pixels),
        observation(tmp_path, "coarse", pixels * 3, transform=shifted),
        observation(tmp_path, "again", pixels * 2),
    ]
    block = composite_block(sources, GRID, "median", ndvi_bands=NDVI_BANDS)
    assert (block.values == 3000).all()
    assert (block.count == 3).all()


def test_where_no_scene_lies_there_is_nothing(dates):
    away = MapGrid(32650, BEIJING_UTM[0] + 90_000, BEIJING_UTM[1], 2, 30, 20)
    block = composite_block(dates[0], away, "median", ndvi_bands=NDVI_BANDS)
    assert not block.values.any()
    assert (block.flags == FILL).all()


def test_P04_a_file_that_cannot_be_read_is_an_error_and_not_a_hole(tmp_path):
    source = observation(tmp_path, "cut", landscape(SIDE, SIDE, 4))
    path = tmp_path / "cut.tif"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UnreadableImageError, match="cannot be read"):
        composite_block([source], GRID, "median", ndvi_bands=NDVI_BANDS)


def test_T03_only_geotiffs_of_reflectance_are_taken(tmp_path):
    (tmp_path / "a.tif").write_text("<VRTDataset rasterXSize='1' rasterYSize='1'/>")
    with pytest.raises(UnreadableImageError, match=r"a\.tif"):
        Observation.of_item({}, str(tmp_path / "a.tif"), None)
    with pytest.raises(UnreadableImageError, match="expected uint16"):
        observation(tmp_path, "bytes", landscape(SIDE, SIDE, 3, "uint8"))
