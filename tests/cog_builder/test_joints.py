"""The three parts of a GF-6 wide image become one without a step."""

import re
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from cog_builder.deliveries.rpb import read_rpb
from tests.support.built import build, hills
from tests.support.deliveries import edit, the_file
from tests.support.simulated import tiny_delivery
from tests.support.tiffs import read_tiff, write_tiff

MAX_STEP = 0.005
"""Of the reflectance."""
SIMULATED_OVERLAP = 24
NOISE_DN = (0.0, 4.0, 1.5)
"""Of the three parts."""


def rewrite(tiff, pixels):
    tiff.unlink()  # GDAL would take the side files along
    write_tiff(tiff, pixels)


def cropped(folder, part, *, left, right):
    """Cut columns off a part; its camera model moves along."""
    tiff = the_file(folder, f"-{part}.tiff")
    pixels = read_tiff(tiff)
    rewrite(tiff, pixels[:, left : pixels.shape[1] - right])
    rpb = tiff.with_suffix(".rpb")
    offset = float(re.search("sampOffset = (.*);", rpb.read_text())[1])
    edit(rpb, f"sampOffset = {offset:.15f};", f"sampOffset = {offset - left:.15f};")


def noisy(folder, part, sigma_dn):
    tiff = the_file(folder, f"-{part}.tiff")
    pixels = read_tiff(tiff)
    noise = np.random.default_rng(part).normal(0, sigma_dn, pixels.shape)
    rewrite(tiff, np.clip(np.rint(pixels + noise), 1, 4095).astype(np.uint16))


def in_one_piece(folder, target):
    """The same product as if one chip had seen it all: the truth about what a joint may not show."""
    target.mkdir()
    parts = [read_tiff(the_file(folder, f"-{part}.tiff")) for part in (1, 2, 3)]
    whole = np.concatenate([parts[0], *(part[:, SIMULATED_OVERLAP:] for part in parts[1:])], axis=1)
    write_tiff(target / f"{folder.name}.tiff", whole)
    shutil.copy(the_file(folder, "-1.rpb"), target / f"{folder.name}.rpb")
    shutil.copy(the_file(folder, ".xml"), target)
    return target


@dataclass(frozen=True)
class Picture:
    """Reflectance of a build, and which raw columns its pixels come from."""

    values: np.ndarray
    col: np.ndarray

    def columns(self, truth):
        """By how much each raw column is off the truth on average."""
        seen = (self.values > 0).all(axis=0) & (truth.values > 0).all(axis=0)
        off = (self.values / np.maximum(truth.values, 1e-9) - 1).mean(axis=0)[seen]
        col = np.rint(self.col[seen]).astype(int)
        count = np.bincount(col)
        middle = count > 0.9 * np.median(count)
        return (np.bincount(col, off) / np.maximum(count, 1))[middle]


def picture(delivery, folder, camera):
    folder.mkdir()
    build(delivery, folder, elevation=hills())
    with rasterio.open(folder / "analytic.tif") as analytic:
        values = analytic.read().astype(float)
        cols, rows = np.meshgrid(np.arange(analytic.width) + 0.5, np.arange(analytic.height) + 0.5)
        longitude, latitude = Transformer.from_crs(analytic.crs, 4326, always_xy=True).transform(
            *(analytic.transform * (cols, rows))
        )
    col, _ = read_rpb(camera).project(longitude, latitude, hills().heights_m(longitude, latitude))
    return Picture(values, col)


@pytest.fixture
def folder(tmp_path):
    return tiny_delivery(
        "gf1-wfv", tmp_path, satellite="GF6", sensor_name="WFV", variant="gf6-wfv", packing="folder", width=270
    )


@pytest.fixture
def truth(folder, tmp_path):
    camera = shutil.copy(the_file(folder, "-1.rpb"), tmp_path / "camera.rpb")
    return picture(in_one_piece(folder, tmp_path / "whole"), tmp_path / "truth", camera)


def test_parts_join_as_if_one_chip_had_seen_all(folder, truth, tmp_path):
    found = picture(folder, tmp_path / "found", tmp_path / "camera.rpb")
    seen = (truth.values > 0) & (found.values > 0)
    assert seen.sum() == (truth.values > 0).sum()
    assert np.abs(found.values[seen] / truth.values[seen] - 1).max() < MAX_STEP


def test_parts_that_barely_overlap_and_differ_in_noise_join_without_a_step(folder, truth, tmp_path):
    spare = SIMULATED_OVERLAP - 8
    for part, left, right in ((1, 0, spare), (2, 0, spare), (3, 0, 0)):
        cropped(folder, part, left=left, right=right)
        noisy(folder, part, NOISE_DN[part - 1])
    found = picture(folder, tmp_path / "found", tmp_path / "camera.rpb")
    off = found.columns(truth)
    assert len(off) > 200
    steps = np.abs(np.diff(np.convolve(off, np.full(5, 0.2), "valid"), n=1))
    assert steps.max() < MAX_STEP
    assert np.abs(off).max() < MAX_STEP


def test_a_part_that_is_brighter_than_its_neighbour_would_show(folder, truth, tmp_path):
    tiff = the_file(folder, "-2.tiff")
    rewrite(tiff, np.rint(read_tiff(tiff) * 1.02).astype(np.uint16))
    assert np.abs(picture(folder, tmp_path / "found", tmp_path / "camera.rpb").columns(truth)).max() > MAX_STEP
