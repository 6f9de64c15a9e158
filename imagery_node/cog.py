"""Cog: the parsed header of one tiled GeoTIFF: where each stored block lies and where its pixels lie on the ground."""

import math
import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from imagery_node import tiff
from imagery_node.errors import UnreadableAssetError
from imagery_node.georeference import BandTags, Georeference, read_georeference, read_tags
from imagery_node.grid import TILE_SIDE, WEB_MERCATOR, WEB_MERCATOR_QUAD, Bounds, get_grid, to_web_mercator
from imagery_node.source_file import Location, OpenFile, open_file

MAX_SIDE = 200_000
MAX_SAMPLES = 32
MAX_BLOCK_BYTES = 1 << 26

_MAX_DRIFT = 0.01
"""Pixels by which a level may lie off a tile grid anywhere."""

_REDUCED, _MASK = 1, 4
_PLAIN_COLOURS = (1, 2, 6)
"""Black is zero, RGB, YCbCr; not a palette."""
_DTYPES = {(1, 1): "u1", (8, 1): "u1", (16, 1): "u2", (16, 2): "i2", (32, 3): "f4"}
"""(bits, sample format) → numpy type; one-bit samples are masks."""


@dataclass(frozen=True)
class Level:
    """One resolution of the file: the image itself or an overview."""

    shape: tuple[int, int]
    block_shape: tuple[int, int]
    offsets: NDArray[np.uint64]
    """Byte offset of each block as (plane, block row, block column); a sparse block has a byte count of 0."""
    byte_counts: NDArray[np.uint64]
    compression: int
    predictor: int
    photometric: int
    jpeg_tables: bytes | None
    dtype: np.dtype[np.generic]
    """As stored, with its byte order."""
    bits: int
    samples: int
    """All samples of a pixel, alpha too."""
    planar: bool
    """Each sample lies in blocks of its own."""
    mask: "Level | None" = None
    """Validity as an image of the same blocks."""

    @property
    def samples_per_block(self) -> int:
        """Samples that one stored block interleaves."""
        return 1 if self.planar else self.samples

    def stored_bytes(self, row: int, col: int) -> int:
        """Bytes of one block in the file, with those of its mask."""
        own = int(self.byte_counts[:, row, col].sum())
        return own + (self.mask.stored_bytes(row, col) if self.mask else 0)


@dataclass(frozen=True, eq=False)
class Cog:
    """One file, opened: everything a reader must know except pixels."""

    path: Location
    length: int
    """Of the file, bytes."""
    version: Hashable
    """The path may name another file later."""
    read: tiff.ReadRange = field(repr=False)
    read_at_once: tiff.ReadRange = field(repr=False)
    """As `read`, for who must not wait: raises BlockingIOError where the disk would have to be asked."""
    levels: tuple[Level, ...]
    """Finest first."""
    georeference: Georeference
    nodata: float | None
    has_alpha: bool
    """The last sample is opacity."""
    tags: BandTags
    """Of the bands; alpha is not among them."""
    known_full: dict[tuple[int, int, int], bool] = field(default_factory=dict, repr=False)
    """Blocks (level, row, column) whose mask was looked at: True when every pixel is valid."""

    @property
    def band_names(self) -> tuple[str, ...]:
        """Descriptions of the bands, empty where the file has none."""
        return self.tags.names

    @cached_property
    def is_of_our_kind(self) -> bool:
        """Whether it has the layout that `cog_builder` writes, which GDAL is known to read to the same pixels.

        That is 8 or 16 bits without sign, north up, in a CRS with a code; pixels that are not valid are told by a
        nodata value or by a mask of every level; values and colours are as stored.
        """
        image, (a, b, _, d, e, _) = self.levels[0], self.georeference.transform[:6]
        masks = {level.mask is not None for level in self.levels}
        return (
            image.dtype.kind == "u"
            and image.photometric in _PLAIN_COLOURS
            and not (image.planar or self.has_alpha)
            and len(masks) == 1
            and not (self.nodata is not None and True in masks)
            and isinstance(self.nodata, int | None)
            and (a > 0 > e and b == d == 0)
            and self.georeference.crs.startswith("EPSG:")
        )

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the decoded values."""
        return self.levels[0].dtype.newbyteorder("=")

    def level_transform(self, level: int) -> Affine:
        """Pixel corner (col, row) of a level → the file's CRS; an overview covers the same ground, as in GDAL."""
        (height, width), (rows, cols) = self.levels[0].shape, self.levels[level].shape
        return self.georeference.transform * Affine.scale(width / cols, height / rows)

    @cached_property
    def web_bounds(self) -> Bounds:
        """Bounds of the whole image in EPSG:3857."""
        height, width = self.levels[0].shape
        corners = [self.georeference.transform * xy for xy in ((0, 0), (width, 0), (width, height), (0, height))]
        xs, ys = zip(*corners, strict=True)
        transformer = to_web_mercator(self.georeference.crs)
        left, bottom, right, top = transformer.transform_bounds(min(xs), min(ys), max(xs), max(ys), densify_pts=21)
        return left, bottom, right, top

    @cached_property
    def tile_levels(self) -> dict[int, tuple[int, int, int]]:
        """Levels whose pixels lie exactly on WebMercatorQuad, by zoom: (level, first tile column, first tile row)."""
        grid = get_grid(WEB_MERCATOR_QUAD)
        found: dict[int, tuple[int, int, int]] = {}
        transform = self.georeference.transform
        if self.georeference.crs != WEB_MERCATOR or transform.b or transform.d:
            return found
        for index, level in enumerate(self.levels):
            transform = self.level_transform(index)
            zoom = round(math.log2(grid.pixel_sides[0] / abs(transform.a)))
            if not 0 <= zoom <= grid.max_zoom or level.block_shape != (TILE_SIDE, TILE_SIDE):
                continue
            side = grid.pixel_sides[zoom]
            at_grid = Affine.translation(-grid.left / side, grid.top / side) * Affine.scale(1 / side, -1 / side)
            first, last = (at_grid * transform * xy for xy in ((0, 0), level.shape[::-1]))
            col, row = (round(value / TILE_SIDE) for value in first)
            left, top = col * TILE_SIDE, row * TILE_SIDE
            expected = left, top, left + level.shape[1], top + level.shape[0]
            if np.abs(np.subtract((*first, *last), expected)).max() < _MAX_DRIFT:
                found[zoom] = index, col, row
        return found

    @cached_property
    def pixels_per_metre(self) -> tuple[float, float]:
        """Full-resolution columns and rows that one Web Mercator metre spans at the image's centre."""
        height, width = self.levels[0].shape
        nodes = [self.georeference.transform * (width / 2 + dx, height / 2 + dy) for dx, dy in ((0, 0), (1, 0), (0, 1))]
        transformer = to_web_mercator(self.georeference.crs)
        xs, ys = transformer.transform([x for x, _ in nodes], [y for _, y in nodes])
        per_pixel = np.array([[xs[1] - xs[0], xs[2] - xs[0]], [ys[1] - ys[0], ys[2] - ys[0]]])
        try:
            col, row = np.linalg.inv(per_pixel)
        except np.linalg.LinAlgError:
            col = row = np.array((np.inf, np.inf))
        return float(np.hypot(*col)), float(np.hypot(*row))


def open_cog(location: Location) -> Cog:
    """Open a file and parse its header.

    Raises:
        UnreadableAssetError: The file is missing, cut short or not a tiled GeoTIFF of a known kind.
    """
    file = open_file(location)
    try:
        cog = _parse(location, file)
    except UnreadableAssetError as error:
        file.close()
        raise UnreadableAssetError(f"{location.name}: {error}") from error
    except BaseException:
        file.close()
        raise
    # Whoever still draws from an evicted Cog keeps it alive: the file closes when the last one lets go.
    weakref.finalize(cog, file.close)
    return cog


def _parse(location: Location, file: OpenFile) -> Cog:
    """Sort the directories of the file into levels and masks."""
    directories = tiff.read_directories(file.read, file.length)
    if not directories:
        raise UnreadableAssetError("has no image")
    main = directories[0]
    kinds = [directory.integer(tiff.NEW_SUBFILE_TYPE, 0) for directory in directories]
    images = [_level(d) for d, kind in zip(directories, kinds, strict=True) if not kind & _MASK]
    masks = {mask.shape: mask for mask in (_level(d) for d, k in zip(directories, kinds, strict=True) if k & _MASK)}
    levels = [replace(image, mask=masks.get(image.shape)) for image in images]
    _check_alike(levels, [kind for kind in kinds if not kind & _MASK])
    extra = main.numbers.get(tiff.EXTRA_SAMPLES)
    alpha_last = levels[0].samples > 1 and extra is not None and len(extra) > 0 and int(extra[-1]) in (1, 2)
    cog = Cog(
        path=location,
        length=file.length,
        version=file.version,
        read=file.read,
        read_at_once=file.read_at_once,
        levels=tuple(levels),
        georeference=read_georeference(main, location),
        nodata=_nodata(main.text(tiff.GDAL_NODATA), levels[0].dtype),
        has_alpha=alpha_last,
        tags=read_tags(main.text(tiff.GDAL_METADATA), levels[0].samples - alpha_last),
    )
    if not np.isfinite((*cog.web_bounds, *cog.pixels_per_metre)).all():
        raise UnreadableAssetError("lies outside the map")
    return cog


def _level(directory: tiff.Directory) -> Level:
    """One directory as a level, checked against the limits."""
    shape = directory.integer(tiff.IMAGE_LENGTH, 0), directory.integer(tiff.IMAGE_WIDTH, 0)
    block_shape = directory.integer(tiff.TILE_LENGTH, 0), directory.integer(tiff.TILE_WIDTH, 0)
    samples, bits = directory.integer(tiff.SAMPLES_PER_PIXEL, 1), directory.integer(tiff.BITS_PER_SAMPLE, 1)
    dtype = _DTYPES.get((bits, directory.integer(tiff.SAMPLE_FORMAT, 1)))
    if not all(0 < side <= MAX_SIDE for side in shape):
        raise UnreadableAssetError(f"image of {shape[1]} × {shape[0]} pixels, sides of 1–{MAX_SIDE} are read")
    if not all(0 < side <= MAX_SIDE for side in block_shape):
        raise UnreadableAssetError("pixels are not stored in tiles")
    if not 1 <= samples <= MAX_SAMPLES or dtype is None:
        raise UnreadableAssetError(f"{samples} samples of {bits} bits, up to {MAX_SAMPLES} of 8, 16 or 32 are read")
    if block_shape[0] * block_shape[1] * samples * np.dtype(dtype).itemsize > MAX_BLOCK_BYTES:
        raise UnreadableAssetError(f"blocks of {block_shape[1]} × {block_shape[0]} × {samples} are too large to decode")
    planar = directory.integer(tiff.PLANAR_CONFIGURATION, 1) == 2
    layout = (samples if planar else 1, -(-shape[0] // block_shape[0]), -(-shape[1] // block_shape[1]))
    return Level(
        shape=shape,
        block_shape=block_shape,
        offsets=_block_table(directory, tiff.TILE_OFFSETS, layout),
        byte_counts=_block_table(directory, tiff.TILE_BYTE_COUNTS, layout),
        compression=directory.integer(tiff.COMPRESSION, 1),
        predictor=directory.integer(tiff.PREDICTOR, 1),
        photometric=directory.integer(tiff.PHOTOMETRIC, 1),
        jpeg_tables=directory.texts.get(tiff.JPEG_TABLES),
        dtype=np.dtype(directory.byte_order + dtype),
        bits=bits,
        samples=samples,
        planar=planar,
    )


def _block_table(directory: tiff.Directory, tag: int, layout: tuple[int, int, int]) -> NDArray[np.uint64]:
    values = directory.numbers.get(tag)
    if values is None or len(values) != layout[0] * layout[1] * layout[2]:
        raise UnreadableAssetError(f"TIFF tag {tag} lists {0 if values is None else len(values)} blocks of {layout}")
    return values.astype(np.uint64).reshape(layout)


def _check_alike(levels: list[Level], kinds: list[int]) -> None:
    """Refuse files whose later images are not overviews of the first, finest first."""
    first = levels[0]
    for finer, coarser in pairwise(levels):
        if coarser.samples != first.samples or coarser.dtype != first.dtype:
            raise UnreadableAssetError("overviews differ from the image in bands or type")
        if coarser.shape[0] > finer.shape[0] or coarser.shape[1] > finer.shape[1]:
            raise UnreadableAssetError("overviews are not ordered from fine to coarse")
    if not all(kind & _REDUCED for kind in kinds[1:]):
        raise UnreadableAssetError("holds several images, one with overviews is read")
    if any(level.mask is not None and level.mask.block_shape != level.block_shape for level in levels):
        raise UnreadableAssetError("blocks of the mask and of the image differ")


def _nodata(text: str, dtype: np.dtype[np.generic]) -> float | None:
    """The nodata value as pixels hold it: an int where it is whole, and to the precision of 32-bit floats."""
    try:
        value = float(text) if text.strip() else None
    except ValueError as error:
        raise UnreadableAssetError(f"nodata is {text[:40]!r}, expected a number") from error
    if value is None:
        return None
    if dtype.kind != "f":
        return int(value) if value.is_integer() else value
    with np.errstate(over="ignore"):
        return float(np.float32(value))
