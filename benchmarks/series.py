"""A time series of an area over 20 dates: one request beside one statistics request per date.

The same field of the same 20 COGs (4 bands of uint16, DEFLATE, blocks of 512), its NDVI on every date: by the node's
`/timeseries`, with and without its cloud filter, by the node's own statistics of each item, and by stock TiTiler's
statistics of each file. One worker each; the cache of decoded blocks is all but off, so that every round decodes.
CPU is that of the server's processes, the median of the rounds. The means must agree: to 1e-5 with numpy, and to 1 %
with TiTiler, which weighs the pixels at the edge.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.warp
import shapely
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.transform import from_origin

from benchmarks.peer_environment import TITILER_ENVIRONMENT, peer_python
from benchmarks.server import Server

FOLDER = Path(__file__).resolve().parent / "data" / "series"
DATES = 20
PIXELS = 1024
UTM = "EPSG:32650"
TRANSFORM = from_origin(440_000, 4_420_000, 4, 4)
NDVI = "(nir-red)/(nir+red)"
BANDS = ("blue", "green", "red", "nir")
FIELD = [(0.2, 0.25), (0.75, 0.2), (0.8, 0.7), (0.45, 0.85), (0.2, 0.25)]
"""Corners, in parts of the scene."""

WORKED_OUT, WEIGHED = 1e-5, 1e-2
"""How far means may differ, relatively."""


def main() -> None:
    """Make the data, check the numbers, time the ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    area, expected = _make_data()
    with _node() as node, _titiler() as titiler:
        ways = {
            "timeseries, clear pixels": (node, lambda: _series(node, area, clear=True), None),
            "timeseries, all pixels": (node, lambda: _series(node, area, clear=False), WORKED_OUT),
            "the node, per date": (node, lambda: _per_date(node, area, _item_path), WEIGHED),
            "TiTiler, per date": (titiler, lambda: _per_date(titiler, area, _cog_path), WEIGHED),
        }
        for name, (_, ask, tolerance) in ways.items():
            if tolerance and not np.allclose(ask(), expected, rtol=tolerance, atol=tolerance / 100):
                sys.exit(f"{name}: the means differ from numpy's")
        found = {name: _time(server, ask, rounds) for name, (server, ask, _) in ways.items()}
    least = found["timeseries, all pixels"][0]
    print(f"{DATES} dates, {rounds} rounds: CPU and wall time of the series, ms; times the CPU of the series")
    for name, (cpu_s, wall_s) in found.items():
        print(f"{name:26} {cpu_s * 1000:8.0f} {wall_s * 1000:8.0f} {cpu_s / least:7.1f} ×")


def _time(server: Server, ask: Callable[[], list[float]], rounds: int) -> tuple[float, float]:
    """Median CPU and wall time of one series."""
    cpu_s, wall_s = [], []
    for _ in range(rounds):
        before, begun = server.settled_cpu_s(), time.perf_counter()
        ask()
        wall_s.append(time.perf_counter() - begun)
        cpu_s.append(server.settled_cpu_s() - before)
    return statistics.median(cpu_s), statistics.median(wall_s)


def _series(node: Server, area: dict[str, Any], *, clear: bool) -> list[float]:
    query = urllib.parse.urlencode({"expression": NDVI, "clear": str(clear).lower()})
    document = _post(f"{node.url}/raster/layers/series/timeseries?{query}", area)
    return [row["bands"][NDVI]["mean"] for row in document["dates"]]


def _per_date(server: Server, area: dict[str, Any], path: Callable[[int], str]) -> list[float]:
    feature = {"type": "Feature", "properties": {}, "geometry": area}
    documents = [_post(server.url + path(number), feature) for number in range(DATES)]
    return [next(iter(each["properties"]["statistics"].values()))["mean"] for each in documents]


def _item_path(number: int) -> str:
    query = urllib.parse.urlencode({"assets": "analytic", "expression": NDVI})
    return f"/raster/collections/series/items/DATE-{number:02}/statistics?{query}"


def _cog_path(number: int) -> str:
    expression = NDVI.replace("nir", "b4").replace("red", "b3")
    query = urllib.parse.urlencode({"url": str(_folder(number) / "analytic.tif"), "expression": expression})
    return f"/cog/statistics?{query}"


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310 - our own servers
        document: dict[str, Any] = json.load(response)
    return document


def _node() -> Server:
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--home", str(FOLDER / "home"), "--port", "{port}"]
    environment = {"CATALOG_ASSET_ROOTS": str(FOLDER), "IMAGERY_NODE_BLOCK_CACHE_MIB": "1"}
    return Server("imagery-node", command, log=FOLDER / "node.log", environment=environment)


def _titiler() -> Server:
    command = [str(peer_python()), "-m", "uvicorn", "benchmarks.stock_titiler:app", "--port", "{port}"]
    log = FOLDER / "titiler.log"
    return Server("TiTiler", command, log=log, environment=TITILER_ENVIRONMENT, ready="/openapi.json")


def _make_data() -> tuple[dict[str, Any], list[float]]:
    """The area in degrees, and by numpy its mean NDVI on each date; files are made when missing."""
    to_degrees = Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
    corners = [to_degrees.transform(*(TRANSFORM * (across * PIXELS, down * PIXELS))) for across, down in FIELD]
    field = shapely.Polygon(corners)
    centres = TRANSFORM * np.meshgrid(np.arange(PIXELS) + 0.5, np.arange(PIXELS) + 0.5)
    inside = shapely.contains_xy(field, *to_degrees.transform(*centres))
    if not (FOLDER / "home").exists():
        items = [_make_scene(number) for number in range(DATES)]
        listing = FOLDER / "items.ndjson"
        listing.write_text("".join(json.dumps(item) + "\n" for item in items))
        command = [sys.executable, "-m", "imagery_node.cli", "catalog", "load", listing, "--home", FOLDER / "home"]
        subprocess.run(command, check=True, env={**os.environ, "CATALOG_ASSET_ROOTS": str(FOLDER)})
    means = []
    for number in range(DATES):
        with rasterio.open(_folder(number) / "analytic.tif") as file:
            red, nir = file.read((3, 4)).astype(np.float64)[:, inside]
        means.append(float(((nir - red) / (nir + red)).mean()))
    return json.loads(shapely.to_geojson(field)), means


def _folder(number: int) -> Path:
    return FOLDER / f"date-{number:02}"


def _make_scene(number: int) -> dict[str, Any]:
    """Fields that grow and are cut, with fine grain; a tenth is cloud."""
    _folder(number).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(number)
    growth = np.random.default_rng(99).random((64, 64)).repeat(PIXELS // 64, 0).repeat(PIXELS // 64, 1)
    green = (growth + number / DATES) % 1
    levels = np.stack([600 - 200 * green, 800 - 100 * green, 1000 - 700 * green, 1500 + 2500 * green])
    _write(_folder(number) / "analytic.tif", (levels * random.normal(1, 0.02, levels.shape)).astype(np.uint16), 0)
    cloudy = random.random((16, 16)).repeat(PIXELS // 16, 0).repeat(PIXELS // 16, 1) < 0.1
    _write(_folder(number) / "quality.tif", (cloudy[None] * 4).astype(np.uint8), 1)
    bounds = rasterio.transform.array_bounds(PIXELS, PIXELS, TRANSFORM)
    west, south, east, north = rasterio.warp.transform_bounds(UTM, "OGC:CRS84", *bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    when = datetime(2024, 1, 5, 3, tzinfo=UTC) + timedelta(days=16 * number)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"DATE-{number:02}",
        "collection": "series",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": when.isoformat(), "gsd": 4.0},
        "links": [],
        "assets": {
            key: {"href": str(_folder(number) / f"{key}.tif"), "type": "image/tiff; application=geotiff"}
            for key in ("analytic", "quality")
        },
    }


def _write(path: Path, pixels: np.ndarray, nodata: int) -> None:
    profile = {"width": PIXELS, "height": PIXELS, "count": len(pixels), "dtype": pixels.dtype, "nodata": nodata}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", crs=UTM, transform=TRANSFORM, **profile) as flat:
            if len(pixels) == len(BANDS):
                flat.descriptions = BANDS
            flat.write(pixels)
        with memory.open() as flat:
            copy_raster(flat, path, driver="COG", COMPRESS="DEFLATE", PREDICTOR="2", BLOCKSIZE="512")


if __name__ == "__main__":
    main()
