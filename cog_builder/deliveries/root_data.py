"""The `root/data` dialect: HJ-1, CBERS-4 and early ZY-3 as CRESDA delivers them, on a map.

One real file was at hand, of CBERS-4 MUX. Its times are UTC by the daylight at the place; its sun angles are wrong by
4° and 180°, so nothing that rests on angles is proven.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element

from cog_builder.deliveries.metadata import BEIJING, GREENWICH, Direction, Tags, filled, incidence_of
from cog_builder.deliveries.one_document import OneDocument
from cog_builder.errors import IncompleteDeliveryError
from cog_builder.gains import Coefficients
from cog_builder.sensor import Band

ROOT = "root"

_DATA = "data"
_COEFFICIENT = re.compile(r"(?P<band>B\d+)\s*:\s*(?P<gain>[-+.\dEe]+)")
_GAIN_FORMULA = re.compile(r"L\s*=\s*DN\s*\*\s*g\b", re.I)


def read(documents: Sequence[tuple[Path, Element]]) -> list["RootData"]:
    """Every document of this dialect."""
    found = ((path, root.find(_DATA)) for path, root in documents if root.tag == ROOT)
    return [RootData.of(path, data) for path, data in found if data is not None]


@dataclass(frozen=True)
class RootData(OneDocument):
    """The facts of one `root/data` document."""

    tags: Tags
    dialect: str = f"{ROOT}/{_DATA}"
    unproven: tuple[str, ...] = ("time_zone", "sun_angles", "view_angles")

    satellite_tag = "satelliteId"
    orbit_tags = ("orbitId",)
    cloud_tags = ("cloudAmount", "cloudPercent")
    center_tag = "sceneCenter"
    corner_tags = ("dataUpperLeft", "dataUpperRight", "dataLowerRight", "dataLowerLeft")
    """Of the tilted image; `product…` are those of the map around it."""
    longitude_ends = ("Long",)
    latitude_end = "Lat"
    kept_facts = ("recStationId", "sceneId", "scenePath", "sceneRow", "productDate", "gain", "mapProjection", "zone")

    @classmethod
    def of(cls, path: Path, data: Element) -> "RootData":
        """Read the children of the element."""
        return cls(Tags(path, filled({child.tag: child.text for child in data})))

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
        return self.tags.digits("productId")

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
        return self.tags.directions("sunElevation", "sunAzimuthElevation")

    @property
    def incidence_angle(self) -> float | None:
        """Of cameras that look where their satellite does; the CCD cameras of HJ-1 look 15° to the sides of it."""
        if self.sensor.upper().startswith("CCD") or "satOffNadir" not in self.tags:
            return None
        return incidence_of(self.tags.number("satOffNadir", -45, 45))

    def coefficients(self, bands: tuple[Band, ...]) -> Coefficients | None:
        """The gains in the free text of `absCalibType`, where its formula is `L=DN*g`; others are left to the table."""
        text = self.tags.texts.get("absCalibType", "")
        if not _GAIN_FORMULA.search(text):
            return None
        found = {each["band"]: self.tags.finite("absCalibType", each["gain"]) for each in _COEFFICIENT.finditer(text)}
        gains = tuple(found.get(band.name, 0.0) for band in bands)
        if min(gains) <= 0:
            raise self.tags.complaint(
                "absCalibType", text, f"positive gains of {', '.join(band.name for band in bands)}"
            )
        return Coefficients(gains, (0.0,) * len(bands), "XML absCalibType")

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
