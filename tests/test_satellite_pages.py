"""The satellite pages say what the tables of the code say; `python -m tests.test_satellite_pages` prints the rows."""

import csv
import re
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from cog_builder.sensor import Sensor, known_sensors
from cog_builder.simulation.product import known_products
from tests.cog_builder.delivery_contract import CHECKS, ROWS

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs/satellites"
CONTRACT_HEAD = f"| product | dialect | {' | '.join(CHECKS)} |"


@cache
def _years() -> dict[tuple[str, str], list[int]]:
    """Years of the calibration tables by camera, where all its bands have coefficients of some."""
    found: dict[tuple[str, str], set[int]] = {}
    for name in ("gains.csv", "gf4_gains.csv"):
        with (ROOT / "cog_builder" / name).open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                found.setdefault((row["satellite"], row["sensor"]), set()).add(int(row["year"]))
    return {camera: sorted(years) for camera, years in found.items()}


def camera_row(sensor: Sensor) -> str:
    """A camera as the pages have it."""
    bands = ", ".join(f"{band.name} {band.common_name}" for band in sensor.bands)
    runs = [
        [year for _, year in run]
        for _, run in groupby(
            enumerate(_years().get((sensor.satellite, sensor.name), [])), lambda each: each[1] - each[0]
        )
    ]
    years = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs) or "none"
    sharpened = "with pan" if sensor.pan else "no"
    return f"| {sensor.satellite} {sensor.name} | `{sensor.collection}` | {bands} | {sharpened} | {years} |"


def contract_row(product: str) -> str:
    """A product as the table of the contract has it: `test_delivery_contract.py` fails where a yes is not true."""
    marks = ["yes" if ROWS[product].calibrated or check != "calibration" else "none known" for check in CHECKS]
    return f"| {product} | `{known_products()[product].dialect}` | {' | '.join(marks)} |"


@cache
def _pages() -> str:
    return "\n".join(page.read_text("utf-8") for page in sorted(PAGES.glob("*.md")))


@pytest.mark.parametrize("sensor", known_sensors().values(), ids=lambda sensor: f"{sensor.satellite} {sensor.name}")
def test_every_camera_is_on_a_page_with_its_bands_and_the_years_of_its_calibration(sensor: Sensor) -> None:
    assert _pages().splitlines().count(camera_row(sensor)) == 1


def test_the_contract_table_is_the_one_that_is_tested() -> None:
    table = (PAGES / "README.md").read_text("utf-8").partition(CONTRACT_HEAD)[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == [contract_row(product) for product in ROWS]


def test_no_page_speaks_of_a_camera_that_is_not_known() -> None:
    named = re.findall(r"^\| (\w+) (\w+) \| `", _pages(), re.MULTILINE)
    assert set(named) <= known_sensors().keys()


def test_the_list_of_pages_is_complete() -> None:
    index = (PAGES / "README.md").read_text("utf-8")
    assert not [page.name for page in PAGES.glob("*.md") if page.name != "README.md" and f"]({page.name})" not in index]


if __name__ == "__main__":
    print("\n".join(map(camera_row, known_sensors().values())))  # noqa: T201
    print("\n".join([CONTRACT_HEAD, "|---" * (2 + len(CHECKS)) + "|", *map(contract_row, ROWS)]))  # noqa: T201
