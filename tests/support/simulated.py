"""Tiny simulated deliveries for everyone's tests: made once per session, copied where a test wants them."""

import atexit
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from rasterio import Affine

from cog_builder.elevation import DemFile
from cog_builder.simulation import SimulationRequest, simulate_delivery

Kind = Literal["gf1-pms", "gf1-wfv", "gf2-pms"]

LONGITUDE, LATITUDE = 116.4, 39.9

_KINDS = {
    "gf1-pms": {"satellite": "GF1", "sensor_name": "PMS1", "product_id": 6312201, "width": 160, "height": 150},
    "gf1-wfv": {"satellite": "GF1", "sensor_name": "WFV3", "product_id": 4819777, "width": 200, "height": 190},
    "gf2-pms": {
        "satellite": "GF2",
        "sensor_name": "PMS2",
        "product_id": 14547890001,
        "width": 180,
        "height": 170,
        "roll_deg": 12.0,
        "dialect": "2023",
        "acquired": datetime(2024, 10, 12, 3, 22, 47, tzinfo=UTC),
        "gains": (0.1743, 0.1784, 0.1668, 0.1912, 0.1855),
    },
}


class Patchwork:
    """A smooth world without any symmetry, cheap to draw: each band has its own waves, so shifts and flips show."""

    def reflectance(self, grid, when):
        col, row = np.meshgrid(np.arange(grid.width, dtype=float), np.arange(grid.height, dtype=float))
        longitude, latitude = grid.degrees(col, row)
        x, y = (longitude - LONGITUDE) * 85_400, (latitude - LATITUDE) * 111_000
        bands = [
            0.16
            + 0.05 * np.sin(x / (90 + 20 * band)) * np.cos(y / (70 + 15 * band))
            + 0.04 * np.tanh(x / 900 + y / 1300)
            for band in range(4)
        ]
        return np.stack(bands, axis=-1).astype(np.float32)


def tiny_delivery(kind: Kind, folder: Path, **changes: Any) -> Path:
    """A delivery in `folder`; `changes` are fields of `SimulationRequest`, such as `packing="zip"`."""
    made = _made(kind, tuple(sorted(changes.items())))
    target = folder / made.name
    return Path(shutil.copytree(made, target) if made.is_dir() else shutil.copy2(made, target))


@cache
def tiny_dem() -> Path:
    """Rolling hills of 40–460 m around all tiny deliveries, EPSG:4326, metres above the ellipsoid."""
    path = _session_folder() / "dem.tif"
    y, x = np.mgrid[0:240, 0:240] / 24.0
    heights = 250 + 130 * np.sin(x) * np.cos(0.8 * y) + 80 * np.sin(2.3 * x + 1.7 * y)
    cell = 0.0005
    transform = Affine(cell, 0, LONGITUDE - 120 * cell, 0, -cell, LATITUDE + 120 * cell)
    profile = {"driver": "GTiff", "width": 240, "height": 240, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=transform, **profile) as dem:
        dem.write(heights.astype(np.float32), 1)
    return path


@cache
def _made(kind: Kind, changes: tuple[tuple[str, Any], ...]) -> Path:
    facts = {
        "acquired": datetime(2022, 3, 15, 3, 20, 11, tzinfo=UTC),
        "longitude": LONGITUDE,
        "latitude": LATITUDE,
        "world": Patchwork(),
        "elevation": DemFile(tiny_dem(), "ellipsoid"),
        **_KINDS[kind],
        **dict(changes),
    }
    return simulate_delivery(SimulationRequest(**facts), Path(tempfile.mkdtemp(dir=_session_folder())))


@cache
def _session_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="simulated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
