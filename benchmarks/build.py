"""Orthorectification and the whole build of a large scene, beside GDAL's warp and COG driver.

    python -m benchmarks.build DATA [--pixels 8192] [--rounds 3]

DATA is a folder for the simulated GF-1 WFV delivery and its elevation model; they are made once. Both sides get two
threads and read the same files. Printed are CPU seconds, wall seconds and peak memory of each way, and the ratios.

  ortho     raw image → reflectance-ready pixels on the map grid, nothing written: ours against
            rasterio.warp.reproject with RPC and DEM, with the same resampling
  build     `imagery-node build` against what GDAL users run for the same files: reproject, reflectance,
            COG driver for analytic, quality and (in Web Mercator, JPEG) visual; with cubic, the cheaper kernel
"""

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.enums import Resampling

from benchmarks import gdal_build
from benchmarks.gdal_build import THREADS
from benchmarks.ground import LATITUDE, LONGITUDE, Patchwork, make_dem
from benchmarks.stopwatch import run, spent, started_now
from cog_builder.deliveries import open_delivery
from cog_builder.elevation import DemFile
from cog_builder.footprint import image_outline, rough_bbox
from cog_builder.map_grid import choose_crs, snapped_grid
from cog_builder.orthorectification import Placement, resample
from cog_builder.simulation import SimulationRequest, simulate_delivery
from cog_builder.source_raster import decode_part

KERNELS = {
    "bilinear": (cv2.INTER_LINEAR, Resampling.bilinear),
    "cubic": (cv2.INTER_CUBIC, Resampling.cubic),
    "lanczos": (cv2.INTER_LANCZOS4, Resampling.lanczos),
}


def make(folder, pixels):
    """Simulate the delivery, once."""
    found = [path for path in folder.glob("GF1_WFV*") if path.is_dir()]
    dem = folder / "dem.tif"
    if found:
        return found[0], dem
    folder.mkdir(parents=True, exist_ok=True)
    make_dem(dem, pixels * 16)
    request = SimulationRequest(
        satellite="GF1",
        sensor_name="WFV2",
        acquired=datetime(2020, 5, 23, 3, 20, tzinfo=UTC),
        longitude=LONGITUDE,
        latitude=LATITUDE,
        width=pixels,
        height=pixels,
        world=Patchwork(),
        elevation=DemFile(dem, "ellipsoid"),
        product_id=4819777,
        packing="folder",
    )
    return simulate_delivery(request, folder, workers=THREADS), dem


def opened(delivery, dem, workspace):
    """A scene, its ground and its grid."""
    [scene] = open_delivery(delivery, Path(workspace))
    image = scene.main
    ground = DemFile(dem, "ellipsoid").around(rough_bbox(image.parts[0]), max_cells=16_000_000)
    outline = image_outline(image, ground)
    epsg = choose_crs(float(outline[0].mean()), float(outline[1].mean()), image.gsd_m)
    return scene, ground, outline, snapped_grid(epsg, *outline, image.gsd_m)


def ortho_ours(delivery, dem, kernel):
    """Our orthorectification of every block, in two threads; the decoding of the raw image is not counted."""
    from concurrent.futures import ThreadPoolExecutor

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as workspace:
        scene, ground, _, grid = opened(delivery, dem, workspace)
        image = scene.main
        part = image.parts[0]
        raw = decode_part(part, len(image.bands), Path(workspace))
        placement = Placement(part.geometry, ground, (part.height, part.width))

        def draw(place):
            top, left = place
            rows, cols = (top, min(top + 512, grid.height)), (left, min(left + 512, grid.width))
            position = placement.source_positions(grid, rows, cols)
            return resample(raw, *position, saturated_dn=1023, interpolation=KERNELS[kernel][0]) is not None

        places = [(top, left) for top in range(0, grid.height, 512) for left in range(0, grid.width, 512)]
        started = started_now()
        with ThreadPoolExecutor(THREADS) as pool:
            sum(pool.map(draw, places))
        return spent(started)


def ortho_gdal(delivery, dem, kernel):
    """rasterio.warp.reproject of the same image onto the same grid."""
    with tempfile.TemporaryDirectory() as workspace:
        scene, _, _, grid = opened(delivery, dem, workspace)
        with rasterio.open(scene.main.parts[0].paths[0]) as raw:
            pixels = raw.read()
            out = np.zeros((raw.count, grid.height, grid.width), np.uint16)
            started = started_now()
            gdal_build.warp(raw, pixels, out, f"EPSG:{grid.epsg}", grid.transform, dem, KERNELS[kernel][1])
            return spent(started)


def main():
    """Run all ways in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pixels", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-ours", action="store_true", help="just the memory and time of our build")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.data / str(options.pixels)
    step = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "benchmarks.build",
        str(options.data),
        "--pixels",
        str(options.pixels),
        "--step",
    ]
    if not options.step:  # in a process of its own: a child's peak memory counts from what its parent held
        subprocess.run([*step, "make", "none"], check=True)
    delivery, dem = make(folder, options.pixels)
    if options.step:
        way, kernel = options.step
        if way == "make":
            return
        if way == "build_gdal":
            with tempfile.TemporaryDirectory(dir=folder) as out:
                scene, _, outline, grid = opened(delivery, dem, out)
                gdal_build.build(scene, outline, grid, dem, Path(out))
        else:
            print(json.dumps({"ortho_ours": ortho_ours, "ortho_gdal": ortho_gdal}[way](delivery, dem, kernel)))
        return
    with tempfile.TemporaryDirectory(dir=folder) as out:
        build = [str(Path(sys.executable).with_name("imagery-node")), "build", str(delivery), "--dem", str(dem)]
        ways = {"build ours": lambda number: [*build, "--workers", str(THREADS), "--json", "--out", f"{out}/{number}"]}
        if not options.only_ours:
            for kernel in KERNELS:
                for side in ("ours", "gdal"):
                    ways[f"ortho {kernel} {side}"] = lambda _, s=side, k=kernel: [*step, f"ortho_{s}", k]
            ways["build gdal"] = lambda _: [*step, "build_gdal", "cubic"]
        runs = {name: [] for name in ways}
        for number in range(options.rounds):
            for name, command in ways.items():
                runs[name].append(run(command(number)))
                print(
                    name, {key: round(value, 2) for key, value in runs[name][-1].items()}, file=sys.stderr, flush=True
                )
    middle = {
        name: {key: float(np.median([one[key] for one in many])) for key in many[0]} for name, many in runs.items()
    }
    print(f"{options.pixels}² × 4 bands, {THREADS} threads, median of {options.rounds}")
    for name, values in middle.items():
        print(
            f"{name:20} wall {values['wall_s']:7.1f} s   CPU {values['cpu_s']:7.1f} s   "
            f"peak {values['peak_mib']:6.0f} MiB"
        )
    for name in [name.removesuffix(" ours") for name in middle if name.endswith(" ours") and not options.only_ours]:
        ours, gdal = middle[f"{name} ours"], middle[f"{name} gdal"]
        print(f"{name:20} {gdal['wall_s'] / ours['wall_s']:.1f}× wall, {gdal['cpu_s'] / ours['cpu_s']:.1f}× CPU")


if __name__ == "__main__":
    main()
