"""Raw TIFF files as agencies deliver them: no CRS, any layout."""

import warnings

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning


def positions(height, width, bands):
    """uint16 pixels (row, col, band) that differ everywhere and have no symmetry."""
    row, col, band = np.ogrid[:height, :width, :bands]
    return (row * 211 + col * 17 + (row * col) % 13 + band * 7).astype(np.uint16)


def read_tiff(path):
    """(row, col, band) pixels of a raw TIFF."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as image:
            return image.read().transpose(1, 2, 0)


def write_tiff(path, pixels, **creation):
    """Write (row, col, band) pixels; `creation` are options of GDAL's GTiff driver."""
    height, width, bands = pixels.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": pixels.dtype, **creation}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as image:
            image.write(pixels.transpose(2, 0, 1))
    return path
