"""Settings of the builder."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pyproj import CRS
from pyproj.exceptions import CRSError

from catalog.environment import refuse_unknown_variables
from cog_builder.cog_layout import Compression
from cog_builder.elevation import VerticalDatum

PREFIX = "COG_BUILDER_"

_WORKER_MIB = 120
_BASE_MIB = 250


class CogBuilderSettings(BaseSettings):
    """How scenes are built; environment variables `COG_BUILDER_…`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    dem: Path | None = None
    """Elevation model (GeoTIFF, or a VRT over several) used where a command names none."""
    dem_vertical_datum: VerticalDatum = "auto"
    """What the elevation model's heights are above: `ellipsoid`, `egm96` (mean sea level; also right for EGM2008 models
    to a metre), or `auto`: the file's own vertical CRS, else the ellipsoid."""
    target_crs: str | None = Field(default=None, pattern=r"^EPSG:\d{4,6}$")
    """CRS of analytic, sharp and quality, such as `EPSG:32650`; by default CGCS2000 Gauss-Krüger in China, else UTM."""
    profile: Literal["compatible", "compact"] = "compatible"
    """Compression of analytic, sharp and quality: `compatible` is DEFLATE, which old desktop software opens; `compact`
    is Zstandard, smaller and faster to read."""
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
    def _counts_metres(cls, code: str | None) -> str | None:
        if code is not None:
            try:
                crs = CRS.from_user_input(code)
            except CRSError as error:
                raise ValueError(f"{code}: no such CRS") from error
            if not crs.is_projected or {axis.unit_name for axis in crs.axis_info} != {"metre"}:
                raise ValueError(f"{code} is {crs.name}, expected a projected CRS in metres")
        return code

    @property
    def threads(self) -> int:
        """Workers that fit into the memory."""
        return max(1, min(self.workers, (self.memory_mib - _BASE_MIB) // _WORKER_MIB))

    @property
    def lossless(self) -> Compression:
        """The compression of `profile`."""
        return "zstd" if self.profile == "compact" else "deflate"

    @property
    def dem_cells(self) -> int:
        """Cells of the elevation model kept in memory: an eighth of it, at 8 bytes a cell with what reading takes."""
        return self.memory_mib * 2**20 // 8 // 8

    @property
    def epsg(self) -> int | None:
        """The EPSG code of `target_crs`."""
        return None if self.target_crs is None else int(self.target_crs.removeprefix("EPSG:"))
