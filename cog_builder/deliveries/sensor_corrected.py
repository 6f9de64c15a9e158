"""The `sensor_corrected_metadata` dialect of LASAC: ZY-3 and GF-7, one camera per delivery, tags in groups.

No real file of it was at hand: tags and spellings are those that public readers of real files know. What could be
otherwise is named in `unproven`, and the sun decides.
"""

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
    Tags,
    files_named_after,
    filled,
    texts_by_path,
)
from cog_builder.deliveries.one_document import OneDocument

ROOT = "sensor_corrected_metadata"

_RANGE = "ProductGeographicRange"
_NO_SCENE = re.compile(r"(_rad|check)$", re.I)
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
class SensorCorrected(OneDocument):
    """The facts of one `sensor_corrected_metadata` document."""

    tags: Tags
    """By path; those of `productInfo` without it."""
    dialect: str = ROOT
    delivered_apart: bool = True
    unproven: tuple[str, ...] = ("time_zone", "sun_angles", "view_angles")

    center_tag = f"{_RANGE}/CenterPoint"
    corner_tags = (
        f"{_RANGE}/LeftTopPoint",
        f"{_RANGE}/RightTopPoint",
        f"{_RANGE}/RightBottomPoint",
        f"{_RANGE}/LeftBottomPoint",
    )
    longitude_ends = ("/Longtitude", "/Longitude")
    """Producers spell it in two ways."""
    latitude_end = "/Latitude"
    kept_facts = (
        "SceneID",
        "ScenePath",
        "SceneRow",
        "OrbitType",
        "AttitudeType",
        "RollViewingAngle",
        "PitchViewingAngle",
    )

    @classmethod
    def of(cls, path: Path, root: Element) -> "SensorCorrected":
        """Read the leaves of the document."""
        texts = texts_by_path(root)
        return cls(Tags(path, filled({tag.removeprefix("productInfo/"): text for tag, text in texts.items()})))

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
        return self.tags.directions("SunAltitude", "SunAzimuth")

    @property
    def incidence_angle(self) -> float | None:
        """Degrees from the vertical at the ground; `SatAltitude` is 90 when looking straight down."""
        return round(90 - self.tags.number("SatAltitude", 0, 90), 9) if "SatAltitude" in self.tags else None

    @property
    def view_azimuth(self) -> float | None:
        """Degrees clockwise from north, 0 to 360."""
        return self.tags.azimuth("SatAzimuth") if "SatAzimuth" in self.tags else None

    def files(self, stems: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """The TIFF of the same base name."""
        return files_named_after(self.title, stems)
