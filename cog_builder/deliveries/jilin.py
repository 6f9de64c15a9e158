"""The `MetaData/ProductInfo` dialect of Jilin-1: one XML for the pan and the multispectral image.

No real file of it was at hand: tags are those that a public reader of real files knows, and few of them. Gains are
published nowhere.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from cog_builder.deliveries.metadata import BEIJING, GREENWICH, Direction, Tags, filled, incidence_of, texts_by_path
from cog_builder.deliveries.one_document import OneDocument
from cog_builder.errors import BadMetadataError

ROOT = "MetaData"

_PRODUCT = "ProductInfo"
_KINDS: tuple[Literal["MSS", "PAN"], ...] = ("MSS", "PAN")
_PAN_RATIO = 4
_STEM = re.compile(r"(?P<title>.+?)(_L\d[A-Z]?)?(_(?P<kind>MSS|PAN))?(_meta)?$", re.I)
_ZONE = re.compile(r"(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})")


def read(documents: Sequence[tuple[Path, Element]]) -> list["Jilin"]:
    """The images of this dialect: two of a document, unless its name tells which one it is of."""
    found = [(path, root) for path, root in documents if root.tag == ROOT and root.find(_PRODUCT) is not None]
    return [Jilin.of(path, root, kind) for path, root in found for kind in _KINDS if _kind_in(path) in (None, kind)]


def _name(path: Path) -> re.Match[str]:
    found = _STEM.fullmatch(path.stem)
    if found is None:
        raise BadMetadataError(f"{path.name}: no product name, expected one such as JL101A_PMS_…_meta.xml")
    return found


def _kind_in(path: Path) -> str | None:
    kind = _name(path)["kind"]
    return None if kind is None else kind.upper()


@dataclass(frozen=True)
class Jilin(OneDocument):
    """The facts of one image of a `MetaData` document."""

    tags: Tags
    """By path below `ProductInfo`."""
    kind: Literal["MSS", "PAN"]
    time_zone: str | None
    """The attribute of the root: `+0800`."""
    dialect: str = f"{ROOT}/{_PRODUCT}"

    corner_tags = ("UpperLeft", "UpperRight", "LowerRight", "LowerLeft")
    kept_facts = ("SceneID", "RollSatelliteAngle")

    @classmethod
    def of(cls, path: Path, root: Element, kind: Literal["MSS", "PAN"]) -> "Jilin":
        """Read the leaves of the product's element."""
        texts = texts_by_path(root)
        return cls(
            Tags(path, filled({tag.removeprefix(f"{_PRODUCT}/"): text for tag, text in texts.items()})),
            kind,
            root.attrib.get("TimeZone"),
        )

    @property
    def unproven(self) -> tuple[str, ...]:
        """See `ImageMetadata`; a time zone that is written is none of them."""
        return ("sun_angles", "view_angles", "gsd", *(() if self.time_zone else ("time_zone",)))

    @property
    def title(self) -> str:
        """The base name without level, image and `_meta`."""
        return _name(self.tags.path)["title"]

    @property
    def sensor(self) -> str:
        """`PMS`."""
        return self.tags.text("Sensor")

    @property
    def level(self) -> str:
        """`L1`."""
        return self.tags.level("ProductLevel")

    @property
    def product_id(self) -> str:
        """As written."""
        return self.tags.text("ProductID")

    @property
    def is_pan(self) -> bool:
        """Whether this is the pan image."""
        return self.kind == "PAN"

    @property
    def gsd_m(self) -> float:
        """`ImageRowGSD`: of the image the document names, else of the pan image, with colours four times as wide."""
        stated = self.tags.number("ImageRowGSD", 0.1, 1000)
        return stated * _PAN_RATIO if self.kind == "MSS" and _kind_in(self.tags.path) is None else stated

    @property
    def clock(self) -> datetime:
        """`CenterTime`, else between start and end."""
        if "CenterTime" in self.tags:
            return self.tags.moment("CenterTime")
        start, end = self.tags.moment("StartTime"), self.tags.moment("EndTime")
        return start + (end - start) / 2

    @property
    def zones(self) -> tuple[timedelta, ...]:
        """The `TimeZone` of the document, else Beijing time by custom."""
        if self.time_zone is None:
            return (BEIJING, GREENWICH)
        found = _ZONE.fullmatch(self.time_zone.strip())
        if found is None:
            raise self.tags.complaint("MetaData TimeZone", self.time_zone, "one such as +0800")
        zone = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
        return (zone if found["sign"] == "+" else -zone,)

    @property
    def sun(self) -> tuple[Direction, ...]:
        """Not in every document; named as in `ProductMetaData`."""
        if "SolarZenith" not in self.tags:
            return ()
        as_elevation, as_named = self.tags.directions("SolarZenith", "SolarAzimuth")
        return as_named, as_elevation

    @property
    def incidence_angle(self) -> float | None:
        """By the roll of the satellite, which is all that is told."""
        tag = "RollSatelliteAngle"
        return incidence_of(self.tags.number(tag, -60, 60)) if tag in self.tags else None

    def files(self, stems: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """The TIFF of the title and this image, whatever the level between them."""
        fitting = re.compile(rf"{re.escape(self.title)}(_L\d[A-Z]?)?_{self.kind}", re.I)
        return tuple((stem,) for stem in stems if fitting.fullmatch(stem))
