"""Where a delivered image lies: by its camera model, or by the map it was delivered on."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pyproj import Geod

from cog_builder.deliveries.metadata import Place, middle
from cog_builder.deliveries.rpb import read_rpb
from cog_builder.deliveries.rpc_text import read_rpc_text
from cog_builder.errors import BadMetadataError, GeolocationError, IncompleteDeliveryError
from cog_builder.rpc import Rpc
from cog_builder.scene import ImagePart, MapReference, SourceImage
from cog_builder.source_raster import read_map_references

_ELLIPSOID = Geod(ellps="WGS84")
_SIGHT_M = 500.0
_RPB_KEY = b"BEGIN_GROUP"
_SNIFFED_BYTES = 4096
_MAX_CENTER_ERROR_DEG = 0.5
"""The XML's own centre is up to 7 km wrong; half a degree is another scene. On a map the image lies askew and its
middle is that of the map only roughly, so there half the map's side counts where that is more."""


def place_image(tiffs: Sequence[Path], rpc: Path | None, level: str) -> Rpc | MapReference:
    """The camera model of a raw image, the map of a processed one (level 2 and up).

    Args:
        tiffs: One, or one per band.
        rpc: The camera model, where there is one.
        level: Of the product.

    Raises:
        IncompleteDeliveryError: A raw image without a camera model.
        GeolocationError: A processed image that lies on no map and has no camera model either.
        BadMetadataError: The camera model cannot be read, or a band lies elsewhere than the others.
    """
    tiff = tiffs[0]
    raw = level.startswith("L1")
    if raw and rpc is None:
        raise IncompleteDeliveryError(f"{tiff.stem}.rpb is missing, expected beside the TIFF")
    reference, *others = [None] if raw else read_map_references(tiffs)
    for other, elsewhere in zip(tiffs[1:], others, strict=False):
        if elsewhere != reference:
            raise BadMetadataError(f"{other.name}: lies elsewhere on the map, expected it on {tiff.name}")
    if reference is not None:
        return reference
    if rpc is None:
        raise GeolocationError(f"{tiff.name}: a product of level {level} without coordinates, expected it on a map")
    with rpc.open("rb") as stream:
        is_rpb = _RPB_KEY in stream.read(_SNIFFED_BYTES)
    return read_rpb(rpc) if is_rpb or rpc.suffix.lower() == ".rpb" else read_rpc_text(rpc)


def seen_center(image: SourceImage, *, stated: Place | None = None, document: str = "") -> Place:
    """(longitude, latitude) of the middle of an image where it really lies: corners in the XML miss by kilometres.

    Raises:
        GeolocationError: The camera model does not describe a camera.
        BadMetadataError: `stated` by `document` is far off: camera model and XML are of different scenes.
    """
    center = middle(tuple(_part_center(part) for part in image.parts))
    if center is None:
        raise GeolocationError(f"{image.name}: no part of an image")
    if stated is None:
        return center
    apart = max(abs((center[0] - stated[0] + 180) % 360 - 180), abs(center[1] - stated[1]))
    if apart > max(_MAX_CENTER_ERROR_DEG, *map(_half_map_deg, image.parts)):
        what = "RPC looks" if image.map_reference is None else "map lies"
        raise BadMetadataError(
            f"{Path(image.name).stem}: the {what} at {center[0]:.2f}, {center[1]:.2f}, expected {stated[0]:.2f}, "
            f"{stated[1]:.2f} as {document} has it; {what.split()[0]} and XML are not of one scene"
        )
    return center


def lit_center(image: SourceImage, stated: Place | None) -> Place:
    """Where sun angles are told for: the middle of what the camera saw, which only the XML knows of an image on a map.

    Args:
        image: The image.
        stated: The XML's own centre, which `seen_center` found to be of this scene.
    """
    return seen_center(image) if image.map_reference is None or stated is None else stated


def seen_view(image: SourceImage) -> tuple[float, float] | None:
    """(incidence angle, azimuth) in degrees of the view at the middle of an image; None for one on a map.

    The camera model tells where one pixel looks at two heights, and so how its line of sight leans. In real products of
    GF-1, GF-2 and GF-4 that is what their XML says, to 0.1°.
    """
    part = image.parts[len(image.parts) // 2]
    if isinstance(part.geometry, MapReference):
        return None
    col, row = np.full(2, (part.width - 1) / 2), np.full(2, (part.height - 1) / 2)
    height_m = part.geometry.height_offset_m + np.array([0.0, _SIGHT_M])
    longitude, latitude = part.geometry.locate(col, row, height_m)
    turn, _, away_m = _ELLIPSOID.inv(longitude[0], latitude[0], longitude[1], latitude[1])
    return math.degrees(math.atan2(away_m, _SIGHT_M)), turn % 360


def _half_map_deg(part: ImagePart) -> float:
    if not isinstance(part.geometry, MapReference):
        return 0.0
    longitude, latitude = part.locate(np.array([0.0, part.width]), np.array([0.0, part.height]))
    return float(max(abs(np.diff(longitude))[0], abs(np.diff(latitude))[0])) / 2


def _part_center(part: ImagePart) -> Place:
    col, row = np.array([(part.width - 1) / 2]), np.array([(part.height - 1) / 2])
    try:
        longitude, latitude = part.locate(col, row)
    except GeolocationError as error:
        raise GeolocationError(f"{Path(part.name).stem}: {error}") from error
    return float(longitude[0]), float(latitude[0])
