"""The files we write, read back by GDAL and judged by rio-cogeo."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from cog_builder.cog import CogWriter
from cog_builder.cog_layout import BandInfo, CogLayout
from cog_builder.map_grid import MapGrid, snapped_grid
from cog_builder.pyramid import Block, Pyramid, average, nearest

BLUE_TO_NIR = tuple(
    BandInfo(f"B{i} {n}", 0.0001, n if n != "nir" else None) for i, n in enumerate(("blue", "green", "red", "nir"), 1)
)
RGB = tuple(BandInfo(name, color=name) for name in ("red", "green", "blue"))


def write(path, layout, pixels, valid, *, reduce=average, workers=2):
    """Write an image through the pyramid; pixels (row, column, band)."""

    def draw(rows, cols):
        part = (slice(*rows), slice(*cols))
        return [Block(pixels[part], valid[part])] if valid[part].any() else None

    Pyramid([CogWriter(path, layout)], [reduce], draw, lambda: None).write(workers)


@pytest.fixture
def numbers():
    """1300 × 900 values that grow to the right and down, in a tilted valid area."""
    row, col = np.mgrid[:900, :1300]
    pixels = np.stack([1000 + col + 2 * row + 100 * band for band in range(4)], -1).astype(np.uint16)
    return pixels, (col > 620 + row // 3) & (row > 40)


@pytest.mark.parametrize("compression", ["deflate", "zstd"])
def test_reflectance_comes_back_as_written_with_all_that_describes_it(tmp_path, numbers, compression):
    pixels, valid = numbers
    path = tmp_path / "analytic.tif"
    layout = CogLayout(
        MapGrid(4548, 450000, 4420000, 8, 1300, 900), BLUE_TO_NIR, "uint16", compression, 512, 2, 0, {"TITLE": "a < b"}
    )
    write(path, layout, pixels, valid)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as cog:
        assert cog.crs.to_epsg() == 4548
        assert tuple(cog.transform)[:6] == (8, 0, 450000, 0, -8, 4420000)
        assert (cog.nodata, cog.overviews(1)) == (0, [2, 4])
        assert cog.descriptions == ("B1 blue", "B2 green", "B3 red", "B4 nir")
        assert cog.scales == (0.0001,) * 4
        assert [color.name for color in cog.colorinterp[:3]] == ["blue", "green", "red"]
        assert cog.tags()["TITLE"] == "a < b"
        assert cog.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert cog.compression.name == compression
        assert (np.moveaxis(cog.read(), 0, -1) == np.where(valid[..., None], pixels, 0)).all()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["analytic.tif"]


def test_averages_leave_out_nodata(tmp_path, numbers):
    pixels, valid = numbers
    path = tmp_path / "analytic.tif"
    write(
        path, CogLayout(MapGrid(4548, 0, 0, 8, 1300, 900), BLUE_TO_NIR, "uint16", "deflate", 512, 2, 0), pixels, valid
    )
    with rasterio.open(path, overview_level=0) as half:
        found = np.moveaxis(half.read(), 0, -1)
    weight = valid.reshape(450, 2, 650, 2).astype(float)
    total = (pixels * valid[..., None]).reshape(450, 2, 650, 2, 4).sum((1, 3), dtype=float)
    count = weight.sum((1, 3))
    expected = np.where(count[..., None] > 0, total / np.maximum(count, 1)[..., None], 0)
    assert np.abs(found - expected).max() <= 0.51


def test_flags_keep_their_values_in_overviews_and_read_as_fill_where_nothing_was_drawn(tmp_path, numbers):
    _, valid = numbers
    flags = (np.indices(valid.shape).sum(0) % 5).astype(np.uint8)[..., None]
    path = tmp_path / "quality.tif"
    layout = CogLayout(MapGrid(4548, 0, 0, 8, 1300, 900), (BandInfo("flags"),), "uint8", "deflate", 512, 2, 1)
    write(path, layout, flags, valid, reduce=nearest)
    with rasterio.open(path) as cog:
        assert (cog.read(1) == np.where(valid, flags[..., 0], 1)).all()
    with rasterio.open(path, overview_level=0) as half:
        assert (half.read(1) == np.where(valid, flags[..., 0], 1)[::2, ::2]).all()


@pytest.mark.parametrize("compression", ["jpeg", "webp"])
def test_a_picture_has_a_mask_and_no_dark_edge(tmp_path, compression):
    row, col = np.mgrid[:512, :1024]
    pixels = np.stack([200 + 0 * col, 90 + col // 16, 60 + row // 8], -1).astype(np.uint8)
    valid = (row + col > 300) & (col < 901)
    path = tmp_path / "visual.tif"
    layout = CogLayout(MapGrid(3857, 0, 0, 1, 1024, 512), RGB, "uint8", compression, 256, 2)
    write(path, layout, np.where(valid[..., None], pixels, 0), valid)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as cog:
        assert ((cog.dataset_mask() > 0) == valid).all()
        assert (cog.count, cog.nodata, cog.compression.name) == (3, None, compression)
        assert cog.mask_flag_enums == ([rasterio.enums.MaskFlags.per_dataset],) * 3
        assert [color.name for color in cog.colorinterp] == ["red", "green", "blue"]
        off = np.abs(np.moveaxis(cog.read(), 0, -1).astype(int) - pixels)
        assert off[valid].max() < 12
    with rasterio.open(path, overview_level=1) as small:
        shown = small.dataset_mask() > 0
        assert np.abs(small.read(1)[shown].astype(int) - 200).max() < 12


def test_a_webp_picture_is_smaller_than_a_jpeg_and_nearly_as_true(tmp_path):
    row, col = np.mgrid[:512, :512] / 40
    waves = [np.sin(row + band) * np.cos(1.7 * col) + 0.5 * np.sin(9 * row * col / 40) for band in range(3)]
    pixels = np.rint(128 + 70 * np.stack(waves, -1)).astype(np.uint8)
    sizes, errors = {}, {}
    for compression in ("jpeg", "webp"):
        path = tmp_path / f"{compression}.tif"
        layout = CogLayout(MapGrid(3857, 0, 0, 1, 512, 512), RGB, "uint8", compression, 256, 1)
        write(path, layout, pixels, np.ones((512, 512), np.bool_))
        with rasterio.open(path) as cog:
            errors[compression] = np.sqrt(((np.moveaxis(cog.read(), 0, -1).astype(float) - pixels) ** 2).mean())
        sizes[compression] = path.stat().st_size
    assert sizes["webp"] < 0.8 * sizes["jpeg"]
    assert errors["webp"] < 2 * errors["jpeg"]


@pytest.mark.parametrize("epsg", [4490, 4326])
def test_a_file_in_degrees_lies_where_its_grid_says(tmp_path, numbers, epsg):
    pixels, valid = numbers
    grid = snapped_grid(epsg, np.array([116.38, 116.47]), np.array([39.85, 39.91]), 8.0)
    grid = replace(grid, width=1300, height=900)
    path = tmp_path / "analytic.tif"
    write(path, CogLayout(grid, BLUE_TO_NIR, "uint16", "deflate", 512, 2, 0), pixels, valid)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as cog:
        assert (cog.crs.to_epsg(), cog.crs.is_geographic) == (epsg, True)
        assert cog.transform == grid.transform
        assert cog.tags()["AREA_OR_POINT"] == "Area"
        assert (np.moveaxis(cog.read(), 0, -1) == np.where(valid[..., None], pixels, 0)).all()


def test_empty_blocks_take_no_space(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 60000, (2048, 2048, 1), dtype=np.uint16)
    valid = np.zeros((2048, 2048), np.bool_)
    valid[100:200, 100:200] = True
    layout = CogLayout(MapGrid(32650, 0, 0, 1, 2048, 2048), (BandInfo("x"),), "uint16", "deflate", 512, 2, 0)
    write(tmp_path / "sparse.tif", layout, pixels, valid)
    assert (tmp_path / "sparse.tif").stat().st_size < 40_000


def test_the_same_pixels_give_the_same_bytes_whatever_the_threads_do(tmp_path, numbers):
    pixels, valid = numbers
    layout = CogLayout(MapGrid(4548, 0, 0, 8, 1300, 900), BLUE_TO_NIR, "uint16", "deflate", 512, 2, 0)
    for name, workers in (("one", 1), ("four", 4)):
        write(tmp_path / f"{name}.tif", layout, pixels, valid, workers=workers)
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "four.tif").read_bytes()


def test_a_failed_drawing_leaves_no_file(tmp_path):
    def draw(rows, cols):
        raise RuntimeError("no pixels")

    layout = CogLayout(MapGrid(4548, 0, 0, 8, 1300, 900), BLUE_TO_NIR, "uint16", "deflate", 512, 2, 0)
    pyramid = Pyramid([CogWriter(tmp_path / "a.tif", layout)], [average], draw, lambda: None)
    with pytest.raises(RuntimeError, match="no pixels"):
        pyramid.write(2)
    assert list(tmp_path.iterdir()) == []


def test_files_beyond_four_gigabytes_are_bigtiff(tmp_path, monkeypatch, numbers):
    monkeypatch.setattr("cog_builder.cog._CLASSIC_LIMIT", 1000)
    pixels, valid = numbers
    path = tmp_path / "big.tif"
    write(
        path, CogLayout(MapGrid(4548, 0, 0, 8, 1300, 900), BLUE_TO_NIR, "uint16", "deflate", 512, 2, 0), pixels, valid
    )
    assert path.read_bytes()[:4] == b"II\x2b\x00"
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as cog:
        assert (np.moveaxis(cog.read(), 0, -1) == np.where(valid[..., None], pixels, 0)).all()
