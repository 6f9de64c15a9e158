"""CogReader: a file of our own layout for rio-tiler, from blocks that are decoded once, to the pixels GDAL would give.

It reads by nearest neighbour, as requests do that say nothing else. Other resampling, changed values (`unscale`), boxes
that reach past the image in its own reference system, and descriptions of the file are GDAL's as before.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import attr
import numpy as np
from affine import Affine
from rasterio import windows
from rasterio.crs import CRS
from rasterio.transform import array_bounds, rowcol
from rasterio.warp import calculate_default_transform, transform
from rio_tiler.constants import WGS84_CRS
from rio_tiler.errors import PointOutsideBounds
from rio_tiler.models import ImageData, Info, PointData
from rio_tiler.types import BBox
from rio_tiler.utils import get_vrt_transform, output_size

from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.geotiff_reader import GeoTiffReader, ImageFacts, bounds_in
from imagery_node.grid import PixelGrid
from imagery_node.nearest import ImageWindow, Shape, Taken, taken, warped_level
from imagery_node.nearest_pixels import Picked, cut, under

_UNCHANGED = {"resampling_method": "nearest", "reproject_method": "nearest", "unscale": False}
"""What these options are where nothing is asked for; any other option must not be given at all."""


class Sides(NamedTuple):
    """The size that is asked for, in pixels."""

    height: int | None
    width: int | None
    max_size: int | None

    def shape(self, height: float, width: float) -> Shape:
        """(height, width) of what is made of so many pixels, as rio-tiler chooses them."""
        found: Shape = output_size(
            dataset_height=height,
            dataset_width=width,
            output_height=self.height,
            output_width=self.width,
            max_size=self.max_size,
        )
        return found


class _Placed(NamedTuple):
    """What rio-tiler asks of a dataset to place a picture: as if the image lay in that reference system already."""

    crs: CRS
    transform: Affine
    width: int | None
    block_shapes: list[tuple[int, int | None]]
    """Whole rows: it shall not move pictures to blocks."""


@attr.s
class CogReader(GeoTiffReader):
    """As `GeoTiffReader`, which it is for what it does not read itself."""

    cog: Cog = attr.ib(kw_only=True)
    cache: CogCache = attr.ib(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Take place and size from the header that was parsed before."""
        self.height, self.width = height, width = self.cog.levels[0].shape
        self.transform = self.cog.georeference.transform
        self.bounds = tuple(array_bounds(height, width, self.transform))
        self.crs = CRS.from_string(self.cog.georeference.crs)

    def facts(self) -> ImageFacts:
        """What the file holds."""
        names = [name or None for name in self.cog.band_names]
        place, width = self.cog.georeference.transform, self.cog.levels[0].shape[1]
        overviews = [round(width / level.shape[1]) for level in self.cog.levels[1:]]
        return ImageFacts(names, self.cog.dtype, overviews, (place.a, -place.e))

    def info(self) -> Info:
        """See `Reader.info`."""
        self._open()
        return super().info()

    def read(self, indexes: Sequence[int] | None = None, **options: Any) -> ImageData:  # type: ignore[override]
        """Read the whole image, reduced."""
        sides = Sides(*(options.pop(name, None) for name in Sides._fields))
        if not _is_plain(options):
            self._open()
            return super().read(indexes=indexes, **sides._asdict(), **options)
        height, width = self.cog.levels[0].shape
        self.check_cost(width, height, indexes, sides._asdict())
        return self._cut(ImageWindow(0, 0, height, width), self.bounds, indexes, sides)

    def part(  # type: ignore[override]
        self,
        bbox: BBox,
        dst_crs: CRS | None = None,
        bounds_crs: CRS = WGS84_CRS,
        indexes: Sequence[int] | None = None,
        **options: Any,
    ) -> ImageData:
        """Read what lies inside a box."""
        sides = Sides(*(options.pop(name, None) for name in Sides._fields))
        if _is_plain(options):
            self.check_box(bbox, bounds_crs, indexes, sides._asdict())
            target = dst_crs or bounds_crs
            bounds = bbox if bounds_crs == target else bounds_in(target, bbox, bounds_crs)
            if self.crs not in (target, WGS84_CRS) and target.to_epsg():  # rio-tiler cuts WGS84 at the map's edge
                return self._warped(bounds, target, indexes, sides)
            window = windows.from_bounds(*bounds, transform=self.transform)
            place = ImageWindow(window.row_off, window.col_off, window.height, window.width)
            if target == self.crs and place.is_inside(self.cog.levels[0].shape):
                return self._cut(place, bounds, indexes, sides)
        self._open()
        return super().part(bbox, dst_crs, bounds_crs, indexes, **sides._asdict(), **options)

    def point(  # type: ignore[override]
        self,
        lon: float,
        lat: float,
        indexes: Sequence[int] | None = None,
        coord_crs: CRS = WGS84_CRS,
        **options: Any,
    ) -> PointData:
        """Read the pixel at a place."""
        if not _is_plain(options):
            self._open()
            return super().point(lon, lat, indexes, coord_crs=coord_crs, **options)
        self.check_bands(indexes)
        (x,), (y,) = ([lon], [lat]) if coord_crs == self.crs else transform(coord_crs, self.crs, [lon], [lat])
        left, bottom, right, top = self.bounds
        if not (left < x < right and bottom < y < top):
            raise PointOutsideBounds("Point is outside dataset bounds")
        row, col = rowcol(self.transform, x, y)
        picked = cut(self.cog, Taken(0, np.array([row]), np.array([col])), self._bands(indexes), self.cache)
        told = self._told(picked, indexes)
        told["array"] = told["array"][:, 0, 0]
        return self.named(PointData(**told, coordinates=(lon, lat), crs=coord_crs, pixel_location=(col, row)), indexes)

    def _open(self) -> None:
        """Let GDAL open the file."""
        if self.dataset is None:
            super().__attrs_post_init__()

    def _cut(self, window: ImageWindow, bounds: BBox, indexes: Sequence[int] | None, sides: Sides) -> ImageData:
        """A window of the image on its own grid."""
        shape = sides.shape(window.height, window.width)
        chosen = taken(window, shape, [level.shape for level in self.cog.levels])
        picked = cut(self.cog, chosen, self._bands(indexes), self.cache)
        return self.named(ImageData(**self._told(picked, indexes), bounds=bounds, crs=self.crs), indexes)

    def _warped(self, bounds: BBox, crs: CRS, indexes: Sequence[int] | None, sides: Sides) -> ImageData:
        """A box on the grid of another reference system."""
        image = _Placed(crs, self._natural(crs), self.width, [(1, self.width)])
        place, width, height = get_vrt_transform(image, bounds, sides.height, sides.width, dst_crs=crs)
        bounds = array_bounds(height, width, place)
        grid = PixelGrid.over(bounds, sides.shape(height, width), f"EPSG:{crs.to_epsg()}")
        level = warped_level((height, width), grid.shape, [level.shape for level in self.cog.levels])
        picked = under(self.cog, level, grid, self._bands(indexes), self.cache)
        return self.named(ImageData(**self._told(picked, indexes), bounds=bounds, crs=crs), indexes)

    def _natural(self, crs: CRS) -> Affine:
        """The pixels GDAL would give the whole image in another reference system."""
        height, width = self.cog.levels[0].shape
        return _natural(self.cog.georeference.crs, crs.to_string(), width, height, self.bounds)

    def _bands(self, indexes: Sequence[int] | None) -> tuple[int, ...]:
        return tuple(index - 1 for index in indexes) if indexes else tuple(range(len(self.cog.band_names)))

    def _told(self, picked: Picked, indexes: Sequence[int] | None) -> dict[str, Any]:
        """What images and points are made of, beside their place."""
        pixels, bands, cog = np.moveaxis(picked[0], -1, 0), self._bands(indexes), self.cog
        hidden = np.broadcast_to(~picked[1], pixels.shape).copy() if cog.nodata is None else pixels == cog.nodata
        return {
            "array": np.ma.MaskedArray(pixels, hidden),
            "band_names": [f"b{band + 1}" for band in bands],
            "nodata": cog.nodata,
            "scales": [cog.tags.scales[band] for band in bands],
            "offsets": [cog.tags.offsets[band] for band in bands],
        }


def _is_plain(options: dict[str, Any]) -> bool:
    return all(value is None or value == _UNCHANGED.get(name) for name, value in options.items())


@lru_cache(1024)
def _natural(crs: str, target: str, width: int, height: int, bounds: BBox) -> Affine:
    found: Affine = calculate_default_transform(CRS.from_string(crs), CRS.from_string(target), width, height, *bounds)[
        0
    ]
    return found
