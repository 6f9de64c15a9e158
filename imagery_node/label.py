"""Words on a picture: a date, a credit line in Chinese."""

import logging
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

logger = logging.getLogger(__name__)

_FONTS = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc")
"""Looked for where the system keeps fonts. Debian: fonts-noto-cjk, fonts-wqy-microhei."""
_LEAST_PX, _MOST_PX = 7, 28
_LETTER, _HALO = (255, 255, 255), (0, 0, 0)

Font = ImageFont.FreeTypeFont


def write_label(image: Image.Image, date: str, credit: str) -> None:
    """Write a date at the upper left of a picture and a credit line at the lower left, as large as they fit."""
    wanted_px = min(max(image.height // 16, _LEAST_PX), _MOST_PX)
    margin = wanted_px // 3
    draw = ImageDraw.Draw(image)
    for text, at, anchor, height_px in (
        (date, (margin, margin), "la", wanted_px),
        (credit, (margin, image.height - margin), "ld", wanted_px * 2 // 3),
    ):
        font = _fitting(draw, text, image.width - 2 * margin, max(height_px, _LEAST_PX))
        draw.text(at, _written(text), _LETTER, font, anchor, stroke_width=1, stroke_fill=_HALO)


def _fitting(draw: ImageDraw.ImageDraw, text: str, width_px: int, height_px: int) -> Font:
    """The largest font, up to a height, in which a text is no wider than that; the smallest if none is."""
    return next(
        (
            font
            for size_px in range(height_px, _LEAST_PX, -1)
            if draw.textlength(_written(text), font := _font(size_px)) <= width_px
        ),
        _font(_LEAST_PX),
    )


def _written(text: str) -> str:
    """What of a text can be written, in one line: without a Chinese font, its Latin letters."""
    text = " ".join(text.split())
    return text if _font_file() else text.encode("latin-1", "ignore").decode("latin-1").strip()


@lru_cache
def _font(size_px: int) -> Font:
    name = _font_file()
    font = ImageFont.truetype(name, size_px) if name else ImageFont.load_default(size_px)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType")
    return font


@lru_cache(maxsize=1)
def _font_file() -> str | None:
    """The first of the fonts that is installed."""
    for name in _FONTS:
        try:
            ImageFont.truetype(name, _LEAST_PX)
        except OSError:
            continue
        return name
    logger.warning("animations say nothing in Chinese, no font for it is installed: %s", ", ".join(_FONTS))
    return None
