"""Kill the watch, or the Dask workers it builds on, and count what that breaks.

    python -m benchmarks.kill_watch --deliveries 100 --kills 20
    python -m benchmarks.kill_watch --deliveries 100 --kills 20 --dask

Many small deliveries lie in an inbox. Without `--dask` the watch itself is killed again and again, by `kill -9`, and
started anew; with it, one of two workers is. In the end every scene must be published exactly once, no listed item may
lack its files, and nothing may be left in the staging folder. All violations must be 0.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from catalog.maintenance import verify
from catalog.store import open_store
from cog_builder.elevation import ConstantHeight
from cog_builder.simulation import SimulationRequest, simulate_delivery

ROOT = Path(__file__).resolve().parent.parent
HEIGHT_M = 100
PATIENCE_S = 120.0
"""What takes longer hangs."""

_PRODUCT_ID = 4819777
_LOOK_S = 0.02


class _Stripes:
    """Land that is cheap to draw."""

    def reflectance(self, grid: Any, when: datetime) -> Any:
        row, col = np.indices((grid.height, grid.width), np.float32)
        return np.stack([0.1 + 0.02 * band + 0.05 * np.sin(row / 9 + col / (7 + band)) for band in range(4)], axis=-1)


def make_deliveries(folder: Path, count: int) -> list[Path]:
    """Small deliveries of as many scenes: one is simulated, the others are it under another product number."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        request = SimulationRequest(
            satellite="GF1",
            sensor_name="WFV3",
            acquired=datetime(2022, 3, 15, 3, 20, 11, tzinfo=UTC),
            longitude=116.4,
            latitude=39.9,
            width=160,
            height=150,
            world=_Stripes(),
            elevation=ConstantHeight(HEIGHT_M),
            product_id=_PRODUCT_ID,
            packing="folder",
        )
        whole = simulate_delivery(request, Path(place))
        return [_renumbered(whole, folder, _PRODUCT_ID + number) for number in range(count)]


def _renumbered(whole: Path, folder: Path, product_id: int) -> Path:
    old, new = str(_PRODUCT_ID), str(product_id)
    path = folder / f"{whole.name.replace(old, new)}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for member in sorted(whole.iterdir()):
            copy = folder / member.name.replace(old, new)
            content = member.read_bytes()
            copy.write_bytes(content.replace(old.encode(), new.encode()) if member.suffix == ".xml" else content)
            archive.add(copy, copy.name)
            copy.unlink()
    return path


def item_id(delivery: Path) -> str:
    """The id of the scene in one of these deliveries."""
    return f"GF1_WFV3_20220315T032011_L1A{int(delivery.name.split('_L1A')[1][:10])}"


class Watch:
    """`imagery-node watch` in a process of its own."""

    def __init__(self, inbox: Path, home: Path, *options: object) -> None:
        words = ("watch", inbox, "--home", home, "--height", HEIGHT_M, "--poll", 0.1, "--json", *options)
        home.mkdir(exist_ok=True)
        self.home = home
        self.log = home.parent / f"{home.name}-watch.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "imagery_node.cli", *map(str, words)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def lines(self) -> list[dict[str, Any]]:
        """What this watch and those before it told of deliveries."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.kill()


def state_of(home: Path) -> dict[str, dict[str, Any]]:
    """What the watch remembers, by delivery."""
    with contextlib.suppress(FileNotFoundError):
        records = map(json.loads, (home / "watch/state.ndjson").read_text().splitlines())
        return {record["delivery"]: record for record in records}
    return {}


def left_in_staging(home: Path) -> list[Path]:
    """What lies in the staging folder; the lock of the folder itself always stays."""
    return [path for path in home.glob("staging/*") if path.name != ".lock"]


def all_settled(home: Path, count: int) -> bool:
    """Whether so many deliveries are no longer waited for."""
    return sum(record["state"] != "waiting" for record in state_of(home).values()) == count


def published(home: Path) -> int:
    """How many scenes have a version in place."""
    return len(list(home.glob("scenes/*/*/1/item.json")))


def wait_until(condition: Any, *, patience_s: float = PATIENCE_S) -> None:
    """Look until it is true."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {patience_s:g} s")
        time.sleep(_LOOK_S)


@dataclass
class Toll:
    """What the kills cost."""

    kills: int = 0
    in_the_middle: int = 0
    """Kills of a watch that left work in the staging folder behind."""
    seconds: float = 0.0
    published: int = 0
    exit_code: int = 0
    violations: list[str] = field(default_factory=list)


def reckon(home: Path, deliveries: list[Path], toll: Toll) -> Toll:
    """Compare what was published with what was delivered."""
    store = open_store(home)
    times = Counter(change.item_id for change in store.changes(0, limit=10 * len(deliveries)))
    for delivery in deliveries:
        if times[item_id(delivery)] != 1:
            toll.violations.append(f"{item_id(delivery)} was published {times[item_id(delivery)]} times")
    toll.violations += map(str, verify(home, store))
    toll.violations += [f"left: {path}" for path in left_in_staging(home)]
    toll.violations += [f"left: {path}" for path in home.glob("scenes/*/*/[!1]*") if path.name != "collection.json"]
    for record in state_of(home).values():
        if record["state"] != "published":
            toll.violations.append(f"the state says {record}")
    if toll.exit_code:
        toll.violations.append(f"the watch ended with {toll.exit_code}")
    toll.published = len(times)
    return toll


def kill_watches(folder: Path, *, deliveries: int, kills: int, seed: int) -> Toll:
    """Kill so many watches of one inbox, each after a few scenes and a random moment more."""
    dice = random.Random(seed)  # noqa: S311  # a reproducible rehearsal, no secret
    inbox, home, toll, start = folder / "inbox", folder / "home", Toll(), time.monotonic()
    made = make_deliveries(inbox, deliveries)
    while toll.kills < kills:
        before = published(home)
        aim = min(before + dice.randint(0, max(1, deliveries // kills)), deliveries)
        with Watch(inbox, home, "--settle", 0) as watch:
            wait_until(lambda before=before, aim=aim: published(home) >= aim)
            time.sleep(dice.uniform(0, 1.5))
        toll.kills += 1
        toll.in_the_middle += bool(left_in_staging(home))
    with Watch(inbox, home, "--settle", 0) as watch:
        wait_until(lambda: all_settled(home, deliveries))
        toll.exit_code = watch.stop()
    toll.seconds = time.monotonic() - start
    return reckon(home, made, toll)


class Cluster:
    """A Dask scheduler and workers, each a process of its own, as on machines of their own."""

    def __init__(self, folder: Path, *, workers: int) -> None:
        self._folder = folder
        folder.mkdir()
        self._scheduler = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        file = folder / "scheduler.json"
        wait_until(file.exists)
        self.address = json.loads(file.read_text())["address"]
        self.workers = [self.start_worker() for _ in range(workers)]

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One more worker, which builds one scene at a time."""
        return self._start(
            "dask_worker", "--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--local-directory", self._folder
        )

    def _start(self, program: str, *options: object) -> subprocess.Popen[bytes]:
        words = ("--scheduler-file", self._folder / "scheduler.json", "--dashboard-address", "127.0.0.1:0", *options)
        with (self._folder / f"{program}.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", *map(str, words)],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def close(self) -> None:
        """End all processes."""
        for process in (*self.workers, self._scheduler):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


@contextlib.contextmanager
def cluster_of(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """A cluster for the block."""
    cluster = Cluster(folder, workers=workers)
    try:
        yield cluster
    finally:
        cluster.close()


def kill_workers(folder: Path, *, deliveries: int, kills: int, seed: int) -> Toll:
    """Kill one of two workers again and again while a watch builds on them; a new one takes its place."""
    dice = random.Random(seed)  # noqa: S311
    inbox, home, toll, start = folder / "inbox", folder / "home", Toll(), time.monotonic()
    made = make_deliveries(inbox, deliveries)
    with (
        cluster_of(folder / "cluster", workers=2) as cluster,
        Watch(inbox, home, "--settle", 0, "--dask", cluster.address) as watch,
    ):
        while toll.kills < kills:
            aim = min(published(home) + dice.randint(1, max(1, deliveries // kills)), deliveries)
            wait_until(lambda aim=aim: published(home) >= aim)
            time.sleep(dice.uniform(0, 0.5))
            victim = dice.randrange(2)
            cluster.workers[victim].kill()
            cluster.workers[victim].wait()
            toll.kills += 1
            if toll.kills < kills:
                cluster.workers[victim] = cluster.start_worker()
        wait_until(lambda: all_settled(home, deliveries))
        toll.exit_code = watch.stop()
    toll.seconds = time.monotonic() - start
    return reckon(home, made, toll)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--dask", action="store_true", help="kill Dask workers instead of the watch")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    rehearse = kill_workers if options.dask else kill_watches
    toll = rehearse(folder, deliveries=options.deliveries, kills=options.kills, seed=options.seed)
    print(f"kills       {toll.kills} {'workers' if options.dask else 'watches'} in {toll.seconds:.0f} s")
    if not options.dask:
        print(f"            {toll.in_the_middle} of them in the middle of a scene")
    print(f"deliveries  {options.deliveries}, published {toll.published}")
    print(f"violations  {len(toll.violations)}")
    for violation in toll.violations:
        print(f"VIOLATION {violation}")
    if not toll.violations:
        shutil.rmtree(folder)
    sys.exit(bool(toll.violations))


if __name__ == "__main__":
    main()
