"""Ground heights above the WGS 84 ellipsoid: what an RPC wants and most elevation models are not."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.enums import Resampling
from rasterio.windows import Window, from_bounds

from cog_builder.errors import GeolocationError

Floats = NDArray[np.float64]
VerticalDatum = Literal["auto", "ellipsoid", "egm96"]

_GEOID = Path(__file__).with_name("egm96.tif")
_MARGIN_CELLS = 3


class Elevation(Protocol):
    """Where the ground is."""

    @property
    def source(self) -> str:
        """What the heights come from, for the Item's lineage."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Named doubts about the heights, kept in the Item."""

    def heights_m(self, longitude: Floats, latitude: Floats) -> Floats:
        """Metres above the WGS 84 ellipsoid at points in degrees; NaN where nothing is known."""

    def around(self, bbox: tuple[float, float, float, float], *, max_cells: int) -> "Elevation":
        """The same ground, ready to be asked many times inside `bbox` (west, south, east, north)."""


@dataclass(frozen=True)
class ConstantHeight:
    """Flat ground, given by hand for places without an elevation model."""

    height_m: float
    """Metres above the WGS 84 ellipsoid."""

    @property
    def source(self) -> str:
        """What the heights come from."""
        return f"constant height {self.height_m:g} m above the WGS 84 ellipsoid"

    @property
    def warnings(self) -> tuple[str, ...]:
        """None: the height was given by hand."""
        return ()

    def heights_m(self, longitude: Floats, latitude: Floats) -> Floats:
        """The given height everywhere."""
        return np.full(np.broadcast_shapes(np.shape(longitude), np.shape(latitude)), self.height_m)

    def around(self, bbox: tuple[float, float, float, float], *, max_cells: int) -> "ConstantHeight":
        """Flat ground is the same everywhere."""
        return self


@dataclass(frozen=True)
class DemFile:
    """An elevation model on disk; `around` reads the part a scene needs."""

    path: Path
    vertical_datum: VerticalDatum = "auto"
    """`auto` believes a vertical CRS in the file and takes heights as ellipsoidal where it names none."""

    @property
    def source(self) -> str:
        """What the heights come from."""
        return self.path.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """None before the file is read."""
        return ()

    def heights_m(self, longitude: Floats, latitude: Floats) -> Floats:
        """Heights read for just these points."""
        bbox = (float(longitude.min()), float(latitude.min()), float(longitude.max()), float(latitude.max()))
        return self.around(bbox, max_cells=4_000_000).heights_m(longitude, latitude)

    def around(self, bbox: tuple[float, float, float, float], *, max_cells: int) -> "_DemPart":
        """Read the part that covers `bbox`, at most `max_cells` cells (coarser by averaging beyond that).

        Raises:
            GeolocationError: The file cannot be read, has no CRS, or does not reach the scene.
        """
        try:
            with rasterio.open(self.path, driver="VRT" if self.path.suffix.lower() == ".vrt" else "GTiff") as dem:
                if dem.crs is None:
                    raise GeolocationError(f"{self.path.name}: the elevation model has no CRS")
                crs = CRS.from_user_input(dem.crs)
                window = _window(dem, _bounds_in(crs, bbox))
                if window is None:
                    raise GeolocationError(
                        f"{self.path.name}: the elevation model covers {_text(dem.bounds)} ({crs.to_string()}), "
                        f"the scene needs {_text(bbox)} (degrees)"
                    )
                shrink = max(1.0, (window.width * window.height / max_cells) ** 0.5)
                shape = (int(np.ceil(window.height / shrink)), int(np.ceil(window.width / shrink)))
                cells = dem.read(
                    1, window=window, out_shape=shape, resampling=Resampling.average, masked=True, out_dtype="float32"
                )
                scale, offset = dem.scales[0], dem.offsets[0]
                transform = dem.window_transform(window) @ rasterio.Affine.scale(
                    window.width / shape[1], window.height / shape[0]
                )
        except rasterio.errors.RasterioError as error:
            raise GeolocationError(f"{self.path.name}: the elevation model cannot be read: {error}") from error
        heights = cells.filled(np.nan)
        if (scale, offset) != (1, 0):
            heights = heights * np.float32(scale) + np.float32(offset)
        datum, warnings = self._datum(crs)
        source = f"{self.path.name} ({datum} heights{f', averaged over {shrink:.1f} cells' if shrink > 1 else ''})"
        from_degrees = Transformer.from_crs(4326, crs.to_2d(), always_xy=True)
        return _DemPart(source, warnings, heights, ~transform, from_degrees, datum)

    def _datum(self, crs: CRS) -> tuple[VerticalDatum, tuple[str, ...]]:
        """What the heights are above; EGM2008 differs from EGM96 by less than a metre or two."""
        if self.vertical_datum != "auto":
            return self.vertical_datum, ()
        if any(part.is_vertical for part in crs.sub_crs_list):
            return "egm96", ()
        if len(crs.axis_info) == 3:
            return "ellipsoid", ()
        return "ellipsoid", (
            f"vertical_datum: {self.path.name} does not say what its heights are above; they were taken as above the "
            f"WGS 84 ellipsoid (COG_BUILDER_DEM_VERTICAL_DATUM=egm96 for heights above sea level)",
        )


@dataclass(frozen=True)
class _DemPart:
    """A window of an elevation model in memory."""

    source: str
    warnings: tuple[str, ...]
    cells: NDArray[np.float32]
    to_cell: rasterio.Affine
    """From the model's CRS to (column, row), cell corners at whole numbers."""
    from_degrees: Transformer
    datum: VerticalDatum

    def heights_m(self, longitude: Floats, latitude: Floats) -> Floats:
        """Bilinear between cell centres, plus the geoid where the model is orthometric."""
        x, y = longitude, latitude
        if not self.from_degrees.target_crs.is_geographic:  # type: ignore[union-attr]  # made from two CRSs above
            x, y = self.from_degrees.transform(longitude, latitude)
        col, row = self.to_cell @ (x, y)
        heights = _bilinear(self.cells, col - 0.5, row - 0.5)
        return heights + geoid_m(longitude, latitude) if self.datum == "egm96" else heights

    def around(self, bbox: tuple[float, float, float, float], *, max_cells: int) -> "_DemPart":
        """Already read."""
        return self


def geoid_m(longitude: Floats, latitude: Floats) -> Floats:
    """Height of the EGM96 geoid above the WGS 84 ellipsoid, metres (NGA/NASA, 15 arc minute grid, bilinear)."""
    return _bilinear(_geoid_cells(), (longitude + 180) * 4, (90 - latitude) * 4)


@cache
def _geoid_cells() -> NDArray[np.float32]:
    with rasterio.open(_GEOID, driver="GTiff") as grid:
        return grid.read(1).astype(np.float32) * np.float32(grid.scales[0])  # type: ignore[no-any-return]


def _bilinear(cells: NDArray[np.float32], col: Floats, row: Floats) -> Floats:
    """Value at (col, row), cell centres at whole numbers; NaN more than half a cell outside."""
    height, width = cells.shape
    inside = (col >= -0.5) & (row >= -0.5) & (col <= width - 0.5) & (row <= height - 0.5)
    col, row = np.clip(col, 0, width - 1), np.clip(row, 0, height - 1)
    left = np.minimum(col.astype(np.intp), max(width - 2, 0))
    top = np.minimum(row.astype(np.intp), max(height - 2, 0))
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = col - left, row - top
    upper = cells[top, left] * (1 - across) + cells[top, right] * across
    lower = cells[bottom, left] * (1 - across) + cells[bottom, right] * across
    return np.where(inside, upper * (1 - down) + lower * down, np.nan)


def _bounds_in(crs: CRS, bbox: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    return Transformer.from_crs(4326, crs.to_2d(), always_xy=True).transform_bounds(*bbox)


def _window(dem: rasterio.DatasetReader, bounds: tuple[float, float, float, float]) -> Window | None:
    """Whole cells around `bounds`, cut to the file; None when they do not touch."""
    window = from_bounds(*bounds, transform=dem.transform)
    left, top = int(np.floor(window.col_off)) - _MARGIN_CELLS, int(np.floor(window.row_off)) - _MARGIN_CELLS
    right = int(np.ceil(window.col_off + window.width)) + _MARGIN_CELLS
    bottom = int(np.ceil(window.row_off + window.height)) + _MARGIN_CELLS
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, dem.width), min(bottom, dem.height)
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _text(bounds: tuple[float, float, float, float]) -> str:
    return ", ".join(f"{value:.4f}" for value in bounds)
