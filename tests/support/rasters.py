"""Small real GeoTIFFs, written by GDAL, whose pixels say where they are."""

import warnings

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.transform import from_origin

UTM_50N = "EPSG:32650"
GAUSS_KRUGER_117E = "EPSG:4548"
BEIJING_UTM = (447_000.0, 4_418_000.0)
"""East and north of a place in Beijing."""


def landscape(height, width, bands, dtype="uint16", low=400, high=9000, seed=1):
    """Smooth ground with fields and noise, (band, row, column), never 0 and without symmetry."""
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[0:height, 0:width] / 256
    base = 0.5 + 0.2 * np.sin(5.1 * col + 1.7 * row) + 0.15 * np.sin(2.3 * row * row - 1.1 * col) + 0.1 * (col - row)
    fields = rng.random((height // 24 + 1, width // 24 + 1)).repeat(24, 0).repeat(24, 1)[:height, :width]
    image = np.stack([base * (1 - 0.1 * b) + 0.25 * fields + 0.02 * rng.random((height, width)) for b in range(bands)])
    image = (image - image.min()) / np.ptp(image)
    return (low + image * (high - low)).astype(dtype)


def write_cog(path, pixels, *, crs=UTM_50N, transform=None, mask=None, alpha=False, names=(), nodata=None, **creation):
    """Write (band, row, column) pixels with GDAL's COG driver; `mask` is (row, column), True where valid."""
    return _write(path, pixels, "COG", crs, transform, mask, alpha, names, nodata, creation)


def write_tiled(
    path, pixels, *, crs=UTM_50N, transform=None, mask=None, alpha=False, names=(), nodata=None, **creation
):
    """Write pixels with GDAL's GTiff driver, which knows layouts that its COG driver does not; no overviews."""
    tiled = {"TILED": "YES", "BLOCKXSIZE": "128", "BLOCKYSIZE": "128", **creation}
    return _write(path, pixels, "GTiff", crs, transform, mask, alpha, names, nodata, tiled)


def _write(path, pixels, driver, crs, transform, mask, alpha, names, nodata, creation):
    bands, height, width = pixels.shape
    profile = {"width": width, "height": height, "count": bands, "dtype": pixels.dtype, "nodata": nodata}
    profile |= {"crs": crs, "transform": transform or from_origin(*BEIJING_UTM, 2, 2)}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        MemoryFile() as memory,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(driver="GTiff", **profile) as flat:
            if alpha:
                flat.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
            for index, name in enumerate(names, 1):
                flat.set_band_description(index, name)
            flat.write(pixels)
            if mask is not None:
                flat.write_mask(mask)
        with memory.open() as flat:
            copy(flat, path, driver=driver, **creation)
    return path


def read_level(path, level):
    """What GDAL reads of one level: pixels (row, column, sample), validity, transform."""
    with rasterio.open(path, **({} if level == 0 else {"overview_level": level - 1})) as dataset:
        pixels = np.moveaxis(dataset.read(), 0, -1)
        flags = {flag for band in dataset.mask_flag_enums for flag in band}
        if dataset.nodata is not None and MaskFlags.nodata in flags:
            valid = (pixels != dataset.nodata).any(axis=2)
        else:
            valid = dataset.dataset_mask() > 127
        return pixels, valid, dataset.transform
