"""Geometries from outside: read together they are what they are one by one."""

import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import mapping

from catalog.geometry import read_geometry, read_grounds
from tests.support.stac import crossing_item

BOX = [-180, -90, 180, 90]
degrees = st.floats(-181, 181, allow_nan=False) | st.integers(-200, 200)
positions = st.lists(degrees, min_size=2, max_size=2) | st.lists(degrees, min_size=3, max_size=3)
odd = st.sampled_from([None, "0", True, [], [[0, 0]], float("nan"), 10**400])
rings = st.lists(positions | st.tuples(positions, odd).map(list), min_size=0, max_size=8).map(
    lambda ring: ring + ring[:1]
)
open_rings = st.lists(positions, min_size=3, max_size=6)
squares = st.builds(
    lambda x, y, size: [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]],
    st.floats(-179, 179),
    st.floats(-89, 89),
    st.floats(0, 3),
)
bow_ties = squares.map(lambda ring: [ring[0], ring[2], ring[1], ring[3], ring[0]])
coordinates = st.lists(rings | squares | bow_ties | open_rings, min_size=0, max_size=2)
documents = (
    st.builds(lambda rings: {"type": "Polygon", "coordinates": rings}, coordinates)
    | st.builds(lambda ring: {"type": "Polygon", "coordinates": [ring]}, squares)
    | st.sampled_from([None, {}, {"type": "Point", "coordinates": [0, 0]}, {"type": "Polygon", "coordinates": "x"}])
)


@given(st.lists(documents, max_size=12))
def test_footprints_read_together_are_those_read_one_by_one(found):
    grounds = read_grounds([(document, BOX) for document in found])
    assert len(grounds) == len(found)
    for document, ground in zip(found, grounds, strict=True):
        alone = _alone(document)
        if isinstance(ground, ValueError):
            assert str(ground) == alone
        else:
            assert ground.wkb == shapely.to_wkb(alone)
            assert ground.sides == (ground.bounds,) == (alone.bounds,)


def _alone(document):
    """The geometry, or why it is refused."""
    try:
        geometry = read_geometry(document)
    except ValueError as error:
        return str(error)
    if geometry.geom_type not in {"Polygon", "MultiPolygon"}:
        return f"geometry is a {geometry.geom_type}, expected a Polygon or MultiPolygon with an area"
    return geometry


def test_a_footprint_across_the_antimeridian_has_two_sides():
    item = crossing_item()
    plain = mapping(shapely.box(0, 0, 1, 1))
    near = {"type": "Polygon", "coordinates": [[list(map(float, xy)) for xy in plain["coordinates"][0]]]}
    square, crossing = read_grounds([(near, [0, 0, 1, 1]), (item["geometry"], item["bbox"])])
    assert square.sides == ((0, 0, 1, 1),)
    assert sorted(crossing.sides) == [(-180, 50, -179.2, 51), (179.5, 50, 180, 51)]
    assert crossing.bounds == (-180, 50, 180, 51)
