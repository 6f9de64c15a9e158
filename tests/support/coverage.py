"""Scenes with footprints of one's choice, and areas, for questions about coverage."""

import json

import numpy as np
import shapely
import shapely.affinity

from tests.support.stac import some_items

COUNTY = {"type": "Polygon", "coordinates": [[[104, 30], [104.8, 30.1], [104.6, 30.8], [104.1, 30.7], [104, 30]]]}
TEMPLATE = some_items(1)[0]


def scene(name, footprint, when="2024-07-15T03:20:00Z", *, gsd=2.0, cloud_cover=5.0, collection="gf2-pms"):
    """An item over a footprint; None leaves a property out."""
    given = {"datetime": when, "gsd": gsd, "eo:cloud_cover": cloud_cover}
    properties = TEMPLATE["properties"] | {key: value for key, value in given.items() if value is not None}
    place = {"geometry": json.loads(shapely.to_geojson(footprint)), "bbox": list(footprint.bounds)}
    return TEMPLATE | {"id": name, "collection": collection, "properties": properties} | place


def turned_squares(random, count):
    """Squares of about 30 km around the county, each turned a little."""
    centres = random.uniform((103.95, 29.95), (104.85, 30.85), (count, 2))
    boxes = [shapely.box(x - 0.15, y - 0.15, x + 0.15, y + 0.15) for x, y in centres]
    angles = random.normal(12, 3, count)
    return np.array([shapely.affinity.rotate(box, angle) for box, angle in zip(boxes, angles, strict=True)])


def counties():
    """A FeatureCollection as an operator has it: numeric codes, names in two languages, an island county."""
    islands = shapely.union_all([shapely.box(122, 30, 122.1, 30.1), shapely.box(122.3, 30, 122.4, 30.2)])
    island_county = json.loads(shapely.to_geojson(islands))
    named = [
        (510104, "锦江区", "Jinjiang District", COUNTY),
        (330921, "岱山县", "Daishan County", island_county),
    ]
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"code": code, "name": name, "name_en": english}, "geometry": geometry}
            for code, name, english, geometry in named
        ],
    }
