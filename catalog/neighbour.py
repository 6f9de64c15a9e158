"""Neighbours: the published scenes that a scene's picture will lie beside."""

import contextlib
import math
from collections.abc import Container, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from catalog.asset_key import ANALYTIC, QUALITY
from catalog.errors import InvalidItemError, UnknownItemError
from catalog.geometry import bbox_area
from catalog.item import asset_path, item_folder
from catalog.search import BoundingBox, Footprint, ItemStore

MAX_NEIGHBOURS = 8

_LOOKED_AT = 1000
_HALF_AS_GOOD_DAYS = 90.0
_MOST_APART = timedelta(days=60)
"""Beyond this the seasons differ: matching them would falsify the dates."""
_LEAST_SHARED = 1e-12


def find_neighbours(
    collection: str,
    bbox: BoundingBox,
    acquired: datetime,
    *,
    but: Container[str],
    home: Path,
    store: ItemStore,
    limit: int = MAX_NEIGHBOURS,
) -> list[tuple[dict[str, Any], Path]]:
    """The listed scenes of a collection that share most ground with a box, those of about the same date first.

    An overlap counts half for every 90 days between the dates, as the ground changes with the seasons, and nothing
    beyond 60 days. Items that were loaded are left out: their files are not the node's.

    Args:
        collection: Whose scenes.
        bbox: Of the scene whose neighbours they are.
        acquired: When that scene was taken.
        but: Ids of scenes that do not count: its own, and those that are about to be replaced.
        home: The node's folder.
        store: Its catalogue.
        limit: How many at most.

    Returns:
        Items, and the folders of their versions.
    """
    area = bbox_area(bbox)

    def worth(footprint: Footprint) -> float:
        days = abs((footprint.acquired - acquired).total_seconds()) / 86_400
        shared: float = footprint.geometry.intersection(area).area
        return shared * math.exp2(-days / _HALF_AS_GOOD_DAYS)

    dates = acquired - _MOST_APART, acquired + _MOST_APART
    found = [each for each in store.footprints([collection], bbox, dates, _LOOKED_AT) if each.item_id not in but]
    found.sort(key=worth, reverse=True)
    return list(islice(_with_files(found, home, store), limit))


def touching_order(deliveries: Sequence[Sequence[tuple[str, BoundingBox]]], begun: Sequence[bool]) -> list[int]:
    """An order of deliveries in which each lies beside one that went before, wherever there is such a one.

    Otherwise a mosaic would grow from several places, and where the parts meet, their colours do not.

    Args:
        deliveries: Collection and box of the scenes in each.
        begun: Whether a delivery lies beside something that is published already; such go first.

    Returns:
        Their numbers.
    """
    places = [(number, *place) for number, scenes in enumerate(deliveries) for place in scenes]
    owners = np.array([number for number, _, _ in places], np.intp)
    collections = np.array([collection for _, collection, _ in places], np.str_)
    areas = np.array([bbox_area(bbox) for _, _, bbox in places], np.object_)
    shared, order = np.array(begun, np.float64) * _LEAST_SHARED, list[int]()
    while len(order) < len(deliveries):
        shared[order] = -1
        order.append(int(shared.argmax()))
        for collection, bbox in deliveries[order[-1]]:
            same = collections == collection
            np.add.at(shared, owners[same], shapely.area(shapely.intersection(areas[same], bbox_area(bbox))))
    return order


def _with_files(found: list[Footprint], home: Path, store: ItemStore) -> Iterator[tuple[dict[str, Any], Path]]:
    for footprint in found:
        with contextlib.suppress(UnknownItemError, InvalidItemError):  # recalled meanwhile, or loaded
            item = store.item(footprint.collection, footprint.item_id)
            for key in (ANALYTIC, QUALITY):
                asset_path(item, key, home=home)
            yield item, item_folder(home, item)
