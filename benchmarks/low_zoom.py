"""Low zooms of a layer with very many scenes: tiles, what a publication costs, how fast the pyramid is built.

    python -m benchmarks.low_zoom [1000 10000 100000] [--places 1000] [--rounds 5] [--folder FOLDER]

A thousand places lie side by side over China, each with a small COG that all scenes of the place share; the scenes are
its dates. For each size the catalogue is loaded, the pyramid of the layer `img` built by one thread, and one client
asks a node with one process for every tile of zooms 0 to 7 that any scene lies on:

  build         base cells and all cells a second of CPU time
  stored        every tile drawn from the stored cells: no cache of tiles
  warm          the same tiles with the cache of tiles
  not modified  If-None-Match
  publication   one scene more: cells drawn and averaged, CPU time, and whether exactly the ETags of the tiles changed
                that its footprint lies on

The target is 30 ms for the 95th percentile of the warm tiles at every size.
"""

import argparse
import http.client
import os
import shutil
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import rasterio
from morecantile import Tile
from rasterio.transform import from_origin

from benchmarks.server import ROOT, Server
from catalog.collection import collection_document
from catalog.search import ItemStore
from catalog.store import open_store
from catalog.timestamp import format_datetime
from imagery_node.grid import WEB_MERCATOR_QUAD
from imagery_node.pyramid_cell import cell_tile, cells_touched
from imagery_node.pyramid_home import FOLDER, PyramidHome
from imagery_node.scene_index import Places, SceneIndex
from imagery_node.settings import ImageryNodeSettings

_COLLECTION = "gf1-pms"
_WEST, _NORTH = 76.0, 52.0
_COLUMNS = 40
_STEP, _SIDE = 0.9, 1.0
"""Degrees from one place to the next, and of a scene: neighbours overlap."""
_PIXELS = 128
_FIRST = datetime(2015, 1, 1, 3, tzinfo=UTC)
_ZOOMS = range(8)
_TARGET_MS = 30.0
_TILES = f"/raster/layers/img/tiles/{WEB_MERCATOR_QUAD}"


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[1000, 10_000, 100_000])
    parser.add_argument("--places", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=ROOT / "benchmarks" / "data" / "low_zoom")
    options = parser.parse_args()
    folder = options.folder.resolve()
    os.environ["CATALOG_ASSET_ROOTS"] = str(folder / "places")
    _write_places(folder / "places", options.places)
    good = [_measure(folder, size, options.places, options.rounds) for size in options.sizes]
    sys.exit(0 if all(good) else 1)


def _measure(folder: Path, size: int, places: int, rounds: int) -> bool:
    home = folder / f"home_{size}"
    shutil.rmtree(home, ignore_errors=True)
    store = open_store(home)
    items = (_item(folder, number, places) for number in range(size))
    print(f"\n{size:,} scenes of {places} places")
    started = time.process_time()
    store.load(items, collections=[collection_document(_COLLECTION)])
    print(f"  loaded         {time.process_time() - started:7.1f} s CPU")
    settings = ImageryNodeSettings(home=home)
    pyramids = PyramidHome.open(SceneIndex(store, Places(home, (folder / "places",))), settings)
    if pyramids is None:
        raise SystemExit(f"{home / FOLDER} cannot be written")
    builder = pyramids.builder()
    started = time.process_time()
    builder.catch_up(Event(), layers=("img",))
    spent = time.process_time() - started
    drawn, averaged = builder.counts["drawn"], builder.counts["averaged"]
    zoom = pyramids.book.pyramids()["img"].base_zoom
    print(
        f"  build          {spent:7.1f} s CPU: {drawn} base cells of zoom {zoom}, {averaged} above,"
        f" {(drawn + averaged) / spent:.0f} cells/s"
    )
    tiles = _tiles(store)
    warm_ms = _ask(home, folder, tiles, rounds)
    before = _tags(pyramids)
    store.register(_item(folder, size, places))
    builder.counts.clear()
    started = time.process_time()
    builder.catch_up(Event(), layers=("img",))
    changed = {number for number, tag in _tags(pyramids).items() if before.get(number) != tag}
    expected = cells_touched(tuple(_item(folder, size, places)["bbox"]), zoom)
    exact = changed == expected
    print(
        f"  publication    {time.process_time() - started:7.2f} s CPU: {builder.counts['drawn']} cells drawn,"
        f" {builder.counts['averaged']} averaged of {len(before)};"
        f" {'exactly' if exact else 'NOT'} the cells that its footprint lies on changed"
    )
    builder.close()
    pyramids.close()
    store.close()
    return exact and warm_ms <= _TARGET_MS


def _ask(home: Path, folder: Path, tiles: list[Tile], rounds: int) -> float:
    """Ask for tiles as they come from the cells, from the cache and not modified; the warm ones' 95th percentile."""
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--home", str(home), "--port", "{port}"]
    for name, cache_mib in (("stored", "0"), ("warm", "64")):
        environment = {"IMAGERY_NODE_TILE_CACHE_MIB": cache_mib, "IMAGERY_NODE_PYRAMID": "off"}
        with Server(name, command, log=folder / "serve.log", environment=environment, ready="/readyz") as server:
            tags = dict(_rounds(server, tiles, 1)[1])
            p95 = _tell(name, server, tiles, rounds)
            if name == "warm":
                _tell("not modified", server, tiles, rounds, tags)
    return p95


def _tell(name: str, server: Server, tiles: list[Tile], rounds: int, tags: dict[Tile, str] | None = None) -> float:
    """Print what tiles take; the 95th percentile in milliseconds."""
    before = server.settled_cpu_s()
    times, _ = _rounds(server, tiles, rounds, tags)
    cpu_ms = 1000 * (server.settled_cpu_s() - before) / len(times)
    p50, p95 = np.percentile(times, (50, 95))
    print(f"  {name:13} p50 {p50:6.2f} ms  p95 {p95:6.2f} ms  CPU {cpu_ms:6.2f} ms per tile, {len(tiles)} tiles")
    return float(p95)


def _rounds(
    server: Server, tiles: Iterable[Tile], rounds: int, tags: dict[Tile, str] | None = None
) -> tuple[list[float], list[tuple[Tile, str]]]:
    """Milliseconds of each answer, and the tiles' ETags."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    times, found = [], []
    for _ in range(rounds):
        for tile in tiles:
            known = {"if-none-match": tags[tile]} if tags else {}
            begun = time.perf_counter()
            connection.request("GET", f"{_TILES}/{tile.z}/{tile.x}/{tile.y}.webp", headers=known)
            answer = connection.getresponse()
            answer.read()
            times.append(1000 * (time.perf_counter() - begun))
            if answer.status != (304 if tags else 200) or answer.getheader("pyramid-lag") != "0":
                raise SystemExit(f"{tile}: status {answer.status}, {answer.getheaders()}")
            found.append((tile, answer.getheader("etag") or ""))
    connection.close()
    return times, found


def _tiles(store: ItemStore) -> list[Tile]:
    """Tiles of low zooms that any scene lies on."""
    boxes = {tuple(item["bbox"]) for item in store.all_items()}
    numbers = set().union(*(cells_touched(box, _ZOOMS[-1]) for box in boxes))
    return sorted(map(cell_tile, numbers), key=lambda tile: (tile.z, tile.x, tile.y))


def _tags(pyramids: PyramidHome) -> dict[int, str]:
    """The tag of every cell of the layer."""
    key = pyramids.book.pyramids()["img"].key
    return {number: cell.tag for number, cell in pyramids.book.all_cells(key).items()}


def _place(number: int, places: int) -> tuple[float, float]:
    """West and north of a place."""
    row, column = divmod(number % places, _COLUMNS)
    return _WEST + column * _STEP, _NORTH - row * _STEP


def _item(folder: Path, number: int, places: int) -> dict[str, Any]:
    """One scene: a date of a place."""
    west, north = _place(number, places)
    bbox = [west, north - _SIDE, west + _SIDE, north]
    ring = [[bbox[i], bbox[j]] for i, j in ((0, 1), (2, 1), (2, 3), (0, 3), (0, 1))]
    acquired = _FIRST + timedelta(days=3 * (number // places), seconds=number % places)
    file = folder / "places" / f"{number % places}.tif"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"S{number:07}",
        "collection": _COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": bbox,
        "properties": {"datetime": format_datetime(acquired), "version": "1", "gsd": 16.0, "title": f"S{number:07}"},
        "links": [],
        "assets": {"visual": {"href": str(file), "type": "image/tiff; application=geotiff"}},
    }


def _write_places(folder: Path, places: int) -> None:
    """A small picture of each place, tiled, in degrees."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for number in range(places):
        path = folder / f"{number}.tif"
        if path.exists():
            continue
        west, north = _place(number, places)
        ground = rng.integers(40, 220, (3, 1, 1)) + rng.integers(-20, 20, (3, _PIXELS, _PIXELS))
        pixel = _SIDE / _PIXELS
        with rasterio.open(
            path, "w", driver="GTiff", width=_PIXELS, height=_PIXELS, count=3, dtype="uint8", crs="EPSG:4326",
            transform=from_origin(west, north, pixel, pixel), tiled=True, blockxsize=_PIXELS, blockysize=_PIXELS,
            photometric="RGB", compress="DEFLATE",
        ) as file:  # fmt: skip
            file.write(ground.astype(np.uint8))


if __name__ == "__main__":
    main()
