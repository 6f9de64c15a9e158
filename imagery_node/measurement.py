"""What is measured of a pixel: bands of an asset as they are stored, or an expression over them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagery_node.cog import Cog
from imagery_node.errors import BadRenderingError
from imagery_node.expression import parse_expression, used_bands
from imagery_node.rendering import Rendering


class Bands(NamedTuple):
    """What to read of a file, and what comes out of it."""

    names: tuple[str, ...]
    """Of the results: band names, or the blocks of the expression."""
    positions: tuple[int, ...]
    """Of the bands to read, from 0."""


def bands_of(rendering: Rendering, cog: Cog) -> Bands:
    """What a rendering measures in a file: all bands where it names none.

    Raises:
        BadRenderingError: The file lacks one.
    """
    if rendering.expression is not None:
        positions = tuple(used_bands(parse_expression(rendering.expression), cog.band_names))
        return Bands(tuple(rendering.expression.split(";")), positions)
    names = [name or f"b{number}" for number, name in enumerate(cog.band_names, 1)]
    positions = tuple(index - 1 for index in rendering.indexes or range(1, len(names) + 1))
    if max(positions) >= len(names):
        raise BadRenderingError(f"bidx is {max(positions) + 1}, asset {rendering.asset} has {len(names)} bands")
    return Bands(tuple(names[position] for position in positions), positions)


def measure(rendering: Rendering, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The results (…, result) of values (…, band) of the bands that were read; not finite where there is none."""
    if rendering.expression is None:
        return values
    expression = parse_expression(rendering.expression)
    results = expression.evaluate({name: values[..., at] for at, name in enumerate(expression.names)})
    return np.stack(results, axis=-1)
