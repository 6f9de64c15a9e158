"""The `sensor_corrected_metadata` dialect of LASAC: ZY-3 and GF-7, one camera per delivery, tags in groups.

No real file of it was at hand: tags and spellings are those that public readers of real files know. What could be
otherwise is named in `unproven`, and the sun decides.
"""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element

from cog_builder.deliveries.metadata import (
    BEIJING,
    GREENWICH,
    Direction,
    Place,
    Tags,
    assessed,
    files_named_after,
    filled,
    middle,
    texts_by_path,
)
from cog_builder.deliveries.untold import Untold
from cog_builder.errors import BadMetadataError

ROOT = "sensor_corrected_metadata"

_CORNERS = ("LeftTopPoint", "RightTopPoint", "RightBottomPoint", "LeftBottomPoint")
_KEPT_FACTS = (
    "SceneID",
    "ScenePath",
    "SceneRow",
    "OrbitType",
    "AttitudeType",
    "RollViewingAngle",
    "PitchViewingAngle",
)
_NO_SCENE = re.compile(r"(_rad|check)$", re.I)
_DOCUMENT_SUFFIX = re.compile(r"-meta$", re.I)
_CAMERA = re.compile(r"(-(?P<gf7>[FB]WD(PAN|MUX))$)|(_ORTHO_(?P<ortho>PAN|MS)$)", re.I)
_GREY = ("NAD", "FWD", "BWD", "PAN")


def read(documents: Sequence[tuple[Path, Element]]) -> list["SensorCorrected"]:
    """Every document of this dialect; `_rad` and `Check` documents beside a scene's own are none of a scene."""
    return [
        SensorCorrected.of(path, root)
        for path, root in documents
        if root.tag == ROOT and not _NO_SCENE.search(path.stem)
    ]


@dataclass(frozen=True)
class SensorCorrected(Untold):
    """The facts of one `sensor_corrected_metadata` document."""

    tags: Tags
    """By path; those of `productInfo` without it."""
    dialect: str = ROOT
    delivered_apart: bool = True
    unproven: tuple[str, ...] = ("time_zone", "sun_angles", "view_angles")

    @classmethod
    def of(cls, path: Path, root: Element) -> "SensorCorrected":
        """Read the leaves of the document."""
        texts = texts_by_path(root)
        return cls(Tags(path, filled({tag.removeprefix("productInfo/"): text for tag, text in texts.items()})))

    @property
    def title(self) -> str:
        """The base name."""
        return _DOCUMENT_SUFFIX.sub("", self.tags.path.stem)

    @property
    def satellite(self) -> str:
        """`ZY3-3`."""
        return self.tags.text("SatelliteID")

    @property
    def sensor(self) -> str:
        """`MUX`; of GF-7, whose cameras share one word, by the file name: `FWDPAN`."""
        found = _CAMERA.search(self.title)
        return found["gf7"].upper() if found and found["gf7"] else self.tags.text("SensorID")

    @property
    def level(self) -> str:
        """`L1A` for sensor corrected products; orthorectified ones say so in their names only."""
        found = _CAMERA.search(self.title)
        if found and found["ortho"]:
            return "L4"
        return self.tags.level("ProductLevel")

    @property
    def product_id(self) -> str:
        """`ProduceID`: there is no other number of the product."""
        return self.tags.text("processInfo/ProduceID")

    @property
    def orbit(self) -> int | None:
        """Absolute orbit number."""
        return self.tags.integer("OrbitID", 0, 10**9) if "OrbitID" in self.tags else None

    @property
    def is_pan(self) -> bool:
        """The line cameras are grey, the multispectral one is not."""
        found = _CAMERA.search(self.title)
        if found and found["ortho"]:
            return found["ortho"].upper() == "PAN"
        return self.sensor.endswith("PAN") or self.sensor.upper() in _GREY

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width), pixels; not in every document."""
        if "HeightInPixels" not in self.tags:
            return None
        return self.tags.integer("HeightInPixels", 1, 200_000), self.tags.integer("WidthInPixels", 1, 200_000)

    @property
    def gsd_m(self) -> float:
        """Along the track."""
        return self.tags.number("ImageGSD" if "ImageGSD" in self.tags else "ImageGSD/Line", 0.1, 1000)

    @property
    def clock(self) -> datetime:
        """The time of the middle line."""
        return self.tags.moment("TimeStamp/CenterTime" if "TimeStamp/CenterTime" in self.tags else "AcquisitionTime")

    @property
    def zones(self) -> tuple[timedelta, ...]:
        """Beijing time, as the product names have it."""
        return (BEIJING, GREENWICH)

    @property
    def sun(self) -> tuple[Direction, ...]:
        """`SunAltitude` is the elevation by its name."""
        angle = self.tags.number("SunAltitude", 0, 90)
        azimuth = self.tags.number("SunAzimuth", -180, 360) % 360
        return (angle, azimuth), (round(90 - angle, 9), azimuth)

    @property
    def incidence_angle(self) -> float | None:
        """Degrees from the vertical at the ground; `SatAltitude` is 90 when looking straight down."""
        return round(90 - self.tags.number("SatAltitude", 0, 90), 9) if "SatAltitude" in self.tags else None

    @property
    def view_azimuth(self) -> float | None:
        """Degrees clockwise from north, 0 to 360."""
        return self.tags.number("SatAzimuth", -180, 360) % 360 if "SatAzimuth" in self.tags else None

    @property
    def cloud_cover(self) -> float | None:
        """Percent."""
        if "CloudPercent" not in self.tags:
            return None
        return assessed(self.tags.number("CloudPercent", -math.inf, math.inf))

    @property
    def center(self) -> Place | None:
        """As written, else the middle of the corners."""
        return middle(self._places(("CenterPoint",)) or self.corners)

    @property
    def corners(self) -> tuple[Place, ...]:
        """In the order of the image."""
        return self._places(_CORNERS)

    @property
    def facts(self) -> dict[str, str]:
        """Path, row, and how orbit and attitude were found."""
        return {tag: self.tags.texts[tag] for tag in _KEPT_FACTS if tag in self.tags}

    def files(self, stems: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """The TIFF of the same base name."""
        return files_named_after(self.title, stems)

    def complaint(self, tag: str, found: str, expected: str) -> BadMetadataError:
        """See `Tags.complaint`."""
        return self.tags.complaint(tag, found, expected)

    def _places(self, names: Sequence[str]) -> tuple[Place, ...]:
        """Some of the named points; producers spell the longitude in two ways."""
        points = []
        for name in names:
            point = f"ProductGeographicRange/{name}"
            longitude = next((tag for tag in (f"{point}/Longtitude", f"{point}/Longitude") if tag in self.tags), None)
            if longitude is None or f"{point}/Latitude" not in self.tags:
                return ()
            points.append((self.tags.number(longitude, -180, 180), self.tags.number(f"{point}/Latitude", -90, 90)))
        return tuple(points)
