"""Whether a scene is listed already under another id: the same acquisition, delivered twice."""

from datetime import timedelta
from typing import Any

from catalog.errors import UnknownItemError
from catalog.item import check_item, siblings
from catalog.search import Footprint, ItemStore

_SAME_TIME = timedelta(seconds=1)
_SAME_PLACE = 0.5
"""Of the smaller footprint: cameras side by side overlap by less, and take their pictures at one time."""
_SAME_CAMERA = ("platform", "instruments", "processing:level")


def find_duplicates(store: ItemStore, item: dict[str, Any]) -> list[str]:
    """A named warning for every other listed item of the same camera, level, second and place.

    Raises:
        InvalidItemError: The Item breaks a rule.
    """
    asked = check_item(item)
    if "start_datetime" in item["properties"]:  # of many acquisitions
        return []
    west, south, east, north = item["bbox"]
    around = asked.acquired - _SAME_TIME, asked.acquired + _SAME_TIME
    warnings = []
    for found in store.footprints(None, (west, south, east, north), around):
        if found.item_id == asked.item_id or (found.collection, found.item_id) in siblings(item):
            continue
        shared = asked.geometry.intersection(found.geometry).area
        smaller = min(asked.geometry.area, found.geometry.area)
        if shared < _SAME_PLACE * smaller or not _is_same_camera(item, found, store):
            continue
        apart_s = abs((found.acquired - asked.acquired).total_seconds())
        warnings.append(
            f"duplicate_acquisition: {found.collection}/{found.item_id} is listed, taken by the same camera "
            f"{apart_s:.1f} s apart, and shares {shared / smaller:.0%} of the ground"
        )
    return warnings


def _is_same_camera(item: dict[str, Any], found: Footprint, store: ItemStore) -> bool:
    try:
        other = store.item(found.collection, found.item_id)
    except UnknownItemError:  # recalled meanwhile
        return False
    return all(item["properties"].get(field) == other["properties"].get(field) for field in _SAME_CAMERA)
