"""ItemReader: the raster assets of one item for rio-tiler, each opened as a GeoTIFF and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import attr
import numpy as np
from rio_tiler.constants import WGS84_CRS
from rio_tiler.errors import InvalidAssetName
from rio_tiler.io import MultiBaseReader
from rio_tiler.models import ImageData, PointData
from rio_tiler.types import AssetInfo

from imagery_node.cog_cache import CogCache
from imagery_node.cog_reader import CogReader
from imagery_node.errors import UnreadableAssetError
from imagery_node.expression import parse_expression, used_bands
from imagery_node.geotiff_reader import GeoTiffReader
from imagery_node.scene_index import Scene, Snapshot
from imagery_node.source_file import Location


@dataclass
class OpenItem:
    """One item of a request, by its names."""

    snapshot: Snapshot
    scene: Scene
    cache: CogCache
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

    def reader_options(self, key: str) -> dict[str, Any]:
        """What the reader of an asset is made with: a parsed header too, where we read the file ourselves."""
        file = self.file(key)
        options = {"file": file, "cells_per_pixel": self.cells_per_pixel}
        try:
            cog = self.cache.open(file)
        except UnreadableAssetError:  # by us; GDAL knows other layouts, and fails with an error too
            return options
        return options | {"cog": cog, "cache": self.cache} if cog.is_of_our_kind else options


@attr.s
class ItemReader(MultiBaseReader):
    """All raster assets of an item; expressions are evaluated by our own evaluator."""

    def __attrs_post_init__(self) -> None:
        """Take place and assets from the item."""
        self.reader_options = {}
        self.assets = self.input.rasters()
        self.bounds = tuple(self.input.document["bbox"])
        self.crs = WGS84_CRS

    def _get_asset_info(self, asset: str) -> AssetInfo:  # type: ignore[override]  # no options inside names
        options = self.input.reader_options(asset)
        return AssetInfo(url=asset, name=asset, media_type=None, reader_options=options, method_options={})

    def _get_reader(self, asset_info: AssetInfo) -> type[GeoTiffReader]:
        return CogReader if "cog" in asset_info["reader_options"] else GeoTiffReader

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
