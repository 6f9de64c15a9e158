"""Where the pixels of a GeoTIFF lie, from its GeoTIFF keys, and what its bands are, from GDAL's metadata.

Source: OGC 19-008r4 GeoTIFF 1.1, §7 and annex B.
"""

from dataclasses import dataclass
from typing import NamedTuple
from xml.etree.ElementTree import ParseError

from affine import Affine
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pyproj.exceptions import ProjError
from rasterio.errors import RasterioError

from imagery_node import tiff
from imagery_node.errors import UnreadableAssetError
from imagery_node.gdal_file import open_geotiff, telling_failures
from imagery_node.grid import to_web_mercator
from imagery_node.source_file import Location

_MODEL_TYPE, _RASTER_TYPE, _GEOGRAPHIC_CRS, _PROJECTED_CRS = 1024, 1025, 2048, 3072
_PROJECTED, _GEOGRAPHIC = 1, 2
_PIXEL_IS_POINT = 2
_USER_DEFINED = 32767


@dataclass(frozen=True)
class Georeference:
    """A pixel grid on the ground."""

    crs: str
    """`EPSG:<code>`, or WKT where the file defines its own; x is always east or longitude."""
    transform: Affine
    """Pixel corner (col, row) → (x, y)."""


class BandTags(NamedTuple):
    """What GDAL's metadata tag says of the bands of an image, one of each per band."""

    names: tuple[str, ...]
    """Descriptions, empty where there is none."""
    scales: tuple[float, ...]
    offsets: tuple[float, ...]


def read_georeference(directory: tiff.Directory, location: Location) -> Georeference:
    """The georeference of an image.

    Raises:
        UnreadableAssetError: It has none, or none that can be drawn on a map.
    """
    keys = _geo_keys(directory)
    transform = _transform(directory)
    if keys.get(_RASTER_TYPE) == _PIXEL_IS_POINT:
        transform = transform * Affine.translation(-0.5, -0.5)
    code = keys.get({_PROJECTED: _PROJECTED_CRS, _GEOGRAPHIC: _GEOGRAPHIC_CRS}.get(keys.get(_MODEL_TYPE, 0), 0), 0)
    crs = f"EPSG:{code}" if 0 < code < _USER_DEFINED else _spelt_out_crs(location)
    try:
        to_web_mercator(crs)
    except ProjError as error:
        raise UnreadableAssetError(f"has a CRS that cannot be mapped: {crs[:80]}") from error
    return Georeference(crs, transform)


def read_tags(metadata: str, count: int) -> BandTags:
    """GDAL's metadata of an image with that many bands; the usual values where the tag is empty.

    Raises:
        UnreadableAssetError: The tag is not XML, or a number in it is none.
    """
    names, scales, offsets = [""] * count, [1.0] * count, [0.0] * count
    try:
        items = fromstring(metadata).iter("Item") if metadata else ()
        for item in items:
            sample, role, text = int(item.get("sample", "-1")), item.get("role"), item.text or ""
            if not 0 <= sample < count:
                continue
            if role == "description":
                names[sample] = text
            elif role in ("scale", "offset"):
                (scales if role == "scale" else offsets)[sample] = float(text)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise UnreadableAssetError(f"GDAL metadata tag is not readable: {error}") from error
    return BandTags(tuple(names), tuple(scales), tuple(offsets))


def _geo_keys(directory: tiff.Directory) -> dict[int, int]:
    """The short-valued GeoTIFF keys."""
    values = directory.numbers.get(tiff.GEO_KEY_DIRECTORY)
    if values is None or len(values) < 4:
        return {}
    rows = [values[i : i + 4].tolist() for i in range(4, len(values) - 3, 4)]
    return {key: value for key, location, _, value in rows if location == 0}


def _transform(directory: tiff.Directory) -> Affine:
    matrix = directory.numbers.get(tiff.MODEL_TRANSFORMATION)
    scale = directory.numbers.get(tiff.MODEL_PIXEL_SCALE)
    tie = directory.numbers.get(tiff.MODEL_TIEPOINT)
    if matrix is not None and len(matrix) == 16:
        a, b, _, c, d, e, _, f = matrix[:8].tolist()
        transform = Affine(a, b, c, d, e, f)
    elif scale is not None and tie is not None and len(scale) >= 2 and len(tie) == 6:
        col, row, _, x, y, _ = tie.tolist()
        transform = Affine(float(scale[0]), 0.0, x, 0.0, -float(scale[1]), y) * Affine.translation(-col, -row)
    else:
        raise UnreadableAssetError("has no transform to the ground")
    if not abs(transform.determinant) > 0 or not abs(transform.determinant) < float("inf"):
        raise UnreadableAssetError("has a transform that cannot be inverted")
    return transform


def _spelt_out_crs(location: Location) -> str:
    """A CRS without a code of its own: GDAL knows how to put it together from the keys."""
    try:
        with telling_failures(location), open_geotiff(location) as dataset:
            crs = dataset.crs
    except RasterioError as error:
        raise UnreadableAssetError(f"GDAL cannot read its CRS: {error}") from error
    if not crs:
        raise UnreadableAssetError("has no CRS")
    return str(crs.to_wkt())
