"""What an operator may set: one frozen class, read once from IMAGERY_NODE_ variables."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, HttpUrl, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from catalog.environment import refuse_unknown_variables

PREFIX = "IMAGERY_NODE_"


class ImageryNodeSettings(BaseSettings):
    """Settings of the picture service; the defaults run on a laptop."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    home: Path = Path("node-data")
    """Folder with the scenes and the catalogue."""

    public_url: HttpUrl | None = None
    """Address clients reach this node under; without it, links repeat the scheme and host of the request."""

    site_name: str = Field(default="", max_length=100)
    """Name of the portal; without it, 卫星影像 or Satellite imagery, as the language of the page is."""

    attribution: str = Field(default="", max_length=500)
    """Credit line that the portal and map clients show."""

    review_number: str = Field(default="", max_length=100)
    """Map review number (审图号) such as `GS(2024)1234号`, shown after the credit line."""

    draw_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64)
    """Threads that draw tiles; more than cores only adds waiting."""

    draw_queue: int = Field(default=64, ge=0, le=10_000)
    """Drawings that may wait for a thread; one more is answered 503."""

    queue_wait_s: float = Field(default=2.0, gt=0, le=60)
    """A drawing that waited longer is given up with 503."""

    tile_deadline_s: float = Field(default=10.0, gt=0, le=120)
    """A tile that takes longer is answered 504."""

    heavy_in_flight: int = Field(default=2, ge=1, le=64)
    """Statistics, series, animations, previews and cut-outs at work at once; tiles never wait behind them."""

    heavy_deadline_s: float = Field(default=30.0, gt=0, le=600)
    """Those that take longer are answered 504; a series that has begun breaks off."""

    scenes_per_tile: int = Field(default=200, ge=1, le=10_000)
    """Scenes one tile may draw from, the newest ones; where more lie, the tile says that it is incomplete."""

    file_headers: int = Field(default=512, ge=16, le=65_536)
    """Files kept open with their parsed headers; stay below the limit of open files (`ulimit -n`)."""

    block_cache_mib: int = Field(default=256, ge=1, le=65_536)
    """Memory for decoded blocks."""

    tile_cache_mib: int = Field(default=64, ge=0, le=65_536)
    """Memory for drawn tiles."""

    dated_tile_max_age_s: int = Field(default=60, ge=0, le=86_400)
    """How long a client may show a dated tile without asking again; undated ones are always asked for."""

    pyramid: Literal["serve", "off"] = "serve"
    """Who makes the stored pictures of low zooms: one of the serving processes in the background, or none of them
    (`imagery-node pyramid` may); what is there is shown either way."""

    pyramid_scenes: int = Field(default=12, ge=1, le=200)
    """A layer with more scenes than this gets a pyramid; its base is the zoom at which a tile touches so few."""

    @property
    def credit_line(self) -> str:
        """What map clients show beside the map: attribution and review number."""
        review = f"审图号：{self.review_number}" if self.review_number else ""
        return " · ".join(filter(None, (self.attribution, review)))

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, values: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown_variables(PREFIX, cls.model_fields)
        return values
