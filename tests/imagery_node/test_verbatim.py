import io

import numpy as np
import pytest
import rasterio
from morecantile import Tile
from PIL import Image
from rasterio.transform import from_origin
from rasterio.windows import Window

from imagery_node.cog import open_cog
from imagery_node.grid import get_grid
from imagery_node.verbatim import stored_tile
from tests.support.rasters import landscape, write_cog

ZOOM, COL, ROW = 15, 26972, 12408
"""A tile near Beijing whose corner is a tile corner of the two coarser zooms as well."""
GRID = get_grid("WebMercatorQuad")
SIDE = GRID.pixel_sides[ZOOM]
ON_TILES = from_origin(*GRID.bounds(Tile(COL, ROW, ZOOM))[::3], SIDE, SIDE)
JPEG = {"COMPRESS": "JPEG", "QUALITY": "85", "BLOCKSIZE": "256"}


@pytest.fixture(scope="module")
def pixels():
    return landscape(1024, 1024, 3, "uint8", low=0, high=255)


@pytest.fixture(scope="module")
def valid():
    mask = np.ones((1024, 1024), np.bool_)
    mask[100:130, 300:310] = False
    return mask


def _write(path, pixels, *, transform=ON_TILES, crs="EPSG:3857", **how):
    return write_cog(path, pixels, crs=crs, transform=transform, OVERVIEW_COUNT="2", **how)


@pytest.mark.parametrize("level", [0, 1])
def test_a_stored_jpeg_block_is_the_tile_that_gdal_reads(tmp_path, pixels, valid, level):
    path = _write(tmp_path / "a.tif", pixels, mask=valid, **JPEG)
    tile = Tile(COL >> level, (ROW >> level) + 1, ZOOM - level)
    body = stored_tile(open_cog(path), tile, "jpeg")
    picture = Image.open(io.BytesIO(body))
    assert (picture.format, picture.size) == ("JPEG", (256, 256))
    with rasterio.open(path, **({"overview_level": level - 1} if level else {})) as dataset:
        expected = np.moveaxis(dataset.read(window=Window(0, 256, 256, 256)), 0, -1)
    # Two JPEG decoders may round differently.
    assert np.abs(np.asarray(picture).astype(int) - expected).max() <= 4


def test_a_stored_webp_block_is_sent_as_it_is(tmp_path, pixels):
    opaque = np.concatenate([pixels, np.full((1, 1024, 1024), 255, np.uint8)])
    path = _write(tmp_path / "a.tif", opaque, alpha=True, COMPRESS="WEBP", QUALITY="80", BLOCKSIZE="256")
    body = stored_tile(open_cog(path), Tile(COL + 1, ROW + 2, ZOOM), "webp")
    assert body in path.read_bytes()
    with rasterio.open(path) as dataset:
        expected = dataset.read((1, 2, 3), window=Window(256, 512, 256, 256))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), np.moveaxis(expected, 0, -1))


@pytest.mark.parametrize("quality", ["80", "100"])
def test_a_webp_block_with_transparency_is_not_sent(tmp_path, pixels, valid, quality):
    alpha = np.concatenate([pixels, (valid * np.uint8(255))[None]])
    path = _write(tmp_path / "a.tif", alpha, alpha=True, COMPRESS="WEBP", QUALITY=quality, BLOCKSIZE="256")
    cog = open_cog(path)
    assert stored_tile(cog, Tile(COL + 1, ROW, ZOOM), "webp") is None
    assert stored_tile(cog, Tile(COL, ROW, ZOOM), "webp") is not None


def test_a_block_with_a_hole_is_not_sent(tmp_path, pixels, valid):
    cog = open_cog(_write(tmp_path / "a.tif", pixels, mask=valid, **JPEG))
    assert stored_tile(cog, Tile(COL + 1, ROW, ZOOM), "jpeg") is None


@pytest.mark.parametrize(
    ("tile", "media"),
    [
        (Tile(COL - 1, ROW, ZOOM), "jpeg"),
        (Tile(COL + 4, ROW, ZOOM), "jpeg"),
        (Tile(COL, ROW - 1, ZOOM), "jpeg"),
        (Tile(2 * COL, 2 * ROW, ZOOM + 1), "jpeg"),
        (Tile(COL // 16, ROW // 16, ZOOM - 4), "jpeg"),
        (Tile(COL, ROW, ZOOM), "webp"),
        (Tile(COL, ROW, ZOOM), "png"),
    ],
)
def test_other_tiles_and_formats_are_not_in_the_file(tmp_path, pixels, tile, media):
    cog = open_cog(_write(tmp_path / "a.tif", pixels, **JPEG))
    assert stored_tile(cog, Tile(COL, ROW, ZOOM), "jpeg") is not None
    assert stored_tile(cog, tile, media) is None


@pytest.mark.parametrize(
    "how",
    [
        {"transform": ON_TILES * ON_TILES.translation(0.4, 0)},
        {"transform": ON_TILES * ON_TILES.translation(128, 0)},
        {"transform": ON_TILES * ON_TILES.scale(1.0001)},
        {"BLOCKSIZE": "512"},
        {"crs": "EPSG:32650", "transform": from_origin(447_000, 4_418_000, SIDE, SIDE)},
    ],
    ids=["between pixels", "between tiles", "other scale", "other blocks", "other CRS"],
)
def test_a_file_off_the_grid_has_no_tiles(tmp_path, pixels, how):
    cog = open_cog(_write(tmp_path / "a.tif", pixels, **{**JPEG, **how}))
    assert stored_tile(cog, Tile(COL + 1, ROW + 1, ZOOM), "jpeg") is None


def test_a_block_that_reaches_past_the_image_is_not_sent(tmp_path, pixels):
    cog = open_cog(_write(tmp_path / "a.tif", pixels[:, :1000, :900], **JPEG))
    assert stored_tile(cog, Tile(COL, ROW, ZOOM), "jpeg") is not None
    assert stored_tile(cog, Tile(COL + 3, ROW, ZOOM), "jpeg") is None
    assert stored_tile(cog, Tile(COL, ROW + 3, ZOOM), "jpeg") is None


def test_reading_a_full_block_decodes_no_pixels(tmp_path, pixels, monkeypatch):
    cog = open_cog(_write(tmp_path / "a.tif", pixels, mask=np.ones((1024, 1024), np.bool_), **JPEG))
    decoded = []
    monkeypatch.setattr("imagery_node.verbatim.decode_mask", lambda *place: decoded.append(place) or np.array(True))
    monkeypatch.setattr("imagecodecs.jpeg8_decode", None)
    for _ in range(3):
        assert stored_tile(cog, Tile(COL, ROW, ZOOM), "jpeg")
    assert len(decoded) == 1
