"""Parameters of the item routes as TiTiler's factories take them, with our bounds instead of none.

TiTiler hands the fields on by name, so text becomes values in the fields where FastAPI put it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from rasterio.crs import CRS
from rio_tiler.colormap import cmap
from rio_tiler.types import ColorMapType, RIOResampling, WarpResampling
from starlette.requests import Request
from titiler.core.dependencies import DefaultDependency

from catalog.geometry import read_geometry
from catalog.request_limits import strict_json
from imagery_node.errors import BadParameterError
from imagery_node.expression import MAX_LENGTH
from imagery_node.parameter import (
    MAX_ASSETS,
    MAX_SIDE_PX,
    read_bands,
    read_box,
    read_crs,
    read_name,
    read_point,
    read_rescale,
)
from imagery_node.rendering import MAX_INDEXES, Rendering

MAX_FEATURES = 50
MAX_COVER_SCALE = 10

Side = Annotated[int | None, Field(ge=1, le=MAX_SIDE_PX)]


@dataclass
class AssetParameters(DefaultDependency):
    """Which assets to describe."""

    assets: Annotated[
        list[str] | None, Query(max_length=MAX_ASSETS, description="Asset keys; all rasters without.")
    ] = None

    def __post_init__(self) -> None:
        """Check the names."""
        self.assets = _checked_assets(self.assets) if self.assets else [":all:"]


@dataclass
class BandParameters(DefaultDependency):
    """Which values to read: assets, and bands of them or an expression over all their bands."""

    assets: Annotated[list[str] | None, Query(max_length=MAX_ASSETS, description="Asset keys.")] = None
    indexes: Annotated[
        list[str] | None, Query(alias="bidx", max_length=MAX_INDEXES, description="Bands, counted from 1.")
    ] = None
    expression: Annotated[str | None, Query(max_length=MAX_LENGTH, description="Band arithmetic over b1, b2, …")] = None

    def __post_init__(self) -> None:
        """Check them as a rendering's."""
        self.assets = _checked_assets(self.assets) if self.assets else ["visual"]
        indexes = read_bands(self.indexes) if self.indexes else None
        Rendering(indexes=indexes, expression=self.expression)
        self.indexes = indexes  # type: ignore[assignment]


@dataclass
class DatasetParameters(DefaultDependency):
    """How values are read."""

    unscale: Annotated[bool | None, Query(description="Apply the file's scale and offset.")] = None
    resampling_method: Annotated[
        RIOResampling | None, Query(alias="resampling", description="When reducing; nearest without.")
    ] = None
    reproject_method: Annotated[
        WarpResampling | None, Query(alias="reproject", description="When warping; nearest without.")
    ] = None


@dataclass
class PreviewParameters(DefaultDependency):
    """Size of a reduced picture; width and height win over max_size."""

    max_size: Side = 1024
    height: Side = None
    width: Side = None

    def __post_init__(self) -> None:
        """Let the more exact wish win."""
        if self.width or self.height:
            self.max_size = None


@dataclass
class PartParameters(PreviewParameters):
    """Size of a cut-out; full resolution without any."""

    max_size: Side = None


@dataclass
class StatisticsParameters(DefaultDependency):
    """Which statistics."""

    categorical: Annotated[bool | None, Query(description="Count values instead of describing them.")] = None
    categories: Annotated[list[float] | None, Query(alias="c", max_length=256, description="Values to count.")] = None
    percentiles: Annotated[
        list[Annotated[float, Field(ge=0, le=100)]] | None,
        Query(alias="p", max_length=16, description="Percentiles; 2 and 98 without."),
    ] = None

    def __post_init__(self) -> None:
        """Fill in the usual percentiles."""
        self.percentiles = self.percentiles or [2, 98]


@dataclass
class HistogramParameters(DefaultDependency):
    """Bins of the histogram."""

    bins: Annotated[int, Query(alias="histogram_bins", ge=1, le=1024)] = 10
    range: Annotated[str | None, Query(alias="histogram_range", max_length=64, description="min,max")] = None

    def __post_init__(self) -> None:
        """Read the range."""
        if self.range:
            ((low, high),) = read_rescale([self.range])
            if low >= high:
                raise BadParameterError("histogram_range must have min < max", limit="histogram_range")
            self.range = low, high  # type: ignore[assignment]


@dataclass
class PictureParameters(DefaultDependency):
    """How values become a picture."""

    rescale: Annotated[
        list[str] | None, Query(max_length=MAX_INDEXES, description="min,max; once, or once per band.")
    ] = None
    add_mask: Annotated[bool | None, Query(alias="return_mask", description="Mask as an alpha band.")] = None

    def __post_init__(self) -> None:
        """Check the stretch as a rendering's."""
        rescale = read_rescale(self.rescale) if self.rescale else None
        Rendering(rescale=rescale)
        self.rescale = rescale  # type: ignore[assignment]


def colormap(
    colormap_name: Annotated[str | None, Query(max_length=64, description="Colour map of a single band.")] = None,
) -> ColorMapType | None:
    """The table of a named colour map."""
    name = Rendering(colormap=colormap_name).colormap
    return cmap.get(name) if name else None


def output_crs(dst_crs: Annotated[str | None, Query(max_length=64)] = None) -> CRS | None:
    """Reference system of the answer."""
    return read_crs(dst_crs)


def coordinate_crs(coord_crs: Annotated[str | None, Query(max_length=64)] = None) -> CRS | None:
    """Reference system of the coordinates in the address."""
    return read_crs(coord_crs)


def bounds_crs(crs: Annotated[str | None, Query(max_length=64)] = None) -> CRS | None:
    """Reference system of the bounds in the answer."""
    return read_crs(crs)


def no_process() -> None:
    """No algorithm runs between reading and rendering."""


async def check_place(request: Request) -> None:
    """Check coordinates in the address and geometries in the body before any work (L09, L10)."""
    path = request.path_params
    in_degrees = "coord_crs" not in request.query_params
    if "lon" in path:
        read_point(f"{path['lon']},{path['lat']}", in_degrees=in_degrees)
    if "minx" in path:
        read_box(",".join(path[name] for name in ("minx", "miny", "maxx", "maxy")), in_degrees=in_degrees)
    if request.method == "POST":
        _check_features(strict_json(await request.body()))


def _check_features(document: Any) -> None:
    features = document.get("features", [document]) if isinstance(document, Mapping) else []
    if not isinstance(features, list) or not 1 <= len(features) <= MAX_FEATURES:
        raise BadParameterError(f"the body must be a Feature or 1–{MAX_FEATURES} of them", limit="features")
    for feature in features:
        geometry = feature.get("geometry") if isinstance(feature, Mapping) else None
        try:
            kind = read_geometry(geometry).geom_type
        except ValueError as error:
            raise BadParameterError(str(error), limit="geometry") from error
        if kind not in {"Polygon", "MultiPolygon"}:
            raise BadParameterError(f"the geometry is a {kind}, expected a Polygon or MultiPolygon", limit="geometry")


def _checked_assets(assets: list[str]) -> list[str]:
    if len(set(assets)) < len(assets):
        raise BadParameterError("each asset may be named once", limit="assets")
    return [read_name(asset) for asset in assets]
