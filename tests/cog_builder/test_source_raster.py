import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from cog_builder.errors import BuildResourceError, DiskFullError, GeolocationError, UnreadableImageError
from cog_builder.scene import ImagePart, MapReference
from cog_builder.source_raster import RawRaster, decode_part, read_map_references
from cog_builder.tiff_decoder import CPU_S
from tests.support.cameras import tilted_camera
from tests.support.small_files import small_files
from tests.support.tiffs import positions, write_tiff

PIXELS = positions(90, 70, 4)


def decode(path, folder, shape=PIXELS.shape, **options):
    rows, cols, bands = shape
    return decode_part(ImagePart((path,), cols, rows, tilted_camera()), bands, folder, **options)


@pytest.fixture
def tiff(tmp_path):
    return write_tiff(tmp_path / "GF1_x-MSS1.tiff", PIXELS, interleave="pixel")


@pytest.mark.parametrize(
    "layout",
    [
        {"interleave": "pixel"},
        {"interleave": "band"},
        {"interleave": "band", "compress": "deflate", "predictor": 2},
        {"interleave": "pixel", "compress": "lzw", "blockysize": 7},
        {"interleave": "pixel", "tiled": True, "blockxsize": 32, "blockysize": 48},
        {"interleave": "pixel", "ENDIANNESS": "BIG"},
        {"interleave": "pixel", "BIGTIFF": "YES"},
    ],
    ids=str,
)
def test_pixels_come_out_as_they_went_in_whatever_the_layout(tmp_path, layout):
    raster = decode(write_tiff(tmp_path / "a.tiff", PIXELS, **layout), tmp_path)
    assert raster.shape == PIXELS.shape
    np.testing.assert_array_equal(raster.read((0, 90), (0, 70)), PIXELS)


@pytest.mark.parametrize(
    ("crs", "code"),
    [
        ("EPSG:32723", 32723),
        ("EPSG:4527", 4527),
        ("+proj=utm +zone=50 +ellps=WGS84", 32650),
        ("+proj=utm +zone=20 +south +datum=WGS84", 32720),
        ("+proj=tmerc +lon_0=117 +k=0.9996 +x_0=500000 +ellps=WGS84", 32650),
        ("+proj=tmerc +lon_0=117 +x_0=500000 +ellps=GRS80", 4548),
        ("+proj=tmerc +lon_0=117 +x_0=39500000 +ellps=GRS80", 4527),
        ("+proj=tmerc +lon_0=117 +x_0=20500000 +datum=WGS84", 4498),
        (CRS.from_epsg(4548).to_wkt("WKT1_ESRI"), 4548),
    ],
)
def test_a_map_is_known_with_and_without_its_code(tmp_path, crs, code):
    transform = Affine(16, 0, 443_416, 0, -16, 4_421_704)
    path = write_tiff(tmp_path / "a.tiff", PIXELS, crs=CRS.from_user_input(crs).to_wkt(), transform=transform)
    [reference] = read_map_references([path])
    assert reference == MapReference(code, transform)


def test_a_local_map_is_refused(tmp_path):
    local = CRS.from_proj4("+proj=tmerc +lat_0=39 +lon_0=116.4 +x_0=400000 +y_0=100000 +datum=WGS84")
    path = write_tiff(tmp_path / "a.tiff", PIXELS, crs=local.to_wkt(), transform=Affine(16, 0, 0, 0, -16, 0))
    with pytest.raises(GeolocationError, match="has no EPSG code"):
        read_map_references([path])


def test_a_pixel_whose_sides_differ_in_the_last_digits_is_a_square(tmp_path):
    transform = Affine(2.0, 0, 443_416, 0, -2.0000000001, 4_421_704)
    [reference] = read_map_references([write_tiff(tmp_path / "a.tiff", PIXELS, crs="EPSG:32650", transform=transform)])
    assert reference == MapReference(32650, transform)


@pytest.mark.parametrize(
    "transform",
    [Affine(2, 0, 0, 0, -2.1, 0), Affine(2, 0, 0, 0, 2, 0), Affine(2, 0.01, 0, -0.01, -2, 0)],
    ids=["oblong pixels", "south up", "turned"],
)
def test_a_map_whose_pixels_are_no_squares_or_turned_is_refused(tmp_path, transform):
    path = write_tiff(tmp_path / "a.tiff", PIXELS, crs="EPSG:32650", transform=transform)
    with pytest.raises(GeolocationError, match=r"a\.tiff: pixels of 2 by .* expected square ones, north up"):
        read_map_references([path])


def test_an_image_larger_than_one_reading_is_decoded_whole(tmp_path):
    pixels = positions(2500, 1100, 4)
    path = write_tiff(tmp_path / "a.tiff", pixels, interleave="pixel", blockysize=3)
    raster = decode(path, tmp_path, pixels.shape)
    np.testing.assert_array_equal(raster.read((0, 2500), (0, 1100)), pixels)


def test_folders_may_have_chinese_names(tmp_path):
    folder = tmp_path / "高分 一号"
    folder.mkdir()
    raster = decode(write_tiff(folder / "影像.tiff", PIXELS), folder)
    np.testing.assert_array_equal(raster.read((0, 90), (0, 70)), PIXELS)


@pytest.mark.parametrize(
    ("rows", "cols"),
    [((0, 90), (0, 70)), ((13, 57), (0, 70)), ((13, 57), (5, 6)), ((89, 90), (69, 70)), ((4, 4), (0, 9))],
)
def test_a_window_is_that_part_of_the_image(tiff, tmp_path, rows, cols):
    raster = decode(tiff, tmp_path)
    np.testing.assert_array_equal(raster.read(rows, cols), PIXELS[slice(*rows), slice(*cols)])


def test_threads_read_the_same_file_at_once(tiff, tmp_path):
    raster = decode(tiff, tmp_path)
    tops = [row % 80 for row in range(400)]
    with ThreadPoolExecutor(8) as pool:
        for top, window in zip(tops, pool.map(lambda top: raster.read((top, top + 10), (3, 40)), tops), strict=True):
            np.testing.assert_array_equal(window, PIXELS[top : top + 10, 3:40])


@pytest.mark.parametrize(("rows", "cols"), [((-1, 5), (0, 5)), ((0, 91), (0, 5)), ((5, 4), (0, 5)), ((0, 5), (60, 71))])
def test_a_window_outside_the_image_is_an_error(tmp_path, rows, cols):
    with pytest.raises(ValueError, match="are not inside 90×70"):
        RawRaster(tmp_path / "raw", PIXELS.shape).read(rows, cols)


def test_a_raw_file_that_became_shorter_is_never_read_as_zeros(tiff, tmp_path):
    raster = decode(tiff, tmp_path)
    os.truncate(raster.path, 90 * 70 * 4)
    with pytest.raises(UnreadableImageError, match="raw: ends at byte 25200"):
        raster.read((0, 90), (0, 70))


class TestAnImageIsRefused:
    """T12: the parent says why and lives on."""

    def test_that_is_of_another_shape(self, tiff, tmp_path):
        with pytest.raises(UnreadableImageError, match=r"GF1_x-MSS1\.tiff: .*\(90, 70, 4\).*expected \(90, 71, 4\)"):
            decode(tiff, tmp_path, (90, 71, 4))

    def test_that_is_of_another_type(self, tmp_path):
        path = write_tiff(tmp_path / "a.tiff", PIXELS.astype(np.float32))
        with pytest.raises(UnreadableImageError, match=r"a\.tiff: .* float32, expected"):
            decode(path, tmp_path)

    def test_whose_data_are_damaged(self, tmp_path):
        path = write_tiff(tmp_path / "a.tiff", PIXELS, compress="deflate")
        whole = bytearray(path.read_bytes())
        whole[-2000:-1000] = b"\xff" * 1000
        path.write_bytes(whole)
        with pytest.raises(UnreadableImageError, match=r"a\.tiff: cannot be decoded"):
            decode(path, tmp_path)

    @pytest.mark.parametrize(
        "content",
        [
            '<VRTDataset rasterXSize="70" rasterYSize="90"><VRTRasterBand dataType="UInt16" band="1"/></VRTDataset>',
            "",
            "\x89PNG\r\n\x1a\n",
        ],
    )
    def test_that_is_something_else_under_the_name_of_a_tiff(self, tmp_path, content):
        path = tmp_path / "a.tiff"
        path.write_text(content, encoding="latin-1")
        with pytest.raises(UnreadableImageError, match=r"a\.tiff: cannot be decoded: .*not recognized"):
            decode(path, tmp_path)

    def test_when_the_disk_has_no_room(self, tiff, tmp_path):
        with pytest.raises(DiskFullError, match=r"GF1_x-MSS1\.tiff: .* bytes free, expected 2560000000000"):
            decode(tiff, tmp_path, (200_000, 200_000, 32))
        assert not (tmp_path / "GF1_x-MSS1.raw").exists()

    def test_when_the_child_runs_out_of_disk(self, tmp_path):
        """P03, by a file size limit that the child inherits."""
        pixels = positions(600, 400, 1)
        path = write_tiff(tmp_path / "a.tiff", pixels)
        program = (
            "import sys; from pathlib import Path\n"
            "from cog_builder.errors import DiskFullError\n"
            "from tests.cog_builder.test_source_raster import decode\n"
            "try: decode(Path(sys.argv[1]), Path(sys.argv[2]), (600, 400, 1))\n"
            "except DiskFullError as error: print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), str(tmp_path)],
            **small_files(100_000),
            capture_output=True,
            text=True,
            check=True,
        )
        assert "a.tiff: no room for 480000 bytes" in done.stdout


def test_side_files_beside_the_tiff_are_never_looked_at(tiff, tmp_path):
    """T09: here they are pipes that nobody writes to, so that opening one would never end."""
    for ending in (".aux.xml", ".ovr", ".msk"):
        os.mkfifo(tiff.with_name(tiff.name + ending))
    for ending in (".aux", ".rpb", "_rpc.txt", ".tfw", ".xml"):
        os.mkfifo(tiff.with_name(tiff.stem + ending))
    raster = decode(tiff, tmp_path, timeout_s=30)
    np.testing.assert_array_equal(raster.read((0, 90), (0, 70)), PIXELS)


def test_the_child_sees_nothing_of_our_environment(tiff, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("GDAL_DRIVER_PATH", str(tmp_path))
    monkeypatch.setenv("CPL_DEBUG", "ON")
    (tmp_path / "rasterio.py").write_text("raise SystemExit('hijacked')")
    raster = decode(tiff, tmp_path)
    np.testing.assert_array_equal(raster.read((0, 1), (0, 70)), PIXELS[:1])


def test_a_killed_parent_leaves_no_child(tiff, tmp_path):
    raw = tmp_path / f"{tiff.stem}.raw"
    os.mkfifo(raw)  # the child waits for a reader that never comes
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.cog_builder.test_source_raster import decode\n"
        "decode(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tiff), str(tmp_path)])
    wait_until(lambda: any(is_limited(process) for process in processes_about(raw)))
    parent.kill()
    parent.wait()
    wait_until(lambda: not processes_about(raw))


def test_a_stuck_child_is_killed_with_its_group(tiff, tmp_path):
    raw = tmp_path / f"{tiff.stem}.raw"
    os.mkfifo(raw)
    with pytest.raises(BuildResourceError, match="timeout: not done within 2 s"):
        decode(tiff, tmp_path, timeout_s=2)
    assert processes_about(raw) == []


def processes_about(target):
    """Processes that have the target among their arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(target).encode() in (process / "cmdline").read_bytes():
                found.append(process)
    return found


def is_limited(process):
    """Whether the process has reached the limits that the decoder sets for itself."""
    with suppress(OSError):
        return f"Max cpu time              {CPU_S} " in (process / "limits").read_text()
    return False


def wait_until(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)
