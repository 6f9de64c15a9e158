"""The scenes of a place date by date: what series, animations and comparisons are made of."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import shapely
from shapely.geometry.base import BaseGeometry

from catalog.search import BoundingBox, Footprint
from imagery_node.errors import BadParameterError
from imagery_node.layer import Layer
from imagery_node.layer_document import MAX_SCENES_LISTED
from imagery_node.scene_index import Scene, Snapshot
from imagery_node.when import When


class DatedScenes(NamedTuple):
    """What was acquired on one UTC date."""

    date: date
    scenes: tuple[Scene, ...]
    """Topmost first."""


def scenes_by_date(
    snapshot: Snapshot,
    layer: Layer,
    bbox: BoundingBox,
    when: When,
    *,
    at_most: int,
    touching: BaseGeometry | None = None,
    max_cloud: float | None = None,
) -> list[DatedScenes]:
    """The dates of a place with their scenes, the oldest first.

    Args:
        snapshot: The catalogue.
        layer: Whose scenes, and which of them lies on top.
        bbox: Of the place.
        when: Which acquisitions.
        at_most: So many dates.
        touching: The ground that a scene must touch within the box, in degrees.
        max_cloud: Percent of the scene; scenes of unknown cloud are taken.

    Raises:
        BadParameterError: There are more dates, or more scenes than one answer should look at.
    """
    found, _ = snapshot.footprints(layer, bbox, when, limit=MAX_SCENES_LISTED + 1)
    if len(found) > MAX_SCENES_LISTED:
        raise BadParameterError(
            f"more than {MAX_SCENES_LISTED} scenes lie here: ask for less ground or a shorter datetime", limit="scenes"
        )
    by_date: dict[date, list[Scene]] = {}
    for footprint in _chosen(found, touching, max_cloud):
        scene = Scene(footprint.collection, footprint.item_id, footprint.version, footprint.acquired)
        by_date.setdefault(footprint.acquired.date(), []).append(scene)
    if len(by_date) > at_most:
        raise BadParameterError(
            f"{len(by_date)} dates lie in datetime, at most {at_most} are answered at once: ask for a shorter one, or "
            "for less cloud",
            limit="dates",
        )
    return [DatedScenes(day, tuple(scenes)) for day, scenes in sorted(by_date.items())]


def _chosen(
    footprints: Iterable[Footprint], touching: BaseGeometry | None, max_cloud: float | None
) -> Iterable[Footprint]:
    if touching is not None:
        shapely.prepare(touching)
    for footprint in footprints:
        if max_cloud is not None and footprint.cloud_cover is not None and footprint.cloud_cover > max_cloud:
            continue
        if touching is None or touching.intersects(footprint.geometry):
            yield footprint
