"""What a COG is made of, apart from its pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from cog_builder.map_grid import MapGrid

Lossless = Literal["deflate", "zstd"]
Lossy = Literal["jpeg", "webp"]
Compression = Lossless | Lossy

Place = tuple[int, int, int]
"""(level, block row, block column); level 0 is the full image."""


@dataclass(frozen=True)
class BandInfo:
    """What the file says about one band."""

    description: str
    scale: float = 1.0
    color: str | None = None
    """GDAL colour interpretation: `blue`, `gray` …"""


@dataclass(frozen=True)
class CogLayout:
    """What a COG is made of, apart from its pixels."""

    grid: MapGrid
    bands: tuple[BandInfo, ...]
    dtype: Literal["uint8", "uint16"]
    compression: Compression
    block_px: int
    overviews: int
    nodata: int | None = None
    """Nodata value; None where a mask says it."""
    tags: dict[str, str] = field(default_factory=dict)
    """Free metadata of the dataset (GDAL's default domain)."""

    @property
    def masked(self) -> bool:
        """Whether validity is an internal mask: lossy pixels cannot hold a nodata value."""
        return self.compression in ("jpeg", "webp")

    def shape(self, level: int) -> tuple[int, int]:
        """(height, width) in pixels of the full image (0) or an overview."""
        return -(-self.grid.height // 2**level), -(-self.grid.width // 2**level)

    def blocks(self, level: int) -> tuple[int, int]:
        """(rows, columns) of blocks of a level."""
        height, width = self.shape(level)
        return -(-height // self.block_px), -(-width // self.block_px)

    def places(self) -> Iterator[Place]:
        """Every block in the order of the file: the smallest overview first, each level row by row."""
        for level in range(self.overviews, -1, -1):
            yield from self.level_places(level)

    def level_places(self, level: int) -> Iterator[Place]:
        """The blocks of one level, row by row."""
        rows, cols = self.blocks(level)
        return ((level, row, col) for row in range(rows) for col in range(cols))
