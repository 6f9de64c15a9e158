"""A small archive of simulated deliveries: one place, seen by three cameras over three years."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cog_builder.elevation import DemFile
from cog_builder.simulation.delivery import simulate_delivery
from cog_builder.simulation.landscape import Landscape
from cog_builder.simulation.request import Packing, SimulationRequest
from cog_builder.simulation.world_file import write_dem

DEM_NAME = "dem.tif"

_LAND = Landscape(longitude=116.42, latitude=39.88)
_BBOX = (116.25, 39.75, 116.59, 40.01)
"""Of the elevation model; holds every scene."""


@dataclass(frozen=True)
class _Pass:
    """One acquisition of the demo."""

    satellite: str
    sensor_name: str
    acquired: datetime
    place: tuple[float, float]
    """Of the scene's centre, metres east and north of the land's origin."""
    product_id: int
    pixels: int
    """Columns and rows of the multispectral image."""
    roll_deg: float
    cloud_percent: float = 0.0
    packing: Packing = "tar.gz"


_PASSES = (
    _Pass("GF1", "PMS1", datetime(2022, 4, 20, 3, 12, 41, tzinfo=UTC), (-1500, 1300), 6391527, 1000, -1.8),
    _Pass("GF1", "WFV3", datetime(2022, 7, 24, 3, 4, 52, tzinfo=UTC), (-1000, 500), 6610458, 1200, 0.0),
    _Pass("GF1", "PMS2", datetime(2022, 8, 18, 3, 15, 26, tzinfo=UTC), (-1300, 1100), 6658013, 1000, 3.2, 14.0, "zip"),
    _Pass("GF2", "PMS1", datetime(2022, 10, 9, 3, 21, 8, tzinfo=UTC), (400, 600), 6752240, 1100, 6.5),
    _Pass("GF1", "PMS1", datetime(2023, 1, 11, 3, 18, 3, tzinfo=UTC), (-1600, 1500), 12712904001, 1000, -4.1),
    _Pass(
        "GF2", "PMS2", datetime(2024, 6, 14, 3, 24, 37, tzinfo=UTC), (200, 900), 14152788001, 1100, -9.0, 0.0, "folder"
    ),
)
_NEWER_FROM = 2023
_GF2_GAINS = (0.1743, 0.1784, 0.1668, 0.1912, 0.1855)


def simulate_demo(out_dir: Path, *, workers: int = 2) -> list[Path]:
    """Simulate the demo's deliveries and its elevation model, `dem.tif`.

    Returns:
        The deliveries, oldest first; `dem.tif` lies beside them.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    dem = write_dem(_LAND, out_dir / DEM_NAME, _BBOX)
    return [simulate_delivery(_request(each, dem), out_dir, workers=workers) for each in _PASSES]


def _request(each: _Pass, dem: Path) -> SimulationRequest:
    longitude, latitude = _LAND.place(*each.place)
    request = SimulationRequest(
        each.satellite,
        each.sensor_name,
        each.acquired,
        longitude,
        latitude,
        each.pixels,
        each.pixels,
        _LAND,
        DemFile(dem, "ellipsoid"),
        each.product_id,
        cloud_percent=each.cloud_percent,
        roll_deg=each.roll_deg,
        packing=each.packing,
        seed=each.product_id % 1000,
    )
    if each.acquired.year < _NEWER_FROM:
        return request
    return replace(request, dialect="2023", gains=_GF2_GAINS if each.satellite == "GF2" else None)
