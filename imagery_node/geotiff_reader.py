"""GeoTiffReader: any GeoTIFF for rio-tiler, opened by the one driver that leads nowhere else."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import attr
import numpy as np
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError
from rio_tiler.constants import WGS84_CRS
from rio_tiler.io import Reader
from rio_tiler.models import ImageData, PointData
from rio_tiler.types import BBox

from imagery_node.errors import BadParameterError, BadRenderingError, UnreadableAssetError
from imagery_node.gdal_file import open_geotiff, telling_failures
from imagery_node.grid import between
from imagery_node.parameter import MAX_IMAGE_BYTES, MAX_IMAGE_PX, MAX_SOURCE_PX
from imagery_node.source_file import Location

Values = TypeVar("Values", ImageData, PointData)


class ImageFacts(NamedTuple):
    """What decides about names and costs."""

    names: Sequence[str | None]
    """One per band, alpha included."""
    dtype: np.dtype[Any]
    overviews: Sequence[int]
    """How many times coarser each is."""
    resolution: tuple[float, float]
    """Width and height of a pixel."""


@attr.s
class GeoTiffReader(Reader):
    """rio-tiler's reader of one file, with the cost of a read known beforehand."""

    file: Location = attr.ib(kw_only=True)
    cells_per_pixel: int = attr.ib(default=1, kw_only=True)
    dataset: Any = attr.ib(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the file."""
        try:
            with telling_failures(self.file):
                self.dataset = self._ctx_stack.enter_context(open_geotiff(self.file))
        except RasterioIOError as error:
            raise UnreadableAssetError(f"{self.file.name} cannot be opened") from error
        super().__attrs_post_init__()  # type: ignore[no-untyped-call]

    def read(self, indexes: Sequence[int] | None = None, **options: Any) -> ImageData:  # type: ignore[override]
        """Read the whole image, reduced."""
        self.check_cost(self.dataset.width, self.dataset.height, indexes, options)
        with telling_failures(self.file):
            return self.named(super().read(indexes=indexes, **options), indexes)

    def part(  # type: ignore[override]
        self,
        bbox: BBox,
        dst_crs: CRS | None = None,
        bounds_crs: CRS = WGS84_CRS,
        indexes: Sequence[int] | None = None,
        **options: Any,
    ) -> ImageData:
        """Read what lies inside a box."""
        self.check_box(bbox, bounds_crs, indexes, options)
        with telling_failures(self.file):
            image = super().part(bbox, dst_crs=dst_crs, bounds_crs=bounds_crs, indexes=indexes, **options)
        return self.named(image, indexes)

    def point(  # type: ignore[override]
        self, lon: float, lat: float, indexes: Sequence[int] | None = None, **options: Any
    ) -> PointData:
        """Read the pixel at a place."""
        self.check_bands(indexes)
        with telling_failures(self.file):
            return self.named(super().point(lon, lat, indexes=indexes, **options), indexes)

    def facts(self) -> ImageFacts:
        """What the file holds."""
        dataset = self.dataset
        return ImageFacts(dataset.descriptions, np.dtype(dataset.dtypes[0]), dataset.overviews(1), dataset.res)

    def check_box(self, bbox: BBox, bounds_crs: CRS, indexes: Sequence[int] | None, options: Mapping[str, Any]) -> None:
        """Refuse a box that has no place in the file's reference system, or too many pixels."""
        try:
            left, bottom, right, top = bounds_in(self.crs, bbox, bounds_crs)
        except ProjError as error:
            raise BadParameterError("the box does not lie where its reference system is valid", limit="bbox") from error
        pixel_width, pixel_height = self.facts().resolution
        width, height = (right - left) / pixel_width, (top - bottom) / pixel_height
        if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
            raise BadParameterError("the box has no area in the item's reference system", limit="bbox")
        self.check_cost(width, height, indexes, options)

    def named(self, values: Values, indexes: Sequence[int] | None) -> Values:
        """The values with the names of their bands: rio-tiler 9.4 gives each the name of the last."""
        names = self.facts().names
        values.band_descriptions = [names[index - 1] or f"b{index}" for index in indexes or range(1, values.count + 1)]
        return values

    def check_bands(self, indexes: Sequence[int] | None) -> None:
        """Refuse bands the file has not."""
        count = len(self.facts().names)
        if indexes and max(indexes) > count:
            raise BadRenderingError(f"bidx is {max(indexes)}, the asset has {count} bands")

    def check_cost(
        self, width: float, height: float, indexes: Sequence[int] | None, options: Mapping[str, Any]
    ) -> None:
        """Refuse before the work what would give or read too many pixels (L07, L08, L11)."""
        self.check_bands(indexes)
        facts = self.facts()
        out_width, out_height = _output_shape(width, height, options)
        output_px = out_width * out_height
        output_bytes = output_px * len(indexes or facts.names) * facts.dtype.itemsize
        reduction = max(min(width / out_width, height / out_height), 1.0)
        overview = max((factor for factor in facts.overviews if factor <= reduction), default=1)
        for what, found, allowed in (
            ("pixels", output_px, MAX_IMAGE_PX),
            ("bytes", output_bytes, MAX_IMAGE_BYTES),
            ("pixels to decode", width * height / overview**2, MAX_SOURCE_PX),
            ("cells", output_px * self.cells_per_pixel, MAX_SOURCE_PX),
        ):
            if found > allowed:
                raise BadParameterError(
                    f"the answer would take {found:.3g} {what}, allowed are {allowed:.3g}; ask for a smaller place, "
                    "max_size, or width and height",
                    limit="image",
                )


def bounds_in(crs: CRS, bounds: BBox, bounds_crs: CRS) -> BBox:
    """Bounds in another reference system; not finite where that is not valid. GDAL takes 20 ms to get ready for it.

    Raises:
        ProjError: There is no way there.
    """
    found: BBox = between(bounds_crs.to_string(), crs.to_string()).transform_bounds(*bounds, densify_pts=21)
    return found


def _output_shape(width: float, height: float, options: Mapping[str, Any]) -> tuple[float, float]:
    """Columns and rows of the answer, as rio-tiler will choose them."""
    asked_width, asked_height, max_size = (options.get(name) for name in ("width", "height", "max_size"))
    if asked_width:
        return asked_width, asked_height or asked_width * height / width
    if asked_height:
        return asked_height * width / height, asked_height
    scale = min(max_size / max(width, height), 1.0) if max_size else 1.0
    return max(width * scale, 1.0), max(height * scale, 1.0)
