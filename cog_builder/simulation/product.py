"""The products that can be simulated, read from `products.toml`: adding one of a known dialect is adding a row."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from cog_builder.scene import ImageKind

SampleType = Literal["uint8", "uint16", "int16"]


@dataclass(frozen=True)
class ImageProfile:
    """What is fixed about one image of a product."""

    kind: ImageKind
    stem: str
    """Of its side-files: `{name}-MSS{camera}`."""
    gsd_m: float
    sensor: str = ""
    """The camera, where the delivery holds several (`NAD`, `FWD` …); images of one camera stand together, the
    coarsest first."""
    pitch_deg: float = 0.0
    """How far the camera looks ahead; negative looks back."""
    parts: tuple[str, ...] = ("",)
    """After the stem: the image is cut into so many pieces, side by side, that overlap a little."""
    band_files: tuple[str, ...] = ("",)
    """After the part: one file for all bands, or one for each."""
    browse_step: int = 10
    """Image pixels per pixel of the browse picture."""
    overshoot: float = 0.0
    """How far past the last line the XML puts the bottom corners, as a share of the image height."""
    gain_mode: str = "G2"
    integration_level: str = "S2"
    integration_ms: tuple[float, ...] = ()
    """Per band, of a camera whose gains depend on it."""


@dataclass(frozen=True)
class Product:
    """What is fixed about a satellite's product."""

    dialect: str
    """Whose side-files it has; see `delivery`."""
    name: str
    """Of the delivery."""
    first_orbit: date
    orbits_per_day: float
    orbit_height_m: float
    images: tuple[ImageProfile, ...]
    level: str = "L1A"
    on_map: bool = False
    """Drawn on a UTM grid, turned as the camera was, with zeros around."""
    tiff: str = ".tiff"
    sample: SampleType = "uint16"
    nodata: int | None = None
    """What the TIFF says of it; the pixels are 0 where nothing was seen in any case."""
    pictures: tuple[str, str] = (".jpg", "_thumb.jpg")
    """Endings of the browse picture and of the square one; an empty one is not written."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Tags of `ProductMetaData` that this satellite calls otherwise."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of `ProductMetaData` that hold something else, or are not in the others: format strings with the fields of
    names and `sun_elevation` and `gains`."""


@cache
def known_products() -> Mapping[str, Product]:
    """Every product of `products.toml` by its key."""
    table = tomllib.loads(Path(__file__).with_name("products.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {key: _product(row, table["satellite"][row["orbit"]]) for key, row in table["product"].items()}
    )


def _product(row: dict[str, Any], orbit: dict[str, Any]) -> Product:
    images = tuple(ImageProfile(**_frozen(image)) for image in row["images"])
    plain = {key: value for key, value in row.items() if key not in ("orbit", "images")}
    return Product(images=images, **orbit, **_frozen(plain))


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
