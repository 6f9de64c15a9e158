"""What clients are told about layers, tiles and dates, as JSON documents."""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from catalog.search import BoundingBox, Footprint
from catalog.timestamp import format_datetime, parse_datetime
from imagery_node.errors import BadParameterError
from imagery_node.grid import MAX_ZOOM, TILE_SIDE, WEB_MERCATOR_QUAD
from imagery_node.layer import Layer
from imagery_node.mosaic import Picture
from imagery_node.renders import render_names
from imagery_node.scene_index import WORLD, Scene, SceneList, Snapshot
from imagery_node.tile_plan import is_complete
from imagery_node.when import overlap

MAX_SCENES_LISTED = 1000

_EQUATOR_M = 40_075_016.686
_DEFAULT_MAX_ZOOM = 18

Document = dict[str, Any]


def layer_document(layer: Layer, snapshot: Snapshot, base_url: str, *, attribution: str) -> Document:
    """A layer with addresses to copy into a client of each kind."""
    bbox, interval = _extent(layer, snapshot)
    root = f"{base_url}/raster/layers/{layer.layer_id}"
    tile = f"{root}/tiles/{WEB_MERCATOR_QUAD}/{{z}}/{{x}}/{{y}}"
    max_zoom = finest_zoom(snapshot.finest_gsd_m(layer), bbox)
    return {
        "id": layer.layer_id,
        "title": layer.title,
        "collections": list(layer.collections),
        "renders": render_names(snapshot, layer.collections),
        "rule": layer.rule.citation,
        "render": layer.render,
        "bbox": list(bbox),
        "interval": interval,
        "minzoom": 0,
        "maxzoom": max_zoom,
        "attribution": attribution,
        "urls": {
            "xyz": tile,
            "xyz_2x": f"{tile}@2x",
            "qgis": f"type=xyz&zmin=0&zmax={max_zoom}&url={quote(tile, safe='')}",
            "tilejson": f"{root}/{WEB_MERCATOR_QUAD}/tilejson.json",
            "scenes": f"{tile}/scenes",
            "dates": f"{root}/dates",
            "renders": f"{root}/renders",
        },
    }


def tilejson(name: str, tiles_url: str, bbox: BoundingBox, zooms: tuple[int, int], *, attribution: str) -> Document:
    """A TileJSON document (version 3.0.0 of the specification)."""
    west, south, east, north = bbox
    return {
        "tilejson": "3.0.0",
        "name": name,
        "attribution": attribution,
        "scheme": "xyz",
        "tiles": [tiles_url],
        "minzoom": zooms[0],
        "maxzoom": zooms[1],
        "bounds": list(bbox),
        "center": [(west + east) / 2, (south + north) / 2, min(zooms[1], zooms[0] + 8)],
    }


def scenes_document(scenes: SceneList, picture: Picture, snapshot: Snapshot, base_url: str) -> Document:
    """The scenes of a tile, topmost first, and what became of each in its picture."""
    return {
        "date": scenes.shown_date.isoformat() if scenes.shown_date else None,
        "complete": is_complete(scenes, picture),
        "scenes": [
            {
                **_scene_document(scene, snapshot.document(scene), base_url),
                "used": position in picture.used,
                "unreadable": position in picture.unreadable,
            }
            for position, scene in enumerate(scenes.scenes)
        ],
    }


def pixel_document(
    scenes: SceneList, picture: Picture, values: Mapping[str, float], snapshot: Snapshot, base_url: str
) -> Document:
    """What shows at one place: colour, values of the asset shown, and the scenes it is of, each with its date."""
    used = [_scene_document(scenes.scenes[i], snapshot.document(scenes.scenes[i]), base_url) for i in picture.used]
    return {
        "date": used[0]["date"] if used else None,
        "colour": picture.pixels[0, 0].tolist() if picture.valid.any() else None,
        "values": dict(values),
        "complete": is_complete(scenes, picture),
        "scenes": used,
    }


def dates_document(footprints: list[Footprint], snapshot: Snapshot) -> Document:
    """The acquisition dates (UTC) among these scenes, newest first.

    Raises:
        BadParameterError: There are more scenes than one answer should look at.
    """
    if len(footprints) > MAX_SCENES_LISTED:
        raise BadParameterError(
            f"more than {MAX_SCENES_LISTED} scenes lie here, for which no dates are listed: ask for less ground",
            limit="scenes",
        )
    by_date: defaultdict[str, list[Footprint]] = defaultdict(list)
    for footprint in footprints:
        by_date[footprint.acquired.date().isoformat()].append(footprint)
    return {
        "dates": [
            {
                "date": date,
                "scenes": len(scenes),
                "platforms": _platforms(scenes, snapshot),
                "cloud_cover": min((s.cloud_cover for s in scenes if s.cloud_cover is not None), default=None),
            }
            for date, scenes in sorted(by_date.items(), reverse=True)
        ]
    }


def finest_zoom(gsd_m: float | None, bbox: BoundingBox) -> int:
    """The zoom whose pixels on the ground are nearest to the sample distance."""
    if not gsd_m:
        return _DEFAULT_MAX_ZOOM
    latitude = math.radians(min(abs((bbox[1] + bbox[3]) / 2), 85.0))
    zoom = math.log2(_EQUATOR_M * math.cos(latitude) / TILE_SIDE / gsd_m)
    return min(max(round(zoom), 0), MAX_ZOOM)


def coarsest_zoom(bbox: BoundingBox, finest: int) -> int:
    """The zoom at which a box is about as wide as one tile."""
    degrees = max((bbox[2] - bbox[0]) % 360, bbox[3] - bbox[1], 1e-9)
    return min(max(math.floor(math.log2(360 / degrees)), 0), finest)


def _extent(layer: Layer, snapshot: Snapshot) -> tuple[BoundingBox, list[str | None]]:
    """Box and time of the items; a collection without any has an extent in its document that is only a promise."""
    held = filter(snapshot.newest_item, layer.collections)
    extents = [snapshot.collection(collection)["extent"] for collection in held]
    boxes = [extent["spatial"]["bbox"][0] for extent in extents]
    intervals = [extent["temporal"]["interval"][0] for extent in extents]
    if not boxes:
        return WORLD, [None, None]
    west, south = (min(box[axis] for box in boxes) for axis in (0, 1))
    east, north = (max(box[axis] for box in boxes) for axis in (2, 3))
    starts, ends = zip(*intervals, strict=True)
    held_interval = _time(min(filter(None, starts), default=None)), _time(max(filter(None, ends), default=None))
    start, end = overlap(held_interval, layer.when.interval) or (None, None)
    if start and end and end < start:  # nothing is of the layer's own time
        start = end = None
    return (west, south, east, north), [format_datetime(time) if time else None for time in (start, end)]


def _time(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None


def _scene_document(scene: Scene, item: Mapping[str, Any], base_url: str) -> Document:
    properties = item["properties"]
    return {
        "item": scene.item_id,
        "collection": scene.collection,
        "version": scene.version,
        "title": properties.get("title", scene.item_id),
        "date": scene.acquired.date().isoformat(),
        "datetime": format_datetime(scene.acquired),
        "satellite": properties.get("platform"),
        "sensor": ", ".join(properties.get("instruments", [])) or None,
        "gsd": properties.get("gsd"),
        "cloud_cover": properties.get("eo:cloud_cover"),
        "link": f"{base_url}/stac/collections/{scene.collection}/items/{scene.item_id}",
    }


def _platforms(scenes: list[Footprint], snapshot: Snapshot) -> list[str]:
    items = (snapshot.item(scene.collection, scene.item_id) for scene in scenes)
    return sorted({item["properties"]["platform"] for item in items if item["properties"].get("platform")})
