import io

import numpy as np
import pytest
from PIL import Image
from rio_tiler.profiles import img_profiles
from rio_tiler.utils import render

from imagery_node.encoding import MEDIA_TYPES, choose_format, encode
from imagery_node.mosaic import Picture
from tests.support.rasters import landscape


def _picture(*, full):
    pixels = np.ascontiguousarray(np.moveaxis(landscape(256, 256, 3, "uint8", low=0, high=255), 0, -1))
    valid = np.ones((256, 256), np.bool_)
    if not full:
        valid[64:160, 100:230] = False
        pixels[~valid] = 0
    return Picture(pixels, valid, (0,))


def _decode(body):
    image = Image.open(io.BytesIO(body))
    return image.format, np.asarray(image)


@pytest.mark.parametrize("media", ["webp", "png"])
@pytest.mark.parametrize("full", [True, False])
def test_transparency_is_there_exactly_where_a_picture_has_holes(media, full):
    picture = _picture(full=full)
    kind, pixels = _decode(encode(picture, media))
    assert kind == media.upper()
    assert pixels.shape == (256, 256, 3 if full else 4)
    if not full:
        np.testing.assert_array_equal(pixels[..., 3] == 255, picture.valid)
        np.testing.assert_array_equal(pixels[..., 3] == 0, ~picture.valid)
    difference = np.abs(pixels[..., :3].astype(int) - picture.pixels)[picture.valid]
    assert difference.mean() <= (0 if media == "png" else 6)


def test_holes_are_white_in_a_jpeg():
    picture = _picture(full=False)
    kind, pixels = _decode(encode(picture, "jpeg"))
    assert kind == "JPEG"
    assert pixels[80:144, 116:214].min() > 250
    assert np.abs(pixels.astype(int) - picture.pixels)[:40].mean() < 6


def test_full_pictures_become_jpeg_and_others_png():
    assert choose_format(_picture(full=True)) == "jpeg"
    assert choose_format(_picture(full=False)) == "png"


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("media", MEDIA_TYPES)
def test_pictures_are_not_much_larger_than_gdals(media, full):
    """The target is 1.3 times the bytes that TiTiler's encoder needs for the same picture."""
    picture = _picture(full=full)
    mask = None if media == "jpeg" else picture.valid * np.uint8(255)
    filled = np.where(picture.valid[..., None], picture.pixels, 255) if media == "jpeg" else picture.pixels
    theirs = render(np.moveaxis(filled, -1, 0), mask, img_format=media.upper(), **img_profiles.get(media))
    assert len(encode(picture, media)) <= 1.3 * len(theirs)
