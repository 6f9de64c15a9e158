"""The `prdf` dialect of INPE: CBERS-4 and CBERS-4A, one XML and one TIFF per band, already on a map.

Many real files were at hand: times are UTC and the sun angles hold for the middle of the tilted image. The wide
cameras (WFI, AWFI) are two that stand side by side; newer products of them come as `_LEFT_` and `_RIGHT_` files, with
both cameras in each XML.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from cog_builder.deliveries.metadata import GREENWICH, Direction, Place, Tags, filled, middle, texts_by_path
from cog_builder.deliveries.untold import Untold
from cog_builder.errors import BadMetadataError, IncompleteDeliveryError
from cog_builder.gains import Coefficients
from cog_builder.sensor import Band

ROOT = "prdf"

_NAMESPACE = "{http://www.gisplan.com.br/xmlsat}"
_SIDES = {"leftCamera": "LEFT", "rightCamera": "RIGHT"}
_BAND_STEM = re.compile(r"(?P<title>.+)_BAND(?P<band>\d+)$", re.I)
_PAN_BAND = "0"
"""Of WPM, beside its colours; the other pan cameras have nothing beside them."""
_CORNERS = ("UL", "UR", "LR", "LL")
_KEPT_FACTS = (
    "receivingStation",
    "processingStation",
    "processingTime",
    "path",
    "row",
    "orbitDirection",
    "ephemerisMode",
    "interpolation",
)


def read(documents: Sequence[tuple[Path, Element]]) -> list["Prdf"]:
    """The images of this dialect, each from the documents of its bands."""
    by_title: dict[str, list[tuple[Path, Element]]] = defaultdict(list)
    for path, root in documents:
        if root.tag == _NAMESPACE + ROOT:
            found = _BAND_STEM.fullmatch(path.stem)
            if found is None:
                raise BadMetadataError(f"{path.name}: a band's document without its number, expected …_BAND5.xml")
            by_title[found["title"]].append((path, root))
    return [image for title, found in by_title.items() for image in _images(title, found)]


def _images(title: str, documents: list[tuple[Path, Element]]) -> list["Prdf"]:
    """One image, or two: the bands and the pan band beside them."""
    listed = _cameras(documents[0][1])[0][1].iterfind(f"{_NAMESPACE}availableBands/{_NAMESPACE}band")
    available = [(band.text or "").strip() for band in listed]
    groups = [[band for band in available if (band == _PAN_BAND) is pan] for pan in (False, True)]
    return [Prdf.of(title, tuple(group), documents) for group in groups if group]


def _cameras(root: Element) -> list[tuple[str, Element]]:
    """(side, element with the facts) of the cameras of a document; an only one has no side."""
    sides = [(side, camera) for tag, side in _SIDES.items() if (camera := root.find(_NAMESPACE + tag)) is not None]
    return sides or [("", root)]


@dataclass(frozen=True)
class Prdf(Untold):
    """The facts of one image, from the documents of its bands."""

    title: str
    """The name without `_BAND5`."""
    bands: tuple[str, ...]
    """Their numbers, in file order."""
    paths: tuple[Path, ...]
    """Its documents, the leading one first."""
    cameras: tuple[Tags, ...]
    """By path, as the leading document has them: of one camera, or of the left and the right one."""
    sides: tuple[str, ...]
    dialect: str = ROOT
    unproven: tuple[str, ...] = ()
    sun_error_deg: float = 1.0
    """INPE computes the sun roughly: up to 0.71° off in the real files."""

    @classmethod
    def of(cls, title: str, bands: tuple[str, ...], documents: list[tuple[Path, Element]]) -> "Prdf":
        """Take the documents of some bands; each repeats the facts of the image."""
        by_stem = {path.stem.casefold(): (path, root) for path, root in documents}
        own = [by_stem[stem] for band in bands if (stem := f"{title}_BAND{band}".casefold()) in by_stem]
        path, root = (own or documents)[0]
        cameras = _cameras(root)
        return cls(
            title,
            bands,
            tuple(path for path, _ in own) or (path,),
            tuple(Tags(path, filled(texts_by_path(camera))) for _, camera in cameras),
            tuple(side for side, _ in cameras),
        )

    @property
    def documents(self) -> tuple[Path, ...]:
        """One per band."""
        return self.paths

    @property
    def satellite(self) -> str:
        """`CBERS4A`."""
        return self._tags.text("satellite/name") + self._tags.text("satellite/number")

    @property
    def sensor(self) -> str:
        """`WPM`."""
        return self._tags.text("satellite/instrument")

    @property
    def level(self) -> str:
        """`L2` or `L4`."""
        return self._tags.level("image/level")

    @property
    def product_id(self) -> str:
        """Path and row, `209139`: products have no number."""
        return "".join(f"{self._tags.integer(f'image/{tag}', 0, 999):03d}" for tag in ("path", "row"))

    @property
    def orbit(self) -> int | None:
        """Absolute orbit number; mostly 0, which is none."""
        number = "revolutionNumber"
        return self._tags.integer(number, 0, 10**9) or None if number in self._tags else None

    @property
    def is_pan(self) -> bool:
        """Whether it is the pan band beside others."""
        return self.bands == (_PAN_BAND,)

    @property
    def band_count(self) -> int | None:
        """How many bands the image has."""
        return len(self.bands)

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width) of the map; two cameras have maps of their own."""
        if len(self.cameras) > 1:
            return None
        return self._tags.integer("image/lines", 1, 200_000), self._tags.integer("image/columns", 1, 200_000)

    @property
    def gsd_m(self) -> float:
        """Side of a pixel on the map."""
        return self._tags.number("image/verticalPixelSize", 0.1, 1000)

    @property
    def clock(self) -> datetime:
        """The time of the middle line."""
        return self._tags.moment("image/timeStamp/center")

    @property
    def zones(self) -> tuple[timedelta, ...]:
        """UTC in every real file."""
        return (GREENWICH,)

    @property
    def sun(self) -> tuple[Direction, ...]:
        """In the middle of the image: between two cameras, the middle of theirs."""
        elevations, azimuths = zip(
            *(
                (
                    tags.number("image/sunPosition/elevation", 0, 90),
                    tags.number("image/sunPosition/sunAzimuth", -180, 360),
                )
                for tags in self.cameras
            ),
            strict=True,
        )
        east, north = (float(axis.mean()) for axis in (np.sin(np.radians(azimuths)), np.cos(np.radians(azimuths))))
        return ((sum(elevations) / len(elevations), round(float(np.degrees(np.arctan2(east, north))) % 360, 9)),)

    @property
    def center(self) -> Place | None:
        """Of the tilted image, which lies in the map askew: in one of AWFI 120 km from the map's middle."""
        return middle(tuple(chain.from_iterable(_places(tags, ("CT",)) for tags in self.cameras)))

    @property
    def corners(self) -> tuple[Place, ...]:
        """Of the tilted image; of two cameras, the outer ones."""
        left, right = _places(self.cameras[0], _CORNERS), _places(self.cameras[-1], _CORNERS)
        return (left[0], right[1], right[2], left[3]) if left and right else ()

    @property
    def facts(self) -> dict[str, str]:
        """Station, path and row and the like."""
        return {tag: self._tags.text(f"image/{tag}") for tag in _KEPT_FACTS if f"image/{tag}" in self._tags}

    def coefficients(self, bands: tuple[Band, ...]) -> Coefficients | None:
        """`absoluteCalibrationCoefficient`, W m⁻² sr⁻¹ µm⁻¹ per digital number; WPM and the pan cameras have none."""
        gains = [_coefficients(tags, bands) for tags in self.cameras]
        if not gains[0]:
            return None
        if gains[0] != gains[-1]:
            raise self._tags.complaint(
                "absoluteCalibrationCoefficient", str(gains[-1]), f"{gains[0]} as of the other camera"
            )
        return Coefficients(gains[0], (0.0,) * len(bands), "XML absoluteCalibrationCoefficient")

    def files(self, stems: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """One TIFF per band, or per camera and band.

        Raises:
            IncompleteDeliveryError: A band is missing, or its document.
        """
        whole = [tuple(f"{self.title}_BAND{band}" for band in self.bands)]
        apart = [tuple(f"{self.title}_{side}_BAND{band}" for band in self.bands) for side in self.sides]
        halves = len(apart) > 1 and any(stem.casefold() in stems for part in apart for stem in part)
        parts = apart if halves else whole
        documented = {path.stem.casefold() for path in self.documents}
        missing = [f"{stem}.tif" for part in parts for stem in part if stem.casefold() not in stems]
        missing += [f"{stem}.xml" for stem in whole[0] if stem.casefold() not in documented]
        if missing:
            raise IncompleteDeliveryError(
                f"{self.title}: {', '.join(missing)} missing, expected all bands ({', '.join(self.bands)})"
            )
        return tuple(tuple(stem.casefold() for stem in part) for part in parts)

    @property
    def _tags(self) -> Tags:
        return self.cameras[0]


def _places(tags: Tags, names: Sequence[str]) -> tuple[Place, ...]:
    """Places of the tilted image; `boundingBox` has those of the map around it."""
    return tags.places([f"image/imageData/{name}" for name in names], ("/longitude",), "/latitude")


def _coefficients(tags: Tags, bands: Sequence[Band]) -> tuple[float, ...]:
    """Of the bands of an image; empty where the document has none at all."""
    names = [f"image/absoluteCalibrationCoefficient/band[{band.name.removeprefix('B')}]" for band in bands]
    return tuple(tags.number(name, 1e-6, 1e3) for name in names) if any(name in tags for name in names) else ()
