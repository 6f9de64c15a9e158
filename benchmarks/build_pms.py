"""The whole build of a pan-sharpened scene, beside GDAL's warp, pansharpening and COG driver.

    python -m benchmarks.build_pms DATA [--columns 2048 --rows 2048] [--rounds 3] [--only-ours]

DATA is a folder for the simulated GF-2 PMS delivery (multispectral of that size, pan four times as many pixels a side)
and its elevation model; they are made once. A full-size scene is `--columns 7300 --rows 6908`. Both sides read the same
files and write analytic, quality, sharp and visual. Printed are wall and CPU seconds, peak memory, megapixels of the
sharpened image a second, for one and two workers, and the ratios to GDAL with two threads.
"""

import argparse
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import gdal_build
from benchmarks.gdal_build import THREADS
from benchmarks.ground import LATITUDE, LONGITUDE, Patchwork, make_dem
from benchmarks.stopwatch import run
from cog_builder.deliveries import open_delivery
from cog_builder.elevation import DemFile
from cog_builder.footprint import image_outline, rough_bbox
from cog_builder.map_grid import choose_crs, snapped_grid
from cog_builder.simulation import SimulationRequest, simulate_delivery

PAN_RATIO = 4


def make(folder, columns, rows):
    """Simulate the delivery, once."""
    found = [path for path in folder.glob("GF2_PMS*") if path.is_dir()]
    dem = folder / "dem.tif"
    if found:
        return found[0], dem
    folder.mkdir(parents=True, exist_ok=True)
    make_dem(dem, max(columns, rows) * 3.24)
    request = SimulationRequest(
        satellite="GF2",
        sensor_name="PMS2",
        acquired=datetime(2022, 5, 20, 3, 20, tzinfo=UTC),
        longitude=LONGITUDE,
        latitude=LATITUDE,
        width=columns,
        height=rows,
        world=Patchwork(),
        elevation=DemFile(dem, "ellipsoid"),
        product_id=6489317,
        roll_deg=5.0,
        packing="folder",
    )
    return simulate_delivery(request, folder, workers=THREADS), dem


def build_with_gdal(delivery, dem, folder):
    """What GDAL users run for the same files."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        [scene] = open_delivery(delivery, Path(out))
        boxes = [rough_bbox(image.parts[0]) for image in scene.images]
        ground = DemFile(dem, "ellipsoid").around(
            (*np.min(boxes, axis=0)[:2], *np.max(boxes, axis=0)[2:]), max_cells=16_000_000
        )
        outlines = [image_outline(image, ground) for image in scene.images]
        epsg = choose_crs(float(outlines[0][0].mean()), float(outlines[0][1].mean()), scene.finest_gsd_m)
        grids = [
            snapped_grid(epsg, *outline, image.gsd_m) for image, outline in zip(scene.images, outlines, strict=True)
        ]
        gdal_build.build_pms(scene, outlines[1], grids, dem, Path(out))


def main():
    """Run all ways in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--columns", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--step", choices=["make", "gdal"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = [str(options.data), "--columns", str(options.columns), "--rows", str(options.rows)]
    step = [sys.executable, "-W", "ignore", "-m", "benchmarks.build_pms", *size, "--step"]
    folder = options.data / f"pms-{options.columns}x{options.rows}"
    if options.step is None:  # in a process of its own: a child's peak memory counts from what its parent held
        subprocess.run([*step, "make"], check=True)
    delivery, dem = make(folder, options.columns, options.rows)
    if options.step == "gdal":
        build_with_gdal(delivery, dem, folder)
    if options.step is not None:
        return
    command = [str(Path(sys.executable).with_name("imagery-node")), "build", str(delivery), "--dem", str(dem), "--json"]
    ways = ["ours 1 worker", f"ours {THREADS} workers", *([] if options.only_ours else ["gdal"])]
    runs = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way in ways:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                ours = [*command, "--out", out, "--workers", way.split()[1]] if way != "gdal" else [*step, "gdal"]
                runs[way].append(run(ours))
            print(way, {key: round(value, 1) for key, value in runs[way][-1].items()}, file=sys.stderr, flush=True)
    middle = {way: {key: float(np.median([one[key] for one in many])) for key in many[0]} for way, many in runs.items()}
    pan_mpx = options.columns * options.rows * PAN_RATIO**2 / 1e6
    print(f"multispectral {options.columns}×{options.rows}×4, pan {pan_mpx:.0f} Mpx; median of {options.rounds}")
    for way, values in middle.items():
        print(
            f"{way:16} wall {values['wall_s']:7.1f} s   CPU {values['cpu_s']:7.1f} s   "
            f"peak {values['peak_mib']:6.0f} MiB   {pan_mpx / values['wall_s']:5.1f} Mpx/s"
        )
    one, two = (middle[way]["wall_s"] for way in ways[:2])
    print(f"scaling from 1 to {THREADS} workers: {one / two:.2f}×")
    if "gdal" in middle:
        ours, gdal = middle[ways[1]], middle["gdal"]
        print(f"against GDAL: {gdal['wall_s'] / ours['wall_s']:.1f}× wall, {gdal['cpu_s'] / ours['cpu_s']:.1f}× CPU")


if __name__ == "__main__":
    main()
