"""The gate before publishing: whatever is wrong with a file, it is refused by name."""

import shutil

import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import InvalidItemError
from catalog.staging import check_files
from cog_builder.check import check_cog, check_scene
from cog_builder.errors import InvalidCogError
from tests.support.built import built
from tests.support.rasters import landscape, write_cog, write_tiled


@pytest.fixture
def scene(tmp_path):
    """A built scene that may be damaged: its folder and its Item."""
    whole = built("gf1-wfv")
    return shutil.copytree(whole.folder, tmp_path / "scene"), whole.item


def described(path):
    """What an Item would say of a file."""
    with rasterio.open(path) as image:
        return {
            "proj:code": f"EPSG:{image.crs.to_epsg()}",
            "proj:shape": list(image.shape),
            "proj:transform": list(image.transform)[:6],
            "bands": [{}] * image.count,
        }


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def blocks(path, level=None):
    """(offset, size) of every stored block of the first band."""
    options = {} if level is None else {"overview_level": level}
    with rasterio.open(path, **options) as image:
        places = []
        for (row, col), _ in image.block_windows(1):
            offset = image.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1)
            if offset:
                size = image.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1)
                places.append((int(offset), int(size)))
        return places


def test_a_scene_as_built_passes(scene):
    check_scene(*scene)


@pytest.mark.parametrize("key", ["analytic", "visual", "quality"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_a_truncated_file_is_refused(scene, key, share):
    folder, item = scene
    path = folder / f"{key}.tif"
    path.write_bytes(path.read_bytes()[: int((path.stat().st_size - 20) * share)])
    with pytest.raises(InvalidCogError, match=rf"{item['id']}: {key}\.tif: "):
        check_scene(folder, item)


@pytest.mark.parametrize("key", ["analytic", "quality"])
def test_an_overwritten_block_is_refused(scene, key):
    folder, item = scene
    path = folder / f"{key}.tif"
    [(offset, size)] = blocks(path)
    data = bytearray(path.read_bytes())
    data[offset + size // 2 : offset + size] = bytes(size - size // 2)
    path.write_bytes(data)
    with pytest.raises(InvalidCogError, match=rf"{key}\.tif: "):
        check_scene(folder, item)


@pytest.mark.parametrize("key", ["analytic", "visual", "quality"])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_turned_bit_anywhere_is_refused_here_or_by_its_checksum(scene, key, place, bit):
    """A damaged block may still decode, to other pixels; the two checks of publishing together let nothing pass."""
    folder, item = scene
    path = folder / f"{key}.tif"
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[int(place * len(whole))] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        with pytest.raises((InvalidCogError, InvalidItemError), match=key):
            look_at(folder, item)
    finally:
        path.write_bytes(whole)


def look_at(folder, item):
    check_scene(folder, item)
    check_files(folder, item)


def test_an_overwritten_picture_block_is_refused(scene):
    folder, item = scene
    path = folder / "visual.tif"
    for offset, size in blocks(path)[:2]:
        data = bytearray(path.read_bytes())
        data[offset : offset + size] = bytes(size)
        path.write_bytes(data)
        with pytest.raises(InvalidCogError, match=r"visual\.tif: "):
            check_scene(folder, item)


def test_a_damaged_mask_is_refused(scene):
    folder, item = scene
    path = folder / "visual.tif"
    offset, size = blocks(path)[0]
    flip(path, offset + size + 4 + 4 + 2)  # behind the image's trailing four bytes and the mask's size
    with pytest.raises(InvalidCogError, match=r"visual\.tif: "):
        check_scene(folder, item)


def test_a_missing_file_is_refused(scene):
    folder, item = scene
    (folder / "quality.tif").unlink()
    with pytest.raises(InvalidCogError, match=r"quality\.tif: .*[Nn]o such file"):
        check_scene(folder, item)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("proj:shape", [1, 2], r"proj:shape is \[228, 236\], expected \[1, 2\]"),
        ("proj:code", "EPSG:32650", r"proj:code is EPSG:4509, expected EPSG:32650"),
        ("proj:transform", [16.0, 0.0, 0.0, 0.0, -16.0, 0.0], r"proj:transform is \[16\.0, .* expected"),
        ("bands", [{}], r"bands is 4, expected 1"),
    ],
)
def test_a_file_that_differs_from_its_item_is_refused(scene, field, value, said):
    folder, item = scene
    analytic = {**item["assets"]["analytic"], field: value}
    with pytest.raises(InvalidCogError, match=rf"{item['id']}: analytic\.tif: {said}"):
        check_scene(folder, item | {"assets": {**item["assets"], "analytic": analytic}})


@pytest.mark.parametrize("field", ["proj:shape", "proj:code", "proj:transform", "bands"])
def test_an_item_that_does_not_describe_its_files_is_refused(scene, field):
    folder, item = scene
    analytic = {name: value for name, value in item["assets"]["analytic"].items() if name != field}
    with pytest.raises(InvalidCogError, match=rf"{field} is .*, expected (None|0)"):
        check_scene(folder, item | {"assets": {**item["assets"], "analytic": analytic}})


def test_two_files_that_changed_places_are_refused(scene):
    folder, item = scene
    (folder / "visual.tif").rename(folder / "kept.tif")
    (folder / "analytic.tif").rename(folder / "visual.tif")
    (folder / "kept.tif").rename(folder / "analytic.tif")
    with pytest.raises(InvalidCogError, match=r"is .*, expected"):
        check_scene(folder, item)


def test_a_tiled_tiff_is_no_cog(tmp_path):
    path = write_tiled(tmp_path / "a.tif", landscape(300, 300, 1))
    with pytest.raises(InvalidCogError, match=r"S: a\.tif: layout is None, expected COG"):
        check_cog(path, described(path), scene="S")


@pytest.mark.parametrize(("side", "good"), [(512, True), (513, False)])
def test_a_large_image_needs_overviews(tmp_path, side, good):
    path = write_cog(tmp_path / "a.tif", landscape(side, 200, 1), OVERVIEWS="NONE")
    if good:
        check_cog(path, described(path), scene="S")
        return
    with pytest.raises(InvalidCogError, match=r"S: a\.tif: no overviews in an image of \[513, 200\] pixels"):
        check_cog(path, described(path), scene="S")


def test_a_damaged_overview_is_refused(tmp_path):
    path = write_cog(tmp_path / "a.tif", landscape(900, 900, 1), COMPRESS="DEFLATE", BLOCKSIZE="256")
    check_cog(path, described(path), scene="S")
    [(offset, _), *_] = blocks(path, level=1)
    flip(path, offset)
    with pytest.raises(InvalidCogError, match=r"S: a\.tif: "):
        check_cog(path, described(path), scene="S")
