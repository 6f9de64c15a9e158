"""Tiny scenes, built once per session; tests look at them and copy what they want to change."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from cog_builder.elevation import ConstantHeight, DemFile, Elevation
from cog_builder.pipeline import build_delivery
from cog_builder.settings import CogBuilderSettings
from tests.support.simulated import Kind, tiny_delivery, tiny_dem


@dataclass(frozen=True)
class Built:
    """A version folder and what it was made of."""

    delivery: Path
    folder: Path
    item: dict[str, Any]


@dataclass(frozen=True)
class FlatWorld:
    """Ground that looks the same everywhere; whatever is not this value in a product came from elsewhere."""

    values: tuple[float, float, float, float] = (0.12, 0.14, 0.16, 0.3)

    def reflectance(self, grid, when):
        return np.broadcast_to(np.array(self.values, np.float32), (grid.height, grid.width, 4)).copy()


@cache
def hills() -> DemFile:
    """The ground below tiny deliveries."""
    return DemFile(tiny_dem(), "ellipsoid")


@cache
def built(
    kind: Kind,
    *,
    target_crs: str | None = None,
    profile: str = "compatible",
    workers: int = 2,
    height_m: float | None = None,
    **changes: Any,
) -> Built:
    """A scene of a tiny delivery; `changes` are fields of `SimulationRequest`."""
    elevation: Elevation = hills() if height_m is None else ConstantHeight(height_m)
    if height_m is not None:
        changes["elevation"] = elevation
    delivery = tiny_delivery(kind, Path(tempfile.mkdtemp(dir=_session_folder())), **changes)
    settings = CogBuilderSettings(target_crs=target_crs, profile=profile, workers=workers)
    return build(delivery, Path(tempfile.mkdtemp(dir=_session_folder())), elevation=elevation, settings=settings)


def build(delivery: Path, folder: Path, *, elevation: Elevation, settings: CogBuilderSettings | None = None) -> Built:
    """Build a delivery into an empty folder."""
    settings = settings or CogBuilderSettings()
    return Built(delivery, folder, build_delivery(delivery, folder, elevation=elevation, settings=settings))


def pixels_of(cog: Path, level: int = 0) -> np.ndarray[Any, Any]:
    """(row, column, band) of the full image or an overview."""
    with rasterio.open(cog, **({} if level == 0 else {"overview_level": level - 1})) as image:
        return np.moveaxis(image.read(), 0, -1)


@cache
def _session_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="built-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
