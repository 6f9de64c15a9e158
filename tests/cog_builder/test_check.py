"""The gate before publishing: whatever is wrong with a file, it is refused by name."""

import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.affinity import scale, translate
from shapely.geometry import shape

from catalog.errors import InvalidItemError
from catalog.staging import check_files
from cog_builder.check import check_cog, check_scene, flag_percent, scene_warnings
from cog_builder.errors import InvalidCogError
from cog_builder.footprint import as_geojson, valid_footprint
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


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # the bit may be of the place
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


def outlined(item, change):
    """The Item with another geometry."""
    return item | {"geometry": as_geojson(change(shape(item["geometry"])))}


@pytest.mark.parametrize("kind", ["gf1-wfv", "gf1-pms", "gf2-pms"])
def test_a_geometry_drawn_from_the_pixels_passes(kind):
    check_scene(built(kind).folder, built(kind).item)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda outline: translate(outline, xoff=0.001), id="moved by 85 m of 3 km"),
        pytest.param(lambda outline: scale(outline, 1.03, 1.03), id="too large"),
        pytest.param(lambda outline: scale(outline, 0.97, 0.97), id="too small"),
        pytest.param(lambda outline: outline.envelope, id="its box"),
        pytest.param(lambda outline: translate(outline, xoff=-100), id="in America"),
        pytest.param(lambda outline: translate(outline, xoff=-89.4, yoff=-39.9), id="where the projection ends"),
    ],
)
def test_a_geometry_that_is_not_where_the_pixels_are_is_refused(scene, change):
    folder, item = scene
    with pytest.raises(InvalidCogError, match=rf"{item['id']}: quality\.tif: .* IoU of 0\.\d+"):
        check_scene(folder, outlined(item, change))


def flagged(folder, flags):
    """A scene of these flags alone: its folder and an Item that describes it."""
    transform = Affine(8.0, 0, 450_000, 0, -8.0, 4_420_000)
    height, width = flags.shape
    profile = {"driver": "COG", "height": height, "width": width, "count": 1, "dtype": "uint8", "blocksize": 256}
    with rasterio.open(folder / "quality.tif", "w", crs="EPSG:4509", transform=transform, nodata=1, **profile) as file:
        file.write(flags, 1)
    return {
        "id": "S",
        "assets": {"quality": {"href": "./quality.tif", **described(folder / "quality.tif")}},
        "geometry": as_geojson(valid_footprint(folder / "quality.tif")),
    }


def test_holes_and_specks_beside_the_image_are_no_fault_of_its_outline(tmp_path):
    flags = np.full((900, 1300), 1, np.uint8)
    flags[100:800, 150:1200] = 0
    flags[300:500, 400:700] = 1
    flags[30:1300:40, 20:140:40] = 4
    item = flagged(tmp_path, flags)
    check_scene(tmp_path, item)
    assert scene_warnings(tmp_path, item) == []


def test_a_scene_without_any_image_is_refused(tmp_path):
    flags = np.zeros((300, 300), np.uint8)
    item = flagged(tmp_path, flags)
    flagged_empty = tmp_path / "empty"
    flagged_empty.mkdir()
    with rasterio.open(tmp_path / "quality.tif") as image:
        profile = {**image.profile, "driver": "COG"}
    with rasterio.open(flagged_empty / "quality.tif", "w", **profile) as file:
        file.write(np.ones((300, 300), np.uint8), 1)
    with pytest.raises(InvalidCogError, match=r"IoU of 0\.000"):
        check_scene(flagged_empty, item)


@pytest.mark.parametrize("shape_px", [(400, 500), (2600, 1100)])
def test_the_shares_of_the_flags_are_of_the_imaged_pixels(tmp_path, shape_px):
    flags = np.zeros(shape_px, np.uint8)
    height, width = shape_px
    flags[: height // 2] = 1
    flags[height // 2 :, : width // 10] = 2 + 4
    flags[height // 2 :, width // 2 : width // 2 + width // 5] = 8
    found = flag_percent(tmp_path, flagged(tmp_path, flags))
    expected = {"imaged": 50, "saturated": 10, "cloud": 10, "cloud_shadow": 20}
    assert found == {name: pytest.approx(share, abs=0.5) for name, share in expected.items()}


@pytest.mark.parametrize(
    ("saturated_rows", "imaged_rows", "names"),
    [
        (0, 200, []),
        (9, 200, []),
        (11, 200, ["saturated"]),
        (200, 200, ["saturated"]),
        (0, 3, []),
        (0, 1, ["nearly_empty"]),
        (1, 1, ["saturated", "nearly_empty"]),
    ],
)
def test_many_saturated_and_few_imaged_pixels_are_named(tmp_path, saturated_rows, imaged_rows, names):
    flags = np.ones((200, 300), np.uint8)
    flags[:imaged_rows] = 0
    flags[:saturated_rows] = 2
    warnings = scene_warnings(tmp_path, flagged(tmp_path, flags))
    assert [warning.partition(":")[0] for warning in warnings] == names
    assert all("%" in warning for warning in warnings)
