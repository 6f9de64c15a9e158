"""Sharpened colours against deliveries with known truth, beside other methods; and shifts put in and found again.

    python -m benchmarks.sharpening BUNDLES [--only NAME_PART]

BUNDLES is what `benchmarks.truth` reads. For every delivery with a pan image it prints

  methods       ERGAS, mean correlation of the bands and mean spectral angle, in the clear part of truth_sharp.tif: of
                our bands; of Brovey's method with our positions and weights, and with equal weights on GDAL's warps; of
                a plain ratio on GDAL's warps; of GDAL's pan-sharpening of them (`gdal_pansharpen` without options)
  registration  the camera model of the colours is moved by so many pan pixels: error of the shift that is found, and
                our ERGAS without and with it
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.warp import Resampling, reproject

from benchmarks.truth import ergas, gdal_reflectance, plain_ratio
from cog_builder.deliveries import open_delivery
from cog_builder.drawing import SceneDrawing, scene_drawing
from cog_builder.elevation import DemFile, Elevation
from cog_builder.footprint import image_outline, rough_bbox
from cog_builder.fusion import fit_fusion
from cog_builder.map_grid import MapGrid, snapped_grid
from cog_builder.orthorectification import RawPixels
from cog_builder.registration import NO_SHIFT, Shift
from cog_builder.scene import Scene
from cog_builder.source_raster import decode_part

SHIFTS_PAN_PX = [(0, 0), (0.4, 0), (0, -0.4), (1.7, 0), (0, 1.7), (-1.7, 0), (1.2, -1.2), (6.8, 0), (-4.8, 4.8)]
"""The last two are 1.7 pixels of the colours."""

_SCALE = 10000.0
_MARGIN_PX = 16
_VRT = """<VRTDataset subClass="VRTPansharpenedDataset"><PansharpeningOptions><Resampling>Cubic</Resampling>
<PanchroBand><SourceFilename>{folder}/pan.tif</SourceFilename><SourceBand>1</SourceBand></PanchroBand>
{bands}</PansharpeningOptions></VRTDataset>"""
_VRT_BAND = """<SpectralBand dstBand="{band}"><SourceFilename>{folder}/ms.tif</SourceFilename>
<SourceBand>{band}</SourceBand></SpectralBand>"""


@dataclass(frozen=True)
class Opened:
    """A delivery, decoded, and its truth."""

    scene: Scene
    raws: list[list[RawPixels]]
    ground: Elevation
    dem: Path
    truth: Path
    wanted: np.ndarray
    """(band, row, column), reflectance × 10000."""
    clear: np.ndarray
    window: MapGrid
    """The grid of the truth."""

    @property
    def ratio(self) -> float:
        """Pixel of the colours / pan pixel."""
        return self.scene.main.gsd_m / self.scene.pan.gsd_m

    def fitted(self, moved: Shift = NO_SHIFT) -> tuple[SceneDrawing, tuple[str, ...]]:
        """The scene, registered and ready to be sharpened, after its colours' camera model was moved by `moved`."""
        main, pan = self.scene.main, self.scene.pan
        [part] = main.parts
        rpc = part.geometry
        rpc = replace(rpc, sample_offset=rpc.sample_offset + moved.col, line_offset=rpc.line_offset + moved.row)
        scene = replace(self.scene, main=replace(main, parts=(replace(part, geometry=rpc),)))
        drawing = scene_drawing(scene, self.raws, self.ground)
        grid = snapped_grid(self.window.epsg, *image_outline(pan, self.ground), pan.gsd_m)
        return fit_fusion(drawing, drawing.pan, grid)

    def sharpened(self, drawing: SceneDrawing) -> np.ndarray:
        """Our bands in the truth's window, as `sharp` holds them; (band, row, column)."""
        block = drawing.finest(self.window, (0, self.window.height), (0, self.window.width))
        bands = np.maximum(np.rint(block.reflectance * _SCALE), 1) * block.valid[..., None]
        return np.moveaxis(bands, -1, 0)

    def figures(self, made: np.ndarray) -> tuple[float, float, float]:
        """ERGAS, correlation, spectral angle in degrees."""
        good = self.clear & (made > 0).all(0) & (self.wanted > 0).all(0)
        ours, real = made[:, good].astype(np.float64), self.wanted[:, good]
        correlation = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ours, real, strict=True)])
        cosine = (ours * real).sum(0) / np.linalg.norm(ours, axis=0) / np.linalg.norm(real, axis=0)
        angle = np.degrees(np.arccos(np.minimum(cosine, 1))).mean()
        return float(ergas(made, self.wanted, good, self.ratio)), float(correlation), float(angle)


@contextmanager
def opened(delivery: Path, bundles: Path) -> Iterator[Opened]:
    """Open a delivery that has a pan image and `truth_sharp.tif`."""
    folder = delivery.with_name(delivery.name.removesuffix(".tar.gz") + ".truth")
    dem = bundles / json.loads((folder / "truth.json").read_text())["dem"]
    truth = folder / "truth_sharp.tif"
    with tempfile.TemporaryDirectory() as name, rasterio.open(truth) as place:
        workspace = Path(name)
        [scene] = open_delivery(delivery, workspace)
        raws = [[decode_part(part, len(image.bands), workspace) for part in image.parts] for image in scene.images]
        boxes = [rough_bbox(part) for image in scene.images for part in image.parts]
        west, south, east, north = zip(*boxes, strict=True)
        ground = DemFile(dem, "ellipsoid").around((min(west), min(south), max(east), max(north)), max_cells=16_000_000)
        clear = np.zeros(place.shape, np.uint8)
        with rasterio.open(folder / "truth_mask.tif") as mask:
            nearest = {"resampling": Resampling.nearest, "dst_transform": place.transform, "dst_crs": place.crs}
            reproject(rasterio.band(mask, 1), clear, **nearest)
        corner, pixel = (place.transform.c, place.transform.f), place.transform.a
        window = MapGrid(place.crs.to_epsg(), *corner, pixel, place.width, place.height)
        yield Opened(scene, raws, ground, dem, truth, place.read().astype(np.float64), clear == 1, window)


def brovey(opened):
    """Bands · pan / mean of the bands, on GDAL's warps."""
    ms = gdal_reflectance(opened.scene, opened.scene.main, opened.truth, opened.dem)
    pan = gdal_reflectance(opened.scene, opened.scene.pan, opened.truth, opened.dem)
    return np.moveaxis(ms * pan / np.maximum(ms.mean(-1, keepdims=True), 1), -1, 0)


def weighted_brovey(opened, drawing):
    """Bands · pan / weighted mean of the bands, at our positions and with our weights."""
    rows, cols = (0, opened.window.height), (0, opened.window.width)
    grey = drawing.pan.draw(opened.window, rows, cols).reflectance
    ms = drawing.main.draw(opened.window, rows, cols, cv2.INTER_CUBIC, drawing.shift).reflectance
    seen = drawing.sharpening.intensity(ms)[..., None]
    return np.moveaxis(ms * grey / np.maximum(seen, 1e-4) * _SCALE, -1, 0)


def gdal_pansharpened(opened):
    """GDAL's pan-sharpening of its own warps: colours on a grid of their own pixels, cubic, equal weights."""
    window, ratio, count = opened.window, round(opened.ratio), len(opened.scene.main.bands)
    margin, side = _MARGIN_PX * ratio, -(-max(opened.window.width, opened.window.height) // ratio) + 2 * _MARGIN_PX
    corner = window.left - margin * window.pixel, window.top + margin * window.pixel
    with tempfile.TemporaryDirectory() as folder:
        for image, pixels in ((opened.scene.main, side), (opened.scene.pan, side * ratio)):
            pixel = window.pixel * side * ratio / pixels
            profile = {"driver": "GTiff", "dtype": "uint16", "width": pixels, "height": pixels}
            profile |= {"count": len(image.bands), "crs": f"EPSG:{window.epsg}"}
            profile["transform"] = rasterio.Affine(pixel, 0, corner[0], 0, -pixel, corner[1])
            path = Path(folder) / f"{image.kind}.tif"
            with rasterio.open(path, "w", **profile) as made:
                made.write(np.zeros((made.count, *made.shape), np.uint16))
            warped = np.rint(gdal_reflectance(opened.scene, image, path, opened.dem)).clip(0, 65535)
            with rasterio.open(path, "r+") as made:
                made.write(np.moveaxis(warped, -1, 0).astype(np.uint16))
        bands = "".join(_VRT_BAND.format(band=band, folder=folder) for band in range(1, count + 1))
        with rasterio.open(_VRT.format(folder=folder, bands=bands)) as made:
            return made.read()[:, margin : margin + window.height, margin : margin + window.width].astype(np.float64)


def methods(opened, drawing):
    """What every method makes of a scene, by name; (band, row, column), reflectance × 10000."""
    return {
        "ours": opened.sharpened(drawing),
        "Brovey, our weights": weighted_brovey(opened, drawing),
        "Brovey": brovey(opened),
        "plain ratio": np.moveaxis(plain_ratio(opened.scene, opened.truth, opened.dem), -1, 0),
        "GDAL pansharpen": gdal_pansharpened(opened),
    }


def report(opened):
    """Print both tables of a delivery."""
    drawing, warnings = opened.fitted()
    print(opened.scene.title, *warnings)
    for name, made in methods(opened, drawing).items():
        error, correlation, angle = opened.figures(made)
        print(f"  {name:20} ERGAS {error:.4f}   correlation {correlation:.4f}   spectral angle {angle:.3f}°")
    for col, row in SHIFTS_PAN_PX:
        moved = Shift(col / opened.ratio, row / opened.ratio)
        fitted, warnings = opened.fitted(moved)
        error_px = (fitted.shift + moved).length
        without, found = (opened.figures(opened.sharpened(one))[0] for one in (replace(fitted, shift=NO_SHIFT), fitted))
        print(
            f"  moved by {col:4.1f}, {row:4.1f} pan px   error {error_px * opened.ratio:.3f} pan px "
            f"({error_px:.4f} px of the colours)   ERGAS {without:.3f}, registered {found:.3f}",
            *warnings,
        )


def main():
    """Measure every delivery with a pan image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    for truth in sorted(options.bundles.glob("*.truth/truth_sharp.tif")):
        if options.only in truth.parent.name:
            with opened(truth.parent.with_suffix(".tar.gz"), options.bundles) as delivery:
                report(delivery)


if __name__ == "__main__":
    main()
