"""The reference systems by code, against what PROJ's database says of them."""

import pytest
from pyproj import CRS
from pyproj.database import query_crs_info

from catalog.reference_system import GEOGRAPHIC, MAP_CODES, WEB_MERCATOR, read_map_code, transverse_mercator_code


@pytest.mark.parametrize("code", sorted(MAP_CODES))
def test_every_code_counts_what_it_is_said_to_count(code):
    crs = CRS.from_epsg(code)
    assert not crs.is_deprecated
    assert {axis.unit_name for axis in crs.axis_info} == {"degree" if code in GEOGRAPHIC else "metre"}


def test_all_plane_and_geographic_systems_of_cgcs2000_are_among_them():
    known = {int(info.code) for info in query_crs_info("EPSG") if info.name.startswith("CGCS2000 /")}
    assert len(known) == 64
    assert known | {4490} <= MAP_CODES


@pytest.mark.parametrize(
    ("code", "meridian", "false_easting"),
    [
        (4491, 75, 13_500_000),
        (4501, 135, 23_500_000),
        (4502, 75, 500_000),
        (4512, 135, 500_000),
        (4513, 75, 25_500_000),
        (4533, 135, 45_500_000),
        (4534, 75, 500_000),
        (4554, 135, 500_000),
    ],
)
def test_the_families_of_zones_begin_and_end_where_they_should(code, meridian, false_easting):
    parameters = {p.name: p.value for p in CRS.from_epsg(read_map_code(f"EPSG:{code}")).coordinate_operation.params}
    assert (parameters["Longitude of natural origin"], parameters["False easting"]) == (meridian, false_easting)


@pytest.mark.parametrize("text", ["EPSG:4479", "EPSG:32600", "EPSG:32661", "epsg:4490", "EPSG: 4490", "EPSG:", "CRS84"])
def test_other_codes_and_spellings_are_refused(text):
    with pytest.raises(ValueError, match="is no CRS that scenes are built in"):
        read_map_code(text)


@pytest.mark.parametrize("code", sorted(MAP_CODES - GEOGRAPHIC - {WEB_MERCATOR}))
def test_a_map_is_known_by_what_it_is_computed_with(code):
    same_map = 4534 + 2 * (code - 4502) if 4502 <= code <= 4512 else code
    assert transverse_mercator_code(*parameters_of(code)) == same_map
    assert parameters_of(same_map) == parameters_of(code)


@pytest.mark.parametrize(
    "parameters",
    [(0, 117, 0.9999, 500_000, 0), (39, 116.4, 1, 400_000, 100_000), (0, 117, 1, 250_000, 0), (0, 72, 1, 500_000, 0)],
)
def test_a_local_map_has_no_code(parameters):
    assert transverse_mercator_code(*parameters) is None


def parameters_of(code):
    return [parameter.value for parameter in CRS.from_epsg(code).coordinate_operation.params]
