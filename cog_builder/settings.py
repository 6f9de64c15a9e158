"""Settings of the builder."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from catalog.environment import refuse_unknown_variables
from catalog.reference_system import read_map_code
from cog_builder.cloud_detector import load_cloud_detector
from cog_builder.cog_layout import Lossless, Lossy
from cog_builder.elevation import VerticalDatum

PREFIX = "COG_BUILDER_"

_PROFILES = frozenset({"compatible", "compact", "webp", "c"})
_WORKER_MIB = 120
_BASE_MIB = 250
_DECODER_MIB = 512


class CogBuilderSettings(BaseSettings):
    """How scenes are built; environment variables `COG_BUILDER_…`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    dem: Path | None = None
    """Elevation model (GeoTIFF, or a VRT over several) used where a command names none."""
    dem_vertical_datum: VerticalDatum = "auto"
    """What the elevation model's heights are above: `ellipsoid`, `egm96` (mean sea level; also right for EGM2008 models
    to a metre), or `auto`: the file's own vertical CRS, else the ellipsoid."""
    target_crs: str | None = None
    """CRS of analytic, sharp and quality, such as `EPSG:4548`; by default that of an image delivered on a map, else
    CGCS2000 Gauss-Krüger in China and UTM elsewhere. Taken are EPSG:4490 (CGCS2000), 4491–4554 (CGCS2000 Gauss-Krüger,
    3 and 6 degrees, with and without zone number), 32601–32660 and 32701–32760 (UTM), 3857 and 4326. In degrees a pixel
    is what the ground sampling distance is on the equator."""
    profile: str = "compatible"
    """How the files are written. `compatible`: DEFLATE for analytic, sharp and quality, JPEG for visual, which old
    desktop software opens. Other names change one thing each and go together with commas between, as in
    `compact,webp,c`: `compact` takes Zstandard for DEFLATE, smaller and faster to read; `webp` takes WebP for JPEG,
    about half the size and slower to write; `c` adds the picture visual-c, whose blocks are the tiles of the national
    grid `c` (EPSG:4490), for a service of that grid: this node's own tiles are in Web Mercator."""
    allow_uncalibrated: bool = False
    """Build scenes whose gains nobody knows, too; their files then hold digital numbers in place of reflectance."""
    cloud_detector: str = "simple"
    """Which installed detector flags clouds and their shadows; `simple` is packaged, others come as entry points of the
    group `imagery_node.cloud_detectors`."""
    balance: Literal["none", "neighbours"] = "none"
    """Whether the picture of a scene that is published is matched in colour with those beside it: `neighbours` solves a
    gain and an offset per colour from the overlaps with published scenes of its collection, keeps them in the item and
    draws `visual` with them. Other files are not touched."""
    memory_mib: int = Field(default=1024, ge=400, le=1_048_576)
    """What one build may hold in memory, MiB; it decides how many threads work and how much of the DEM is kept."""
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)
    """Threads that draw and compress blocks."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, values: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown_variables(PREFIX, cls.model_fields)
        return values

    @field_validator("dem")
    @classmethod
    def _exists(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"{path}: no such file")
        return path

    @field_validator("target_crs")
    @classmethod
    def _is_built_in(cls, text: str | None) -> str | None:
        if text is not None:
            read_map_code(text)
        return text

    @field_validator("profile")
    @classmethod
    def _is_known(cls, text: str) -> str:
        read_profile(text)
        return text

    @field_validator("cloud_detector")
    @classmethod
    def _is_installed(cls, name: str) -> str:
        load_cloud_detector(name)
        return name

    @property
    def threads(self) -> int:
        """Workers that fit into the memory."""
        return max(1, min(self.workers, (self.memory_mib - _BASE_MIB) // _WORKER_MIB))

    @property
    def decoders(self) -> int:
        """Child processes that fit into the memory: one holds a strip or tile of the delivered file, up to 256 MiB."""
        return max(1, min(self.threads, self.memory_mib // _DECODER_MIB))

    @property
    def lossless(self) -> Lossless:
        """Compression of analytic, sharp and quality."""
        return "zstd" if "compact" in read_profile(self.profile) else "deflate"

    @property
    def lossy(self) -> Lossy:
        """Compression of the pictures."""
        return "webp" if "webp" in read_profile(self.profile) else "jpeg"

    @property
    def c_grid(self) -> bool:
        """Whether there is a picture on the grid `c` as well."""
        return "c" in read_profile(self.profile)

    @property
    def dem_cells(self) -> int:
        """Cells of the elevation model kept in memory: an eighth of it, at 8 bytes a cell with what reading takes."""
        return self.memory_mib * 2**20 // 8 // 8

    @property
    def epsg(self) -> int | None:
        """The EPSG code of `target_crs`."""
        return None if self.target_crs is None else read_map_code(self.target_crs)


def read_profile(text: str) -> frozenset[str]:
    """The names of a profile.

    Raises:
        ValueError: One is unknown, or two exclude each other.
    """
    names = frozenset(text.split(","))
    if not names <= _PROFILES or ("compatible" in names and names & {"compact", "webp"}):
        raise ValueError(
            f"{text!r:.60} is no profile; expected compatible, or any of compact, webp and c with commas between"
        )
    return names
