"""Deterministic Items and Collections for tests of the catalogue, and a plain scan as the oracle of searches."""

import math
from datetime import UTC, datetime, timedelta
from random import Random

import orjson
import shapely
import shapely.affinity
from shapely.geometry import mapping, shape

START = datetime(2020, 1, 1, 3, 20, tzinfo=UTC)
COLLECTIONS = ("gf1-pms", "gf1-wfv", "gf2-pms")

_VERSION = "https://stac-extensions.github.io/version/v1.2.0/schema.json"
_FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"


def some_collection(collection):
    """A collection document as the catalogue keeps it, with a link of its own."""
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": collection,
        "title": f"{collection} 测试",
        "description": "Scenes made for tests.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]},
        },
        "links": [{"rel": "license", "href": "https://example.com/licence", "type": "text/html"}],
    }


def some_items(count):
    """Items spread over the collections, China and three years; a turned square each, several at the same instant."""
    return [_some_item(number) for number in range(count)]


def described_items(count):
    """Like `some_items`, with the properties that searches speak of; some know no cloud cover, some no angles.

    Collection, id, title and platform name the same satellite.
    """
    return [
        {
            **item,
            "id": item["collection"][:3].upper() + item["id"][3:],
            "properties": item["properties"] | _description(number, item["collection"]),
        }
        for number, item in enumerate(some_items(count))
    ]


def crossing_item():
    """An item on both sides of the antimeridian, split as GeoJSON wants it."""
    item = _some_item(900_000)
    east, west = shapely.box(179.5, 50, 180, 51), shapely.box(-180, 50, -179.2, 51)
    return {**item, "bbox": [179.5, 50.0, -179.2, 51.0], "geometry": _geojson(shapely.union_all([east, west]))}


def items_of_all_widths(count):
    """Items as wide as a house or a continent; some lie on the lines of a grid, at a pole or over the antimeridian."""
    random = Random(7)
    return [_of_some_width(item, random, on_grid=number % 3 == 0) for number, item in enumerate(some_items(count))]


def _of_some_width(item, random, *, on_grid):
    width = 170 / 2 ** random.uniform(0, 17)
    height = width / random.choice([1, 4])
    west, south = random.uniform(-180, 180), random.uniform(-90, 90 - height)
    if on_grid:
        width, west, south = (side // 0.703125 * 0.703125 for side in (width + 0.703125, west, south))
    north = min(south + height, 90)
    sides = [shapely.box(west, south, min(west + width, 180), north)]
    if west + width > 180:
        sides.append(shapely.box(-180, south, west + width - 360, north))
    bbox = [west, south, sides[-1].bounds[2], north]
    return item | {"bbox": bbox, "geometry": _geojson(shapely.union_all(sides))}


def scan(items, *, collections=None, ids=None, area=None, interval=(None, None)):
    """Ids that a search must give, newest first, by looking at every item."""
    start, end = interval
    found = [
        item
        for item in items
        if (collections is None or item["collection"] in collections)
        and (ids is None or item["id"] in ids)
        and (area is None or shape(item["geometry"]).intersects(area))
        and (start is None or start <= _acquired(item))
        and (end is None or _acquired(item) <= end)
    ]
    return [
        item["id"]
        for item in sorted(found, key=lambda item: (-_acquired(item).timestamp(), item["collection"], item["id"]))
    ]


def _description(number, collection):
    satellite, gsd = {"gf1-pms": ("1", 8.0), "gf1-wfv": ("1", 16), "gf2-pms": ("2", 3.2)}[collection]
    return {
        "platform": f"gaofen-{satellite}",
        "constellation": "gaofen",
        "instruments": [collection.partition("-")[2]],
        "gsd": gsd,
        "processing:level": ("L1A", "L2")[number % 5 == 0],
        "title": f"高分{'一二'[int(satellite) - 1]}号 GF{satellite}_{number}",
        **({} if number % 7 == 3 else {"eo:cloud_cover": number * 37 % 1001 / 10}),
        **({} if number % 4 == 1 else {"view:off_nadir": number * 13 % 31, "view:sun_elevation": 20 + number % 50}),
    }


def _acquired(item):
    return datetime.fromisoformat(item["properties"]["datetime"])


def _some_item(number):
    collection = COLLECTIONS[number % 3]
    when = START + timedelta(days=(number // 4) * 13 % 1000, minutes=number // 4)
    identity = f"GF{1 + number % 2}_PMS1_{when:%Y%m%dT%H%M%S}_L1A{number:010d}"
    centre = (75 + number * 7.3 % 60, 18 + number * 3.7 % 34)
    footprint = shapely.affinity.rotate(shapely.box(-0.2, -0.2, 0.2, 0.2), math.degrees(0.2 + number % 5 / 10))
    footprint = shapely.affinity.translate(footprint, *centre)
    stamp = f"{when:%Y-%m-%dT%H:%M:%S}Z"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [_VERSION, _FILE],
        "id": identity,
        "collection": collection,
        "geometry": _geojson(footprint),
        "bbox": list(footprint.bounds),
        "properties": {
            "datetime": stamp,
            "created": stamp,
            "updated": stamp,
            "version": "1",
            "title": f"{collection} {number}",
        },
        "links": [{"rel": "collection", "href": "../../collection.json"}],
        "assets": {
            "visual": _asset("./visual.tif", "image/tiff; application=geotiff; profile=cloud-optimized", "visual"),
            "thumbnail": _asset("./thumbnail.webp", "image/webp", "thumbnail"),
            "metadata": _asset(f"./source/{identity}.xml", "application/xml", "metadata"),
        },
    }


def _asset(href, media_type, role):
    return {"href": href, "type": media_type, "roles": [role], "file:checksum": "1220" + "0" * 64, "file:size": 1}


def _geojson(geometry):
    return orjson.loads(orjson.dumps(mapping(geometry)))
