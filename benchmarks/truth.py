"""Accuracy of built scenes against deliveries with known ground truth, beside a plain GDAL build of the same files.

    python -m benchmarks.truth BUNDLES [--only NAME_PART]

BUNDLES holds `X.tar.gz` deliveries, an `X.truth/` folder each (truth.json, truth_reflectance.tif, truth_mask.tif and
for PMS truth_sharp.tif) and the elevation models that truth.json names. Prints one table.
"""

import argparse
import json
import tempfile
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.warp import Resampling, reproject
from rasterio.windows import from_bounds
from shapely import make_valid
from shapely.geometry import shape

from cog_builder.calibration import calibration
from cog_builder.deliveries import open_delivery
from cog_builder.elevation import DemFile
from cog_builder.pipeline import build_delivery
from cog_builder.settings import CogBuilderSettings

DELIVERIES = "*.tar.gz"

_GREEN = 1
_WINDOW_PX = 64
_SCALE = 10000.0


@dataclass(frozen=True)
class Accuracy:
    """How a built scene compares with the truth; `…_gdal` is a plain GDAL build of the same delivery."""

    geolocation_rms_px: float
    geolocation_rms_px_gdal: float
    shift_to_gdal_px: float
    bias_percent: float
    bias_percent_gdal: float
    rmse_percent: float
    rmse_percent_gdal: float
    footprint_iou: float
    metadata_exact: bool
    sharp_ergas: float | None
    """None without a pan band."""
    sharp_ergas_plain_ratio: float | None


def shifts_px(ours, truth, good):
    """Least-squares (column, row) shift of every window with enough texture, from the gradients of the truth."""
    found = []
    down, across = np.gradient(truth)
    for top in range(0, truth.shape[0] - _WINDOW_PX, _WINDOW_PX):
        for left in range(0, truth.shape[1] - _WINDOW_PX, _WINDOW_PX):
            part = (slice(top, top + _WINDOW_PX), slice(left, left + _WINDOW_PX))
            if good[part].mean() < 0.4:
                continue
            use = good[part]
            gradients = np.stack([across[part][use], down[part][use]], -1)
            found.append(np.linalg.lstsq(gradients, (truth - ours)[part][use], rcond=None)[0])
    return np.array(found)


def on_grid_of(cog, truth):
    """Pixels of a built COG in the window of a truth raster of the same CRS and grid; (band, row, column)."""
    with rasterio.open(truth) as reference, rasterio.open(cog) as made:
        window = from_bounds(*reference.bounds, transform=made.transform)
        window = window.round_offsets().round_lengths()
        return made.read(window=window, boundless=True, fill_value=0).astype(np.float64), reference.read().astype(
            np.float64
        )


def gdal_reflectance(scene, image, truth, dem):
    """What rasterio.warp.reproject makes of a raw image on the truth's grid."""
    line = calibration(scene, image)
    out = np.zeros((0,))
    for part in image.parts:
        warped = gdal_part(part, len(image.bands), truth, dem)
        out = np.where(out.any(0), out, warped) if out.size else warped
    return line.reflectance(np.moveaxis(out, 0, -1)) * _SCALE * (out > 0).any(0)[..., None]


def gdal_part(part, band_count, truth, dem):
    """One part of a raw image on the truth's grid, digital numbers; GDAL finds the RPC beside the image."""
    beside = {"GDAL_DISABLE_READDIR_ON_OPEN": "FALSE"}
    with rasterio.Env(**beside), rasterio.open(truth) as reference, rasterio.open(part.paths[0]) as raw:
        out = np.zeros((band_count, *reference.shape), np.float32)
        place = {"src_crs": raw.crs, "src_transform": raw.transform}
        if raw.rpcs is not None:
            place = {"src_crs": "EPSG:4326", "rpcs": raw.rpcs, "RPC_DEM": str(dem)}
        reproject(
            raw.read().astype(np.float32),
            out,
            **place,
            dst_crs=reference.crs,
            dst_transform=reference.transform,
            src_nodata=0,
            dst_nodata=0,
            resampling=Resampling.cubic,
            tolerance=0,
        )
        return out


def errors(ours, truth, good):
    """Relative bias and RMSE in percent, the worst band."""
    bias = [abs((a[good] - b[good]).mean()) / b[good].mean() for a, b in zip(ours, truth, strict=True)]
    rmse = [np.sqrt(((a[good] - b[good]) ** 2).mean()) / b[good].mean() for a, b in zip(ours, truth, strict=True)]
    return 100 * max(bias), 100 * max(rmse)


def ergas(ours, truth, good, ratio):
    """Erreur relative globale adimensionnelle de synthèse (Wald 2000)."""
    terms = [((a[good] - b[good]) ** 2).mean() / b[good].mean() ** 2 for a, b in zip(ours, truth, strict=True)]
    return 100 / ratio * np.sqrt(np.mean(terms))


def plain_ratio(scene, truth, dem):
    """Pan-sharpening by a plain ratio on GDAL's warps: bands · pan / mean of the bands' pan-like sum."""
    ms = gdal_reflectance(scene, scene.main, truth, dem)
    pan = gdal_reflectance(scene, scene.pan, truth, dem)[..., 0]
    ratio = scene.main.gsd_m / scene.pan.gsd_m
    side = 2 * round(ratio / 2) + 1
    low = cv2.blur(pan, (side, side))
    return ms * (pan / np.maximum(low, 1))[..., None]


def measure(delivery, bundles):
    """Build one delivery and compare it."""
    truth_folder = delivery.with_name(delivery.name.removesuffix(".tar.gz") + ".truth")
    truth = json.loads((truth_folder / "truth.json").read_text())
    dem = bundles / truth["dem"]
    settings = CogBuilderSettings(target_crs=truth["expected_crs"])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as workspace:
        item = build_delivery(delivery, Path(folder), elevation=DemFile(dem, "ellipsoid"), settings=settings)
        [scene] = open_delivery(delivery, Path(workspace))
        reflectance = truth_folder / "truth_reflectance.tif"
        ours, wanted = on_grid_of(Path(folder) / "analytic.tif", reflectance)
        with rasterio.open(truth_folder / "truth_mask.tif") as mask:
            clear = mask.read(1) == 1
        peer = np.moveaxis(gdal_reflectance(scene, scene.main, reflectance, dem), -1, 0)
        good = clear & (ours > 0).all(0) & (wanted > 0).all(0) & (peer > 0).all(0)
        made, real = shape(item["geometry"]), make_valid(shape(truth["footprint"]))
        sharpened = (None, None)
        if scene.pan is not None:
            sharpened = sharp_errors(scene, Path(folder) / "sharp.tif", truth_folder, dem)
    bias, rmse = errors(ours, wanted, good)
    peer_bias, peer_rmse = errors(peer, wanted, good)
    return Accuracy(
        rms_px(ours, wanted, good),
        rms_px(peer, wanted, good),
        float(np.abs(shifts_px(ours[_GREEN], peer[_GREEN], good).mean(0)).max()),
        bias,
        peer_bias,
        rmse,
        peer_rmse,
        made.intersection(real).area / made.union(real).area,
        is_exact(item["properties"], truth),
        *sharpened,
    )


def rms_px(ours, truth, good):
    """Root mean square of the windows' shifts, of the green band."""
    return float(np.sqrt((shifts_px(ours[_GREEN], truth[_GREEN], good) ** 2).sum(1).mean()))


def is_exact(properties, truth):
    """Whether time, sun and cloud are those of the truth."""
    return (
        datetime.fromisoformat(properties["datetime"]) == datetime.fromisoformat(truth["datetime_utc"])
        and abs(properties["view:sun_elevation"] - truth["sun_elevation"]) < 0.001
        and abs(properties["view:sun_azimuth"] - truth["sun_azimuth"]) < 0.001
        and properties.get("eo:cloud_cover") == truth["cloud_percent"]
    )


def sharp_errors(scene, cog, truth_folder, dem):
    """ERGAS of our sharpened bands and of the plain ratio, in the clear part of the truth's window."""
    path = truth_folder / "truth_sharp.tif"
    sharp, wanted = on_grid_of(cog, path)
    clear = np.zeros(sharp.shape[1:], np.uint8)
    with rasterio.open(path) as place, rasterio.open(truth_folder / "truth_mask.tif") as mask:
        nearest = {"resampling": Resampling.nearest, "dst_transform": place.transform, "dst_crs": place.crs}
        reproject(rasterio.band(mask, 1), clear, **nearest)
    peer = np.moveaxis(plain_ratio(scene, path, dem), -1, 0)
    good = (clear == 1) & (sharp > 0).all(0) & (wanted > 0).all(0) & (peer > 0).all(0)
    ratio = scene.main.gsd_m / scene.pan.gsd_m
    return ergas(sharp, wanted, good, ratio), ergas(peer, wanted, good, ratio)


def main():
    """Measure every delivery with a truth beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    deliveries = [path for path in sorted(options.bundles.glob(DELIVERIES)) if options.only in path.name]
    names = [field.name for field in fields(Accuracy)]
    print("".ljust(38), *(name.rjust(len(name)) for name in names), sep="  ")
    for delivery in deliveries:
        figures = astuple(measure(delivery, options.bundles))
        shown = [f"{value:.4f}" if isinstance(value, float) else str(value) for value in figures]
        print(delivery.name[:38], *(text.rjust(len(name)) for text, name in zip(shown, names, strict=True)), sep="  ")


if __name__ == "__main__":
    main()
