"""Gains and offsets out of overlaps, from small COGs whose ground is a function of the place."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from pyproj import Transformer
from rasterio.transform import from_origin

from cog_builder.balance import Balance, Neighbour, solve_balance
from cog_builder.quality import CLOUD, CLOUD_SHADOW, FILL, SATURATED
from tests.support.rasters import write_cog

BANDS = ("B1", "B2", "B3", "B4")
SHOWN = ("B3", "B2", "B1")
LEFT, TOP = 450_000.0, 4_420_000.0
SIDE = 240
PIXEL_M = 16.0
GAINS = {"B3": 0.8, "B2": 1.2, "B1": 1.3}
OFFSETS = {"B3": 0.02, "B2": -0.01, "B1": -0.04}
"""What makes the new scene of most tests look like its neighbour."""


def ground(x, y):
    """Reflectance (band, row, column): fields of 300 m, each of its own brightness and colour, softly bounded."""
    fields = np.stack([np.sin(x / (290 + 40 * band)) * np.cos(y / (330 - 30 * band)) for band in range(4)])
    return 0.14 + 0.035 * fields + 0.02 * np.sin(x / 1900 + y / 1300)


def write_scene(
    folder, item_id, *, east_m=0.0, crs="EPSG:4548", pixel_m=PIXEL_M, gains=None, offsets=None, change=None, flags=None
):
    """A scene of the ground, as seen where it lies; gives what a published one is known by.

    Args:
        folder: Where its two files go.
        item_id: Its name.
        east_m: How far east of `LEFT` its first column is.
        crs: Of its files; the ground is that of EPSG:4548.
        pixel_m: Side of its pixels.
        gains: What would have to be done to it, and is undone here, by band.
        offsets: The same.
        change: Takes reflectance and x and y in EPSG:4548, gives other reflectance.
        flags: Takes x and y, gives flags.
    """
    to_crs = Transformer.from_crs("EPSG:4548", crs, always_xy=True)
    left, top = to_crs.transform(LEFT + east_m, TOP)
    side = round(SIDE * PIXEL_M / pixel_m)
    transform = from_origin(left, top, pixel_m, pixel_m)
    col, row = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    x, y = to_crs.transform(*(transform @ (col, row)), direction="INVERSE")
    seen = ground(x, y)
    if change is not None:
        seen = change(seen, x, y)
    for index, band in enumerate(BANDS):
        seen[index] = (seen[index] - (offsets or {}).get(band, 0)) / (gains or {}).get(band, 1)
    found = np.zeros((side, side), np.uint8) if flags is None else flags(x, y).astype(np.uint8)
    pixels = np.where(found & FILL, 0, np.clip(np.rint(seen * 10_000), 1, 65_535)).astype(np.uint16)
    analytic, quality = (folder / f"{item_id}-{key}.tif" for key in ("analytic", "quality"))
    write_cog(analytic, pixels, crs=crs, transform=transform, nodata=0, names=BANDS, OVERVIEW_RESAMPLING="AVERAGE")
    write_cog(quality, found[None], crs=crs, transform=transform, nodata=1, OVERVIEW_RESAMPLING="NEAREST")
    return Neighbour(item_id, analytic, quality, BANDS, {}, {})


def solve(new, *neighbours):
    return solve_balance(new.analytic, new.quality, BANDS, neighbours, shown=SHOWN)


def check(balance, gains=GAINS, offsets=OFFSETS, *, off=0.002):
    """Compare by what ordinary ground becomes; the numbers alone would make up for each other."""
    assert set(balance.gains) == set(balance.offsets) == set(SHOWN)
    for band in SHOWN:
        for reflectance in (0.08, 0.14, 0.2):
            seen = (reflectance - offsets[band]) / gains[band]
            assert balance.gains[band] * seen + balance.offsets[band] == pytest.approx(reflectance, abs=off), band


@pytest.fixture
def new(tmp_path):
    return write_scene(tmp_path, "new", gains=GAINS, offsets=OFFSETS)


def test_a_gain_and_an_offset_per_colour_are_found(tmp_path, new):
    balance = solve(new, write_scene(tmp_path, "old", east_m=2500))
    check(balance)
    assert balance.neighbours == ("old",)
    assert 300 < balance.pixels < 1500


@pytest.mark.parametrize(
    ("crs", "pixel_m"), [("EPSG:4549", 16.0), ("EPSG:32650", 8.0), ("EPSG:4548", 4.0), ("EPSG:4509", 40.0)]
)
def test_a_neighbour_may_lie_in_another_zone_or_have_other_pixels(tmp_path, new, crs, pixel_m):
    check(solve(new, write_scene(tmp_path, "old", east_m=2000, crs=crs, pixel_m=pixel_m)), off=0.003)


def test_what_the_neighbours_picture_was_drawn_with_counts(tmp_path, new):
    old = write_scene(tmp_path, "old", east_m=2500, gains={"B2": 0.9}, offsets={"B1": 0.03})
    check(solve(new, replace(old, gains={"B2": 0.9}, offsets={"B1": 0.03})))


def test_like_scenes_are_left_alone(tmp_path):
    balance = solve(write_scene(tmp_path, "new"), write_scene(tmp_path, "old", east_m=2500))
    assert balance.gains == pytest.approx(dict.fromkeys(SHOWN, 1), abs=0.005)
    assert balance.offsets == pytest.approx(dict.fromkeys(SHOWN, 0), abs=0.0005)


def test_ground_that_changed_does_not_count(tmp_path, new):
    def harvested(seen, x, y):
        return np.where((np.floor(x / 250) + np.floor(y / 250)) % 3 == 0, seen + 0.12, seen)

    check(solve(new, write_scene(tmp_path, "old", east_m=1500, change=harvested)), off=0.004)


@pytest.mark.parametrize("flag", [SATURATED, CLOUD, CLOUD_SHADOW, 64, FILL])
def test_nothing_that_is_flagged_counts(tmp_path, new, flag):
    def where(x, y):
        return (x < LEFT + 3000) * flag  # 60 % of what both show

    def spoiled(seen, x, y):
        return np.where(x < LEFT + 3000, 0.6, seen)

    check(solve(new, write_scene(tmp_path, "old", east_m=1000, change=spoiled, flags=where)))


def test_even_ground_gives_an_offset_and_no_gain(tmp_path):
    def lake(seen, x, y):
        return 0.03 + seen * 0.002

    balance = solve(
        write_scene(tmp_path, "new", change=lambda *place: lake(*place) + 0.015),
        write_scene(tmp_path, "old", east_m=2500, change=lake),
    )
    assert balance.gains == pytest.approx(dict.fromkeys(SHOWN, 1), abs=0.01)
    assert balance.offsets == pytest.approx(dict.fromkeys(SHOWN, -0.015), abs=0.001)


def test_between_two_neighbours_a_scene_lies_in_the_middle(tmp_path):
    west, east = (
        write_scene(tmp_path, name, east_m=east_m, offsets=dict.fromkeys(BANDS, offset))
        for name, east_m, offset in (("west", -2500, 0.02), ("east", 2500, -0.02))
    )
    balance = solve(write_scene(tmp_path, "new"), west, east)
    assert balance.neighbours == ("west", "east")
    check(balance, dict.fromkeys(SHOWN, 1), dict.fromkeys(SHOWN, 0), off=0.004)


def test_a_neighbour_whose_ground_changed_all_over_counts_less(tmp_path):
    def other_crops(seen, x, y):
        return 0.18 + 0.05 * np.sin(x / 170) * np.sin(y / 210) + 0 * seen

    changed = write_scene(tmp_path, "changed", east_m=-2500, change=other_crops)
    balance = solve(write_scene(tmp_path, "new"), changed, write_scene(tmp_path, "same", east_m=2500))
    assert balance.neighbours == ("changed", "same")
    check(balance, dict.fromkeys(SHOWN, 1), dict.fromkeys(SHOWN, 0), off=0.006)


def test_no_scene_is_changed_beyond_recognition(tmp_path):
    much = write_scene(tmp_path, "new", gains=dict.fromkeys(BANDS, 4.0), offsets=dict.fromkeys(BANDS, -0.5))
    balance = solve(much, write_scene(tmp_path, "old", east_m=2500))
    assert all(0.5 <= gain <= 2 for gain in balance.gains.values())
    assert all(-0.1 <= offset <= 0.1 for offset in balance.offsets.values())


class TestWithoutCommonGround:
    @pytest.mark.parametrize("east_m", [3800.0, 5000.0, 900_000.0])
    def test_there_is_no_balance(self, tmp_path, new, east_m):
        assert solve(new, write_scene(tmp_path, "old", east_m=east_m)) is None

    def test_nor_without_neighbours(self, new):
        assert solve(new) is None

    def test_nor_with_one_that_has_other_bands(self, tmp_path, new):
        old = write_scene(tmp_path, "old", east_m=2500)
        assert solve(new, replace(old, bands=("B1", "B2", "B5", "B4"))) is None

    def test_nor_with_one_that_is_all_cloud(self, tmp_path, new):
        assert solve(new, write_scene(tmp_path, "old", east_m=2500, flags=lambda x, y: np.full(x.shape, CLOUD))) is None

    def test_nor_with_one_that_changed_everywhere_in_one_colour_or_another(self, tmp_path, new):
        def patched(seen, x, y):
            stripe = np.floor(x / 200) % 3
            return np.stack([np.where(stripe == band, plane + 0.12, plane) for band, plane in enumerate(seen)])

        assert solve(new, write_scene(tmp_path, "old", east_m=1500, change=patched)) is None

    def test_one_that_cannot_be_read_is_left_out(self, tmp_path, new, caplog):
        gone = write_scene(tmp_path, "gone", east_m=2500)
        gone.analytic.write_bytes(gone.analytic.read_bytes()[:3000])
        with caplog.at_level(logging.WARNING):
            balance = solve(new, gone, write_scene(tmp_path, "old", east_m=2500))
        assert balance.neighbours == ("old",)
        assert "balance without gone: " in caplog.text


def test_a_neighbour_is_read_off_its_item(tmp_path):
    balance = Balance({"B3": 0.9}, {"B3": 0.01}, ("first",), 800)
    item = {
        "id": "old",
        "properties": {"imagery_node:balance": balance.as_property()},
        "assets": {
            "analytic": {"href": "./analytic.tif", "bands": [{"name": band} for band in BANDS]},
            "quality": {"href": "./quality.tif"},
        },
    }
    neighbour = Neighbour.of_item(item, tmp_path)
    files = tmp_path / "analytic.tif", tmp_path / "quality.tif"
    assert neighbour == Neighbour("old", *files, BANDS, {"B3": 0.9}, {"B3": 0.01})
    plain = Neighbour.of_item(item | {"properties": {}}, tmp_path)
    assert (plain.gains, plain.offsets) == ({}, {})
