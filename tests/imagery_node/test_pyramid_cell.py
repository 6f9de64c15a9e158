import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from morecantile import Tile

from imagery_node.errors import UnreadableAssetError
from imagery_node.grid import WEB_MERCATOR_QUAD, get_grid
from imagery_node.pyramid_cell import (
    cell_number,
    cell_tile,
    cells_touched,
    children,
    count_cells,
    decode_cell,
    encode_cell,
    join,
    shrink,
    with_ancestors,
)


@st.composite
def tiles(draw, max_zoom=14):
    zoom = draw(st.integers(0, max_zoom))
    return Tile(x=draw(st.integers(0, 2**zoom - 1)), y=draw(st.integers(0, 2**zoom - 1)), z=zoom)


def a_cell(seed, share=1.0):
    rng = np.random.default_rng(seed)
    cell = rng.integers(1, 256, (256, 256, 4), np.uint8)
    cell[..., 3] = 255
    cell[rng.random((256, 256)) >= share] = 0
    return cell


@given(tiles())
def test_a_number_leads_back_to_its_tile(tile):
    assert cell_tile(cell_number(tile)) == tile


@given(tiles(max_zoom=13))
def test_children_are_the_four_tiles_below(tile):
    below = [Tile(2 * tile.x + dx, 2 * tile.y + dy, tile.z + 1) for dy in (0, 1) for dx in (0, 1)]
    assert [cell_tile(number) for number in children(cell_number(tile))] == below


@given(tiles())
def test_the_ancestors_of_a_cell_end_at_the_world(tile):
    found = [cell_tile(number) for number in with_ancestors(cell_number(tile))]
    assert found == [Tile(tile.x >> up, tile.y >> up, tile.z - up) for up in range(tile.z + 1)]


@given(tiles(max_zoom=9), st.floats(0.05, 3), st.floats(0.05, 3))
def test_a_box_touches_the_cells_whose_bounds_overlap_it(tile, width, height):
    grid = get_grid(WEB_MERCATOR_QUAD)
    west, south, _, _ = grid.bbox(tile)
    bbox = west, south, min(west + width, 180.0), min(south + height, 85.0)
    zoom = 7
    touched = {cell_tile(number) for number in cells_touched(bbox, zoom) if cell_tile(number).z == zoom}
    for each in touched:
        w, s, e, n = grid.bbox(each)
        assert w <= bbox[2] + 1e-6
        assert e >= bbox[0] - 1e-6
        assert s <= bbox[3] + 1e-6
        assert n >= bbox[1] - 1e-6
    side = 360 / 2**zoom
    assert len(touched) == count_cells(bbox, zoom) >= math.floor((bbox[2] - bbox[0]) / side)


def test_a_box_across_the_antimeridian_touches_both_ends_of_the_world():
    touched = [cell_tile(number) for number in cells_touched((179.0, 1.0, -179.0, 2.0), 5)]
    assert {tile.x for tile in touched if tile.z == 5} == {0, 31}


def test_a_box_touches_all_cells_above_as_well():
    touched = cells_touched((116.0, 39.0, 116.1, 39.1), 9)
    assert all(number >> 2 in touched for number in touched if number > 1)


def test_full_cells_are_averaged_two_by_two():
    parts = [a_cell(seed) for seed in range(4)]
    expected = join(parts)[..., :3].reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    found = shrink(parts)
    assert np.abs(found[..., :3] - expected).max() <= 0.51
    assert (found[..., 3] == 255).all()


def test_what_is_not_imaged_has_no_weight_so_that_rims_are_not_dark():
    white = np.zeros((256, 256, 4), np.uint8)
    white[:101, :77] = 255
    found = shrink([white, None, None, None])
    assert (found[found[..., 3] > 0][:, :3] == 255).all()
    assert found[50, 20, 3] == math.ceil(255 / 2)
    assert found[10, 38, 3] == math.ceil(255 / 2)


def test_a_single_pixel_is_seen_on_every_zoom_above():
    cell = np.zeros((256, 256, 4), np.uint8)
    cell[77, 130] = (10, 200, 30, 255)
    for _ in range(12):
        cell = shrink([cell, None, None, None])
    (shown,) = cell[cell[..., 3] > 0]
    assert tuple(shown[:3]) == (10, 200, 30)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_a_stored_cell_is_the_one_that_was_written(share):
    cell = a_cell(1, share)
    assert (decode_cell(encode_cell(cell)) == cell).all()


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-1], lambda c: c[:40], lambda _: b"", lambda c: c[:50] + b"x" + c[51:]]
)
def test_a_damaged_cell_is_never_shown(damage):
    with pytest.raises(UnreadableAssetError):
        decode_cell(damage(encode_cell(a_cell(1))))
