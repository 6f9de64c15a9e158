"""What `inspect` tells of a scene: one line for people, everything that is known for programs."""

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np

from catalog.item import ITEM_FILE
from catalog.sidecar import read_item
from catalog.staging import check_files
from cog_builder.deliveries import open_delivery
from cog_builder.scene import ImagePart, MapReference, Scene, SourceImage
from imagery_node.commands.report import REFUSALS, Outcome, name_of, refusal


def inspect_delivery(delivery: Path, workspace: Path, *, allow_uncalibrated: bool) -> Iterator[Outcome]:
    """What each scene of a delivery is, or what the scene in a built folder is.

    Args:
        delivery: What to look at.
        workspace: An empty folder with room for the unpacked delivery.
        allow_uncalibrated: Whether a scene without gains is good.
    """
    try:
        if (delivery / ITEM_FILE).is_file():
            yield _built_scene(delivery)
            return
        for scene in open_delivery(delivery, workspace, allow_uncalibrated=allow_uncalibrated):
            yield Outcome(name_of(delivery), "good", scene.id, _facts(scene), _line(scene))
    except REFUSALS as error:
        yield refusal(delivery, error)


def _built_scene(folder: Path) -> Outcome:
    item = read_item(folder)
    check_files(folder, item, checksums=False)
    properties = item["properties"]
    facts = {
        "collection": item["collection"],
        "datetime": properties["datetime"],
        "assets": sorted(item["assets"]),
        "warnings": properties.get("imagery_node:warnings", []),
    }
    line = f"scene {item['id']} of {item['collection']}, built: {', '.join(facts['assets'])}"
    return Outcome(name_of(folder), "built", item["id"], facts, line)


def _line(scene: Scene) -> str:
    cloud = "unknown" if scene.cloud_cover is None else f"{scene.cloud_cover:g} %"
    images = [f"{image.kind} {_shape(image)} at {image.gsd_m:g} m" for image in scene.images]
    words = [
        f"{scene.sensor.satellite} {scene.sensor.name}",
        f"{scene.acquired.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        scene.level,
        f"cloud {cloud}",
        *images,
        f"calibration {scene.calibration_source}",
        _counted("warning", [warning.partition(":")[0] for warning in scene.warnings]),
    ]
    if scene.unproven:
        words.append(_counted("unproven fact", scene.unproven))
    return "  ".join(words)


def _counted(what: str, names: "list[str] | tuple[str, ...]") -> str:
    """`no warnings`, `1 warning (sun_position)`."""
    if not names:
        return f"no {what}s"
    return f"{len(names)} {what}{'s' * (len(names) > 1)} ({', '.join(names)})"


def _shape(image: SourceImage) -> str:
    return "+".join(str(part.width) for part in image.parts) + f"×{image.parts[0].height}"


def _facts(scene: Scene) -> dict[str, Any]:
    return {
        "title": scene.title,
        "collection": scene.collection,
        "satellite": scene.sensor.satellite,
        "sensor": scene.sensor.name,
        "dialect": scene.dialect,
        "datetime": scene.acquired.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "level": scene.level,
        "product_id": scene.product_id,
        "orbit": scene.orbit,
        "cloud_cover": scene.cloud_cover,
        "sun_elevation": scene.sun_elevation,
        "sun_azimuth": scene.sun_azimuth,
        "incidence_angle": scene.incidence_angle,
        "view_azimuth": scene.view_azimuth,
        "gsd_m": scene.finest_gsd_m,
        "calibration": scene.calibration_source,
        "images": [_image(image) for image in scene.images],
        "stereo": None
        if scene.stereo is None
        else {"view": scene.stereo.view, "siblings": [item_id for _, item_id in scene.stereo.siblings]},
        "side_files": [path.name for path in scene.side_files],
        "facts": scene.facts,
        "unproven": list(scene.unproven),
        "warnings": list(scene.warnings),
    }


def _image(image: SourceImage) -> dict[str, Any]:
    return {
        "kind": image.kind,
        "gsd_m": image.gsd_m,
        "bands": [band.name for band in image.bands],
        "gains": None if image.gains is None else list(image.gains),
        "offsets": list(image.offsets),
        "saturated_dn": image.saturated_dn,
        "parts": [_part(part) for part in image.parts],
    }


def _part(part: ImagePart) -> dict[str, Any]:
    """With the corners of its outer edge, clockwise from the top left, as a camera model has them at its own height."""
    col = np.array([-0.5, part.width - 0.5, part.width - 0.5, -0.5])
    row = np.array([-0.5, -0.5, part.height - 0.5, part.height - 0.5])
    return {
        "files": [path.name for path in part.paths],
        "width": part.width,
        "height": part.height,
        "placed_by": f"EPSG:{part.geometry.epsg}" if isinstance(part.geometry, MapReference) else "RPC",
        "corners": np.round(np.column_stack(part.locate(col, row)), 6).tolist(),
    }
