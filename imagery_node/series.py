"""A time series of an area: statistics of its pixels on every date, each block read once.

Nothing is resampled: the pixels whose centre lies in the area are counted on the grid of the finest scene of the date.
Scenes of one date are laid over each other, the layer's topmost first. Where only clear pixels count, a clear pixel of
a scene below shows through a cloudy one above. Pixels count as clear unless a quality asset calls them cloud or shadow.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.asset_key import QUALITY
from catalog.geometry import is_number
from imagery_node.area import Area, AreaGrid, covered_pixels, read_pixels
from imagery_node.cog import Cog
from imagery_node.cog_cache import CogCache
from imagery_node.dated_scenes import DatedScenes
from imagery_node.errors import BadParameterError, BadRenderingError, DeadlineError, UnreadableAssetError
from imagery_node.measurement import Bands, bands_of, measure
from imagery_node.parameter import MAX_IMAGE_BYTES, MAX_IMAGE_PX, MAX_SOURCE_PX
from imagery_node.quality import CLOUD, CLOUD_SHADOW
from imagery_node.rendering import Rendering
from imagery_node.scene_index import Scene, Snapshot
from imagery_node.source_file import Location

MAX_DATES = 200
"""L20."""

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Measured:
    """What is measured of every date."""

    area: Area
    rendering: Rendering
    """Asset, and bands of it or an expression; its colours are without meaning here."""
    scaled: bool = True
    """Values are multiplied and shifted as the item says (`raster:scale`, `raster:offset`): reflectance, not counts."""
    clear_only: bool = True
    """Only pixels that the quality asset calls clear."""


@dataclass(frozen=True)
class BandStatistics:
    """Of the values of one band or expression; `std` is that of the population."""

    count: int
    mean: float
    median: float
    minimum: float
    maximum: float
    std: float


@dataclass(frozen=True)
class DateStatistics:
    """One date of a series."""

    date: date
    items: tuple[str, ...]
    """Those with valid pixels in the area."""
    crs: str | None
    """Of the grid that pixels were counted on; None where no scene has any here."""
    pixel: tuple[float, float] | None
    """Width and height in units of the CRS."""
    area_pixels: int
    """All whose centre lies in the area, within the bounds of the date's scenes."""
    valid_pixels: int
    clear_pixels: int
    bands: dict[str, BandStatistics | None]
    """None where no pixel counts."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Items that do not take part, and why."""


@dataclass(frozen=True)
class _Source:
    """One scene of a date, found fit."""

    scene: Scene
    file: Location
    quality: Location | None
    bands: Bands
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]


@dataclass(frozen=True)
class _DatePlan:
    date: date
    sources: list[_Source]
    grid: AreaGrid | None
    read_px: int
    """Of all files together."""
    left_out: dict[str, str]


class Series:
    """The statistics of one area, date by date."""

    def __init__(self, snapshot: Snapshot, cogs: CogCache, measured: Measured) -> None:
        self._snapshot = snapshot
        self._cogs = cogs
        self._measured = measured
        self._inside: tuple[AreaGrid, NDArray[np.bool_]] | None = None

    def begin(self, dates: list[DatedScenes], given_up: Event) -> Iterator[DateStatistics]:
        """Look at the headers of all files, then give the statistics of one date after the other.

        Raises:
            BadParameterError: More pixels would have to be read than one answer may take.
            BadRenderingError: No scene has such bands.
            DeadlineError: It was given up; also while dates are given.
        """
        refusals: list[BadRenderingError] = []
        plans = [self._plan(dated, refusals, given_up) for dated in dates]
        if refusals and not any(plan.sources for plan in plans):
            raise refusals[0]
        _check_cost(plans)
        return (self._measure(plan, given_up) for plan in plans)

    def _plan(self, dated: DatedScenes, refusals: list[BadRenderingError], given_up: Event) -> _DatePlan:
        sources: list[_Source] = []
        cogs: list[Cog] = []
        left_out: dict[str, str] = {}
        for scene in dated.scenes:
            _check_wanted(given_up)
            try:
                source, cog = self._source(scene)
                if sources and source.bands.names != sources[0].bands.names:
                    raise BadRenderingError(f"has other bands than {sources[0].scene.item_id}: name some")
            except BadRenderingError as error:
                refusals.append(BadRenderingError(f"{scene.item_id}: {error}"))
                left_out[scene.item_id] = str(error)
            except UnreadableAssetError:
                left_out[scene.item_id] = "cannot be read"
            else:
                sources.append(source)
                cogs.append(cog)
        finest = max(cogs, key=lambda cog: max(cog.pixels_per_metre), default=None)
        grid = self._measured.area.grid(finest, cogs) if finest else None
        read_px = sum(covered_pixels(cog, grid) for cog in cogs) if grid else 0
        return _DatePlan(dated.date, sources, grid, read_px, left_out)

    def _source(self, scene: Scene) -> tuple[_Source, Cog]:
        rendering = self._measured.rendering
        file = self._snapshot.raster(scene, rendering.asset)
        if file is None:
            raise BadRenderingError(f"has no asset {rendering.asset!r}")
        cog = self._cogs.open(file)
        bands = bands_of(rendering, cog)
        asset = self._snapshot.document(scene)["assets"][rendering.asset]
        scale = _stated(asset, "raster:scale", bands.positions, usual=1.0)
        offset = _stated(asset, "raster:offset", bands.positions, usual=0.0)
        return _Source(scene, file, self._snapshot.raster(scene, QUALITY), bands, scale, offset), cog

    def _measure(self, plan: _DatePlan, given_up: Event) -> DateStatistics:
        """Read the scenes of a date and lay them over each other."""
        if plan.grid is None:
            names = plan.sources[0].bands.names if plan.sources else ()
            return DateStatistics(plan.date, (), None, None, 0, 0, 0, dict.fromkeys(names), plan.left_out)
        inside = self._mask(plan.grid)
        valid, clear, taken = (np.zeros(plan.grid.shape, np.bool_) for _ in range(3))
        values: list[NDArray[np.float32]] = []
        items = []
        left_out = dict(plan.left_out)
        for source in plan.sources:
            _check_wanted(given_up)
            try:
                cog = self._cogs.open(source.file)
                found = read_pixels(self._cogs, cog, source.bands.positions, plan.grid)
                quality = self._clear(source, plan.grid)
            except UnreadableAssetError:
                left_out[source.scene.item_id] = "cannot be read"
                continue
            if found is None:
                continue
            here = found.valid & inside[found.part]
            clear_here = here if quality is None else here & quality[found.part]
            new = (clear_here if self._measured.clear_only else here) & ~taken[found.part]
            stored = np.compress(new.ravel(), found.pixels.reshape(new.size, -1), axis=0)
            values.append(self._values(stored, source))
            taken[found.part] |= new
            valid[found.part] |= here
            clear[found.part] |= clear_here
            if here.any():
                items.append(source.scene.item_id)
        names = plan.sources[0].bands.names
        columns = np.concatenate(values).T if values else np.empty((len(names), 0), np.float32)
        return DateStatistics(
            date=plan.date,
            items=tuple(items),
            crs=plan.grid.crs,
            pixel=plan.grid.pixel,
            area_pixels=int(np.count_nonzero(inside)),
            valid_pixels=int(np.count_nonzero(valid)),
            clear_pixels=int(np.count_nonzero(clear)),
            bands={name: describe(column) for name, column in zip(names, columns, strict=True)},
            left_out=left_out,
        )

    def _mask(self, grid: AreaGrid) -> NDArray[np.bool_]:
        """The pixels in the area; remembered, as most dates have the grid of the last one."""
        if self._inside is None or self._inside[0] != grid:
            self._inside = grid, self._measured.area.inside(grid)
        return self._inside[1]

    def _clear(self, source: _Source, grid: AreaGrid) -> NDArray[np.bool_] | None:
        """Where the whole grid is clear: wherever the quality asset does not say cloud or shadow; None: everywhere."""
        quality = self._cogs.open(source.quality) if source.quality else None
        found = read_pixels(self._cogs, quality, (0,), grid) if quality and quality.dtype == np.uint8 else None
        if found is None:
            return None
        clear = np.ones(grid.shape, np.bool_)
        clear[found.part] = ~found.valid | (found.pixels[..., 0] & (CLOUD | CLOUD_SHADOW) == 0)
        return clear

    def _values(self, stored: NDArray[Any], source: _Source) -> NDArray[np.float32]:
        """(pixel, band) as asked for."""
        values = np.ascontiguousarray(stored.T, np.float32)
        if self._measured.scaled:
            values *= source.scale[:, None]
            values += source.offset[:, None]
        return measure(self._measured.rendering, values.T)


def describe(values: NDArray[np.float32]) -> BandStatistics | None:
    """Statistics of the finite values; None where there is none."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return BandStatistics(
        count=len(values),
        mean=float(values.mean(dtype=np.float64)),
        median=float(np.median(values)),
        minimum=float(values.min()),
        maximum=float(values.max()),
        std=float(values.std(dtype=np.float64)),
    )


def _stated(asset: dict[str, Any], name: str, positions: Iterable[int], *, usual: float) -> NDArray[np.float32]:
    """A number that each of some bands states, or the asset for all of them."""
    bands = asset["bands"] if isinstance(asset.get("bands"), list) else []
    whole = asset[name] if is_number(asset.get(name)) else usual
    found = [bands[at].get(name) if at < len(bands) and isinstance(bands[at], dict) else None for at in positions]
    return np.array([value if is_number(value) else whole for value in found], np.float32)


def _check_cost(plans: list[_DatePlan]) -> None:
    """Refuse before the work what would read too many pixels (L07, L08)."""
    total = 0
    for plan in plans:
        if plan.grid is None:
            continue
        total += plan.read_px
        most = min(MAX_IMAGE_PX, MAX_IMAGE_BYTES // (_FLOAT_BYTES * len(plan.sources[0].bands.positions)))
        if plan.grid.pixel_count > most:
            raise BadParameterError(
                f"{plan.date} has {plan.grid.pixel_count:.3g} pixels here, at most {most:.3g} are read: ask for a "
                "smaller area",
                limit="area",
            )
    if total > MAX_SOURCE_PX:
        raise BadParameterError(
            f"the series would read {total:.3g} pixels, at most {MAX_SOURCE_PX:.3g}: ask for a smaller area or a "
            "shorter datetime",
            limit="area",
        )


def _check_wanted(given_up: Event) -> None:
    if given_up.is_set():
        raise DeadlineError("the series was given up")
