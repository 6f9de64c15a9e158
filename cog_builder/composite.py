"""Many scenes → one composite block: read by odc-stac onto one grid, put together by xarray.

A job for a worker: its arguments and its answer are plain values, and its memory is bounded however many scenes there
are. xarray and odc-stac come with the extra `composite`, and are imported only here.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from cog_builder.errors import UnreadableImageError
from cog_builder.map_grid import MapGrid
from cog_builder.quality import CLOUD, CLOUD_SHADOW, FILL

if TYPE_CHECKING:
    import xarray

CompositeRule = Literal["median", "max-ndvi", "clearest"]

MAX_SCENES = 255
"""Of one composite: more would not fit into the band that counts them."""

_BYTES_AT_ONCE = 128 * 2**20
_BYTES_PER_VALUE = 10
"""As read, as float and as copied by the median."""
_LARGEST = 65535


@dataclass(frozen=True)
class Observation:
    """What of a scene is read: reflectance and, where it has them, flags."""

    item: dict[str, Any]
    """The STAC Item that odc-stac gets: the assets `analytic` and perhaps `quality`, with what their headers say."""
    bands: int
    """Of `analytic`."""

    @classmethod
    def of_item(cls, item: dict[str, Any], analytic: str, quality: str | None) -> Self:
        """Look into the files of an Item.

        Args:
            item: As catalogued; only its place and time are used.
            analytic: Path or `/vsi` name of its reflectance, uint16 with nodata 0.
            quality: The same of its flags, if it has any.

        Raises:
            UnreadableImageError: A file is no GeoTIFF, or the reflectance is not as it should be.
        """
        assets = {"analytic": _asset(analytic), **({"quality": _asset(quality)} if quality else {})}
        bands = assets["analytic"]["bands"]
        kinds = {(band["data_type"], band["nodata"]) for band in bands}
        if kinds != {("uint16", 0.0)}:
            raise UnreadableImageError(f"{item['id']}: the values are {kinds}, expected uint16 with nodata 0")
        facts = {name: item[name] for name in ("type", "stac_version", "id", "geometry", "bbox")}
        when = {"datetime": item["properties"]["datetime"]}
        projection = ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"]
        told = facts | {"properties": when, "links": [], "assets": assets, "stac_extensions": projection}
        return cls(told, len(bands))


@dataclass(frozen=True)
class CompositeBlock:
    """Some rows and columns of a composite."""

    values: NDArray[np.uint16]
    """(row, column, band); 0 where no scene has a pixel."""
    flags: NDArray[np.uint8]
    """(row, column): FILL without a pixel; CLOUD where no scene is clear, so that cloudy pixels were taken."""
    count: NDArray[np.uint8]
    """(row, column): how many scenes are clear there."""


def composite_block(
    observations: Sequence[Observation], grid: MapGrid, rule: CompositeRule, *, ndvi_bands: tuple[int, int]
) -> CompositeBlock:
    """Put scenes together on a grid; where none of them is clear, of all that have a pixel.

    Args:
        observations: Scenes, the most wanted first: of equals the first wins.
        grid: Of the block.
        rule: `median` of each band; the pixel with the highest NDVI (`max-ndvi`); that of the first clear scene.
        ndvi_bands: Positions (from 0) of near infrared and red.

    Raises:
        UnreadableImageError: A file cannot be read.
    """
    per_row = grid.width * max(len(observations), 1) * (observations[0].bands + 1) * _BYTES_PER_VALUE
    step = max(1, min(grid.height, _BYTES_AT_ONCE // per_row))
    strips = [
        _strip(observations, _rows(grid, top, min(top + step, grid.height)), rule, ndvi_bands)
        for top in range(0, grid.height, step)
    ]
    return CompositeBlock(
        *(np.concatenate([getattr(strip, name) for strip in strips]) for name in ("values", "flags", "count"))
    )


def _asset(path: str) -> dict[str, Any]:
    """A file as an asset; its driver is pinned here, since odc-stac takes any."""
    try:
        with rasterio.open(path, driver="GTiff") as file:
            return {
                "href": path,
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "proj:code": f"EPSG:{file.crs.to_epsg()}",
                "proj:shape": list(file.shape),
                "proj:transform": [float(value) for value in tuple(file.transform)[:6]],
                "bands": [
                    {"name": f"b{number}", "data_type": kind, "nodata": nodata}
                    for number, kind, nodata in zip(file.indexes, file.dtypes, file.nodatavals, strict=True)
                ],
            }
    except RasterioError as error:
        raise UnreadableImageError(f"{path}: {error}") from error


def _rows(grid: MapGrid, top: int, bottom: int) -> MapGrid:
    return replace(grid, top=grid.top - top * grid.pixel, height=bottom - top)


def _strip(
    observations: Sequence[Observation], grid: MapGrid, rule: CompositeRule, ndvi_bands: tuple[int, int]
) -> CompositeBlock:
    values, flags = _load(observations, grid)
    valid = (values != 0).all("band")
    clear = valid & ((flags & (CLOUD | CLOUD_SHADOW)) == 0)
    usable = clear.where(clear.any("time"), valid).astype(bool)
    seen = usable.any("time").to_numpy()
    if rule == "median":
        merged = values.where(usable | ~usable.any("time")).median("time", skipna=True)  # where none is usable: zeros
    else:
        merged = values.isel(time=_score(values, usable, rule, ndvi_bands).argmax("time"))
    pixels = merged.transpose("y", "x", "band").to_numpy()
    never_clear = seen & ~clear.any("time").to_numpy()
    return CompositeBlock(
        np.where(seen[..., None], np.clip(np.rint(pixels), 1, _LARGEST), 0).astype(np.uint16),
        np.where(seen, never_clear * np.uint8(CLOUD), np.uint8(FILL)).astype(np.uint8),
        clear.sum("time").to_numpy().astype(np.uint8),
    )


def _score(
    values: "xarray.DataArray", usable: "xarray.DataArray", rule: CompositeRule, ndvi_bands: tuple[int, int]
) -> "xarray.DataArray":
    """The higher, the better the pixel; the lowest where it is not to be used."""
    if rule == "clearest":
        return usable.astype(np.float32)  # argmax takes the first
    nir, red = (values.isel(band=band).astype(np.float32) for band in ndvi_bands)
    return ((nir - red) / (nir + red)).where(usable, -np.inf)


def _load(observations: Sequence[Observation], grid: MapGrid) -> "tuple[xarray.DataArray, xarray.DataArray]":
    """Reflectance (band, time, y, x), 0 where a scene has none, and flags (time, y, x); in the given order."""
    import odc.stac
    import pystac
    import xarray
    from odc.geo.geobox import GeoBox

    names = [f"analytic.{number}" for number in range(1, observations[0].bands + 1)]
    flagged = any("quality" in observation.item["assets"] for observation in observations)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The 'shapely.ops.transform", DeprecationWarning)  # odc-geo calls it
        try:
            loaded = odc.stac.load(
                [pystac.Item.from_dict(observation.item) for observation in observations],
                bands=[*names, "quality"] if flagged else names,
                geobox=GeoBox((grid.height, grid.width), grid.transform, f"EPSG:{grid.epsg}"),
                groupby="id",
                preserve_original_order=True,
                resampling={"*": "bilinear", "quality": "nearest"},
            )
        except RasterioError as error:
            raise UnreadableImageError(f"a file of the composite's scenes cannot be read: {error}") from error
    values = xarray.concat([loaded[name] for name in names], dim="band")
    flags = loaded["quality"] if flagged else xarray.zeros_like(loaded[names[0]])
    dims = {name: dim for name, dim in zip(flags.dims, ("time", "y", "x"), strict=True) if name != dim}
    return values.rename(dims), flags.rename(dims)
