"""Settings of the catalogue."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from catalog.environment import refuse_unknown_variables

PREFIX = "CATALOG_"


class CatalogSettings(BaseSettings):
    """What the catalogue accepts and keeps; environment variables `CATALOG_…`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    asset_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders below which the assets of loaded items may lie, separated by ':'; published scenes need none."""

    disk_reserve_mib: int = Field(default=512, ge=0)
    """Free space in MiB that must be left when a built scene is taken in, else it is refused as `disk_full`."""

    grace_s: float = Field(default=900.0, ge=0)
    """Seconds that the files of a replaced version stay on disk, for readers that have them open."""

    @field_validator("asset_roots", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("asset_roots")
    @classmethod
    def _are_folders(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        for root in roots:
            if not root.is_absolute() or not root.is_dir():
                raise ValueError(f"{root} must be the absolute path of a folder that exists")
        return roots

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, values: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown_variables(PREFIX, cls.model_fields)
        return values
