"""ItemReader: the raster assets of one item for rio-tiler, each opened as a GeoTIFF and nothing else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import attr
import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError
from rasterio.warp import transform_bounds
from rio_tiler.constants import WGS84_CRS
from rio_tiler.errors import InvalidAssetName
from rio_tiler.io import MultiBaseReader, Reader
from rio_tiler.models import ImageData, PointData
from rio_tiler.types import AssetInfo, BBox

from imagery_node.errors import BadParameterError, BadRenderingError, UnreadableAssetError
from imagery_node.expression import parse_expression, used_bands
from imagery_node.gdal_file import open_geotiff, telling_failures
from imagery_node.parameter import MAX_IMAGE_BYTES, MAX_IMAGE_PX, MAX_SOURCE_PX
from imagery_node.scene_index import Scene, Snapshot
from imagery_node.source_file import Location

Values = TypeVar("Values", ImageData, PointData)


@dataclass
class OpenItem:
    """One item of a request, by its names."""

    snapshot: Snapshot
    scene: Scene
    cells_per_pixel: int = 1
    """Into how many cells each pixel is cut to find how much of it a polygon covers."""

    @property
    def document(self) -> Mapping[str, Any]:
        """The STAC item."""
        return self.snapshot.document(self.scene)

    def rasters(self) -> list[str]:
        """Keys of the assets that can be read."""
        return [key for key, asset in self.document["assets"].items() if "image/tiff" in asset.get("type", "")]

    def file(self, key: str) -> Location:
        """The file of a raster asset.

        Raises:
            InvalidAssetName: The item has none of that key.
        """
        file = self.snapshot.raster(self.scene, key)
        if file is None:
            raise InvalidAssetName(f"item {self.scene.item_id} has no asset {key!r}")
        return file


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
        self._check_cost(self.dataset.width, self.dataset.height, indexes, options)
        with telling_failures(self.file):
            return self._named(super().read(indexes=indexes, **options), indexes)

    def part(  # type: ignore[override]
        self,
        bbox: BBox,
        dst_crs: CRS | None = None,
        bounds_crs: CRS = WGS84_CRS,
        indexes: Sequence[int] | None = None,
        **options: Any,
    ) -> ImageData:
        """Read what lies inside a box."""
        try:
            left, bottom, right, top = transform_bounds(bounds_crs, self.crs, *bbox)
        except rasterio.errors.RasterioError as error:
            raise BadParameterError("the box does not lie where its reference system is valid", limit="bbox") from error
        width, height = (right - left) / self.dataset.res[0], (top - bottom) / self.dataset.res[1]
        if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
            raise BadParameterError("the box has no area in the item's reference system", limit="bbox")
        self._check_cost(width, height, indexes, options)
        with telling_failures(self.file):
            image = super().part(bbox, dst_crs=dst_crs, bounds_crs=bounds_crs, indexes=indexes, **options)
        return self._named(image, indexes)

    def point(  # type: ignore[override]
        self, lon: float, lat: float, indexes: Sequence[int] | None = None, **options: Any
    ) -> PointData:
        """Read the pixel at a place."""
        self._check_bands(indexes)
        with telling_failures(self.file):
            return self._named(super().point(lon, lat, indexes=indexes, **options), indexes)

    def _named(self, values: Values, indexes: Sequence[int] | None) -> Values:
        """The values with the names of their bands: rio-tiler 9.4 gives each the name of the last."""
        names = self.dataset.descriptions
        values.band_descriptions = [names[index - 1] or f"b{index}" for index in indexes or range(1, values.count + 1)]
        return values

    def _check_bands(self, indexes: Sequence[int] | None) -> None:
        if indexes and max(indexes) > self.dataset.count:
            raise BadRenderingError(f"bidx is {max(indexes)}, the asset has {self.dataset.count} bands")

    def _check_cost(
        self, width: float, height: float, indexes: Sequence[int] | None, options: Mapping[str, Any]
    ) -> None:
        """Refuse before the work what would give or read too many pixels (L07, L08, L11)."""
        self._check_bands(indexes)
        out_width, out_height = _output_shape(width, height, options)
        bands = len(indexes) if indexes else self.dataset.count
        output_px = out_width * out_height
        output_bytes = output_px * bands * np.dtype(self.dataset.dtypes[0]).itemsize
        reduction = max(min(width / out_width, height / out_height), 1.0)
        overview = max((factor for factor in self.dataset.overviews(1) if factor <= reduction), default=1)
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


@attr.s
class ItemReader(MultiBaseReader):
    """All raster assets of an item; expressions are evaluated by our own evaluator."""

    def __attrs_post_init__(self) -> None:
        """Take place and assets from the item."""
        self.reader = GeoTiffReader
        self.reader_options = {"cells_per_pixel": self.input.cells_per_pixel}
        self.assets = self.input.rasters()
        self.bounds = tuple(self.input.document["bbox"])
        self.crs = WGS84_CRS

    def _get_asset_info(self, asset: str) -> AssetInfo:  # type: ignore[override]  # no options inside names
        file = self.input.file(asset)
        return AssetInfo(url=file.name, name=asset, media_type=None, reader_options={"file": file}, method_options={})

    def preview(self, *arguments: Any, expression: str | None = None, **options: Any) -> ImageData:
        """See `MultiBaseReader.preview`."""
        return _image(super().preview(*arguments, **options), expression)

    def part(self, *arguments: Any, expression: str | None = None, **options: Any) -> ImageData:
        """See `MultiBaseReader.part`."""
        return _image(super().part(*arguments, **options), expression)

    def feature(self, *arguments: Any, expression: str | None = None, **options: Any) -> ImageData:
        """See `MultiBaseReader.feature`."""
        return _image(super().feature(*arguments, **options), expression)

    def point(self, *arguments: Any, expression: str | None = None, **options: Any) -> PointData:
        """See `MultiBaseReader.point`."""
        point = super().point(*arguments, **options)
        if expression is None:
            return point
        array, names = _evaluated(point.array, _own_names(point), expression)
        return PointData(array, crs=point.crs, coordinates=point.coordinates, band_descriptions=names)


def _image(image: ImageData, expression: str | None) -> ImageData:
    if expression is None:
        return image
    array, names = _evaluated(image.array, _own_names(image), expression)
    return ImageData(
        array, crs=image.crs, bounds=image.bounds, band_descriptions=names, cutline_mask=image.cutline_mask
    )


def _own_names(values: ImageData | PointData) -> list[str]:
    """Band names without the asset key that MultiBaseReader puts before each."""
    return [
        next((name.removeprefix(f"{key}_") for key in values.metadata or () if name.startswith(f"{key}_")), name)
        for name in values.band_descriptions
    ]


def _evaluated(
    array: np.ma.MaskedArray[Any, Any], names: Sequence[str], expression: str
) -> tuple[np.ma.MaskedArray[Any, Any], list[str]]:
    """Band arithmetic over (band, …); hidden where any band is, or where the result is not finite."""
    parsed = parse_expression(expression)
    positions = used_bands(parsed, names)
    floats = array.data.astype(np.float32)
    values = np.stack(parsed.evaluate({name: floats[at] for name, at in zip(parsed.names, positions, strict=True)}))
    hidden = np.ma.getmaskarray(array)[positions].any(axis=0) | ~np.isfinite(values)
    return np.ma.MaskedArray(values, mask=hidden), expression.split(";")


def _output_shape(width: float, height: float, options: Mapping[str, Any]) -> tuple[float, float]:
    """Columns and rows of the answer, as rio-tiler will choose them."""
    asked_width, asked_height, max_size = (options.get(name) for name in ("width", "height", "max_size"))
    if asked_width:
        return asked_width, asked_height or asked_width * height / width
    if asked_height:
        return asked_height * width / height, asked_height
    scale = min(max_size / max(width, height), 1.0) if max_size else 1.0
    return max(width * scale, 1.0), max(height * scale, 1.0)
