"""Map tiles beside stock TiTiler: the same files, the same tiles in the same formats, two worker processes each.

    python -m benchmarks.tiles [--rounds 3] [--seconds 4] [--connections 8] [--only NAME_PART]

Installs TiTiler into benchmarks/.env and makes its data in benchmarks/data at the first run. Each picture is compared
with TiTiler's before anything is timed; one that is wrong ends the program with exit code 1. Then rounds of load,
alternating between the two, and their medians: requests per second, CPU time of the server's whole process tree per
request, and latency. CPU is the steadier figure where other work runs on the machine. The clients take CPU as well:
on a machine of few cores that costs the faster server more of its rate.

  verbatim      stored blocks of a published `visual` that are the tiles
  rgb, ndvi     a published uint16 COG on another grid: three bands stretched; (nir - red) / (nir + red) with colours
  visual …      an 8-bit RGBA COG in UTM
  not modified  the tiles of `visual webp` again with If-None-Match, against drawing them (TiTiler cannot answer that)

The node runs without its cache of drawn tiles: a composed tile is drawn anew each time, as by TiTiler. Its cache of
decoded blocks is on; TiTiler opens the file anew for each tile.
"""

import argparse
import os
import random
import statistics
import sys
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import morecantile
from morecantile import Tile
from shapely.geometry import box, shape

from benchmarks.load import Target
from benchmarks.peer_environment import TITILER_ENVIRONMENT, peer_python
from benchmarks.picture import compare
from benchmarks.server import ROOT, Answer, Server, ask
from benchmarks.tile_data import FOLDER, SceneFiles, TileData, tile_data
from benchmarks.tile_report import report
from benchmarks.tile_scenario import LISTED, NOT_MODIFIED, PUBLISHED, Match, Scenario, Side

WORKERS = "2"

_ZOOMS = range(12, 17)
_TILES_PER_ZOOM = 30
_LEAST_COVERED = 0.3
_GRID = morecantile.tms.get("WebMercatorQuad")


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run of load")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    options = parser.parse_args()
    python, data = peer_python(), tile_data()
    places = [(scenario, data.published) for scenario in PUBLISHED] + [(scenario, data.listed) for scenario in LISTED]
    with _node(data) as node, _titiler(python) as peer:
        matches = [_prepare(*place, node, peer) for place in places if options.only in place[0].name]
        for number in range(options.rounds):
            print(f"round {number + 1}, load average {os.getloadavg()[0]:.1f}", file=sys.stderr)
            for match in matches:
                for connections in (options.connections, 1):
                    for side in (match.peer, match.node):
                        side.measure(connections=connections, seconds=options.seconds)
    print(report(matches, options.connections))
    if any(match.scenario is NOT_MODIFIED for match in matches):
        print(_count_reads(data))
    if failures := sum(side.failures() for match in matches for side in (match.node, match.peer)):
        sys.exit(f"{failures} requests failed")


def _node(data: TileData) -> Server:
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--home", str(data.home), "--port", "{port}"]
    environment = data.environment | {"IMAGERY_NODE_TILE_CACHE_MIB": "0"}
    return Server("imagery-node", [*command, "--workers", WORKERS], log=FOLDER / "node.log", environment=environment)


def _titiler(python: Path) -> Server:
    command = [str(python), "-m", "uvicorn", "benchmarks.stock_titiler:app", "--port", "{port}", "--no-access-log"]
    log = FOLDER / "titiler.log"
    return Server(
        "TiTiler", [*command, "--workers", WORKERS], log=log, environment=TITILER_ENVIRONMENT, ready="/openapi.json"
    )


def _prepare(scenario: Scenario, scene: SceneFiles, node: Server, peer: Server) -> Match:
    """Ask both for every tile once, check the pictures, and list what the load will ask for."""
    tiles = _tiles(scene, whole=scenario.lane == "verbatim")
    node_paths = [_node_path(scenario, scene, tile) for tile in tiles]
    peer_paths = [_peer_path(scenario, scene, tile, scenario.extension) for tile in tiles]
    ours = [ask(node, path) for path in node_paths]
    theirs = [ask(peer, path) for path in peer_paths]
    references = [ask(peer, _peer_path(scenario, scene, tile, "png")) for tile in tiles]
    _check(scenario, tiles, ours, references)
    targets = [Target(path) for path in node_paths]
    if scenario is NOT_MODIFIED:
        targets = [Target(path, answer.headers["ETag"]) for path, answer in zip(node_paths, ours, strict=True)]
        if any(ask(node, *target).status != 304 for target in targets):
            sys.exit(f"{scenario.name}: not every tile is answered 304")
    sizes = [statistics.mean(len(answer.body) for answer in answers) for answers in (ours, theirs)]
    return Match(scenario, Side(node, targets, sizes[0]), Side(peer, [Target(path) for path in peer_paths], sizes[1]))


def _tiles(scene: SceneFiles, *, whole: bool) -> list[Tile]:
    """Tiles over a scene in a fixed, mixed order: the whole ones only, or also those at its edge."""
    footprint = shape(scene.item["geometry"])
    west, south, east, north = footprint.bounds
    tiles = []
    for zoom in _ZOOMS:
        found = []
        for tile in _GRID.tiles(west, south, east, north, (zoom,)):
            ground = box(*_GRID.bounds(tile))
            share = ground.intersection(footprint).area / ground.area
            if ground.within(footprint) if whole else share >= _LEAST_COVERED:
                found.append(tile)
        tiles += random.Random(zoom).sample(found, min(len(found), _TILES_PER_ZOOM))  # noqa: S311 - the same each time
    random.Random(0).shuffle(tiles)  # noqa: S311 - as above
    return tiles


def _node_path(scenario: Scenario, scene: SceneFiles, tile: Tile) -> str:
    place = f"/raster/collections/{scene.item['collection']}/items/{scene.item['id']}/tiles/WebMercatorQuad"
    return f"{place}/{tile.z}/{tile.x}/{tile.y}.{scenario.extension}?assets={scenario.asset}{scenario.query}"


def _peer_path(scenario: Scenario, scene: SceneFiles, tile: Tile, extension: str) -> str:
    file = urllib.parse.quote(str(scene.path(scenario.asset)), safe="")
    place = f"/cog/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.{extension}"
    return f"{place}?tilesize=256&url={file}{scenario.query}"


def _check(scenario: Scenario, tiles: Sequence[Tile], ours: Sequence[Answer], references: Sequence[Answer]) -> None:
    """End the program when a picture is wrong or did not come the way that is to be timed."""
    wrong, likenesses = [], []
    lane = "verbatim" if scenario.lane == "verbatim" else "composed"
    for tile, answer, reference in zip(tiles, ours, references, strict=True):
        where = f"{scenario.name}: tile {tile.z}/{tile.x}/{tile.y}"
        if (answer.status, reference.status) != (200, 200):
            wrong.append(f"{where} is answered {answer.status}, by TiTiler {reference.status}")
        elif (came := answer.headers["Server-Timing"].partition(",")[0]) != lane:
            wrong.append(f"{where} came as {came!r}, expected {lane!r}")
        else:
            likenesses.append(compare(answer.body, reference.body))
            if problem := likenesses[-1].problem:
                wrong.append(f"{where}: {problem}")
    if wrong or not likenesses:
        sys.exit("\n".join(wrong) or f"{scenario.name}: there are no tiles to ask for")
    colour_off = max(likeness.colour_off for likeness in likenesses)
    correlation = min((each.correlation for each in likenesses if each.correlation is not None), default=1.0)
    told = f"colours within {colour_off:.1f} levels, correlation ≥ {correlation:.3f}"
    print(f"{scenario.name}: {len(tiles)} pictures are right: {told}", file=sys.stderr)


def _count_reads(data: TileData) -> str:
    """How often image files are read by a fresh process that draws tiles, and by one that only answers 304."""
    paths = [_node_path(NOT_MODIFIED, data.listed, tile) for tile in _tiles(data.listed, whole=False)]
    with _counting_node(data) as node:
        drawn = [ask(node, path) for path in paths]
    with _counting_node(data) as node:
        again = [ask(node, path, answer.headers["ETag"]) for path, answer in zip(paths, drawn, strict=True)]
    reads = [answers[-1].headers["Image-Reads"] for answers in (drawn, again)]
    not_modified = sum(answer.status == 304 for answer in again)
    return f"reads of image files: {reads[0]} for {len(drawn)} drawn tiles, {reads[1]} for {not_modified} answers 304"


def _counting_node(data: TileData) -> Server:
    command = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.counting_node:counting_node"]
    environment = data.environment | {"IMAGERY_NODE_HOME": str(data.home), "PYTHONPATH": str(ROOT)}
    log = FOLDER / "counting.log"
    return Server("the counting node", [*command, "--port", "{port}"], log=log, environment=environment)


if __name__ == "__main__":
    main()
