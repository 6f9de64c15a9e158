"""The seam for finding clouds: what a detector is shown, what it answers, and which detectors are installed."""

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]

GROUP = "imagery_node.cloud_detectors"
"""Entry point group; an entry is a class, or anything else that gives a `CloudDetector` when called."""


@dataclass(frozen=True)
class CloudView:
    """A block of a scene with the detector's reach around it, thinned out to about the detector's pixel."""

    reflectance: NDArray[np.float32]
    """Top of atmosphere, (row, column, band), north up; meaningless where not valid."""
    valid: Bools
    """(row, column), True where there is an image."""
    common_names: tuple[str | None, ...]
    """STAC common names of the bands, in order."""
    ceiling: NDArray[np.float32]
    """The reflectance at which each band saturates."""
    pixel_m: tuple[float, float]
    """Width and height of a pixel on the ground, metres."""
    sun_elevation: float
    """Degrees above the horizon."""
    sun_azimuth: float
    """Degrees clockwise from north."""


class CloudDetector(Protocol):
    """Finds clouds and their shadows in one block; called from many threads at a time."""

    pixel_m: float
    """It is shown pixels of at most this size, but never finer ones than the scene has; 0 for the scene's own."""
    reach_px: int
    """How far around a pixel it looks, in the pixels it is shown."""

    def __call__(self, view: CloudView) -> tuple[Bools, Bools]:
        """(cloudy, shadowed), (row, column) each; what it says of the outer `reach_px` pixels is not used."""


def load_cloud_detector(name: str) -> CloudDetector:
    """An installed detector.

    Raises:
        ValueError: None of that name is installed, or it cannot be used.
    """
    installed = entry_points(group=GROUP)
    if name not in installed.names:
        raise ValueError(f"{name!r:.60} is no cloud detector; installed are {', '.join(sorted(installed.names))}")
    entry = installed[name]
    try:
        detector: CloudDetector = entry.load()()
        usable = detector.pixel_m >= 0 and detector.reach_px >= 0
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"cloud detector {name} ({entry.value}) cannot be loaded: {error}") from error
    if not usable:
        raise ValueError(f"cloud detector {name} ({entry.value}): pixel_m or reach_px is below 0")
    return detector
