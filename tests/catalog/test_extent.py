"""The box around two boxes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.extent import cover

boxes = st.tuples(st.integers(-180, 180), st.integers(-90, 89), st.integers(-180, 180), st.integers(1, 20)).map(
    lambda corner: (corner[0], corner[1], corner[2], min(corner[1] + corner[3], 90))
)


def _columns(box):
    """The degrees of longitude, by their middles, that a box lies on."""
    west, east = box[0], box[2] + 360 * (box[0] > box[2])
    return {(degree + 0.5 + 180) % 360 - 180 for degree in range(int(west), int(east))}


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ((100, 20, 110, 30), (105, 10, 120, 25), (100, 10, 120, 30)),
        ((170, 0, 175, 10), (-175, 0, -170, 10), (170, 0, -170, 10)),
        ((179.5, 50, -179.2, 51), (178, 50.5, 179, 51.5), (178, 50, -179.2, 51.5)),
        ((179.5, 50, -179.2, 51), (-178, 50, -177, 51), (179.5, 50, -177, 51)),
        ((-180, 0, 180, 10), (5, 0, 6, 20), (-180, 0, 180, 20)),
        ((-100, 0, 80, 10), (70, 0, -90, 10), (-180, 0, 180, 10)),
    ],
)
def test_the_narrowest_box_around_two(one, other, both):
    assert cover(one, other) == both
    assert cover(other, one) == both


@given(boxes, boxes)
def test_the_box_around_two_leaves_nothing_out_and_is_a_box(one, other):
    west, south, east, north = both = cover(one, other)
    assert _columns(both) >= _columns(one) | _columns(other)
    assert -180 <= west <= 180
    assert -180 <= east <= 180
    assert (south, north) == (min(one[1], other[1]), max(one[3], other[3]))
