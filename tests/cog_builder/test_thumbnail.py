"""The small picture of a scene."""

import numpy as np
import pytest
from PIL import Image

from cog_builder.errors import UnreadableImageError
from cog_builder.thumbnail import write_thumbnail
from tests.support.rasters import write_cog

COLOUR = (180, 120, 60)


@pytest.fixture
def thumbnail(tmp_path):
    """The (row, column, RGBA) thumbnail of a picture that is of one colour where it is valid and black elsewhere."""

    def making(valid):
        pixels = np.where(valid, np.array(COLOUR, np.uint8)[:, None, None], np.uint8(0))
        visual = write_cog(tmp_path / "visual.tif", pixels, crs="EPSG:3857", mask=valid, COMPRESS="DEFLATE")
        write_thumbnail(visual, tmp_path / "thumbnail.webp")
        with Image.open(tmp_path / "thumbnail.webp") as picture:
            assert picture.format == "WEBP"
            return np.asarray(picture.convert("RGBA"))

    return making


def turned_square(side, radius):
    row, col = np.mgrid[:side, :side] - side / 2
    return (np.abs(row + 0.2 * col) < radius) & (np.abs(col - 0.2 * row) < radius)


def test_outside_the_scene_it_is_transparent_and_inside_it_has_the_scenes_colour(thumbnail):
    found = thumbnail(turned_square(1200, 400))
    alpha = found[..., 3]
    assert {int(alpha[corner]) for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1))} == {0}
    share = turned_square(1200, 400).sum() / turned_square(1200, 400).any(axis=0).sum() ** 2
    assert (alpha > 127).mean() == pytest.approx(share, abs=0.01)
    off = np.abs(found[alpha > 127][:, :3].astype(int) - COLOUR)
    assert off.max() < 40  # lossy, but without a dark seam


def test_it_shows_the_scene_only_and_at_most_512_pixels_of_it(thumbnail):
    found = thumbnail(turned_square(2600, 400))
    assert max(found.shape[:2]) == 512
    shown = found[..., 3] == 255
    assert shown.any(axis=0)[[1, -2]].all()
    assert shown.any(axis=1)[[1, -2]].all()


def test_a_small_scene_is_not_magnified(thumbnail):
    valid = np.zeros((512, 512), np.bool_)
    valid[100:190, 200:320] = True
    found = thumbnail(valid)
    assert found.shape == (90, 120, 4)
    assert (found[..., 3] == 255).all()


def test_a_picture_without_a_valid_pixel_is_refused(thumbnail):
    with pytest.raises(UnreadableImageError, match="no pixel"):
        thumbnail(np.zeros((300, 300), np.bool_))
