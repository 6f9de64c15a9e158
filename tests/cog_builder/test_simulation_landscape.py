"""The invented land: the same place on every grid, another look in every season."""

from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
import rasterio
from rasterio import Affine

from cog_builder.elevation import DemFile
from cog_builder.simulation import GroundGrid, Landscape, RasterWorld, write_dem, write_world
from cog_builder.simulation.ground import METRES_PER_DEGREE
from cog_builder.simulation.relief import relief

LAND = Landscape()
WINTER, SPRING, SUMMER, AUTUMN = (datetime(2022, month, 12, 3, 20, tzinfo=UTC) for month in (1, 4, 8, 10))


def grid_at(x, y, *, step_m, size, turn_deg=0.0):
    longitude, latitude = LAND.place(x, y)
    tall = step_m / METRES_PER_DEGREE
    wide = tall / np.cos(np.radians(latitude))
    north_up = Affine(wide, 0, longitude, 0, -tall, latitude)
    turned = north_up @ Affine.rotation(turn_deg) @ Affine.translation(-(size - 1) / 2, -(size - 1) / 2)
    return GroundGrid(turned, size, size)


def vegetation(reflectance):
    return (reflectance[..., 3] - reflectance[..., 2]) / (reflectance[..., 3] + reflectance[..., 2])


def test_fields_are_bare_in_winter_and_green_in_summer():
    fields = grid_at(-500, 0, step_m=4, size=128)
    winter, summer = (np.median(vegetation(LAND.reflectance(fields, when))) for when in (WINTER, SUMMER))
    assert winter < 0.4
    assert summer > 0.6


def test_neighbouring_fields_ripen_differently():
    fields = LAND.reflectance(grid_at(-500, 0, step_m=2, size=256), SPRING)
    assert vegetation(fields).std() > 0.1


def test_a_place_looks_alike_at_every_resolution():
    fine = LAND.reflectance(grid_at(300, 300, step_m=1, size=512), SUMMER)
    coarse = LAND.reflectance(grid_at(300, 300, step_m=4, size=128), SUMMER)
    averaged = cv2.resize(fine, (128, 128), interpolation=cv2.INTER_AREA)
    for band in range(4):
        assert np.corrcoef(averaged[..., band].ravel(), coarse[..., band].ravel())[0, 1] > 0.8
    assert averaged.mean(axis=(0, 1)) == pytest.approx(coarse.mean(axis=(0, 1)), rel=0.1)


def test_a_turned_grid_shows_the_same_ground():
    upright = LAND.reflectance(grid_at(0, -600, step_m=2, size=201), SUMMER)
    turned = LAND.reflectance(grid_at(0, -600, step_m=2, size=201, turn_deg=90), SUMMER)
    assert np.corrcoef(np.rot90(turned, -1)[..., 3].ravel(), upright[..., 3].ravel())[0, 1] > 0.98


def test_overlapping_windows_agree_where_they_overlap():
    whole = grid_at(800, 500, step_m=2, size=200)
    part = LAND.reflectance(whole.window(60, 40, 100, 120), SUMMER)
    assert np.abs(LAND.reflectance(whole, SUMMER)[40:160, 60:160] - part)[8:-8, 8:-8].mean() < 0.002


def test_water_is_dark_in_the_near_infrared_and_lies_in_valleys():
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(-6000, 6000, 200.0), np.arange(-6000, 6000, 200.0)))
    land = relief(x, y)
    river = np.argmin(land.bank_m)
    assert land.bank_m[river] < -20
    image = LAND.reflectance(grid_at(x[river], y[river], step_m=4, size=5), SUMMER)
    assert image[..., 3].max() < 0.06
    around = relief(x[river] + np.array([-400.0, 400, 0, 0]), y[river] + np.array([0.0, 0, -400, 400]))
    assert land.height_m[river] < around.height_m.mean()


def test_hills_are_lit_from_the_side_of_the_sun():
    hills = grid_at(-9000, 9000, step_m=30, size=64)
    morning, afternoon = (
        LAND.reflectance(hills, datetime(2022, 1, 12, hour, tzinfo=UTC))[..., 3].ravel() for hour in (1, 7)
    )
    assert np.corrcoef(morning, afternoon)[0, 1] < 0.5


def test_the_elevation_model_is_the_land(tmp_path):
    dem = DemFile(write_dem(LAND, tmp_path / "dem.tif", (116.35, 39.9, 116.38, 39.93)), "auto")
    longitude, latitude = np.meshgrid(np.linspace(116.352, 116.378, 20), np.linspace(39.902, 39.928, 20))
    assert np.abs(dem.heights_m(longitude, latitude) - LAND.heights_m(longitude, latitude)).max() < 4
    with rasterio.open(tmp_path / "dem.tif") as file:
        assert (file.crs.to_epsg(), file.dtypes) == (4326, ("float32",))


def test_a_world_written_to_a_file_reflects_the_same(tmp_path):
    bbox = (*LAND.place(-400, -400), *LAND.place(400, 400))
    path = write_world(LAND, tmp_path / "world.tif", bbox, SUMMER, pixel_m=4.0)
    grid = grid_at(0, 0, step_m=4, size=100, turn_deg=12)
    again = RasterWorld(path).reflectance(grid, SUMMER)
    assert again.mean(axis=(0, 1)) == pytest.approx(LAND.reflectance(grid, SUMMER).mean(axis=(0, 1)), rel=0.02)
    assert np.corrcoef(again[..., 3].ravel(), LAND.reflectance(grid, SUMMER)[..., 3].ravel())[0, 1] > 0.9
    outside = RasterWorld(path).reflectance(grid_at(2000, 0, step_m=4, size=10), SUMMER)
    assert np.isnan(outside).all()
