"""What every dialect tells of an image, and how its tags are read: one reader of scenes serves them all."""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from xml.etree.ElementTree import Element

from cog_builder.errors import BadMetadataError
from cog_builder.gains import Coefficients
from cog_builder.scene import EARTH_RADIUS_KM
from cog_builder.sensor import LOW_ORBIT_KM, Band

BEIJING = timedelta(hours=8)
GREENWICH = timedelta(0)

_LEVEL = re.compile(r"(LEVEL|L)?(?P<level>[1-9][A-Z]?)")
_SENSOR_CORRECTED = ("SC", "SEC", "SC0")
_YEARS = range(1980, 2100)

Place = tuple[float, float]
"""(longitude, latitude) in degrees."""
Direction = tuple[float, float]
"""(elevation above the horizon, azimuth clockwise from north) in degrees."""


class ImageMetadata(Protocol):
    """The facts of one delivered image; every member raises `BadMetadataError` naming file and tag."""

    @property
    def dialect(self) -> str:
        """The kind of document: its root element."""

    @property
    def unproven(self) -> tuple[str, ...]:
        """Facts that are read as documentation has them, not as real files have proven."""

    @property
    def assumed(self) -> tuple[str, ...]:
        """Named warnings about tags that are missing and what stands for them."""

    @property
    def documents(self) -> tuple[Path, ...]:
        """The XML files it was read from, the leading one first."""

    @property
    def title(self) -> str:
        """The product's name as delivered."""

    @property
    def satellite(self) -> str:
        """As written."""

    @property
    def sensor(self) -> str:
        """As written, or as the file name has it where the document does not tell cameras apart."""

    @property
    def level(self) -> str:
        """`L1A`."""

    @property
    def product_id(self) -> str:
        """Exactly as written."""

    @property
    def orbit(self) -> int | None:
        """Absolute orbit number."""

    @property
    def is_pan(self) -> bool:
        """Whether this is the pan image beside a multispectral one."""

    @property
    def delivered_apart(self) -> bool:
        """Whether this agency sends the pan and the multispectral image of a camera in deliveries of their own."""

    @property
    def band_count(self) -> int | None:
        """How many bands the image has, where the document tells."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width) of the whole image, where the document tells."""

    @property
    def gsd_m(self) -> float:
        """Ground sample distance."""

    @property
    def clock(self) -> datetime:
        """When the scene's centre was seen, as the clock of the document has it; marked UTC whatever it is."""

    @property
    def zones(self) -> tuple[timedelta, ...]:
        """What that clock may be ahead of UTC, the expected first."""

    @property
    def receive_time(self) -> datetime | None:
        """A second clock for a cross-check, UTC or Beijing time."""

    @property
    def sun(self) -> tuple[Direction, ...]:
        """What the sun angles may mean, the expected first; empty where they are not told."""

    @property
    def sun_error_deg(self) -> float:
        """How far the agency's own computation of the sun may be off."""

    @property
    def incidence_angle(self) -> float | None:
        """Degrees between the view and the vertical at the ground."""

    @property
    def view_azimuth(self) -> float | None:
        """Degrees clockwise from north, 0 to 360."""

    @property
    def cloud_cover(self) -> float | None:
        """Percent; None when nobody assessed it."""

    @property
    def center(self) -> Place | None:
        """A rough guess, up to 7 km wrong."""

    @property
    def corners(self) -> tuple[Place, ...]:
        """Top left, top right, bottom right, bottom left; as rough; empty where they are not told."""

    @property
    def facts(self) -> dict[str, str]:
        """Further tags worth keeping, as they are written."""

    def coefficients(self, bands: tuple[Band, ...]) -> Coefficients | None:
        """Coefficients of the document itself, which win over every table; None where it has none."""

    def integration_times_ms(self) -> tuple[float, ...] | None:
        """Per band, for a camera whose gains depend on them."""

    def files(self, stems: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """Which of the delivered TIFFs, by base name in lower case, hold the image: per part, per file of the part."""


def files_named_after(stem: str, stems: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """The TIFF of the document's own name, else the parts `-1`, `-2` … of it."""
    stem = stem.casefold()
    if stem in stems:
        return ((stem,),)
    numbered: list[str] = []
    while f"{stem}-{len(numbered) + 1}" in stems:
        numbered.append(f"{stem}-{len(numbered) + 1}")
    return tuple((part,) for part in numbered)


def middle(places: tuple[Place, ...]) -> Place | None:
    """The middle of some places, also across the antimeridian."""
    if not places:
        return None
    longitudes = [longitude for longitude, _ in places]
    turned = [value % 360 if max(longitudes) - min(longitudes) > 180 else value for value in longitudes]
    return sum(turned) / len(places), sum(latitude for _, latitude in places) / len(places)


@dataclass(frozen=True)
class Tags:
    """The texts of a document by tag, and what reading them can complain about."""

    path: Path
    texts: dict[str, str]
    """Filled tags only; empty ones and the text `NULL` are left out."""

    def __contains__(self, tag: str) -> bool:
        """Whether a tag is there and filled."""
        return tag in self.texts

    def first(self, tags: Sequence[str]) -> str | None:
        """The first of some tags that is there."""
        return next((tag for tag in tags if tag in self), None)

    def text(self, tag: str) -> str:
        """The text of a tag that must be there."""
        if tag not in self.texts:
            raise BadMetadataError(f"{self.path.name}: <{tag}> is missing or empty, expected a value")
        return self.texts[tag]

    def number(self, tag: str, least: float, greatest: float) -> float:
        """The number in a tag that must be there."""
        text = self.text(tag)
        value = self.finite(tag, text)
        if not least <= value <= greatest:
            raise self.complaint(tag, text, f"{least:g} to {greatest:g}")
        return value

    def integer(self, tag: str, least: int, greatest: int) -> int:
        """The whole number in a tag that must be there."""
        text = self.text(tag)
        if not (text.isascii() and text.isdigit() and len(text) <= 20 and least <= int(text) <= greatest):
            raise self.complaint(tag, text, f"a whole number from {least} to {greatest}")
        return int(text)

    def digits(self, tag: str) -> str:
        """The digits of a number that must be there, exactly as written."""
        self.integer(tag, 1, 10**20)
        return self.text(tag)

    def azimuth(self, tag: str) -> float:
        """Degrees clockwise from north, 0 to 360; some producers count them from -180."""
        return self.number(tag, -180, 360) % 360

    def directions(self, angle_tag: str, azimuth_tag: str) -> tuple[Direction, Direction]:
        """What an angle may mean: first the elevation above the horizon, then the distance from the zenith."""
        angle, azimuth = self.number(angle_tag, 0, 90), self.azimuth(azimuth_tag)
        return (angle, azimuth), (round(90 - angle, 9), azimuth)

    def places(self, names: Sequence[str], longitude_ends: Sequence[str], latitude_end: str) -> tuple[Place, ...]:
        """Places whose tags begin with some names; empty unless all of them are there.

        Args:
            names: What the tags begin with.
            longitude_ends: How that of the longitude may end.
            latitude_end: How that of the latitude ends.
        """
        tags = []
        for name in names:
            longitude, latitude = self.first([name + end for end in longitude_ends]), name + latitude_end
            if longitude is None or latitude not in self:
                return ()
            tags.append((longitude, latitude))
        return tuple(
            (self.number(longitude, -180, 180), self.number(latitude, -90, 90)) for longitude, latitude in tags
        )

    def finite(self, tag: str, text: str) -> float:
        """A number that was found in a tag."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.complaint(tag, text, "a finite number")
        return value

    def moment(self, tag: str) -> datetime:
        """A time that is written without a zone; marked UTC whatever it is."""
        text = self.text(tag)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.complaint(tag, text, "YYYY-MM-DD hh:mm:ss") from error
        if moment.tzinfo is not None:
            raise self.complaint(tag, text, "a time without zone, as this agency writes it")
        if moment.year not in _YEARS:
            raise self.complaint(tag, text, f"a year from {_YEARS.start} to {_YEARS.stop - 1}")
        return moment.replace(tzinfo=UTC)

    def level(self, tag: str) -> str:
        """`L1A`, which agencies write as `LEVEL1A`, `1A` or, for sensor corrected pixels, `SC`."""
        text = self.text(tag).upper()
        if text in _SENSOR_CORRECTED:
            return "L1A"
        found = _LEVEL.fullmatch(text)
        if found is None:
            raise self.complaint(tag, text, "SC or a level such as L1A")
        return "L" + found["level"]

    def complaint(self, tag: str, found: str, expected: str) -> BadMetadataError:
        """The error that says what a tag holds and what it should hold."""
        return BadMetadataError(
            f"{self.path.name}: <{tag}> is {found[:80]}, expected {expected}; the XML may be of another scene"
        )


def texts_by_path(element: Element) -> dict[str, str | None]:
    """The texts of an element's leaves by their path below it, without namespaces; of equal paths the first.

    A `name` attribute tells siblings apart: `gain/band[13]`.
    """
    texts: dict[str, str | None] = {}
    for child in element:
        tag = child.tag.rpartition("}")[2] + (f"[{child.attrib['name']}]" if "name" in child.attrib else "")
        below = texts_by_path(child) if len(child) else {"": child.text}
        for path, text in below.items():
            texts.setdefault(f"{tag}/{path}" if path else tag, text)
    return texts


def incidence_of(off_nadir: float) -> float:
    """Degrees from the vertical at the ground of a view that leaves a low satellite so far from straight down."""
    return math.degrees(math.asin(math.sin(math.radians(abs(off_nadir))) * (1 + LOW_ORBIT_KM / EARTH_RADIUS_KM)))


def filled(texts: dict[str, str | None]) -> dict[str, str]:
    """Texts on one line without the empty ones and the text `NULL`."""
    stripped = {tag: " ".join((text or "").split()) for tag, text in texts.items()}
    return {tag: text for tag, text in stripped.items() if text and text.upper() != "NULL"}
