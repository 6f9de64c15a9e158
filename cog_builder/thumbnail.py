"""A small picture of a scene with transparent surroundings."""

from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import Resampling
from rasterio.windows import Window, get_data_window

from cog_builder.errors import UnreadableImageError

_SIDE_PX = 512
_QUALITY = 80


def write_thumbnail(visual: Path, path: Path) -> None:
    """Write the scene's part of `visual` as WebP, its longer side 512 pixels at most, north up in Web Mercator.

    Raises:
        UnreadableImageError: There is no pixel to show.
    """
    with rasterio.open(visual, driver="GTiff") as source:
        shrink = max(1, max(source.shape) // (2 * _SIDE_PX))
        small = (max(1, source.height // shrink), max(1, source.width // shrink))
        shown = source.dataset_mask(out_shape=small)
        if not shown.any():
            raise UnreadableImageError(
                "no pixel to show: the delivered images hold nothing but fill where they overlap"
            )
        part = get_data_window(np.ma.masked_equal(shown[None], 0))
        window = Window(part.col_off * shrink, part.row_off * shrink, part.width * shrink, part.height * shrink)
        scale = min(1, _SIDE_PX / max(window.width, window.height))
        shape = (max(1, round(window.height * scale)), max(1, round(window.width * scale)))
        picture = np.vstack(
            [
                source.read(window=window, out_shape=(3, *shape), resampling=Resampling.average),
                source.dataset_mask(window=window, out_shape=shape, resampling=Resampling.average)[None],
            ]
        )
    Image.fromarray(np.moveaxis(picture, 0, -1), "RGBA").save(path, "WEBP", quality=_QUALITY, method=4)
