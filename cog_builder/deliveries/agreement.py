"""Whether the images of a scene can be of one scene: files that were mixed up still open, and would lie elsewhere."""

import math
from datetime import datetime, timedelta

import numpy as np

from cog_builder.degrees import Floats, metres_from
from cog_builder.errors import BadMetadataError
from cog_builder.scene import ImagePart, SourceImage

_MAX_APART = 0.1
"""Of the scene's diagonal, between the centres of its images: they are cut alike to a few lines."""
_GSD_RATIO = (0.5, 2.0)
"""Stated by seen; looking aslant widens a pixel, and edges of wide cameras are half as coarse again."""
_MAX_BETWEEN = timedelta(minutes=5)
_HEIGHT_M = 500.0


def check_gsd(image: SourceImage, document: str) -> None:
    """The stated ground sample distance is about what the image's own geometry gives.

    Raises:
        BadMetadataError: It is not; the product would be drawn far too fine or too coarse.
    """
    part = image.parts[0]
    col, row = part.width / 2, part.height / 2
    along, across = _ground_m(part, (col, row), (col, row + 1)), _ground_m(part, (col, row), (col + 1, row))
    seen_m = math.sqrt(along * across)
    if not _GSD_RATIO[0] < image.gsd_m / seen_m < _GSD_RATIO[1]:
        raise BadMetadataError(
            f"{document}: a ground sample distance of {image.gsd_m:g} m, expected about {seen_m:.3g} m as "
            f"{image.name} has it on the ground"
        )


def check_pair(main: SourceImage, pan: SourceImage, clocks: tuple[datetime, datetime]) -> None:
    """A multispectral and a pan image show the same ground at the same time.

    Raises:
        BadMetadataError: They do not; perhaps their camera models were swapped.
    """
    apart = abs(clocks[0] - clocks[1])
    if apart > _MAX_BETWEEN:
        raise BadMetadataError(f"{pan.name}: taken {apart} apart from {main.name}, expected the same moment")
    part, other = main.parts[0], pan.parts[0]
    diagonal_m = _ground_m(part, (0, 0), (part.width, part.height))
    ours, theirs = (_locate(each, (each.width / 2, each.height / 2)) for each in (part, other))
    distance_m = _distance_m(ours, theirs)
    if distance_m > _MAX_APART * diagonal_m:
        raise BadMetadataError(
            f"{pan.name}: its centre lies {distance_m:.0f} m from that of {main.name}, expected at most "
            f"{_MAX_APART * diagonal_m:.0f} m; their RPC files may be swapped or of another scene"
        )


def _ground_m(part: ImagePart, start: tuple[float, float], end: tuple[float, float]) -> float:
    return _distance_m(_locate(part, start), _locate(part, end))


def _locate(part: ImagePart, place: tuple[float, float]) -> Floats:
    """(longitude, latitude) of a (column, row), at one height for all images: their RPCs name different ones."""
    col, row = (np.array([value - 0.5]) for value in place)
    return np.concatenate(part.locate(col, row, _HEIGHT_M))


def _distance_m(one: Floats, other: Floats) -> float:
    return float(np.hypot(*metres_from(one, other)[0]))
