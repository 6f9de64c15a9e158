"""The `ProductMetaData` dialect: one XML file per image, its tags read with their oddities.

What each tag really holds was compared with real products of GF-1 and GF-2; where it is not what its name says, the
property says so.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element

from cog_builder.errors import BadMetadataError

ROOT = "ProductMetaData"
BEIJING = timedelta(hours=8)

_KEPT_FACTS = (
    "ReceiveStationID",
    "SceneID",
    "ScenePath",
    "SceneRow",
    "ProduceTime",
    "RollSatelliteAngle",
    "PitchSatelliteAngle",
    "YawSatelliteAngle",
    "GainMode",
    "IntegrationTime",
    "IntegrationLevel",
)


@dataclass(frozen=True)
class ProductMetadata:
    """The facts of one `ProductMetaData` document; every property raises `BadMetadataError` naming file and tag."""

    path: Path
    tags: dict[str, str]
    """Text of every filled tag; empty tags and the text `NULL` are left out."""

    @classmethod
    def from_xml(cls, path: Path, root: Element) -> "ProductMetadata | None":
        """The facts, or None when the document is something else; some producers wrap the element in others."""
        product = root if root.tag == ROOT else root.find(f".//{ROOT}")
        if product is None:
            return None
        texts = ((child.tag, (child.text or "").strip()) for child in product)
        return cls(path, {tag: text for tag, text in texts if text and text.upper() != "NULL"})

    @property
    def satellite(self) -> str:
        """`GF1`."""
        return self.text("SatelliteID")

    @property
    def sensor(self) -> str:
        """`PMS1`."""
        return self.text("SensorID")

    @property
    def level(self) -> str:
        """`L1A`; the file says `LEVEL1A`."""
        return "L" + self.text("ProductLevel").upper().removeprefix("LEVEL")

    @property
    def product_id(self) -> str:
        """Digits, exactly as written; the file name may hold an overflowed number (2147483647) instead."""
        self._integer("ProductID", 1, 10**20)
        return self.text("ProductID")

    @property
    def orbit(self) -> int | None:
        """Absolute orbit number."""
        return self._integer("OrbitID", 0, 10**9) if "OrbitID" in self.tags else None

    @property
    def is_pan(self) -> bool:
        """The pan band of GF-1 and GF-2 is number 5; multispectral images say `1,2,3,4`."""
        return self.text("Bands") == "5"

    @property
    def band_count(self) -> int:
        """How many bands the image has."""
        return len(self.text("Bands").split(","))

    @property
    def width(self) -> int:
        """Pixels."""
        return self._integer("WidthInPixels", 1, 200_000)

    @property
    def height(self) -> int:
        """Pixels."""
        return self._integer("HeightInPixels", 1, 200_000)

    @property
    def gsd_m(self) -> float:
        """Ground sample distance; `ImageGSDLine` in some products."""
        return self.number("ImageGSD" if "ImageGSD" in self.tags else "ImageGSDLine", 0.1, 1000)

    @property
    def center_time(self) -> datetime:
        """UTC, if the tag holds Beijing time without saying so, as it does in every real GF-1 and GF-2 file."""
        return self._moment("CenterTime") - BEIJING

    @property
    def receive_time(self) -> datetime | None:
        """UTC already, unlike its neighbours; only good as a cross-check."""
        return self._moment("ReceiveTime") if "ReceiveTime" in self.tags else None

    @property
    def sun_elevation(self) -> float:
        """Degrees above the horizon; in GF-1 and GF-2 `SolarZenith` is what its name says."""
        return round(90 - self.number("SolarZenith", 0, 90), 9)

    @property
    def sun_azimuth(self) -> float:
        """Degrees clockwise from north, 0 to 360."""
        return self.number("SolarAzimuth", -180, 360) % 360

    @property
    def incidence_angle(self) -> float | None:
        """Degrees from the vertical at the ground; `SatelliteZenith` is an elevation: 89 when looking straight down."""
        return round(90 - self.number("SatelliteZenith", 0, 90), 9) if "SatelliteZenith" in self.tags else None

    @property
    def view_azimuth(self) -> float | None:
        """Degrees clockwise from north, 0 to 360."""
        return self.number("SatelliteAzimuth", -180, 360) % 360 if "SatelliteAzimuth" in self.tags else None

    @property
    def cloud_cover(self) -> float | None:
        """Percent; 101, negative, empty and `NULL` all mean that nobody assessed it."""
        cloud = self.number("CloudPercent", -math.inf, math.inf) if "CloudPercent" in self.tags else None
        return cloud if cloud is not None and 0 <= cloud <= 100 else None

    @property
    def gains(self) -> tuple[float, ...] | None:
        """`AbsCeof` (spelt so), W m⁻² sr⁻¹ µm⁻¹ per digital number; only newer products have it."""
        if "AbsCeof" not in self.tags:
            return None
        text = self.tags["AbsCeof"]
        gains = tuple(self._finite("AbsCeof", part) for part in text.split(","))
        if len(gains) != self.band_count or min(gains) <= 0:
            raise self.complaint("AbsCeof", text, f"{self.band_count} positive numbers")
        return gains

    @property
    def center(self) -> tuple[float, float] | None:
        """(longitude, latitude) of the centre, else of the middle of the corners; a rough guess, up to 7 km wrong."""
        corners = ("TopLeft", "TopRight", "BottomRight", "BottomLeft")
        places = ("Center",) if "CenterLatitude" in self.tags else corners
        if not all(place + axis in self.tags for place in places for axis in ("Longitude", "Latitude")):
            return None
        longitudes = [self.number(place + "Longitude", -180, 180) for place in places]
        latitudes = [self.number(place + "Latitude", -90, 90) for place in places]
        turned = [longitude % 360 if max(longitudes) - min(longitudes) > 180 else longitude for longitude in longitudes]
        return sum(turned) / len(places), sum(latitudes) / len(places)

    @property
    def facts(self) -> dict[str, str]:
        """Further tags worth keeping, as they are written."""
        return {tag: self.tags[tag] for tag in _KEPT_FACTS if tag in self.tags}

    def text(self, tag: str) -> str:
        """The text of a tag that must be there."""
        if tag not in self.tags:
            raise BadMetadataError(f"{self.path.name}: <{tag}> is missing or empty, expected a value")
        return self.tags[tag]

    def number(self, tag: str, least: float, greatest: float) -> float:
        """The number in a tag that must be there."""
        text = self.text(tag)
        value = self._finite(tag, text)
        if not least <= value <= greatest:
            raise self.complaint(tag, text, f"{least:g} to {greatest:g}")
        return value

    def complaint(self, tag: str, found: str, expected: str) -> BadMetadataError:
        """The error that says what a tag holds and what it should hold."""
        return BadMetadataError(
            f"{self.path.name}: <{tag}> is {found[:80]}, expected {expected}; the XML may be of another scene"
        )

    def _integer(self, tag: str, least: int, greatest: int) -> int:
        text = self.text(tag)
        if not (text.isascii() and text.isdigit() and len(text) <= 20 and least <= int(text) <= greatest):
            raise self.complaint(tag, text, f"a whole number from {least} to {greatest}")
        return int(text)

    def _finite(self, tag: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.complaint(tag, text, "a finite number")
        return value

    def _moment(self, tag: str) -> datetime:
        text = self.text(tag)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.complaint(tag, text, "YYYY-MM-DD hh:mm:ss") from error
        if moment.tzinfo is not None:
            raise self.complaint(tag, text, "a time without zone, as this agency writes it")
        return moment.replace(tzinfo=UTC)
