"""Where a scene lies: the outline its camera saw, and the outline of its valid pixels."""

from pathlib import Path

import numpy as np
import rasterio
import rasterio.features
from numpy.typing import NDArray
from shapely import Polygon, get_coordinates, set_coordinates
from shapely.geometry import MultiPolygon, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient
from shapely.ops import unary_union

from cog_builder.degrees import to_degrees
from cog_builder.elevation import Elevation
from cog_builder.errors import GeolocationError, UnreadableImageError
from cog_builder.quality import FILL
from cog_builder.rpc import Rpc
from cog_builder.scene import ImagePart, MapReference, Scene, SourceImage

Floats = NDArray[np.float64]

_POINTS_PER_SIDE = 65
_HEIGHT_ITERATIONS = 30
_TRACED_PX = 2048
_STAIRCASE_PX = 2**0.5
"""The corners of a traced slanted edge lie in a band of this width, which simplifying takes away."""


def image_outline(image: SourceImage, elevation: Elevation | None) -> tuple[Floats, Floats]:
    """(longitude, latitude) along the outer edge of an image on the ground, and of a lattice inside it.

    Raises:
        GeolocationError: The elevation model does not reach the whole image, the RPC cannot be inverted, or the image
            lies across the antimeridian, where its grids would run around the earth.
    """
    places = [_part_outline(part, elevation) for part in image.parts]
    longitude, latitude = (np.concatenate(values) for values in zip(*places, strict=True))
    west, east = float(longitude.min()), float(longitude.max())
    if west < -180 or east > 180:
        raise GeolocationError(
            f"{image.name}: looks at {west:.4f} to {east:.4f} degrees east, expected it inside -180 to 180; "
            f"scenes across the antimeridian cannot be built"
        )
    return longitude, latitude


def _part_outline(part: ImagePart, elevation: Elevation | None) -> tuple[Floats, Floats]:
    side = np.linspace(-0.5, part.width - 0.5, _POINTS_PER_SIDE)
    down = np.linspace(-0.5, part.height - 0.5, _POINTS_PER_SIDE)
    col, row = (axis.ravel() for axis in np.meshgrid(side, down))
    if isinstance(part.geometry, MapReference):
        return part.geometry.locate(col, row)
    if elevation is None:
        raise GeolocationError(f"{part.name}: no elevation for an image with a camera model")
    return locate_on_ground(part.geometry, elevation, col, row)


def locate_on_ground(rpc: Rpc, elevation: Elevation, col: Floats, row: Floats) -> tuple[Floats, Floats]:
    """Image positions to (longitude, latitude) on the terrain, by going back and forth between RPC and heights.

    Raises:
        GeolocationError: No height is known where the image looks.
    """
    height_m = np.full(col.shape, float(np.clip(rpc.height_offset_m, -100, 5000)))
    for _ in range(_HEIGHT_ITERATIONS):
        longitude, latitude = rpc.locate(col, row, height_m)
        found = elevation.heights_m(longitude, latitude)
        missing = np.isnan(found)
        if missing.all():
            break
        found = np.where(missing, np.nanmean(found), found)
        settled = np.abs(found - height_m).max() < 0.01
        height_m = found
        if settled:
            break
    if missing.any():
        raise GeolocationError(
            f"{elevation.source}: no height at {longitude[missing][0]:.4f}, {latitude[missing][0]:.4f} and "
            f"{int(missing.sum()) - 1} more of {missing.size} places the image looks at; "
            f"the elevation model must cover it all"
        )
    return longitude, latitude


def rough_bbox(part: ImagePart) -> tuple[float, float, float, float]:
    """West, south, east, north of what a part of an image shows, for any height on earth."""
    col, row = (axis.ravel() for axis in np.meshgrid([-0.5, part.width - 0.5], [-0.5, part.height - 0.5]))
    places = [part.locate(col, row, height_m) for height_m in (-500.0, 9000.0)]
    longitude, latitude = (np.concatenate(values) for values in zip(*places, strict=True))
    return float(longitude.min()), float(latitude.min()), float(longitude.max()), float(latitude.max())


def scene_bbox(scene: Scene) -> tuple[float, float, float, float]:
    """West, south, east, north of what a scene shows, for any height on earth."""
    boxes = [rough_bbox(part) for image in scene.images for part in image.parts]
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def valid_footprint(quality: Path) -> BaseGeometry:
    """Outline of the pixels that are not fill, in degrees, counter-clockwise, simplified by the steps of the pixels.

    Large images are traced on the first overview of at most 2048 pixels; holes are filled.

    Raises:
        UnreadableImageError: There is no such pixel.
    """
    with rasterio.open(quality, driver="GTiff") as flags:
        shrink = next((o for o in (1, *flags.overviews(1)) if max(flags.shape) / o <= _TRACED_PX), 1)
        shape_px = (-(-flags.height // shrink), -(-flags.width // shrink))
        imaged = (flags.read(1, out_shape=shape_px) & FILL) == 0
        transform = flags.transform @ rasterio.Affine.scale(flags.width / shape_px[1], flags.height / shape_px[0])
        epsg = flags.crs.to_epsg()
    if not imaged.any():
        raise UnreadableImageError("the delivered image holds nothing but fill: every pixel is 0 in every band")
    parts = rasterio.features.shapes(imaged.view(np.uint8), mask=imaged, transform=transform)
    traced = unary_union([shape(part) for part, _ in parts])
    largest = max(part.area for part in _polygons(traced))
    kept = [Polygon(part.exterior) for part in _polygons(traced) if part.area > largest / 1000]
    outline = unary_union(kept).simplify(transform.a * _STAIRCASE_PX)
    degrees = np.column_stack(to_degrees(epsg, *get_coordinates(outline).T)).round(7)
    outline = set_coordinates(outline, degrees)
    rings = [orient(part) for part in _polygons(outline)]
    return rings[0] if len(rings) == 1 else MultiPolygon(rings)


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    return [geometry] if isinstance(geometry, Polygon) else list(geometry.geoms)


def as_geojson(geometry: BaseGeometry) -> dict[str, object]:
    """A GeoJSON geometry of plain lists."""
    document = mapping(geometry)
    return {"type": document["type"], "coordinates": _lists(document["coordinates"])}


def _lists(value: object) -> object:
    return [_lists(part) for part in value] if isinstance(value, list | tuple) else value
