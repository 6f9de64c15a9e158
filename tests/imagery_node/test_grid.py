import morecantile
import pytest
from hypothesis import given
from hypothesis import strategies as st
from morecantile import Tile

from imagery_node.errors import TileOutsideGridError, UnknownGridError
from imagery_node.grid import PixelGrid, get_grid

QUAD = get_grid("WebMercatorQuad")


@st.composite
def tiles(draw):
    zoom = draw(st.integers(0, QUAD.max_zoom))
    return Tile(draw(st.integers(0, 2**zoom - 1)), draw(st.integers(0, 2**zoom - 1)), zoom)


@given(tiles())
def test_bounds_are_those_of_the_standard(tile):
    expected = morecantile.tms.get("WebMercatorQuad").xy_bounds(tile)
    assert QUAD.bounds(tile) == pytest.approx(tuple(expected), abs=1e-6)


@given(tiles())
def test_degrees_are_those_of_the_standard(tile):
    expected = morecantile.tms.get("WebMercatorQuad").bounds(tile)
    assert QUAD.bbox(tile) == pytest.approx(tuple(expected), abs=1e-9)


@given(tiles().filter(lambda tile: tile.z < QUAD.max_zoom))
def test_four_children_cover_their_parent(tile):
    first = QUAD.bounds(Tile(2 * tile.x, 2 * tile.y, tile.z + 1))
    last = QUAD.bounds(Tile(2 * tile.x + 1, 2 * tile.y + 1, tile.z + 1))
    assert (first[0], last[1], last[2], first[3]) == pytest.approx(QUAD.bounds(tile), abs=1e-6)


@given(tiles())
def test_neighbours_share_an_edge(tile):
    assert QUAD.bounds(tile)[2] == QUAD.bounds(Tile(tile.x + 1, tile.y, tile.z))[0]


@pytest.mark.parametrize(
    "tile",
    [Tile(0, 0, -1), Tile(0, 0, 25), Tile(-1, 0, 3), Tile(8, 0, 3), Tile(0, 8, 3), Tile(0, -1, 3), Tile(2**24, 0, 24)],
)
def test_L04_tiles_outside_are_refused(tile):
    with pytest.raises(TileOutsideGridError, match="expected"):
        QUAD.check(tile)


@pytest.mark.parametrize("tile", [Tile(0, 0, 0), Tile(7, 7, 3), Tile(2**24 - 1, 2**24 - 1, 24)])
def test_L04_tiles_inside_pass(tile):
    QUAD.check(tile)


@pytest.mark.parametrize("name", ["", "webmercatorquad", "WGS1984Quad", "../etc"])
def test_other_grids_are_refused(name):
    with pytest.raises(UnknownGridError, match="WebMercatorQuad"):
        get_grid(name)


def test_a_part_of_a_pixel_grid_keeps_its_pixels():
    whole = PixelGrid.over((0, 0, 512, 256), (128, 256))
    assert whole.part(slice(32, 64), slice(96, 256)) == PixelGrid(192, 192, 2, 2, (32, 160))
