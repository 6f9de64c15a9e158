"""Kill publishers at random instants and at every named step, and count what that breaks.

    python -m benchmarks.kill_publisher --kills 200

After each kill the leftovers are swept, and then every listed item is compared with its files, every publication that
was acknowledged is looked for, and every folder that nobody lists is counted. All violations must be 0.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from catalog import sidecar
from catalog.errors import CatalogError
from catalog.fail_point import PUBLISH_STEPS, SWITCH, VARIABLE
from catalog.item import ITEM_FILE
from catalog.maintenance import Swept, sweep, verify
from catalog.publishing import publish
from catalog.search import ItemStore
from catalog.staging import checksum
from catalog.store import open_store

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 120.0
"""A publisher that lives longer hangs, and is killed so that whoever waits for it notices."""

_COLLECTION = "gf2-pms"
_WEST, _SOUTH, _EAST, _NORTH = 116.0, 39.0, 116.02, 39.02


def build_scene(folder: Path, item_id: str, *, seed: int = 0, collection: str = _COLLECTION) -> Path:
    """A built scene folder with tiny real GeoTIFFs; another seed gives other pixels."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(1, 255, (4, 32, 32))
    files = {"analytic": ("analytic.tif", "uint16", 4), "visual": ("visual.tif", "uint8", 3)}
    files["quality"] = ("quality.tif", "uint8", 1)
    transform = from_origin(_WEST, _NORTH, 6e-4, 6e-4)
    profile = {"driver": "GTiff", "width": 32, "height": 32, "crs": "EPSG:4326", "transform": transform}
    assets = {}
    for key, (name, dtype, bands) in files.items():
        with rasterio.open(folder / name, "w", **profile, count=bands, dtype=dtype) as file:
            file.write(pixels[:bands].astype(dtype))
        assets[key] = _asset(folder, name)
    Image.fromarray(np.moveaxis(pixels[:3], 0, -1).astype(np.uint8)).save(folder / "thumbnail.webp")
    assets["thumbnail"] = _asset(folder, "thumbnail.webp")
    (folder / "source").mkdir()
    (folder / "source" / "scene.xml").write_text(f"<ProductMetaData>{seed}</ProductMetaData>")
    assets["metadata"] = _asset(folder, "source/scene.xml")
    (folder / ITEM_FILE).write_text(json.dumps(_item(item_id, collection, assets)))
    return folder


def _asset(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    return {"href": f"./{name}", "file:size": path.stat().st_size, "file:checksum": checksum(path), "roles": ["data"]}


def _item(item_id: str, collection: str, assets: dict[str, Any]) -> dict[str, Any]:
    ring = [[_WEST, _SOUTH], [_EAST, _SOUTH], [_EAST, _NORTH], [_WEST, _NORTH], [_WEST, _SOUTH]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": item_id,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [_WEST, _SOUTH, _EAST, _NORTH],
        "properties": {
            "datetime": "2024-10-12T03:22:47Z",
            "created": "2024-10-13T00:00:00Z",
            "updated": "2024-10-13T00:00:00Z",
            "title": item_id,
            "platform": "gaofen-2",
            "constellation": "gaofen",
            "instruments": ["pms2"],
            "gsd": 0.8,
            "version": "1",
        },
        "links": [],
        "assets": assets,
    }


def open_every_raster(folder: Path, item: dict[str, Any]) -> None:
    """What the harness verifies before a scene is sealed: every raster opens and decodes."""
    for asset in item["assets"].values():
        if asset["href"].endswith(".tif"):
            with rasterio.open(folder / asset["href"]) as file:
                file.read()


def serve_publishing(home: Path, lease_s: float, *, replace: bool) -> None:
    """The publisher under test: reads scene folders line by line, answers one line each once it is published."""
    store = open_store(home, lease_s=lease_s)
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            done = publish(Path(line.strip()), home=home, store=store, verify=open_every_raster, replace=replace)
            answer = {"id": done.item_id, "version": done.version, "already": done.already_published}
        except CatalogError as error:
            answer = {"error": error.code, "detail": str(error)}
        print(json.dumps(answer), flush=True)


class Publisher:
    """A publisher in a process of its own, ready to be killed."""

    def __init__(self, home: Path, *, lease_s: float = 60.0, replace: bool = False, fail_point: str = "") -> None:
        command = [sys.executable, "-m", "benchmarks.kill_publisher", "--serve", str(home), "--lease-s", str(lease_s)]
        self._process = subprocess.Popen(
            [*command, "--replace"] if replace else command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), SWITCH: "1", VARIABLE: fail_point},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._watchdog = threading.Timer(PATIENCE_S, self._process.kill)
        self._watchdog.start()
        self._questions, self._answers = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)

    def wait_until_ready(self) -> None:
        """Everything is imported and the store is open."""
        if self._answers.readline().strip() != "ready":
            raise RuntimeError("the publisher did not start")

    def ask(self, folder: Path) -> None:
        """Hand it a scene folder; it goes on by itself."""
        self._questions.write(f"{folder}\n")
        self._questions.flush()

    def answer(self) -> dict[str, Any] | None:
        """Its next answer; None when it died before giving one."""
        line = self._answers.readline()
        return json.loads(line) if line.endswith("\n") else None

    def finish(self) -> None:
        """Let it finish what it was asked and wait for its end, however it comes."""
        with contextlib.suppress(BrokenPipeError):
            self._questions.close()
        self._process.wait()
        self._watchdog.cancel()
        self._answers.close()

    def kill(self) -> list[dict[str, Any]]:
        """`kill -9`; gives the answers that were given before."""
        self._process.kill()
        answers = []
        while (answer := self.answer()) is not None:
            answers.append(answer)
        self.finish()
        return answers


@dataclass
class Toll:
    """What the kills cost."""

    kills: int = 0
    acknowledged: int = 0
    dangling: list[str] = field(default_factory=list)
    """Listed items whose files are missing or differ."""
    lost: list[str] = field(default_factory=list)
    """Publications that were acknowledged and are not listed."""
    leftovers: list[str] = field(default_factory=list)
    """Staging jobs and versions that the sweep left behind."""
    swept: Swept = field(default_factory=Swept)
    slowest_sweep_s: float = 0.0

    @property
    def violations(self) -> list[str]:
        """Everything that must not be."""
        return [*self.dangling, *self.lost, *self.leftovers]


class Rehearsal:
    """One home through many deaths of its publishers."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.home = folder / "home"
        self.toll = Toll()
        self._inbox = folder / "inbox"
        self._random = random.Random(seed)  # noqa: S311  # a reproducible rehearsal, no secret
        self._store: ItemStore = open_store(self.home)
        self._acknowledged: dict[str, int] = {}
        self._template = build_scene(folder / "template", "template")

    def kill_two_at_random(self) -> None:
        """Kill two publishers of the same scenes, each within 10–500 ms after they were given work."""
        replace = self._random.random() < 0.5
        publishers = [Publisher(self.home, replace=replace) for _ in range(2)]
        folders = self._scenes(count=30, again=replace)
        for publisher in publishers:
            publisher.wait_until_ready()
        for folder in folders:
            for publisher in publishers:
                publisher.ask(folder)
        answers = []
        for publisher in publishers:
            time.sleep(self._random.uniform(0.01, 0.25))
            answers += publisher.kill()
        self._reckon(answers, kills=2)

    def kill_at(self, step: str) -> None:
        """Let a publisher die at a named step."""
        replace = self._random.random() < 0.5
        publisher = Publisher(self.home, replace=replace, fail_point=f"{step}:kill")
        (folder,) = self._scenes(count=1, again=replace)
        publisher.wait_until_ready()
        publisher.ask(folder)
        answer = publisher.answer()
        publisher.finish()
        self._reckon([answer] if answer else [], kills=1)

    def _scenes(self, *, count: int, again: bool) -> list[Path]:
        """Folders of new scenes, or also of scenes that were acknowledged before."""
        known = list(self._acknowledged) if again else []
        folders = []
        for _ in range(count):
            reuse = known and self._random.random() < 0.5
            item_id = self._random.choice(known) if reuse else f"GF2_PMS2_{self._random.getrandbits(48):012x}"
            folder = self._inbox / f"{item_id}-{self._random.getrandbits(32):08x}"
            shutil.copytree(self._template, folder)
            text = (folder / ITEM_FILE).read_text().replace('"template"', f'"{item_id}"')
            (folder / ITEM_FILE).write_text(text)
            folders.append(folder)
        return folders

    def _reckon(self, answers: list[dict[str, Any]], *, kills: int) -> None:
        self.toll.kills += kills
        for answer in answers:
            if "error" in answer:
                self.toll.lost.append(str(answer))
                continue
            self.toll.acknowledged += 1
            newest = max(int(answer["version"]), self._acknowledged.get(answer["id"], 0))
            self._acknowledged[answer["id"]] = newest
        self._sweep()
        shutil.rmtree(self._inbox, ignore_errors=True)
        self.toll.dangling += map(str, verify(self.home, self._store))
        listed = {item["id"]: int(item["properties"]["version"]) for item in self._store.all_items()}
        self.toll.lost += [key for key, version in self._acknowledged.items() if listed.get(key, 0) < version]
        self.toll.leftovers += [path.name for path in (self.home / "staging").iterdir() if path.name != ".lock"]
        for scene in sidecar.scene_folders(self.home):
            if sorted(path.name for path in scene.iterdir()) != [str(listed.get(scene.name))]:
                self.toll.leftovers.append(str(scene))

    def _sweep(self) -> None:
        start = time.monotonic()
        swept = sweep(self.home, self._store, grace_s=0)
        self.toll.slowest_sweep_s = max(self.toll.slowest_sweep_s, time.monotonic() - start)
        for name, count in vars(swept).items():
            setattr(self.toll.swept, name, getattr(self.toll.swept, name) + count)


def rehearse(folder: Path, *, kills: int, seed: int) -> Toll:
    """Kill so many publishers: a third at the named steps in turn, the others at random instants."""
    rehearsal = Rehearsal(folder, seed)
    steps = itertools.cycle(PUBLISH_STEPS)
    while rehearsal.toll.kills < kills:
        rehearsal.kill_at(next(steps))
        rehearsal.kill_two_at_random()
    return rehearsal.toll


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--lease-s", type=float, default=60.0, help=argparse.SUPPRESS)
    parser.add_argument("--replace", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_publishing(options.serve, options.lease_s, replace=options.replace)
        return
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        toll = rehearse(Path(folder), kills=options.kills, seed=options.seed)
    print(f"kills                     {toll.kills} in {time.monotonic() - start:.0f} s, seed {options.seed}")
    print(f"acknowledged publications {toll.acknowledged}")
    print(f"acknowledged and lost     {len(toll.lost)}")
    print(f"listed without good files {len(toll.dangling)}")
    print(f"left behind by the sweep  {len(toll.leftovers)}")
    print(f"swept                     {toll.swept.staging_jobs} staging jobs and claims, {toll.swept.resumed} resumed,")
    print(f"                          {toll.swept.removed_versions} old versions; slowest {toll.slowest_sweep_s:.2f} s")
    for violation in toll.violations:
        print(f"VIOLATION {violation}")
    sys.exit(bool(toll.violations))


if __name__ == "__main__":
    main()
