"""World → raw pixels: what each detector sees through the camera's RPC, over the terrain, as digital numbers.

Block by block: a window of one fixed ground lattice is lit once, at the step of the finest image, and every image of
the scene takes its pixels from it. So memory stays small and all images of a scene show one and the same ground.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio import Affine

from cog_builder.elevation import Elevation
from cog_builder.rpc import Rpc
from cog_builder.sensor import Band
from cog_builder.simulation.clouds import Clouds
from cog_builder.simulation.ground import BANDS, GroundGrid, Reflectance
from cog_builder.simulation.nodes import enlarge, node_places
from cog_builder.simulation.plan import ImagePlan
from cog_builder.simulation.request import SimulationRequest

Floats = NDArray[np.float64]
RawPixels = NDArray[np.uint16]

BLOCK_PX = 256
_NODE_PX = 4
"""Terrain is intersected on every 4th pixel of the finest image, interpolated in between."""
_POINT_SPREAD_PX = 0.5
"""Sigma of the Gaussian point spread; bilinear sampling adds a little."""
_MARGIN = 8
_ITERATIONS = 7
_ALIGNED_PX = 4
"""Windows of the lattice start at multiples of this, so that reduced ones do too."""
_PAN_WEIGHTS = (0.20, 0.26, 0.27, 0.27)
"""Share of blue, green, red and nir in what the pan detector sees."""
_WORLD_UM = (0.485, 0.555, 0.66, 0.83)
"""Middle of the world's bands."""
_SCENE_NODES = 96
_RAY_M = 500.0
_DEM_CELLS = 50_000_000


@dataclass(frozen=True)
class Exposure:
    """The images of one camera about to be taken."""

    request: SimulationRequest
    images: tuple[ImagePlan, ...]
    elevation: Elevation
    lattice: GroundGrid
    clouds: Clouds | None
    saturated_dn: int

    @classmethod
    def of(cls, request: SimulationRequest, images: tuple[ImagePlan, ...]) -> "Exposure":
        """Prepare the ground lattice, the terrain and the sky of the images of one camera."""
        finest = images[-1]
        elevation = _elevation_around(finest, request)
        lattice = _lattice(finest, request.centre_height_m)
        scene = _thinned(lattice, _SCENE_NODES)
        clouds = Clouds.covering(request.cloud_percent, scene, seed=request.seed, sun=request.sun)
        return cls(request, images, elevation, lattice, clouds, finest.sensor.saturated_dn)

    def bands_of_rows(self, *, workers: int = 2) -> Iterator[tuple[RawPixels, ...]]:
        """The images' rows from the top, `BLOCK_PX` multispectral rows at a time, as (row, column, band)."""
        multispectral = self.images[0]
        with ThreadPoolExecutor(workers) as pool:
            for row in range(0, multispectral.height, BLOCK_PX):
                corners = [(col, row) for col in range(0, multispectral.width, BLOCK_PX)]
                blocks = list(pool.map(self._block, corners))
                yield tuple(np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))

    def _block(self, corner: tuple[int, int]) -> tuple[RawPixels, ...]:
        """The pixels of every image in one block, given by its first multispectral (column, row)."""
        views = [self._view(image, corner) for image in self.images]
        known = [view for view in views if np.isfinite(view.col).any()]
        if len(known) < len(views):
            return tuple(np.zeros((view.height, view.width, len(view.image.gains)), np.uint16) for view in views)
        left, top = (math.floor(min(np.nanmin(axis) for axis in axes)) for axes in _axes(known))
        right, bottom = (math.ceil(max(np.nanmax(axis) for axis in axes)) for axes in _axes(known))
        left, top = left - _MARGIN - left % _ALIGNED_PX, top - _MARGIN - top % _ALIGNED_PX
        width, height = (-(-(count + _MARGIN) // _ALIGNED_PX) * _ALIGNED_PX for count in (right - left, bottom - top))
        grid = self.lattice.window(left, top, width, height)
        ground = self.request.world.reflectance(grid, self.request.when)
        if self.clouds is not None:
            ground = self.clouds.veil(ground, grid)
        return tuple(self._digital_numbers(view, view.seen(ground, left, top)) for view in views)

    def _view(self, image: ImagePlan, corner: tuple[int, int]) -> "_View":
        ratio, shrink = image.width // self.images[0].width, self.images[-1].width // image.width
        left, top = corner[0] * ratio, corner[1] * ratio
        width, height = min(BLOCK_PX * ratio, image.width - left), min(BLOCK_PX * ratio, image.height - top)
        step = max(1, _NODE_PX // shrink)
        cols, rows = node_places(width, step) + left, node_places(height, step) + top
        if image.reference is None:
            places = _intersect(image.rpc, self.elevation, cols, rows, self.request.centre_height_m)
        else:
            places = image.reference.locate(*np.meshgrid(cols, rows))
        col, row = self.lattice.positions(*places)
        return _View(image, left, top, width, height, shrink, step, col, row)

    def _digital_numbers(self, view: "_View", reflectance: Reflectance) -> RawPixels:
        image = view.image
        dn = reflectance * np.array(image.dn_per_reflectance, np.float32) + np.array(image.dn_at_zero, np.float32)
        seen = np.isfinite(dn).all(axis=-1, keepdims=True) & view.inside(self.elevation)[..., None]
        dn = np.where(seen, np.clip(np.rint(dn), 1, self.saturated_dn), 0)
        return cast(RawPixels, dn.astype(np.uint16))


@dataclass(frozen=True)
class _View:
    """Where the pixels of one block of an image look."""

    image: ImagePlan
    left: int
    """First column of the block."""
    top: int
    width: int
    height: int
    shrink: int
    """Lattice steps along the side of one pixel."""
    step: int
    """Pixels between the nodes at which `col` and `row` are known."""
    col: Floats
    """Lattice columns at the nodes."""
    row: Floats

    def seen(self, ground: Reflectance, left: int, top: int) -> Reflectance:
        """The ground, from lattice (left, top) on, through the optics: (row, column, band)."""
        ground = ground @ np.array([_weights(band) for band in self.image.bands], np.float32).T
        reduce = max(1, self.shrink // 2)
        if reduce > 1:
            shape = (ground.shape[1] // reduce, ground.shape[0] // reduce)
            ground = np.asarray(cv2.resize(ground, shape, interpolation=cv2.INTER_AREA), np.float32)
        blurred = cv2.GaussianBlur(ground, (0, 0), _POINT_SPREAD_PX * self.shrink / reduce)
        col, row = (
            enlarge((axis - start + 0.5) / reduce - 0.5, self.step, height=self.height, width=self.width)
            for axis, start in ((self.col, left), (self.row, top))
        )
        outside = float(-_MARGIN)
        col, row = np.nan_to_num(col, nan=outside), np.nan_to_num(row, nan=outside)
        bands = [
            cv2.remap(band, col, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=[np.nan])
            for band in cv2.split(blurred)
        ]
        return np.stack(bands, axis=-1)

    def inside(self, elevation: Elevation) -> NDArray[np.bool_]:
        """Which pixels the camera saw; on a map it did not see all."""
        if self.image.reference is None:
            return np.ones((self.height, self.width), bool)
        cols, rows = np.meshgrid(np.arange(self.width) + float(self.left), np.arange(self.height) + float(self.top))
        longitude, latitude = self.image.reference.locate(cols, rows)
        col, row = self.image.rpc.project(longitude, latitude, elevation.heights_m(longitude, latitude))
        height, width = self.image.seen_shape
        return (col > -0.5) & (col < width - 0.5) & (row > -0.5) & (row < height - 0.5)


def _weights(band: Band) -> tuple[float, ...]:
    """Share of the world's bands in what a detector sees: by name, else by wavelength."""
    if band.common_name == "pan":
        return _PAN_WEIGHTS
    if band.common_name in BANDS:
        return tuple(float(name == band.common_name) for name in BANDS)
    return tuple(float(np.interp(band.center_wavelength_um, _WORLD_UM, share)) for share in np.eye(len(BANDS)))


def _axes(views: list[_View]) -> tuple[list[Floats], list[Floats]]:
    return [view.col for view in views], [view.row for view in views]


def _intersect(rpc: Rpc, elevation: Elevation, cols: Floats, rows: Floats, height_m: float) -> tuple[Floats, Floats]:
    """Longitude and latitude where the rays of pixels meet the terrain; NaN where no height is known.

    Within a block the rays are quadratic in column and row and linear in height, to far below a thousandth of a pixel.
    """
    few_cols, few_rows = (np.linspace(axis[0], axis[-1], 5) for axis in (cols, rows))
    few = np.meshgrid(few_cols, few_rows)
    quadratic = _quadratic(few_cols, few_rows)
    foot, head = (np.stack(rpc.locate(*few, height_m + up)).reshape(2, -1).T for up in (0.0, _RAY_M))
    solution, *_ = np.linalg.lstsq(quadratic, np.hstack([foot, (head - foot) / _RAY_M]))
    shape = (len(rows), len(cols))
    lon_0, lat_0, lon_per_m, lat_per_m = ((_quadratic(cols, rows) @ solution).T).reshape(4, *shape)
    height = np.full(shape, height_m)
    for _ in range(_ITERATIONS):
        longitude, latitude = lon_0 + lon_per_m * (height - height_m), lat_0 + lat_per_m * (height - height_m)
        found = elevation.heights_m(longitude, latitude)
        height = np.where(np.isfinite(found), found, height_m)
    unknown = np.where(np.isfinite(found), 0.0, np.nan)
    return longitude + unknown, latitude + unknown


def _quadratic(cols: Floats, rows: Floats) -> Floats:
    """Quadratic terms of columns and rows scaled to −1…1, shape (points, 6)."""
    across, down = (2 * (axis - axis[0]) / (axis[-1] - axis[0]) - 1 for axis in (cols, rows))
    u, v = (axis.ravel() for axis in np.meshgrid(across, down))
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)


def _lattice(image: ImagePlan, height_m: float) -> GroundGrid:
    """Ground points that coincide with the image's pixels at its centre, on flat ground."""
    middle = np.array([(image.width - 1) / 2, (image.height - 1) / 2])
    col, row = middle[0] + np.array([0.0, 50.0, 0.0]), middle[1] + np.array([0.0, 0.0, 50.0])
    if image.reference is None:
        longitude, latitude = image.rpc.locate(col, row, height_m)
    else:
        longitude, latitude = image.reference.locate(col, row)
    a, b = np.diff(longitude[:2])[0] / 50, (longitude[2] - longitude[0]) / 50
    d, e = np.diff(latitude[:2])[0] / 50, (latitude[2] - latitude[0]) / 50
    at_middle = Affine(a, b, longitude[0], d, e, latitude[0])
    return GroundGrid(at_middle @ Affine.translation(*-middle), image.height, image.width)


def _thinned(grid: GroundGrid, count: int) -> GroundGrid:
    """About `count` × `count` points over the same ground."""
    return GroundGrid(grid.transform @ Affine.scale(grid.width / count, grid.height / count), count, count)


def _elevation_around(image: ImagePlan, request: SimulationRequest) -> Elevation:
    """The terrain of the scene, ready to be asked often."""
    far = np.array([-0.1, 1.1])
    height, width = image.seen_shape
    cols, rows = (axis.ravel() for axis in np.meshgrid(far * width, far * height))
    longitude, latitude = image.rpc.locate(cols, rows, request.centre_height_m)
    (west, east), (south, north) = ((float(axis.min()), float(axis.max())) for axis in (longitude, latitude))
    margin = 0.01
    bbox = (west - margin, south - margin, east + margin, north + margin)
    return request.elevation.around(bbox, max_cells=_DEM_CELLS)
