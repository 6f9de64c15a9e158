"""What the dialects with one document per image read alike: each of them names its tags."""

import math
import re
from pathlib import Path
from typing import ClassVar

from cog_builder.deliveries.metadata import Place, Tags, middle
from cog_builder.deliveries.untold import Untold

_DOCUMENT_SUFFIX = re.compile(r"-meta$", re.I)


class OneDocument(Untold):
    """Members of `ImageMetadata` that rest on the names of tags alone."""

    tags: Tags

    satellite_tag: ClassVar[str] = "SatelliteID"
    orbit_tags: ClassVar[tuple[str, ...]] = ("OrbitID",)
    """The first that is there counts."""
    cloud_tags: ClassVar[tuple[str, ...]] = ("CloudPercent",)
    center_tag: ClassVar[str] = "Center"
    corner_tags: ClassVar[tuple[str, ...]]
    """What the tags of the corners begin with: top left, top right, bottom right, bottom left."""
    longitude_ends: ClassVar[tuple[str, ...]] = ("Longitude",)
    latitude_end: ClassVar[str] = "Latitude"
    kept_facts: ClassVar[tuple[str, ...]]

    @property
    def documents(self) -> tuple[Path, ...]:
        """The one XML file."""
        return (self.tags.path,)

    @property
    def title(self) -> str:
        """The base name."""
        return _DOCUMENT_SUFFIX.sub("", self.tags.path.stem)

    @property
    def satellite(self) -> str:
        """`GF1`, `ZY3-3`, `JL101A`: as written."""
        return self.tags.text(self.satellite_tag)

    @property
    def orbit(self) -> int | None:
        """Absolute orbit number; not in every document."""
        tag = self.tags.first(self.orbit_tags)
        return None if tag is None else self.tags.integer(tag, 0, 10**9)

    @property
    def cloud_cover(self) -> float | None:
        """Percent; 101, negative, empty and `NULL` all mean that nobody assessed it."""
        tag = self.tags.first(self.cloud_tags)
        percent = math.nan if tag is None else self.tags.number(tag, -math.inf, math.inf)
        return percent if 0 <= percent <= 100 else None

    @property
    def center(self) -> Place | None:
        """As written, else the middle of the corners."""
        return middle(self._places(self.center_tag) or self.corners)

    @property
    def corners(self) -> tuple[Place, ...]:
        """In the order of the image."""
        return self._places(*self.corner_tags)

    @property
    def facts(self) -> dict[str, str]:
        """Station, path and row, gain mode and the like."""
        return {tag: self.tags.text(tag) for tag in self.kept_facts if tag in self.tags}

    def _places(self, *names: str) -> tuple[Place, ...]:
        return self.tags.places(names, self.longitude_ends, self.latitude_end)
