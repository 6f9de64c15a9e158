"""Colour maps of a single band: tables of 256 colours by name, and classes of values with a colour each."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rio_tiler.colormap import cmap

from catalog.geometry import is_number
from catalog.request_limits import strict_json
from imagery_node.errors import BadRenderingError

MAX_CLASSES = 256
MAX_TEXT_LENGTH = 8192

Colour = tuple[int, int, int]
"""Red, green, blue, each 0–255."""
Rgb = NDArray[np.uint8]
"""(row, column, 3)."""

_HEX = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)
_OPAQUE = 255


class ColourClass(NamedTuple):
    """Values shown in one colour."""

    low: float
    """The first value of the class."""
    high: float
    """The first one above it."""
    colour: Colour


@lru_cache(maxsize=1)
def colormap_names() -> frozenset[str]:
    """Names of colour maps (rio-tiler's); those with holes or intervals instead of 256 colours are left out."""
    return frozenset(name for name in cmap.list() if isinstance(cmap.get(name), dict) and len(cmap.get(name)) == 256)


@lru_cache
def colour_table(name: str) -> Rgb:
    """256 colours, shaped (256, 1, 3) as OpenCV wants a table."""
    table = cmap.get(name)
    return np.array([table[value][:3] for value in range(256)], np.uint8).reshape(256, 1, 3)


def parse_classes(text: str) -> tuple[ColourClass, ...]:
    """Read what a caller wrote; see `read_classes`.

    Raises:
        RefusedRequestError: It is not JSON of one meaning.
        BadRenderingError: It is too long, or as `read_classes`.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise BadRenderingError(f"colormap has {len(text)} characters, at most {MAX_TEXT_LENGTH} are allowed")
    return read_classes(strict_json(text.encode()))


def read_classes(document: Any) -> tuple[ColourClass, ...]:
    """Classes from JSON: `[[[low, high], colour], …]`, a colour being `"#rrggbb"`, `[r, g, b]` or `[r, g, b, 255]`.

    Returns:
        In the order of their values.

    Raises:
        BadRenderingError: It is something else, or classes overlap.
    """
    if not isinstance(document, list) or not 1 <= len(document) <= MAX_CLASSES:
        raise BadRenderingError(f"colormap must be a list of 1–{MAX_CLASSES} classes [[low, high], colour]")
    classes = sorted(map(_read_class, document))
    for lower, upper in pairwise(classes):
        if upper.low < lower.high:
            raise BadRenderingError(f"colormap: the classes from {lower.low:g} and from {upper.low:g} overlap")
    return tuple(classes)


def paint_classes(values: NDArray[Any], classes: Sequence[ColourClass]) -> tuple[Rgb, NDArray[np.bool_]]:
    """The colours of (row, column) values, and where there is one: values of no class have none."""
    with np.errstate(over="ignore"):  # what no single-precision number is above is endless
        lows, highs = (np.array([getattr(each, end) for each in classes], np.float32) for end in ("low", "high"))
    at = np.searchsorted(lows, values, side="right") - 1
    painted = (at >= 0) & (values < highs[at])
    return np.array([each.colour for each in classes], np.uint8)[at], painted


def paint_table(values: NDArray[np.uint8], name: str) -> Rgb:
    """The colours of 8-bit values (row, column)."""
    return np.asarray(cv2.applyColorMap(values, colour_table(name)), np.uint8)


def _read_class(entry: Any) -> ColourClass:
    match entry:
        case [[low, high], colour] if is_number(low) and is_number(high) and low < high:
            return ColourClass(float(low), float(high), _read_colour(colour))
    raise BadRenderingError(f"colormap: {entry!r:.80} is no class [[low, high], colour] with low < high")


def _read_colour(colour: Any) -> Colour:
    if isinstance(colour, str) and _HEX.fullmatch(colour):
        red, green, blue = bytes.fromhex(colour[1:])
        return red, green, blue
    match colour:
        case [int(red), int(green), int(blue)] | [int(red), int(green), int(blue), 255]:
            if all(is_number(value) and 0 <= value <= _OPAQUE for value in (red, green, blue)):
                return red, green, blue
    raise BadRenderingError(f"colormap: {colour!r:.80} is no colour '#rrggbb' or [red, green, blue] of 0–255")
