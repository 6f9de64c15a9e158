"""Camera and elevation → map grid: where each output pixel lies in the raw image, and its value there.

RPC and height are evaluated on every n-th output pixel only; in between the position is interpolated. n halves until
the interpolation is off by less than `_TOLERANCE_PX` at the cell centres, so rough ground costs more than smooth.
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cog_builder.elevation import Elevation
from cog_builder.errors import GeolocationError
from cog_builder.map_grid import MapGrid
from cog_builder.rpc import Rpc
from cog_builder.scene import MapReference

Floats = NDArray[np.float64]

_TOLERANCE_PX = 0.04
_COARSEST_STEP = 32
_REMAP_BANDS = 4
_PROBES = 9
_PROBE_MARGIN_PX = 256
"""More than relief between two probes can move a pixel: within a block of any of these cameras some 150."""
_KERNEL_MARGIN = 5
"""Raw pixels around a window that the cubic kernel and the filling of fill pixels reach for."""


class RawPixels(Protocol):
    """A raw image that is read by windows (`source_raster.RawRaster`)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, columns, bands)."""

    def read(self, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[np.uint16]:
        """The window [start, stop) as (row, column, band)."""


@dataclass(frozen=True)
class ThinnedPixels:
    """One of `step` × `step` pixels of a raw image, for a coarse look at much of it; the others are hardly read."""

    raw: RawPixels
    step: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, columns, bands)."""
        height, width, bands = self.raw.shape
        return -(-height // self.step), -(-width // self.step), bands

    def read(self, rows: tuple[int, int], cols: tuple[int, int]) -> NDArray[np.uint16]:
        """The window [start, stop) as (row, column, band)."""
        height, width, _ = self.raw.shape
        picked_rows, picked = (
            np.minimum(np.arange(*span) * self.step + self.step // 2, length - 1)
            for span, length in ((rows, height), (cols, width))
        )
        left, right = int(picked[0]), int(picked[-1]) + 1
        lines = (self.raw.read((row, row + 1), (left, right)) for row in picked_rows.tolist())
        return np.concatenate([line[:, picked - left] for line in lines])


@dataclass(frozen=True)
class Placement:
    """Where the pixels of an image lie: its camera over the ground, or the map it was delivered on."""

    geometry: Rpc | MapReference
    elevation: Elevation | None
    """Only an image on a map does without."""
    shape: tuple[int, int]
    """(rows, columns) of the image."""

    def is_beside(self, grid: MapGrid, rows: tuple[int, int], cols: tuple[int, int]) -> bool:
        """Whether a block surely shows nothing of the image: most of a picture's corners do not, and this is cheap."""
        across, down = np.linspace(*cols, _PROBES), np.linspace(*rows, _PROBES)
        longitude, latitude = grid.to_degrees(*np.meshgrid(across, down))
        col, row = self._project(longitude, latitude)
        height, width = self.shape
        right, left = col > -_PROBE_MARGIN_PX, col < width + _PROBE_MARGIN_PX
        below, above = row > -_PROBE_MARGIN_PX, row < height + _PROBE_MARGIN_PX
        return not all(side.any() for side in (right, left, below, above))

    def source_positions(self, grid: MapGrid, rows: tuple[int, int], cols: tuple[int, int]) -> tuple[Floats, Floats]:
        """Raw (column, row) of the centre of each output pixel in [start, stop); some lie outside the image.

        Raises:
            GeolocationError: No height is known somewhere the image looks.
        """
        if isinstance(self.geometry, MapReference) and self.geometry.epsg == grid.epsg:
            return _on_the_same_map(self.geometry, grid, rows, cols)
        height, width = rows[1] - rows[0], cols[1] - cols[0]
        lattice = _Lattice(height, width, _COARSEST_STEP)
        degrees = grid.to_degrees(*lattice.nodes(rows[0] + 0.5, cols[0] + 0.5))
        step = _COARSEST_STEP
        while True:
            fine = _Lattice(height, width, step)
            longitude, latitude = (lattice.at(values, fine.row_nodes, fine.col_nodes) for values in degrees)
            raw = self._project(longitude, latitude)
            if step == 1 or self._is_close(lattice, degrees, fine, raw):
                col, row = (fine.everywhere(values)[:height, :width] for values in raw)
                return col, row
            step //= 2

    def _project(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        rpc = self.geometry
        if isinstance(rpc, MapReference):
            return rpc.project(longitude, latitude)
        if self.elevation is None:
            raise GeolocationError("no elevation for an image with a camera model")
        heights_m = self.elevation.heights_m(longitude, latitude)
        missing = np.isnan(heights_m)
        col, row = rpc.project(longitude, latitude, np.where(missing, rpc.height_offset_m, heights_m))
        seen = missing & (col > 0) & (row > 0) & (col < self.shape[1] - 1) & (row < self.shape[0] - 1)
        if seen.any():
            raise GeolocationError(
                f"{self.elevation.source}: no height at {longitude[seen][0]:.4f}, {latitude[seen][0]:.4f}, "
                f"where the image looks; the elevation model must cover it all"
            )
        return col, row

    def _is_close(
        self, lattice: "_Lattice", degrees: tuple[Floats, Floats], fine: "_Lattice", raw: tuple[Floats, Floats]
    ) -> bool:
        """Whether interpolating `raw` between the nodes of `fine` is right at the cell centres."""
        row_centres = fine.row_nodes[:-1] + fine.step / 2
        col_centres = fine.col_nodes[:-1] + fine.step / 2
        longitude, latitude = (lattice.at(values, row_centres, col_centres) for values in degrees)
        exact = self._project(longitude, latitude)
        off = [np.abs(fine.at(near, row_centres, col_centres) - far) for near, far in zip(raw, exact, strict=True)]
        return all(values.max() < _TOLERANCE_PX for values in off)


def _on_the_same_map(
    image: MapReference, grid: MapGrid, rows: tuple[int, int], cols: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Exact: where grid and image share their pixels, positions are whole numbers and values are copied."""
    to_image = ~image.transform @ grid.transform
    col = np.round(to_image.a * (np.arange(*cols) + 0.5) + to_image.c - 0.5, 6)
    row = np.round(to_image.e * (np.arange(*rows) + 0.5) + to_image.f - 0.5, 6)
    across, down = np.meshgrid(col, row)
    return across, down


class _Lattice:
    """Every `step`-th row and column of a block, and bilinear interpolation between them."""

    def __init__(self, height: int, width: int, step: int) -> None:
        self.step = step
        self.row_nodes = np.arange(0, height + step, step, dtype=np.float64)
        self.col_nodes = np.arange(0, width + step, step, dtype=np.float64)

    def nodes(self, first_row: float, first_col: float) -> tuple[Floats, Floats]:
        """(column, row) positions of all nodes on the grid."""
        col, row = np.meshgrid(first_col + self.col_nodes, first_row + self.row_nodes)
        return col, row

    def at(self, values: Floats, rows: Floats, cols: Floats) -> Floats:
        """Interpolate node values at the crossings of `rows` and `cols` (block positions)."""
        first, share = self._place(rows, len(self.row_nodes))
        between = values[first] + (values[first + 1] - values[first]) * share[:, None]
        first, share = self._place(cols, len(self.col_nodes))
        left: Floats = between[:, first]
        return left + (between[:, first + 1] - left) * share

    def everywhere(self, values: Floats) -> Floats:
        """Interpolate node values at every row and column from the first node to before the last."""
        ramp = np.arange(self.step) / self.step
        rises = np.diff(values, axis=0)[:, None, :] * ramp[:, None]
        rows = (values[:-1, None, :] + rises).reshape(-1, values.shape[1])
        rises = np.diff(rows, axis=1)[:, :, None] * ramp
        return (rows[:, :-1, None] + rises).reshape(len(rows), -1)

    def _place(self, positions: Floats, nodes: int) -> tuple[NDArray[np.intp], Floats]:
        """The node before each position, and how far the position is towards the next, 0–1."""
        place = positions / self.step
        first = np.minimum(place.astype(np.intp), nodes - 2)
        return first, place - first


@dataclass(frozen=True)
class Resampled:
    """A block of a raw image on the map."""

    values: NDArray[np.float32]
    """(row, column, band), digital numbers; meaningless where not valid."""
    valid: NDArray[np.bool_]
    """True where the ground pixel was imaged: nearest raw pixel inside the image and not fill."""
    saturated: NDArray[np.bool_]
    """True where a raw pixel under the interpolation was saturated in some band."""


def resample(raw: RawPixels, col: Floats, row: Floats, *, saturated_dn: int, interpolation: int) -> Resampled | None:
    """Values of a raw image at positions.

    Fill pixels (0 in every band) take no part: where the kernel reaches for one it finds the nearest image value.

    Args:
        raw: The image.
        col: Raw columns, (row, column) of the output; the centre of the first pixel is 0.
        row: Raw rows.
        saturated_dn: Digital numbers from here up are saturated.
        interpolation: `cv2.INTER_LANCZOS4`, `cv2.INTER_CUBIC` or `cv2.INTER_LINEAR`.

    Returns:
        None where no position lies in the image.
    """
    height, width, _ = raw.shape
    inside = (col >= -0.5) & (row >= -0.5) & (col < width - 0.5) & (row < height - 0.5)
    if not inside.any():
        return None
    whole = inside.all()
    left, right = _span(col if whole else col[inside], width)
    top, bottom = _span(row if whole else row[inside], height)
    window = raw.read((top, bottom), (left, right))
    x, y = (col - left).astype(np.float32), (row - top).astype(np.float32)
    values = window.astype(np.float32)
    if window.min() == 0 and not (imaged := _any_band(window, 1)).all():
        values = _spread(values, imaged)
        inside &= _look_up(imaged, x, y, cv2.INTER_NEAREST) > 0
    saturated = np.zeros_like(inside)
    if window.max() >= saturated_dn:
        saturated = (_look_up(_any_band(window, saturated_dn), x, y, cv2.INTER_LINEAR) > 0) & inside
    return Resampled(_remap(values, x, y, interpolation), inside, saturated)


def _remap(
    values: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32], how: int
) -> NDArray[np.float32]:
    """OpenCV's remap for any number of bands: it takes four at a time."""
    parts = [
        cv2.remap(values[..., first : first + _REMAP_BANDS], x, y, how, borderMode=cv2.BORDER_REPLICATE)
        for first in range(0, values.shape[2], _REMAP_BANDS)
    ]
    drawn = [part.reshape(*x.shape, -1) for part in parts]
    return drawn[0] if len(drawn) == 1 else np.concatenate(drawn, axis=2)


def _span(positions: Floats, size: int) -> tuple[int, int]:
    """First and one past the last raw pixel that the kernel needs for positions inside the image."""
    return max(int(positions.min()) - _KERNEL_MARGIN, 0), min(int(positions.max()) + 2 + _KERNEL_MARGIN, size)


def _any_band(window: NDArray[np.uint16], least: int) -> NDArray[np.bool_]:
    """True where some band is at least `least`; band by band, which is much faster than numpy's `any`."""
    found = window[..., 0] >= least
    for band in range(1, window.shape[2]):
        found |= window[..., band] >= least
    return found


def _look_up(flags: NDArray[np.bool_], x: NDArray[np.float32], y: NDArray[np.float32], how: int) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = cv2.remap(
        flags.view(np.uint8) * np.uint8(255), x, y, how, borderMode=cv2.BORDER_REPLICATE
    )
    return found


def _spread(values: NDArray[np.float32], imaged: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give fill pixels within the kernel's reach the mean of their imaged neighbours."""
    known = imaged.astype(np.float32)
    for _ in range(_KERNEL_MARGIN):
        weight = cv2.boxFilter(known, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        total = cv2.boxFilter(
            values * known[..., None], -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT
        ).reshape(values.shape)
        reached = (known == 0) & (weight > 0)
        values[reached] = total[reached] / weight[reached][:, None]
        known[reached] = 1
    return values
