"""Tiny simulated deliveries of any product, made once per session and copied where a test wants to change them."""

import atexit
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cog_builder.elevation import DemFile
from cog_builder.simulation import SimulationRequest, simulate_delivery
from tests.support.simulated import LATITUDE, LONGITUDE, Patchwork, tiny_dem

WHEN = datetime(2022, 3, 15, 3, 20, 11, tzinfo=UTC)


def product_delivery(product: str, satellite: str, sensor: str, folder: Path, **changes: Any) -> Path:
    """A delivered folder of a product of `products.toml`; `changes` are fields of `SimulationRequest`."""
    made = _made(product, satellite, sensor, tuple(sorted(changes.items())))
    return Path(shutil.copytree(made, folder / made.name))


@cache
def _made(product: str, satellite: str, sensor: str, changes: tuple[tuple[str, Any], ...]) -> Path:
    home = Path(tempfile.mkdtemp(prefix="dialects-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    request = SimulationRequest(
        satellite,
        sensor,
        WHEN,
        LONGITUDE,
        LATITUDE,
        72,
        64,
        Patchwork(),
        DemFile(tiny_dem(), "ellipsoid"),
        6312201,
        variant=product,
        packing="folder",
        **dict(changes),
    )
    return simulate_delivery(request, home)
