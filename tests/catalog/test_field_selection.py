"""Which fields are served, against the table of the fields extension."""

import pytest

from catalog.search_request import SearchBody

ITEM = {
    **{"type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": "i", "collection": "c"},
    **{"geometry": {"type": "Point"}, "bbox": [1, 2], "links": [], "assets": {"x": {"href": "h"}}},
    "properties": {"datetime": "2024-01-01T00:00:00Z", "gsd": 2, "proj": {"code": "EPSG:4490", "shape": [1, 2]}},
}
IDENTITY = {"type", "stac_version", "id", "collection"}
DEFAULT = {name: ITEM[name] for name in ITEM if name != "properties"} | {
    "properties": {"datetime": ITEM["properties"]["datetime"]}
}


def selected(fields):
    """What of an item is served besides its identity."""
    served = SearchBody.model_validate({"fields": fields}).selection().apply(ITEM)
    return {name: value for name, value in served.items() if name not in IDENTITY}


def but(document, *names):
    return {name: value for name, value in document.items() if name not in {*names, *IDENTITY}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, but(DEFAULT)),
        ({"include": [], "exclude": []}, but(DEFAULT)),
        ({"include": None, "exclude": None}, but(DEFAULT)),
        ({"include": ["bbox", "links"]}, {"bbox": [1, 2], "links": []}),
        ({"include": ["bbox"], "exclude": None}, {"bbox": [1, 2]}),
        ({"exclude": ["geometry", "assets"]}, but(ITEM, "geometry", "assets")),
        ({"include": None, "exclude": ["geometry"]}, but(DEFAULT, "geometry")),
        ({"include": [], "exclude": ["geometry"]}, but(DEFAULT, "geometry")),
        ({"include": ["bbox", "links"], "exclude": ["bbox"]}, {"bbox": [1, 2], "links": []}),
        ({"include": ["bbox"], "exclude": ["bbox", "links"]}, {"bbox": [1, 2]}),
        ({"include": ["properties.gsd"], "exclude": ["properties"]}, {"properties": {"gsd": 2}}),
        (
            {"include": ["properties"], "exclude": ["properties.gsd"]},
            {"properties": but(ITEM["properties"], "gsd")},
        ),
        ({"include": ["properties.proj.code"]}, {"properties": {"proj": {"code": "EPSG:4490"}}}),
        (
            {"exclude": ["properties.proj.shape"]},
            but(ITEM, "properties") | {"properties": ITEM["properties"] | {"proj": {"code": "EPSG:4490"}}},
        ),
        ({"include": ["properties", "properties.gsd"]}, {"properties": ITEM["properties"]}),
        ({"include": ["properties.gsd", "properties"]}, {"properties": ITEM["properties"]}),
        ({"include": ["nothing", "properties.nothing", "id.nothing"]}, {"properties": {}}),
        ({"include": ["bbox"], "exclude": ["nothing.at.all"]}, {"bbox": [1, 2]}),
    ],
    ids=str,
)
def test_fields_follow_the_table_of_the_extension(fields, expected):
    assert selected(fields) == expected


def test_selecting_does_not_change_the_item():
    before = str(ITEM)
    selected({"exclude": ["properties.proj.shape", "assets.x"]})
    assert str(ITEM) == before


def test_without_fields_everything_is_served():
    assert SearchBody.model_validate({}).selection() is None
