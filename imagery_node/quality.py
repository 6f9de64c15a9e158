"""The quality asset: which pixels of a scene are clear."""

import numpy as np
from numpy.typing import NDArray

from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.grid import PixelGrid
from imagery_node.warp import pick

CLOUD, CLOUD_SHADOW = 4, 8
"""Bits of a flag, as `cog_builder` writes them and the item's description of the asset says."""


def clear_pixels(quality: Cog | None, target: PixelGrid, cache: CogCache) -> NDArray[np.bool_]:
    """Where a scene has neither cloud nor cloud shadow, by the nearest pixel of its flags.

    Pixels of which the asset says nothing count as clear, as do all of a scene without the asset.

    Raises:
        UnreadableAssetError: A block of the flags cannot be read.
    """
    picked = pick(quality, (0,), target, cache) if quality and quality.dtype == np.uint8 else None
    if picked is None:
        return np.ones(target.shape, np.bool_)
    flags, known = picked
    cloudy: NDArray[np.bool_] = np.bitwise_and(flags[..., 0], CLOUD | CLOUD_SHADOW) != 0
    return ~(cloudy & known)
