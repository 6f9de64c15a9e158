"""Areas on the ellipsoid against geodesic polygons with their edges cut so short that they lie on straight lines."""

import itertools

import numpy as np
import pytest
import shapely
from pyproj import Geod

from catalog.surface import area_km2, areas_km2

GEOD = Geod(ellps="WGS84")
COUNTY = shapely.Polygon(
    [(103.9, 30.5), (104.4, 30.6), (104.2, 31.0), (103.9, 30.5)],
    [[(104.1, 30.6), (104.2, 30.7), (104.15, 30.75), (104.1, 30.6)]],
)


def geodesic_km2(geometry):
    dense = shapely.orient_polygons(shapely.segmentize(geometry, 0.0005))
    return abs(GEOD.geometry_area_perimeter(dense)[0]) / 1e6


@pytest.mark.parametrize(
    "geometry",
    [COUNTY, shapely.box(100, 20, 103, 24), shapely.box(-1, -1, 1, 1), shapely.box(10, 80, 20, 82)],
    ids=["a triangle with a hole", "a box", "over the equator", "near the pole"],
)
def test_an_area_is_that_of_the_geodesic_polygon(geometry):
    assert area_km2(geometry) == pytest.approx(geodesic_km2(geometry), rel=1e-8)


def test_the_whole_earth_is_as_large_as_the_handbook_says():
    assert area_km2(shapely.box(-180, -90, 180, 90)) == pytest.approx(510_065_621.724, rel=1e-12)


def test_the_parts_of_an_area_add_up_to_it():
    lines = np.linspace(103, 105, 41)
    parts = [shapely.intersection(COUNTY, shapely.box(a, 30, b, 32)) for a, b in itertools.pairwise(lines)]
    assert areas_km2(parts).sum() == pytest.approx(area_km2(COUNTY), rel=1e-12)


def test_holes_parts_and_collections_count_and_lines_do_not():
    square, hole = shapely.box(0, 0, 1, 1), shapely.box(0.2, 0.2, 0.4, 0.4)
    two = shapely.MultiPolygon([square, shapely.box(3, 3, 4, 4)])
    given = [
        square,
        shapely.difference(square, hole),
        two,
        shapely.GeometryCollection([two, shapely.Point(0, 0)]),
        shapely.LineString([(0, 0), (5, 5)]),
        shapely.Polygon(),
    ]
    whole, holed, both, collected, line, empty = areas_km2(given)
    assert holed == pytest.approx(whole - area_km2(hole), rel=1e-12)
    assert collected == pytest.approx(both, rel=1e-12)
    assert both > whole
    assert line == empty == 0
    assert areas_km2([]).size == 0
