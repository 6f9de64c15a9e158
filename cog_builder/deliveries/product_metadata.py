"""The `ProductMetaData` dialect: one XML file per image, its tags read with their oddities.

What each tag really holds was compared with real products of GF-1, GF-2 and GF-4; where it is not what its name says,
the property says so. The other satellites write the same tags, but no real file of theirs was at hand: what could
differ is named in `unproven`, and the sun decides.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path, PureWindowsPath
from xml.etree.ElementTree import Element

from cog_builder.deliveries.metadata import BEIJING, GREENWICH, Direction, Tags, files_named_after, filled
from cog_builder.deliveries.one_document import OneDocument
from cog_builder.gains import Coefficients
from cog_builder.sensor import Band

ROOT = "ProductMetaData"

_START_AND_END = "the middle of StartTime and EndTime"
_GAIN_TAGS = ("AbsCeof", "AGain")
_PROVEN = ("GF1", "GF2", "GF4")
"""Satellites of which real files were compared with the sun and with their RPC."""
_IMAGE_SUFFIX = re.compile(r"-(?P<view>NAD|FWD|BWD)?(?P<kind>MSS|MUX|PAN)?\d?$", re.I)
_FILE_CAMERA = re.compile(r"^GF4_(?P<camera>PMS|IRS)_", re.I)
_STEREO = ("TLC", "TMS")
"""What the cameras of ZY-3 are called together."""
_SEPARATORS = re.compile(r"[\s,;\uff0c\uff1b\u3001]+")
"""Between the numbers of a list; a comma mostly, a Chinese one from some producers."""


def read(documents: Sequence[tuple[Path, Element]]) -> list["ProductMetadata"]:
    """Every product of this dialect; some producers wrap the element in others, and some put several into one document.

    Those come last: where an image also has a document of its own, that one is believed.
    """
    found = [(path, [each for each in root.iter() if _name(each) == ROOT]) for path, root in documents]
    alone = [ProductMetadata.of(path, products[0]) for path, products in found if len(products) == 1]
    together = [
        ProductMetadata.of(path, product, shared=True)
        for path, products in found
        if len(products) > 1
        for product in products
    ]
    return alone + together


def _name(element: Element) -> str:
    """The tag without the namespace that some producers put on it."""
    return element.tag.rpartition("}")[2]


@dataclass(frozen=True)
class ProductMetadata(OneDocument):
    """The facts of one `ProductMetaData` element."""

    tags: Tags
    shared: bool = False
    """Whether its document is also that of other images: then its name is not that of the image."""
    dialect: str = ROOT

    orbit_tags = ("OrbitID", "POrbitID")
    corner_tags = ("TopLeft", "TopRight", "BottomRight", "BottomLeft")
    """The bottom ones may lie past the last line of the image."""
    kept_facts = (
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

    @classmethod
    def of(cls, path: Path, product: Element, *, shared: bool = False) -> "ProductMetadata":
        """Read the children of the element."""
        return cls(Tags(path, filled({_name(child): child.text for child in product})), shared)

    @property
    def unproven(self) -> tuple[str, ...]:
        """See `ImageMetadata`."""
        return () if self.satellite in _PROVEN else ("time_zone", "sun_angles", "view_angles")

    @property
    def assumed(self) -> tuple[str, ...]:
        """See `ImageMetadata`."""
        found = self._time_tag
        return () if found == "CenterTime" else (f"center_time: no CenterTime, expected one; {found} stands for it",)

    @property
    def title(self) -> str:
        """The base name without the image's suffix."""
        return _IMAGE_SUFFIX.sub("", self._stem)

    @property
    def sensor(self) -> str:
        """`PMS1`; views of one stereo camera, and the two GF-4 cameras that both say `PMI`, by the file name."""
        if view := self._suffix["view"]:
            return view.upper()
        if camera := _FILE_CAMERA.match(self._stem):
            return camera["camera"].upper()
        sensor = self.tags.text("SensorID")
        return "MUX" if sensor.upper() in _STEREO and self._suffix["kind"] else sensor

    @property
    def level(self) -> str:
        """`L1A`; the file says `LEVEL1A`."""
        return self.tags.level("Level" if "Level" in self.tags and "ProductLevel" not in self.tags else "ProductLevel")

    @property
    def product_id(self) -> str:
        """Digits, exactly as written; the file name may hold an overflowed number (2147483647) instead."""
        return self.tags.digits("ProductID")

    @property
    def is_pan(self) -> bool:
        """By the file name; where it does not tell, a single band: of GF-1 and GF-2 that is number 5."""
        if kind := self._suffix["kind"]:
            return kind.upper() == "PAN"
        bands = [band.upper() for band in self._list("Bands")]
        return len(bands) == 1 and (self.shared or bands == ["PAN"] or (bands == ["5"] and self.satellite in _PROVEN))

    @property
    def band_count(self) -> int | None:
        """How many bands the image has; a single number of a colour image may be their count as well as a band."""
        bands = self._list("Bands")
        return None if not bands or (len(bands) == 1 and not self.is_pan) else len(bands)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), pixels; of GF-6 WFV of the three parts together."""
        return self.tags.integer("HeightInPixels", 1, 200_000), self.tags.integer("WidthInPixels", 1, 200_000)

    @property
    def gsd_m(self) -> float:
        """Ground sample distance; `ImageGSDLine` in some products."""
        return self.tags.number("ImageGSDLine" if "ImageGSDLine" in self.tags else "ImageGSD", 0.1, 1000)

    @property
    def clock(self) -> datetime:
        """`CenterTime`, else the middle of the first and the last line, else `ReceiveTime`."""
        if self._time_tag != _START_AND_END:
            return self.tags.moment(self._time_tag)
        start, end = (self.tags.moment(tag) for tag in ("StartTime", "EndTime"))
        return start + (end - start) / 2

    @property
    def zones(self) -> tuple[timedelta, ...]:
        """Beijing time without saying so, in every real file; `ReceiveTime` alone is UTC, but not that of GF-4."""
        utc = self._time_tag == "ReceiveTime" and self.satellite != "GF4"
        return (GREENWICH, BEIJING) if utc else (BEIJING, GREENWICH)

    @property
    def receive_time(self) -> datetime | None:
        """UTC already, unlike its neighbours; of GF-4 Beijing time too."""
        return self.tags.moment("ReceiveTime") if "ReceiveTime" in self.tags else None

    @property
    def sun(self) -> tuple[Direction, ...]:
        """`SolarZenith` is what its name says in GF-1 and GF-2; in GF-4 it holds the elevation."""
        as_elevation, as_named = self.tags.directions("SolarZenith", "SolarAzimuth")
        return (as_elevation, as_named) if self.satellite == "GF4" else (as_named, as_elevation)

    @property
    def incidence_angle(self) -> float | None:
        """Degrees from the vertical at the ground; `SatelliteZenith` is an elevation: 89 when looking straight down."""
        return round(90 - self.tags.number("SatelliteZenith", 0, 90), 9) if "SatelliteZenith" in self.tags else None

    @property
    def view_azimuth(self) -> float | None:
        """Degrees clockwise from north, 0 to 360."""
        return self.tags.azimuth("SatelliteAzimuth") if "SatelliteAzimuth" in self.tags else None

    def coefficients(self, bands: tuple[Band, ...]) -> Coefficients | None:
        """`AbsCeof` (spelt so) or `AGain`, W m⁻² sr⁻¹ µm⁻¹ per digital number; only newer products have one.

        `Gain` and `Bias` of GF-4 are something else and are not read.
        """
        tag = next((tag for tag in _GAIN_TAGS if {part.upper() for part in self._list(tag)} - {"NULL"}), None)
        if tag is None:
            return None
        text = self.tags.text(tag)
        gains = tuple(self.tags.finite(tag, part) for part in self._list(tag))
        if len(gains) != len(bands) or min(gains) <= 0:
            raise self.tags.complaint(tag, text, f"{len(bands)} positive numbers")
        return Coefficients(gains, (0.0,) * len(bands), f"XML {tag}")

    def integration_times_ms(self) -> tuple[float, ...] | None:
        """A list per band in GF-4; elsewhere one number of seconds per line, which tells nothing of the gains."""
        times = self._list("IntegrationTime")
        return tuple(self.tags.finite("IntegrationTime", time) for time in times) if len(times) > 1 else None

    def files(self, stems: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """The TIFF of the same base name, or the parts of it; of a shared document the one whose name fits."""
        if named := files_named_after(self._stem, stems):
            return named
        fitting = [stem for stem in stems if self._fits(_IMAGE_SUFFIX.search(stem))] if self.shared else []
        return ((fitting[0],),) if len(fitting) == 1 else ()

    def _fits(self, suffix: re.Match[str] | None) -> bool:
        """Whether the suffix of a file is one that this image would have."""
        if suffix is None or (not suffix["kind"] and not suffix["view"]):
            return False
        pan = (suffix["kind"] or "PAN").upper() == "PAN"
        return pan == self.is_pan and (suffix["view"] or self.sensor).upper() == self.sensor.upper()

    def _list(self, tag: str) -> list[str]:
        return [part for part in _SEPARATORS.split(self.tags.texts.get(tag, "")) if part]

    @property
    def _time_tag(self) -> str:
        """Where the time comes from."""
        if "CenterTime" in self.tags:
            return "CenterTime"
        if "StartTime" in self.tags and "EndTime" in self.tags:
            return _START_AND_END
        return "ReceiveTime" if "ReceiveTime" in self.tags else "CenterTime"

    @property
    def _stem(self) -> str:
        """Base name of the image; a shared document tells it in `DataFile`, if at all."""
        if self.shared and "DataFile" in self.tags:
            return PureWindowsPath(self.tags.text("DataFile")).stem  # of either kind of slash
        return self.tags.path.stem

    @cached_property
    def _suffix(self) -> dict[str, str | None]:
        found = _IMAGE_SUFFIX.search(self._stem)
        return {"view": None, "kind": None} if found is None else found.groupdict()
