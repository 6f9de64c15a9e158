"""Registration and sharpening of whole scenes: shifts put into camera models, colours held against the truth."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.sharpening import brovey, gdal_pansharpened, opened, weighted_brovey
from cog_builder.deliveries import open_delivery
from cog_builder.drawing import scene_drawing
from cog_builder.footprint import image_outline, rough_bbox
from cog_builder.fusion import fit_fusion
from cog_builder.map_grid import snapped_grid
from cog_builder.registration import NO_SHIFT, Shift
from cog_builder.source_raster import decode_part
from tests.support.built import build, hills, pixels_of
from tests.support.deliveries import SHARED, edit, shared, the_file
from tests.support.simulated import LATITUDE, LONGITUDE, Patchwork, tiny_delivery

UTM_50N, GEOGRAPHIC = 32650, 4490
BUNDLES = [
    path for pattern in ("GF1_PMS*.tar.gz", "GF2_PMS*.tar.gz", "GF1D*.tar.gz") for path in shared(f"bundles/{pattern}")
]


class Grained(Patchwork):
    """The smooth world with detail of 12 to 80 metres on it, which all bands show, each by its share."""

    def reflectance(self, grid, when):
        col, row = np.meshgrid(np.arange(grid.width, dtype=float), np.arange(grid.height, dtype=float))
        longitude, latitude = grid.degrees(col, row)
        x, y = (longitude - LONGITUDE) * 85_400, (latitude - LATITUDE) * 111_000
        rng = np.random.default_rng(4)
        waves = zip(rng.uniform(12, 80, 30), rng.uniform(0, np.pi, 30), rng.uniform(0, 2 * np.pi, 30), strict=True)
        grain = sum(np.sin((x * np.cos(a) + y * np.sin(a)) * 2 * np.pi / m + phase) for m, a, phase in waves)
        shares = np.array([0.5, 0.7, 0.9, 1.6])
        return super().reflectance(grid, when) + (0.002 * grain[..., None] * shares).astype(np.float32)


GRAINED = Grained()


def moved(scene, shift):
    """The same scene, its colours' camera model moved by so many of their pixels."""
    [part] = scene.main.parts
    rpc = part.geometry
    rpc = replace(rpc, sample_offset=rpc.sample_offset + shift.col, line_offset=rpc.line_offset + shift.row)
    return replace(scene, main=replace(scene.main, parts=(replace(part, geometry=rpc),)))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A scene, its raw images and the ground below it."""
    folder = tmp_path_factory.mktemp("tiny")
    [scene] = open_delivery(tiny_delivery("gf1-pms", folder, world=GRAINED), folder)
    raws = [[decode_part(part, len(image.bands), folder) for part in image.parts] for image in scene.images]
    west, south, east, north = zip(*(rough_bbox(image.parts[0]) for image in scene.images), strict=True)
    return scene, raws, hills().around((min(west), min(south), max(east), max(north)), max_cells=1_000_000)


def fitted(tiny, shift=NO_SHIFT, epsg=UTM_50N):
    scene, raws, ground = tiny
    drawing = scene_drawing(moved(scene, shift), raws, ground)
    grid = snapped_grid(epsg, *image_outline(scene.pan, ground), scene.pan.gsd_m)
    return *fit_fusion(drawing, drawing.pan, grid), grid


def test_a_scene_whose_images_lie_right_is_not_moved(tiny):
    drawing, warnings, _ = fitted(tiny)
    assert drawing.shift == NO_SHIFT
    assert warnings == ()


@pytest.mark.parametrize("epsg", [UTM_50N, GEOGRAPHIC])
@pytest.mark.parametrize("shift", [Shift(1.7, 0), Shift(-0.425, 0.425), Shift(-1.2, 3.4)])
def test_a_shift_put_into_the_camera_model_is_found(tiny, shift, epsg):
    drawing, warnings, _ = fitted(tiny, shift, epsg)
    assert (drawing.shift + shift).length < 0.02
    assert warnings == ()


def test_moved_colours_are_drawn_where_they_belong(tiny):
    (right, _, grid), (found, _, _) = fitted(tiny), fitted(tiny, Shift(1.7, -0.6))
    rows, cols = (200, 400), (250, 500)
    expected, drawn = (drawing.finest(grid, rows, cols).reflectance for drawing in (right, found))
    np.testing.assert_allclose(drawn, expected, atol=3e-4)
    assert abs(replace(found, shift=NO_SHIFT).finest(grid, rows, cols).reflectance - expected).max() > 3e-3


def test_blocks_join_without_a_seam(tiny):
    drawing, _, grid = fitted(tiny)
    whole = drawing.finest(grid, (200, 400), (250, 450)).reflectance
    halves = [drawing.finest(grid, (200, 400), cols).reflectance for cols in ((250, 350), (350, 450))]
    np.testing.assert_allclose(np.concatenate(halves, axis=1), whole, atol=6e-4)


def test_the_colours_alone_stay_where_their_camera_model_has_them(tiny):
    scene, raws, ground = tiny
    shifted = moved(scene, Shift(1.7, 0))
    drawing, _, grid = fitted(tiny, Shift(1.7, 0))
    alone = scene_drawing(shifted, raws, ground).colours(grid, (200, 300), (250, 350))
    np.testing.assert_array_equal(drawing.colours(grid, (200, 300), (250, 350)).reflectance, alone.reflectance)


def test_a_shift_of_another_fault_is_refused_and_said(tiny):
    drawing, [warning], _ = fitted(tiny, Shift(6, 3))
    assert drawing.shift == NO_SHIFT
    assert warning.startswith("registration: ")


def test_a_delivery_whose_images_lie_beside_each_other_is_built_as_if_they_did_not(tmp_path):
    right, found, refused = (built_with_offset(tmp_path / str(offset), offset) for offset in (0, 1.7, 9))
    expected, drawn, blurred = (pixels_of(one.folder / "sharp.tif").astype(int) for one in (right, found, refused))
    both = (expected > 0).all(-1) & (drawn > 0).all(-1)
    assert both.mean() > 0.95 * (expected > 0).all(-1).mean()
    assert np.quantile(abs(drawn - expected)[both], 0.99) <= 10
    assert np.quantile(abs(blurred - expected)[both], 0.9) > 50
    assert "imagery_node:warnings" not in found.item["properties"]
    [warning] = refused.item["properties"]["imagery_node:warnings"]
    assert warning.startswith("registration: ")


def built_with_offset(folder, offset_px):
    """A scene of a delivery whose colours' RPB says that they lie so many pixels farther right."""
    folder.mkdir()
    delivery = tiny_delivery("gf1-pms", folder, packing="folder", world=GRAINED)
    rpb = the_file(delivery, "-MSS1.rpb")
    offset = re.search(r"sampOffset = ([^;]+);", rpb.read_text())[1]
    edit(rpb, f"sampOffset = {offset};", f"sampOffset = {float(offset) + offset_px:.6f};")
    out = folder / "scene"
    out.mkdir()
    return build(delivery, out, elevation=hills())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # GDAL opens the raw image
@pytest.mark.parametrize("delivery", BUNDLES)
def test_ergas_and_correlation_are_better_than_brovey_s(delivery):
    with opened(delivery, SHARED / "bundles") as scene:
        drawing, warnings = scene.fitted()
        assert drawing.shift == NO_SHIFT
        assert warnings == ()
        error, correlation, angle = scene.figures(scene.sharpened(drawing))
        for peer in (weighted_brovey(scene, drawing), brovey(scene), gdal_pansharpened(scene)):
            peer_error, peer_correlation, peer_angle = scene.figures(peer)
            assert error < 0.9 * peer_error
            assert correlation > peer_correlation
            assert angle < peer_angle


@pytest.mark.parametrize("delivery", BUNDLES)
def test_an_injected_shift_is_recovered_and_harms_nothing(delivery):
    with opened(delivery, SHARED / "bundles") as scene:
        error = scene.figures(scene.sharpened(scene.fitted()[0]))[0]
        for pan_px in (0.4, 1.7, -1.7, 1.7 * scene.ratio):
            put_in = Shift(pan_px / scene.ratio, 0)
            drawing, warnings = scene.fitted(put_in)
            assert (drawing.shift + put_in).length * scene.ratio <= 0.1
            assert warnings == ()
            assert scene.figures(scene.sharpened(drawing))[0] <= 1.01 * error
