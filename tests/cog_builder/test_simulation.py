"""The simulator's deliveries: their files, their pixels' places, their readability."""

import hashlib
import tarfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
import rasterio
import rasterio.warp

from cog_builder.deliveries import open_delivery
from cog_builder.elevation import ConstantHeight, DemFile
from cog_builder.errors import CogBuilderError, GeolocationError
from cog_builder.simulation import SimulationRequest, simulate_delivery
from cog_builder.simulation.camera import Camera
from cog_builder.simulation.plan import plan_images
from cog_builder.sun import earth_sun_distance_au
from tests.support.simulated import LATITUDE, LONGITUDE, Patchwork, tiny_delivery, tiny_dem

WHEN = datetime(2022, 3, 15, 3, 20, 11, tzinfo=UTC)


@dataclass(frozen=True)
class Spot:
    """A dark world with one round bright spot."""

    longitude: float
    latitude: float
    radius_m: float

    def reflectance(self, grid, when):
        col, row = np.meshgrid(np.arange(grid.width, dtype=float), np.arange(grid.height, dtype=float))
        longitude, latitude = grid.degrees(col, row)
        east = 111_320 * np.cos(np.radians(self.latitude))
        away_m = np.hypot((longitude - self.longitude) * east, (latitude - self.latitude) * 111_320)
        return np.repeat(0.05 + 0.25 * np.exp(-((away_m / self.radius_m) ** 2))[..., None], 4, axis=2).astype(
            np.float32
        )


def request_of(**changes):
    facts = {
        "satellite": "GF1",
        "sensor_name": "PMS1",
        "acquired": WHEN,
        "longitude": LONGITUDE,
        "latitude": LATITUDE,
        "width": 96,
        "height": 80,
        "world": Patchwork(),
        "elevation": DemFile(tiny_dem(), "ellipsoid"),
        "product_id": 6312201,
        "packing": "folder",
    }
    return SimulationRequest(**{**facts, **changes})


def read(tiff):
    with rasterio.open(tiff) as image:
        return image.read()


@pytest.mark.parametrize(
    ("satellite", "sensor_name", "roll_deg"), [("GF1", "PMS1", -1.5), ("GF2", "PMS2", 15.0), ("GF1", "WFV4", 0.0)]
)
def test_a_spot_on_the_ground_appears_where_the_rpc_says(tmp_path, satellite, sensor_name, roll_deg):
    place = np.array([LONGITUDE + 0.0011]), np.array([LATITUDE - 0.0007])
    pan_gsd_m = {"PMS1": 2.0, "PMS2": 0.81, "WFV4": 16.0}[sensor_name]
    request = request_of(
        satellite=satellite,
        sensor_name=sensor_name,
        roll_deg=roll_deg,
        width=160,
        height=140,
        world=Spot(place[0][0], place[1][0], radius_m=4 * pan_gsd_m),
    )
    folder = simulate_delivery(request, tmp_path)
    finest = plan_images(request)[-1]
    height_m = DemFile(tiny_dem(), "ellipsoid").heights_m(*place)
    col, row = (float(axis[0]) for axis in finest.rpc.project(*place, height_m))
    pixels = read(folder / f"{finest.stem}.tiff")[0].astype(float)
    # Near the summit the ground is as good as plane, so that the spot's own slope does not shift its middle.
    bright = np.clip(pixels - np.median(pixels) - 0.6 * (pixels.max() - np.median(pixels)), 0, None)
    rows, cols = np.indices(pixels.shape)
    assert (bright * cols).sum() / bright.sum() == pytest.approx(col, abs=0.1)
    assert (bright * rows).sum() / bright.sum() == pytest.approx(row, abs=0.1)


def test_a_spot_on_the_ground_appears_where_the_map_says(tmp_path):
    place = np.array([LONGITUDE + 0.0021]), np.array([LATITUDE - 0.0017])
    world = Spot(place[0][0], place[1][0], radius_m=120)
    request = request_of(satellite="HJ1A", sensor_name="CCD1", variant="hj1a-ccd", world=world, width=120, height=110)
    folder = simulate_delivery(request, tmp_path)
    for number in (1, 4):
        with rasterio.open(folder / f"{folder.name}-{number}.tif") as band:
            pixels, (x, y) = band.read(1).astype(float), rasterio.warp.transform("EPSG:4326", band.crs, *place)
            col, row = ~band.transform @ (x[0], y[0])
        bright = np.clip(pixels - 0.6 * pixels.max(), 0, None)
        rows, cols = np.indices(pixels.shape)
        assert (bright * cols).sum() / bright.sum() == pytest.approx(col - 0.5, abs=0.1)
        assert (bright * rows).sum() / bright.sum() == pytest.approx(row - 0.5, abs=0.1)


def test_a_product_on_a_map_is_turned_with_zeros_around(tmp_path):
    folder = simulate_delivery(request_of(satellite="CB04", sensor_name="MUX", variant="cb04-mux"), tmp_path)
    with rasterio.open(next(folder.glob("*.tiff"))) as image:
        pixels, shape = image.read(), image.shape
    seen = (pixels > 0).all(axis=0)
    assert not (seen ^ (pixels > 0).any(axis=0)).any()
    assert shape[0] > 80
    assert shape[1] > 96
    assert seen.sum() == pytest.approx(96 * 80, rel=0.02)
    assert not any(edge.any() for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))


def test_bands_between_those_of_the_world_are_mixed_by_wavelength(tmp_path):
    class Even:
        def reflectance(self, grid, when):
            return np.broadcast_to(np.float32([0.1, 0.1, 0.1, 0.4]), (grid.height, grid.width, 4)).copy()

    request = request_of(satellite="HJ2A", sensor_name="CCD1", world=Even(), elevation=ConstantHeight(40.0))
    pixels = read(next(simulate_delivery(request, tmp_path).glob("*.tiff")))
    [plan] = plan_images(request)
    found = pixels[:, 40, 48] / plan.dn_per_reflectance
    assert found == pytest.approx([0.1, 0.1, 0.1, 0.4, 0.1 + 0.3 * (0.7205 - 0.66) / (0.83 - 0.66)], abs=1e-3)


def test_the_same_request_gives_the_same_bytes_and_another_seed_another_sky(tmp_path):
    request = request_of(packing="tar.gz", cloud_percent=30, seed=5)
    first, again = (simulate_delivery(request, tmp_path / name) for name in ("first", "again"))
    other = simulate_delivery(request_of(packing="tar.gz", cloud_percent=30, seed=6), tmp_path / "other")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, again, other)]
    assert digests[0] == digests[1] != digests[2]


def test_blocks_join_without_a_seam(tmp_path, monkeypatch):
    whole = simulate_delivery(request_of(), tmp_path / "whole")
    monkeypatch.setattr("cog_builder.simulation.exposure.BLOCK_PX", 32)
    blocks = simulate_delivery(request_of(), tmp_path / "blocks")
    for tiff in whole.glob("*.tiff"):
        difference = read(tiff).astype(int) - read(blocks / tiff.name)
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    ("kind", "suffixes"), [("gf1-pms", ("-MSS1", "-PAN1")), ("gf2-pms", ("-MSS2", "-PAN2")), ("gf1-wfv", ("",))]
)
def test_a_delivery_has_the_files_of_its_product(tmp_path, kind, suffixes):
    archive = tiny_delivery(kind, tmp_path)
    with tarfile.open(archive) as members:
        names = {member.name for member in members}
    title = archive.name.removesuffix(".tar.gz")
    expected = {
        f"{title}{suffix}{ending}" for suffix in suffixes for ending in (".tiff", ".rpb", ".xml", ".jpg", "_thumb.jpg")
    }
    assert names == expected | ({f"{title}.xml"} if kind == "gf2-pms" else set())


def test_the_pictures_are_those_of_their_product(tmp_path):
    folder = tiny_delivery("gf1-pms", tmp_path, packing="folder")
    multispectral, pan = sorted(folder.glob("*.tiff"))
    assert read(multispectral).shape == (4, 150, 160)
    assert read(pan).shape == (1, 600, 640)
    with rasterio.open(multispectral) as tiff:
        assert (tiff.crs, tiff.nodata, tiff.dtypes[0], tiff.compression) == (None, None, "uint16", None)
        assert tiff.block_shapes[0][1] == tiff.width
    assert cv2.imread(str(multispectral.with_suffix(".jpg"))).shape == (38, 40, 3)
    assert cv2.imread(str(multispectral.with_name(multispectral.stem + "_thumb.jpg"))).shape == (256, 256, 3)


def test_a_zip_holds_the_same_files_as_a_tar(tmp_path):
    with zipfile.ZipFile(tiny_delivery("gf1-wfv", tmp_path, packing="zip")) as zipped:
        zip_members = {name: zipped.read(name) for name in zipped.namelist()}
    with tarfile.open(tiny_delivery("gf1-wfv", tmp_path)) as tarred:
        tar_members = {member.name: tarred.extractfile(member).read() for member in tarred}
    assert zip_members == tar_members


@pytest.mark.parametrize("kind", ["gf1-pms", "gf1-wfv", "gf2-pms"])
def test_the_builder_reads_back_what_was_asked_for(tmp_path, kind):
    [scene] = open_delivery(tiny_delivery(kind, tmp_path, cloud_percent=12.0), _workspace(tmp_path))
    assert scene.collection == kind
    assert scene.cloud_cover == 12
    assert scene.warnings == ()
    assert scene.acquired == (datetime(2024, 10, 12, 3, 22, 47, tzinfo=UTC) if kind == "gf2-pms" else WHEN)


def test_traps_of_real_deliveries_can_be_asked_for(tmp_path):
    archive = tiny_delivery("gf2-pms", tmp_path, cloud_assessed=False, overflowed_name=True)
    [scene] = open_delivery(archive, _workspace(tmp_path))
    assert "L1A2147483647" in scene.title
    assert scene.product_id == "14547890001"
    assert scene.cloud_cover is None
    assert scene.calibration_source == "XML AbsCeof"
    assert scene.main.gains == (0.1743, 0.1784, 0.1668, 0.1912)


def test_pixels_carry_the_reflectance_of_the_world(tmp_path):
    class Even:
        def reflectance(self, grid, when):
            return np.broadcast_to(np.float32([0.08, 0.10, 0.12, 0.30]), (grid.height, grid.width, 4)).copy()

    folder = simulate_delivery(request_of(world=Even(), elevation=ConstantHeight(40.0)), tmp_path)
    [scene] = open_delivery(folder, _workspace(tmp_path))
    dn = read(scene.main.parts[0].paths[0])[:, 40, 48]
    for number, gain, band, expected in zip(
        dn, scene.main.gains, scene.sensor.bands, (0.08, 0.10, 0.12, 0.30), strict=True
    ):
        sun = np.sin(np.radians(scene.sun_elevation))
        found = np.pi * number * gain * earth_sun_distance_au(scene.acquired) ** 2 / (band.esun * sun)
        assert found == pytest.approx(expected, rel=0.005)


def test_a_given_rpc_is_the_camera_of_both_images(tmp_path):
    rpc = Camera(LONGITUDE, LATITUDE, 250.0, 96, 80, 8.0, 6.0, 645_000, track_deg=14.0).rpc()
    [scene] = open_delivery(simulate_delivery(request_of(rpc=rpc), tmp_path), _workspace(tmp_path))
    place = np.array([LONGITUDE + 0.001]), np.array([LATITUDE])
    col, row = (axis[0] for axis in scene.main.parts[0].geometry.project(*place, 300.0))
    expected_col, expected_row = (axis[0] for axis in rpc.project(*place, 300.0))
    assert (col, row) == (pytest.approx(expected_col, abs=1e-6), pytest.approx(expected_row, abs=1e-6))
    pan_col, pan_row = (axis[0] for axis in scene.pan.parts[0].geometry.project(*place, 300.0))
    assert (pan_col, pan_row) == (pytest.approx(4 * col + 1.5, abs=1e-6), pytest.approx(4 * row + 1.5, abs=1e-6))


def test_clouds_hide_about_the_share_asked_for_and_saturate(tmp_path):
    clear = read(next(simulate_delivery(request_of(width=300, height=280), tmp_path / "a").glob("*MSS1.tiff")))
    cloudy = read(
        next(simulate_delivery(request_of(width=300, height=280, cloud_percent=40), tmp_path / "b").glob("*MSS1.tiff"))
    )
    brighter = (cloudy[0].astype(int) - clear[0]) > 60
    darker = (clear[3].astype(int) - cloudy[3]) > 20
    assert 0.25 < brighter.mean() < 0.5
    assert 0.02 < darker.mean() < 0.5
    assert cloudy.max() == 1023


def test_ground_without_height_becomes_fill(tmp_path):
    off_the_model = request_of(longitude=LONGITUDE + 0.057, width=160)
    pixels = read(next(simulate_delivery(off_the_model, tmp_path).glob("*MSS1.tiff")))
    filled = (pixels == 0).all(axis=0)
    assert 0.05 < filled.mean() < 0.95
    assert pixels[:, ~filled].min() >= 1


def test_a_place_without_elevation_is_refused(tmp_path):
    with pytest.raises(GeolocationError, match="no height at the scene's centre"):
        simulate_delivery(request_of(longitude=LONGITUDE + 0.06001), tmp_path)


def test_an_unknown_camera_is_refused_by_name():
    with pytest.raises(CogBuilderError, match="GF9 PMS1"):
        request_of(satellite="GF9")


def test_a_time_without_zone_is_refused():
    with pytest.raises(CogBuilderError, match="time zone"):
        request_of(acquired=datetime(2022, 3, 15))


def _workspace(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder
