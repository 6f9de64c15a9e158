"""Colour balance of a strip: how much less the pictures of four scenes differ where they overlap.

    python -m benchmarks.balance DATA [--pixels 400] [--sensor PMS1]

DATA is a folder for the simulated deliveries and for two nodes; the deliveries are made once. The scenes follow each
other along the track, every few days, under a sky of their own: calibration that is off by up to a third, and haze.
They are published with `--balance none` and with `--balance neighbours`. Printed is the mean difference of the
pictures over the three overlaps, of their mean colours and of their pixels; `strip-none.png` and
`strip-neighbours.png` in DATA show them.
"""

import argparse
import math
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

from cog_builder.elevation import ConstantHeight
from cog_builder.simulation import Landscape, SimulationRequest, World, simulate_delivery

HEIGHT_M = 60.0
SKIES = (
    ((1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0)),
    ((1.25, 1.18, 1.12, 1.05), (0.02, 0.013, 0.008, 0.003)),
    ((0.8, 0.86, 0.9, 0.95), (-0.008, -0.005, -0.003, 0.0)),
    ((0.95, 1.05, 1.15, 1.1), (0.06, 0.045, 0.03, 0.012)),
)
"""What each scene sees: factors and haze of blue, green, red and nir."""
STEP = 0.75
"""From scene to scene, as a share of their length."""

_FIRST = datetime(2022, 5, 3, 3, 10, tzinfo=UTC)
_TRACK_DEG = 11.5


@dataclass(frozen=True)
class UnderSky:
    """A world as it looks through another sky."""

    world: World
    factors: tuple[float, ...]
    haze: tuple[float, ...]

    def reflectance(self, grid, when):
        """Of blue, green, red and nir at the points of a grid."""
        seen = self.world.reflectance(grid, when)
        return seen * np.array(self.factors, np.float32) + np.array(self.haze, np.float32)


def simulate_strip(folder, world, place, *, sensor="PMS1", width=400, height=400, every=timedelta(days=4)):
    """Simulate four GF-1 scenes from north to south; `place` is the (longitude, latitude) of the first."""
    gsd_m = 8 if sensor.startswith("PMS") else 16
    deliveries = []
    for number, (factors, haze) in enumerate(SKIES):
        along_m = -number * STEP * height * gsd_m / 111_320
        east = math.sin(math.radians(_TRACK_DEG)) / math.cos(math.radians(place[1]))
        request = SimulationRequest(
            satellite="GF1",
            sensor_name=sensor,
            acquired=_FIRST + number * every,
            longitude=place[0] + along_m * east,
            latitude=place[1] + along_m * math.cos(math.radians(_TRACK_DEG)),
            width=width,
            height=height,
            world=UnderSky(world, factors, haze),
            elevation=ConstantHeight(HEIGHT_M),
            product_id=6391527 + number,
            track_deg=_TRACK_DEG,
        )
        deliveries.append(simulate_delivery(request, folder))
    return deliveries


def pictures(home):
    """The pictures of a node in the order of their dates."""
    return sorted(home.glob("scenes/*/*/*/visual.tif"), key=lambda path: path.parts[-3].split("_")[2])


def overlap_differences(paths):
    """For each picture and the next one: differences of the mean colours, and of the pixels, in levels."""
    return [_difference(*pair) for pair in pairwise(paths)]


def _difference(one, other):
    with rasterio.open(one) as first, rasterio.open(other) as second:
        left, top = max(first.bounds.left, second.bounds.left), min(first.bounds.top, second.bounds.top)
        right, bottom = min(first.bounds.right, second.bounds.right), max(first.bounds.bottom, second.bounds.bottom)
        windows = [image.window(left, bottom, right, top).round() for image in (first, second)]
        parts = [image.read(window=window) for image, window in zip((first, second), windows, strict=True)]
        shown = [image.dataset_mask(window=window) for image, window in zip((first, second), windows, strict=True)]
    both = (shown[0] > 0) & (shown[1] > 0)
    colours = [part[:, both].astype(float) for part in parts]
    means = [colour.mean(axis=1) for colour in colours]
    return float(abs(means[0] - means[1]).mean()), float(abs(colours[0] - colours[1]).mean())


def publish(deliveries, home, balance):
    """Publish with the command line."""
    command = [sys.executable, "-m", "imagery_node.cli", "publish", *map(str, deliveries), "--home", str(home)]
    subprocess.run([*command, "--height", str(HEIGHT_M), "--balance", balance], check=True, stdout=subprocess.DEVNULL)


def draw(paths, png):
    """All pictures in one on white, the later ones on top, without the empty surroundings."""
    with ExitStack() as stack:
        images = [stack.enter_context(rasterio.open(path)) for path in paths]
        left, top = min(image.bounds.left for image in images), max(image.bounds.top for image in images)
        right, bottom = max(image.bounds.right for image in images), min(image.bounds.bottom for image in images)
        pixel = images[0].transform.a
        canvas = np.full((round((top - bottom) / pixel), round((right - left) / pixel), 3), 255, np.uint8)
        for image in images:
            row, col = round((top - image.bounds.top) / pixel), round((image.bounds.left - left) / pixel)
            part = canvas[row : row + image.height, col : col + image.width]
            shown = image.dataset_mask() > 0
            part[shown] = np.moveaxis(image.read(), 0, -1)[shown]
    rows, cols = (np.flatnonzero((canvas < 255).any(axis=(axis, 2))) for axis in (1, 0))
    Image.fromarray(canvas[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]).save(png)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pixels", type=int, default=400, help="side of the multispectral images")
    parser.add_argument("--sensor", default="PMS1", help="PMS1, PMS2 or WFV1 to WFV4")
    args = parser.parse_args()
    inbox = args.data / f"{args.sensor}-{args.pixels}"
    if not inbox.exists():
        inbox.mkdir(parents=True)
        land = Landscape(longitude=116.42, latitude=39.88)
        simulate_strip(inbox, land, land.place(0, 4000), sensor=args.sensor, width=args.pixels, height=args.pixels)
    deliveries = sorted(inbox.iterdir())
    means = {}
    for balance in ("none", "neighbours"):
        home = args.data / f"home-{balance}"
        shutil.rmtree(home, ignore_errors=True)
        publish(deliveries, home, balance)
        found = overlap_differences(pictures(home))
        means[balance] = np.mean(found, axis=0)
        draw(pictures(home), args.data / f"strip-{balance}.png")
        told = "  ".join(f"{colour:.2f} / {pixel:.2f}" for colour, pixel in found)
        print(f"{balance:10}  mean colour / pixels per overlap, levels of 255: {told}")
    colour, pixel = means["none"] / means["neighbours"]
    print(f"lower by     {colour:.1f} x in the mean colour, {pixel:.1f} x in the pixels")


if __name__ == "__main__":
    main()
