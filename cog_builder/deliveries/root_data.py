"""The `root/data` dialect: HJ-1, CBERS-4 and early ZY-3 as CRESDA delivers them, on a map.

One real file was at hand, of CBERS-4 MUX. Its times are UTC by the daylight at the place; its sun angles are wrong by
4° and 180°, so nothing that rests on angles is proven.
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
    filled,
    incidence_of,
    middle,
)
from cog_builder.deliveries.untold import Untold
from cog_builder.errors import BadMetadataError, IncompleteDeliveryError
from cog_builder.gains import Calibration
from cog_builder.sensor import Band

ROOT = "root"

_DATA = "data"
_CORNERS = ("dataUpperLeft", "dataUpperRight", "dataLowerRight", "dataLowerLeft")
"""Of the tilted image; `product…` are those of the map around it."""
_KEPT_FACTS = ("recStationId", "sceneId", "scenePath", "sceneRow", "productDate", "gain", "mapProjection", "zone")
_CLOUD_TAGS = ("cloudAmount", "cloudPercent")
_COEFFICIENT = re.compile(r"(?P<band>B\d+)\s*:\s*(?P<gain>[-+.\dEe]+)")
_GAIN_FORMULA = re.compile(r"L\s*=\s*DN\s*\*\s*g\b", re.I)
_DOCUMENT_SUFFIX = re.compile(r"-meta$", re.I)


def read(documents: Sequence[tuple[Path, Element]]) -> list["RootData"]:
    """Every document of this dialect."""
    found = ((path, root.find(_DATA)) for path, root in documents if root.tag == ROOT)
    return [RootData.of(path, data) for path, data in found if data is not None]


@dataclass(frozen=True)
class RootData(Untold):
    """The facts of one `root/data` document."""

    tags: Tags
    dialect: str = f"{ROOT}/{_DATA}"
    unproven: tuple[str, ...] = ("time_zone", "sun_angles", "view_angles")

    @classmethod
    def of(cls, path: Path, data: Element) -> "RootData":
        """Read the children of the element."""
        return cls(Tags(path, filled({child.tag: child.text for child in data})))

    @property
    def title(self) -> str:
        """The base name."""
        return _DOCUMENT_SUFFIX.sub("", self.tags.path.stem)

    @property
    def satellite(self) -> str:
        """`HJ1A`."""
        return self.tags.text("satelliteId")

    @property
    def sensor(self) -> str:
        """`CCD1`."""
        return self.tags.text("sensorId")

    @property
    def level(self) -> str:
        """`L2`."""
        return self.tags.level("productLevel")

    @property
    def product_id(self) -> str:
        """Digits, exactly as written."""
        self.tags.integer("productId", 1, 10**20)
        return self.tags.text("productId")

    @property
    def orbit(self) -> int | None:
        """Absolute orbit number; most documents have none."""
        return self.tags.integer("orbitId", 0, 10**9) if "orbitId" in self.tags else None

    @property
    def is_pan(self) -> bool:
        """No camera of this dialect has a pan image beside its colours."""
        return False

    @property
    def band_count(self) -> int | None:
        """How many bands the image has."""
        return len(self.tags.text("bands").split(",")) if "bands" in self.tags else None

    @property
    def gsd_m(self) -> float:
        """Side of a pixel on the map."""
        return self.tags.number("pixelSpacing", 0.1, 1000)

    @property
    def clock(self) -> datetime:
        """`sceneDate`: a date and the time of the middle line."""
        return self.tags.moment("sceneDate")

    @property
    def zones(self) -> tuple[timedelta, ...]:
        """UTC in the one real file."""
        return (GREENWICH, BEIJING)

    @property
    def sun(self) -> tuple[Direction, ...]:
        """`sunAzimuthElevation` is the azimuth."""
        if "sunElevation" not in self.tags:
            return ()
        angle = self.tags.number("sunElevation", 0, 90)
        azimuth = self.tags.number("sunAzimuthElevation", -180, 360) % 360
        return (angle, azimuth), (round(90 - angle, 9), azimuth)

    @property
    def incidence_angle(self) -> float | None:
        """Of cameras that look where their satellite does; the CCD cameras of HJ-1 look 15° to the sides of it."""
        if self.sensor.upper().startswith("CCD") or "satOffNadir" not in self.tags:
            return None
        return incidence_of(self.tags.number("satOffNadir", -45, 45))

    @property
    def cloud_cover(self) -> float | None:
        """Percent; HJ-1 and CBERS-4 have none."""
        tag = next((tag for tag in _CLOUD_TAGS if tag in self.tags), None)
        return None if tag is None else assessed(self.tags.number(tag, -math.inf, math.inf))

    @property
    def center(self) -> Place | None:
        """As written, else the middle of the corners."""
        return middle(self._places(("sceneCenter",)) or self.corners)

    @property
    def corners(self) -> tuple[Place, ...]:
        """Of the tilted image."""
        return self._places(_CORNERS)

    @property
    def facts(self) -> dict[str, str]:
        """Station, path and row, gain mode and the like."""
        return {tag: self.tags.texts[tag] for tag in _KEPT_FACTS if tag in self.tags}

    def calibration(self, bands: tuple[Band, ...]) -> Calibration | None:
        """The gains in the free text of `absCalibType`, where its formula is `L=DN*g`; others are left to the table."""
        text = self.tags.texts.get("absCalibType", "")
        if not _GAIN_FORMULA.search(text):
            return None
        found = {each["band"]: self.tags.finite("absCalibType", each["gain"]) for each in _COEFFICIENT.finditer(text)}
        gains = tuple(found.get(band.name, 0.0) for band in bands)
        if min(gains) <= 0:
            raise self.complaint("absCalibType", text, f"positive gains of {', '.join(band.name for band in bands)}")
        return Calibration(gains, (0.0,) * len(bands), "XML absCalibType")

    def files(self, stems: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """The TIFF of the same base name, else one per band, `-1` … `-4`."""
        title = self.title.casefold()
        if title in stems:
            return ((title,),)
        count = self.band_count or 0
        bands = tuple(f"{title}-{number + 1}" for number in range(count))
        missing = [f"{self.title}-{number + 1}.tif" for number, stem in enumerate(bands) if stem not in stems]
        if len(missing) == count:
            return ()
        if missing:
            raise IncompleteDeliveryError(f"{self.title}: {', '.join(missing)} missing, expected one TIFF per band")
        return (bands,)

    def complaint(self, tag: str, found: str, expected: str) -> BadMetadataError:
        """See `Tags.complaint`."""
        return self.tags.complaint(tag, found, expected)

    def _places(self, names: Sequence[str]) -> tuple[Place, ...]:
        if not all(name + axis in self.tags for name in names for axis in ("Long", "Lat")):
            return ()
        return tuple(
            (self.tags.number(f"{name}Long", -180, 180), self.tags.number(f"{name}Lat", -90, 90)) for name in names
        )
