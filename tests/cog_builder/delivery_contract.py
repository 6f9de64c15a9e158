"""What every product of every dialect must pass, as a table of checks over a table of products.

`test_delivery_contract.py` runs them; `python -m tests.cog_builder.delivery_contract` prints who passes what.
"""

import atexit
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely

from catalog.item import check_built_item
from cog_builder.deliveries import open_delivery
from cog_builder.errors import BadMetadataError
from cog_builder.pipeline import build_scene
from cog_builder.quality import FILL
from cog_builder.scene import Scene
from cog_builder.settings import CogBuilderSettings
from cog_builder.simulation import SimulationRequest, simulate_delivery
from cog_builder.simulation.plan import ImagePlan, plan_images
from cog_builder.sun import separation_deg
from tests.support.built import FlatWorld, hills
from tests.support.schemas import check_document, stac_validator
from tests.support.simulated import LATITUDE, LONGITUDE

WORLD = FlatWorld()
WHEN = datetime(2022, 3, 15, 3, 20, 11, tzinfo=UTC)
_PAN_SHARES = (0.20, 0.26, 0.27, 0.27)
_METRES_PER_DEGREE_EAST = 85_400
_VIEW_TOLD = ("ProductMetaData", "sensor_corrected_metadata")
"""Dialects that tell both angles of the view."""
_ITEM_ID = re.compile(r"[A-Z0-9]+_[A-Z0-9]+_20220315T032011_L\d[A-Z]?\d+")


@dataclass(frozen=True)
class Row:
    """A product, and how a request names it."""

    satellite: str
    sensor: str
    calibrated: bool = True
    """Whether anybody knows its gains."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Further fields of the request."""


ROWS = {
    "gf1-pms": Row("GF1", "PMS2"),
    "gf1-wfv": Row("GF1", "WFV4"),
    "gf1-wfv-l2a": Row("GF1", "WFV2"),
    "gf1b-pms": Row("GF1B", "PMS"),
    "gf1c-pms": Row("GF1C", "PMS"),
    "gf1d-pms": Row("GF1D", "PMS"),
    "gf2-pms": Row("GF2", "PMS1", changes={"dialect": "2023"}),
    "gf2-pms-l4a": Row("GF2", "PMS2"),
    "gf4-pms": Row("GF4", "PMS"),
    "gf6-pms": Row("GF6", "PMS", changes={"dialect": "2023"}),
    "gf6-wfv": Row("GF6", "WFV", changes={"width": 144}),
    "gf7": Row("GF7", "DLC"),
    "gfdm01-pms": Row("GFDM01", "PMS"),
    "zy3-tlc": Row("ZY3", "NAD"),
    "zy3-tms": Row("ZY302", "TMS"),
    "zy3-mux-l2a": Row("ZY3", "MUX"),
    "zy02c-pms": Row("ZY02C", "PMS"),
    "zy02c-hrc": Row("ZY02C", "HRC"),
    "zy1e-vnic": Row("ZY1E", "VNIC"),
    "zy1f-vnic": Row("ZY1F", "VNIC"),
    "hj2a-ccd": Row("HJ2A", "CCD4"),
    "hj2b-ccd": Row("HJ2B", "CCD1"),
    "sv1-pms": Row("SV1-01", "PMS"),
    "cb04a-wpm": Row("CB04A", "WPM"),
    "zy3-sensor-corrected": Row("ZY3-3", "MUX"),
    "zy3-sensor-corrected-nad": Row("ZY3-3", "NAD"),
    "zy3-ortho": Row("ZY3-2", "MUX"),
    "gf7-sensor-corrected": Row("GF7", "MUX"),
    "gf7-fwdpan": Row("GF7", "DLC", calibrated=False),
    "hj1a-ccd": Row("HJ1A", "CCD1"),
    "cb04-mux": Row("CB04", "MUX"),
    "cbers4-mux": Row("CBERS4", "MUX"),
    "cbers4-pan10m": Row("CBERS4", "PAN10M", calibrated=False),
    "cbers4-pan5m": Row("CBERS4", "PAN5M", calibrated=False),
    "cbers4a-wpm": Row("CBERS4A", "WPM", calibrated=False),
    "cbers4a-wfi": Row("CBERS4A", "WFI"),
    "jl1-pms": Row("JL1GF03A", "PMS", calibrated=False),
    "jl101a-pms": Row("JL101A", "PMS", calibrated=False),
}
"""Key in `products.toml` → who delivers it."""


@dataclass(frozen=True)
class Case:
    """A delivery, what it was made of, and what was read and built of it."""

    row: Row
    request: SimulationRequest
    delivery: Path
    plans: tuple[ImagePlan, ...]
    scenes: tuple[Scene, ...]
    items: tuple[dict[str, Any], ...]
    folders: tuple[Path, ...]

    def plans_of(self, scene: Scene) -> list[ImagePlan]:
        """The images of a scene's camera, the main one first."""
        return [plan for plan in self.plans if plan.sensor == scene.sensor]


@cache
def case_of(product: str) -> Case:
    """Simulate, read and build a tiny delivery; once for all checks."""
    row, home = ROWS[product], Path(tempfile.mkdtemp(prefix="contract-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    request = SimulationRequest(
        **{
            "satellite": row.satellite,
            "sensor_name": row.sensor,
            "acquired": WHEN,
            "longitude": LONGITUDE,
            "latitude": LATITUDE,
            "width": 72,
            "height": 64,
            "world": WORLD,
            "elevation": hills(),
            "product_id": 6312201,
            "variant": product,
            "packing": "folder",
            **row.changes,
        }
    )
    delivery = simulate_delivery(request, home)
    scenes = open_delivery(delivery, home, allow_uncalibrated=not row.calibrated)
    settings = CogBuilderSettings(workers=1, allow_uncalibrated=not row.calibrated)
    items, folders = [], []
    for scene in scenes:
        folder, workspace = home / f"built-{scene.id}", home / f"work-{scene.id}"
        folder.mkdir()
        workspace.mkdir()
        items.append(
            build_scene(
                scene, folder, workspace, elevation=hills(), settings=settings, progress=lambda title, share: None
            )
        )
        folders.append(folder)
    return Case(row, request, delivery, plan_images(request), scenes, tuple(items), tuple(folders))


def recognised(case: Case) -> None:
    """Each camera is a scene of its sensor, of the product's dialect and level."""
    assert {scene.sensor for scene in case.scenes} == {plan.sensor for plan in case.plans}
    assert len(case.scenes) == len({scene.id for scene in case.scenes})
    for scene in case.scenes:
        assert (scene.dialect, scene.level) == (case.request.product.dialect, case.request.product.level)
        assert len(scene.images) == len(case.plans_of(scene))
        assert _ITEM_ID.fullmatch(scene.id)
        assert scene.cloud_cover in (0.0, None)


def times(case: Case) -> None:
    """UTC, to the second, without a doubt."""
    for scene in case.scenes:
        assert scene.acquired == WHEN
        assert not {"time_zone"} & set(scene.unproven)
        assert not [warning for warning in scene.warnings if not warning.startswith("sun_angles: the XML has none")]


def angles(case: Case) -> None:
    """Sun and view as they were; what a dialect does not tell is not made up."""
    for scene in case.scenes:
        assert (scene.sun_elevation, scene.sun_azimuth) == pytest.approx(case.request.sun, abs=0.01)
        if scene.dialect in _VIEW_TOLD:
            assert scene.view_azimuth is not None
            assert scene.incidence_angle is not None
        incidence, azimuth = case.request.view(case.plans_of(scene)[0].profile.pitch_deg)
        if scene.incidence_angle is not None and scene.view_azimuth is not None:
            assert separation_deg((90 - scene.incidence_angle, scene.view_azimuth), (90 - incidence, azimuth)) < 0.1
        elif scene.incidence_angle is not None:
            assert scene.incidence_angle == pytest.approx(incidence, abs=0.1)


def calibration(case: Case) -> None:
    """The gains of the document or the table, and the world's reflectance in the pixels; or a refusal."""
    if not case.row.calibrated:
        with pytest.raises(BadMetadataError, match="--allow-uncalibrated"):
            open_delivery(case.delivery, case.folders[0] / "unused")
    for scene, folder in zip(case.scenes, case.folders, strict=True):
        for image, plan in zip(scene.images, case.plans_of(scene), strict=True):
            if case.row.calibrated:
                assert image.gains == pytest.approx(plan.gains, rel=1e-4)
            else:
                assert (image.gains, scene.calibration_source) == (None, "none")
        _check_pixels(case.plans_of(scene)[0], folder, calibrated=case.row.calibrated)


def _check_pixels(plan: ImagePlan, folder: Path, *, calibrated: bool) -> None:
    with rasterio.open(folder / "analytic.tif") as analytic, rasterio.open(folder / "quality.tif") as quality:
        valid = (quality.read(1) & FILL) == 0
        stored = analytic.read()[:, valid].astype(float)
    assert valid.mean() > 0.5
    for band, found, per_unit, zero in zip(plan.bands, stored, plan.dn_per_reflectance, plan.dn_at_zero, strict=True):
        low, high = _reflectances(band.common_name)
        if calibrated:
            step = 0.6 / per_unit + 2e-4
            assert low - step <= found.min() / 10_000 <= found.max() / 10_000 <= high + step, band
        else:
            assert low * per_unit + zero - 1 <= found.min() <= found.max() <= high * per_unit + zero + 1, band


def _reflectances(common_name: str | None) -> tuple[float, float]:
    """Least and greatest that a band may see of the even world; bands between the world's own see something between."""
    own = dict(zip(("blue", "green", "red", "nir"), WORLD.values, strict=True))
    own["pan"] = float(np.dot(WORLD.values, _PAN_SHARES))
    return (own[common_name],) * 2 if common_name in own else (min(WORLD.values), max(WORLD.values))


def footprint(case: Case) -> None:
    """Where the camera saw the ground: the same outline, nowhere more than a pixel and a half outside."""
    for scene, item in zip(case.scenes, case.items, strict=True):
        plan = case.plans_of(scene)[0]
        truth, found = _seen(case, plan), shapely.geometry.shape(item["geometry"])
        assert truth.intersection(found).area / truth.union(found).area > 0.95
        assert truth.buffer(1.5 * plan.profile.gsd_m / _METRES_PER_DEGREE_EAST).contains(found)


def _seen(case: Case, plan: ImagePlan) -> shapely.Polygon:
    """The outer edge of what the camera saw, followed down to the ground point by point."""
    height, width = plan.seen_shape
    along = np.linspace(0, 1, 17)[:-1]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    edge = np.concatenate([a + (b - a) * along[:, None] for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)])
    col, row = edge[:, 0] * width - 0.5, edge[:, 1] * height - 0.5
    ground = np.full(col.shape, case.request.centre_height_m)
    for _ in range(20):
        longitude, latitude = plan.rpc.locate(col, row, ground)
        ground = case.request.elevation.heights_m(longitude, latitude)
    return shapely.Polygon(np.column_stack([longitude, latitude]))


def item_valid(case: Case) -> None:
    """The catalogue takes the Item, and so do the schemas of STAC."""
    for scene, item in zip(case.scenes, case.items, strict=True):
        check_built_item(item)
        check_document({**item, "links": [{"rel": "collection", "href": "../../collection.json"}]}, _validator())
        assert (item["id"], item["collection"]) == (scene.id, scene.sensor.collection)
        assert item["properties"]["imagery_node:dialect"] == case.request.product.dialect
        assert item["properties"].get("imagery_node:unproven") == (list(scene.unproven) or None)


@cache
def _validator() -> Any:
    return stac_validator()


CHECKS: dict[str, Callable[[Case], None]] = {
    "recognised": recognised,
    "times": times,
    "angles": angles,
    "calibration": calibration,
    "footprint": footprint,
    "item valid": item_valid,
}


def main() -> None:
    """Print the table as Markdown."""
    print("| product | dialect |", " | ".join(CHECKS), "|")  # noqa: T201
    print("|---|---|" + "---|" * len(CHECKS))  # noqa: T201
    for product in ROWS:
        case = case_of(product)
        print(f"| {product} | `{case.request.product.dialect}` |", " | ".join(_marks(case)), "|")  # noqa: T201


def _marks(case: Case) -> list[str]:
    marks = []
    for check in CHECKS.values():
        try:
            check(case)
            marks.append("yes")
        except AssertionError:
            marks.append("NO")
    return marks


if __name__ == "__main__":
    main()
