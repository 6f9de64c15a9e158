"""How values become colours: the Rendering a caller asks for, and its application to an array."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery_node.block import Pixels
from imagery_node.cog import Cog
from imagery_node.cog_window import with_bands
from imagery_node.colormap import ColourClass, Rgb, colormap_names, paint_classes, paint_table
from imagery_node.errors import BadRenderingError
from imagery_node.expression import parse_expression, used_bands

MAX_INDEXES = 8
MIN_GAMMA, MAX_GAMMA = 0.1, 10.0
_COLOURS = 3
_WHITE = 255


@dataclass(frozen=True)
class Rendering:
    """What is shown of an asset, and how; hashable, and part of a tile's validator."""

    asset: str = "visual"
    """Asset key."""
    indexes: tuple[int, ...] | None = None
    """Bands from 1: one or three. Without them the first three bands, or the only one."""
    expression: str | None = None
    """One or three blocks over band names or b1…bn, in place of indexes."""
    rescale: tuple[tuple[float, float], ...] | None = None
    """Values shown as black and as full colour: one pair, or one per shown band."""
    colormap: str | None = None
    """Name of a colour map (rio-tiler's list) for a single band."""
    gamma: float | None = None
    """Stretched values 0–1 are raised to 1/gamma: above 1 brightens."""
    classes: tuple[ColourClass, ...] = ()
    """Colours for intervals of a single band's values, in place of stretch and colour map; other values are hidden."""

    def __post_init__(self) -> None:
        if self.indexes is not None:
            if self.expression is not None:
                raise BadRenderingError("bidx and expression exclude each other")
            if not 1 <= len(self.indexes) <= MAX_INDEXES or min(self.indexes) < 1:
                raise BadRenderingError(f"bidx is {self.indexes}, expected 1–{MAX_INDEXES} band numbers from 1")
            if len(set(self.indexes)) != len(self.indexes):
                raise BadRenderingError(f"bidx is {self.indexes}, expected each band once")
        if self.expression is not None:
            parse_expression(self.expression)
        for pair in self.rescale or ():
            if not all(map(math.isfinite, pair)) or not pair[0] < pair[1]:
                raise BadRenderingError(f"rescale is {pair[0]:g},{pair[1]:g}, expected finite minimum < maximum")
        if self.colormap is not None and self.colormap not in colormap_names():
            raise BadRenderingError(f"no colour map {self.colormap!r}")
        if self.gamma is not None and not MIN_GAMMA <= self.gamma <= MAX_GAMMA:
            raise BadRenderingError(f"gamma is {self.gamma:g}, expected {MIN_GAMMA:g}–{MAX_GAMMA:g}")
        if self.classes and (self.colormap or self.rescale or self.gamma):
            raise BadRenderingError("a colormap of classes stands in place of colormap_name, rescale and gamma")

    @property
    def is_categorical(self) -> bool:
        """Whether values are those of classes, of which there is no mean: to be picked, not interpolated."""
        return bool(self.classes) and self.expression is None

    @property
    def has_colormap(self) -> bool:
        """Whether a single band is shown in colours of its own."""
        return self.colormap is not None or bool(self.classes)


def needed_bands(rendering: Rendering, cog: Cog) -> tuple[int, ...]:
    """Positions (from 0) of the bands to read.

    Raises:
        BadRenderingError: The file lacks one of them, or the result is neither one nor three bands.
    """
    count = len(cog.band_names)
    if rendering.expression is not None:
        expression = parse_expression(rendering.expression)
        _check(rendering, cog, shown=len(expression.blocks), is_float=True)
        return tuple(used_bands(expression, cog.band_names))
    indexes = rendering.indexes or ((1, 2, 3) if count >= _COLOURS and not rendering.has_colormap else (1,))
    if max(indexes) > count:
        raise BadRenderingError(f"bidx is {max(indexes)}, asset {rendering.asset} has {count} bands")
    _check(rendering, cog, shown=len(indexes), is_float=False)
    return tuple(index - 1 for index in indexes)


def colour(rendering: Rendering, cog: Cog, values: Pixels, valid: NDArray[np.bool_]) -> tuple[Rgb, NDArray[np.bool_]]:
    """Turn the values of the needed bands, in their order, into colours.

    Returns:
        Colours, and where they are valid: an expression without a finite answer is not, nor a value of no class.
    """
    if rendering.expression is not None:
        expression = parse_expression(rendering.expression)
        floats = values.astype(np.float32)
        results = expression.evaluate({name: floats[..., i] for i, name in enumerate(expression.names)})
        values = np.stack(results, axis=-1)
        valid = valid & np.isfinite(values).all(axis=-1)
        values[~valid] = 0
    return paint(rendering, values, valid)


def paint(rendering: Rendering, values: Pixels, valid: NDArray[np.bool_]) -> tuple[Rgb, NDArray[np.bool_]]:
    """Stretch and colour values (row, column, band) that are to be shown; returns as `colour`."""
    if rendering.classes:
        painted, known = paint_classes(values[..., 0], rendering.classes)
        return painted, valid & known
    shown = _to_bytes(values, rendering)
    if rendering.colormap is not None:
        return paint_table(shown[..., 0], rendering.colormap), valid
    return cv2.cvtColor(shown, cv2.COLOR_GRAY2RGB) if shown.shape[2] == 1 else shown, valid


def _check(rendering: Rendering, cog: Cog, *, shown: int, is_float: bool) -> None:
    """Refuse what cannot be turned into colours."""
    if shown not in (1, _COLOURS) or (rendering.has_colormap and shown != 1):
        wanted = "1 with a colour map" if rendering.has_colormap else "1 or 3"
        raise BadRenderingError(f"{shown} bands would be shown, expected {wanted}")
    if rendering.rescale is None and not rendering.classes and (is_float or cog.dtype != np.uint8):
        kind = "an expression" if is_float else f"asset {rendering.asset} ({cog.dtype})"
        raise BadRenderingError(f"{kind} needs rescale=minimum,maximum to become colours")
    if rendering.rescale is not None and len(rendering.rescale) not in (1, shown):
        raise BadRenderingError(f"rescale has {len(rendering.rescale)} pairs, expected 1 or {shown}")


def _to_bytes(values: Pixels, rendering: Rendering) -> Rgb:
    """Stretch to 0–255, rounded; by OpenCV, which saturates in the same pass."""
    rescale = rendering.rescale
    if rescale is None and rendering.gamma is None:
        return values if values.dtype == np.uint8 else with_bands(cv2.convertScaleAbs(values))
    rescale = rescale or ((0.0, float(_WHITE)),)
    pairs = rescale * _COLOURS if len(rescale) == 1 else rescale
    above = cv2.subtract(values, (*(low for low, _ in pairs), 0.0), dtype=cv2.CV_32F)
    gains = [_WHITE / (high - low) for low, high in pairs]
    if len(set(gains)) > 1:
        above, gains = cv2.multiply(above, (*gains, 0.0)), [1.0]
    above = cv2.threshold(above, 0.0, 0.0, cv2.THRESH_TOZERO)[1]  # cv2.max makes four rows of a single pixel
    if rendering.gamma is None:
        return with_bands(cv2.convertScaleAbs(above, alpha=gains[0]))
    share = cv2.threshold(cv2.multiply(above, gains[0] / _WHITE), 1.0, 0.0, cv2.THRESH_TRUNC)[1]
    return with_bands(cv2.convertScaleAbs(cv2.pow(share, 1 / rendering.gamma), alpha=_WHITE))
