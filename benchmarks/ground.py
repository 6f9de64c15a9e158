"""Ground for large simulated scenes: cheap to draw, rough enough to be honest about resampling and compression."""

import numpy as np
import rasterio
from rasterio import Affine

LONGITUDE, LATITUDE = 110.0, 34.0


class Patchwork:
    """A cheap world: fields of random brightness over a slow gradient, with fine grain."""

    def reflectance(self, grid, when):
        """Blue, green, red, nir at the points of a grid."""
        col, row = np.meshgrid(np.arange(grid.width), np.arange(grid.height))
        longitude, latitude = grid.transform @ (col, row)
        picture = np.zeros((grid.height, grid.width), np.float32)
        for cell, weight in ((0.02, 0.5), (0.005, 0.3), (0.0004, 0.2)):
            table = np.random.default_rng(int(1 / cell)).random((97, 89), np.float32)
            rows, cols = np.floor(latitude / cell).astype(int) % 97, np.floor(longitude / cell).astype(int) % 89
            picture += weight * table[rows, cols]
        return np.stack([0.04 + 0.12 * picture, 0.05 + 0.15 * picture, 0.05 + 0.2 * picture, 0.45 - 0.25 * picture], -1)


def make_dem(path, side_m):
    """Hills of 250 to 950 m for a scene of `side_m`, 3 seconds of arc a cell."""
    half, cell = side_m / 111_000 * 0.8 + 0.1, 1 / 1200
    count = round(2 * half / cell)
    profile = {"driver": "GTiff", "width": count, "height": count, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    side = np.linspace(0, 60 * half, count)
    heights = 600 + 350 * np.sin(side)[:, None] * np.cos(1.2 * side)[None, :]
    transform = Affine(cell, 0, LONGITUDE - half, 0, -cell, LATITUDE + half)
    with rasterio.open(path, "w", **profile, transform=transform) as out:
        out.write(heights.astype(np.float32), 1)
