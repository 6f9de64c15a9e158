"""Tiny good TIFFs of many layouts, and what a careless disk or a hostile sender makes of them."""

import itertools
import random
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.transform import from_origin

Shape = tuple[int, int, int]
"""(rows, columns, bands)."""

_STRIPED: dict[str, dict[str, object]] = {
    "striped": {"interleave": "pixel"},
    "planar": {"interleave": "band"},
    "lzw": {"compress": "lzw", "predictor": 2},
    "deflate": {"compress": "deflate", "blockysize": 7},
    "packbits": {"compress": "packbits"},
    "zstd": {"compress": "zstd"},
    "big endian": {"ENDIANNESS": "BIG", "compress": "lzw"},
    "big TIFF": {"BIGTIFF": "YES", "interleave": "pixel"},
    "tiled": {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "deflate", "predictor": 2},
    "tiled planar": {"tiled": True, "blockxsize": 16, "blockysize": 16, "interleave": "band", "compress": "lzw"},
    "bytes": {"dtype": "uint8", "compress": "deflate"},
    "jpeg": {"dtype": "uint8", "compress": "jpeg", "tiled": True, "blockxsize": 32, "blockysize": 32},
}
"""As agencies deliver."""
_COGS: dict[str, dict[str, object]] = {
    "cog deflate": {"COMPRESS": "DEFLATE", "PREDICTOR": "2"},
    "cog zstd": {"COMPRESS": "ZSTD", "PREDICTOR": "2", "BIGTIFF": "YES"},
    "cog lzw": {"COMPRESS": "LZW"},
    "cog float": {"dtype": "float32", "COMPRESS": "DEFLATE", "PREDICTOR": "3"},
    "cog jpeg": {"dtype": "uint8", "bands": 3, "COMPRESS": "JPEG", "ADD_ALPHA": "YES"},
    "cog webp": {"dtype": "uint8", "bands": 3, "COMPRESS": "WEBP"},
    "cog plain": {"COMPRESS": "NONE"},
}
"""As the server shows them."""

_ROWS, _COLS, _BANDS = 60, 70, 4
_COG_SIDE = 200


def good_tiffs(folder: Path) -> dict[Path, Shape]:
    """Write the good files."""
    folder.mkdir()
    written: dict[Path, Shape] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        for name, creation in _STRIPED.items():
            shape = _ROWS, _COLS, _BANDS
            written[_write(folder / f"{name}.tif", shape, {"driver": "GTiff", **creation})] = shape
        for name, creation in _COGS.items():
            shape = _COG_SIDE, _COG_SIDE, int(creation.get("bands", 2))  # type: ignore[call-overload]
            written[_write_cog(folder / f"{name}.tif", shape, creation)] = shape
    return written


def _write(path: Path, shape: Shape, creation: dict[str, object]) -> Path:
    rows, cols, bands = shape
    profile = {"dtype": "uint16", "width": cols, "height": rows, "count": bands, **creation}
    if path.stem in ("tiled", "lzw"):
        profile |= {"crs": "EPSG:32650", "transform": from_origin(447_000, 4_418_000, 2, 2), "nodata": 0}
    with rasterio.open(path, "w", **profile) as image:
        image.write(_pixels(shape, str(profile["dtype"])))
    return path


def _write_cog(path: Path, shape: Shape, creation: dict[str, object]) -> Path:
    rows, cols, bands = shape
    options = {key: value for key, value in creation.items() if key.isupper()}
    dtype = str(creation.get("dtype", "uint16"))
    georeference = {"crs": "EPSG:3857", "transform": from_origin(12_957_000, 4_852_000, 2, 2)}
    profile = {"driver": "GTiff", "dtype": dtype, "width": cols, "height": rows, "count": bands, **georeference}
    with MemoryFile() as memory:
        with memory.open(**profile) as flat:
            flat.write(_pixels(shape, dtype))
        with memory.open() as flat:
            copy_raster(flat, path, driver="COG", BLOCKSIZE="128", **options)
    return path


def _pixels(shape: Shape, dtype: str) -> np.ndarray:
    rows, cols, bands = shape
    band, row, col = np.ogrid[:bands, :rows, :cols]
    return ((row * 211 + col * 17 + (row * col) % 13 + band * 7) % (251 if dtype == "uint8" else 10_007) + 1).astype(
        dtype
    )


@dataclass(frozen=True)
class Mutant:
    """One damaged file."""

    good: Path
    mutation: str
    detail: str
    """What exactly was done."""
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        """For a message: of what, and how."""
        return f"{self.good.stem}, {self.mutation}: {self.detail}"


def mutants(goods: Iterable[Path], count: int, seed: int) -> Iterator[Mutant]:
    """`count` mutants; every good file meets every mutation, in an order of chance, again and again."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    files = {path: Tiff.parse(path.read_bytes()) for path in goods}
    recipes = list(itertools.product(files.items(), MUTATIONS.items()))
    chance.shuffle(recipes)
    for (path, tiff), (name, mutate) in itertools.islice(itertools.cycle(recipes), count):
        content = bytearray(tiff.content)
        detail = mutate(content, tiff, chance)
        yield Mutant(path, name, detail, bytes(content))


@dataclass(frozen=True)
class Tiff:
    """Where the parts of a good TIFF lie."""

    content: bytes
    order: str
    big: bool
    entries: tuple[int, ...]
    """Position of every directory entry."""
    links: tuple[int, ...]
    """Position of the pointers to the first and every further directory."""

    @classmethod
    def parse(cls, content: bytes) -> "Tiff":
        """Walk the directories of a file that is known to be good."""
        order = "<" if content[:2] == b"II" else ">"
        [version] = struct.unpack_from(order + "H", content, 2)
        big = version == 43
        count_format, entry_bytes = ("Q", 20) if big else ("H", 12)
        pointer_format = "Q" if big else "I"
        entries: list[int] = []
        links = [8 if big else 4]
        while start := struct.unpack_from(order + pointer_format, content, links[-1])[0]:
            [count] = struct.unpack_from(order + count_format, content, start)
            first = start + struct.calcsize(count_format)
            entries += range(first, first + count * entry_bytes, entry_bytes)
            links.append(first + count * entry_bytes)
        return cls(content, order, big, tuple(entries), tuple(links))

    @property
    def pointer(self) -> str:
        """Format of counts and offsets."""
        return self.order + ("Q" if self.big else "I")


_TAGS = (
    254,
    256,
    257,
    258,
    259,
    262,
    273,
    277,
    278,
    279,
    284,
    317,
    322,
    323,
    324,
    325,
    330,
    338,
    339,
    347,
    33550,
    34735,
)
_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 32773, 32946, 34661, 34712, 34887, 34925, 34926, 50000, 50001, 50002, 65535)
_NUMBERS = (0, 1, 2, 3, 7, 8, 16, 17, 63, 255, 256, 4096, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_BIG_NUMBERS = (*_NUMBERS, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
_ENDIAN: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_TYPES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 18, 255)


def _flip_header(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    places = [*range(16), *(at + offset for at in tiff.entries for offset in range(20 if tiff.big else 12))]
    return _flip(content, [chance.choice(places) for _ in range(chance.randint(1, 3))], chance)


def _flip_data(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    return _flip(content, [chance.randrange(len(content)) for _ in range(chance.randint(1, 20))], chance)


def _flip(content: bytearray, places: list[int], chance: random.Random) -> str:
    for at in places:
        content[at] ^= 1 << chance.randrange(8)
    return f"bits at {places}"


def _cut(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    length = chance.choice((chance.randrange(len(content)), len(content) - chance.randint(1, 64)))
    del content[length:]
    return f"ends at {length}"


def _shift(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    """Take some bytes out, or put some in, so that everything behind is elsewhere."""
    at, count = chance.randrange(len(content)), chance.randint(1, 200)
    if chance.random() < 0.5:
        del content[at : at + count]
        return f"{count} bytes taken out at {at}"
    content[at:at] = chance.randbytes(count)
    return f"{count} bytes put in at {at}"


def _overwrite(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    """A run of bytes becomes noise or one value, as a bad sector does."""
    at, count = chance.randrange(len(content)), chance.randint(16, 2000)
    run = chance.choice((bytes(count), b"\xff" * count, chance.randbytes(count)))
    content[at : at + count] = run[: len(content) - at]
    return f"{count} bytes from {at}"


def _edit_tag(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    """Another tag, type, count or value: dimensions, codecs, offsets and lists that lie."""
    at = chance.choice(tiff.entries)
    [tag] = struct.unpack_from(tiff.order + "H", content, at)
    numbers = (*(_BIG_NUMBERS if tiff.big else _NUMBERS), len(content) - 1, len(content), at)
    match chance.choice(("tag", "type", "count", "value", "value", "value")):
        case "tag":
            detail = f"{tag} becomes {(new := chance.choice(_TAGS))}"
            struct.pack_into(tiff.order + "H", content, at, new)
        case "type":
            detail = f"{tag} of type {(new := chance.choice(_TYPES))}"
            struct.pack_into(tiff.order + "H", content, at + 2, new)
        case "count":
            detail = f"{tag} has {(new := chance.choice(numbers))} values"
            struct.pack_into(tiff.pointer, content, at + 4, new)
        case _:
            new = chance.choice(_COMPRESSIONS if tag == 259 else numbers)
            detail = f"{tag} is {new}"
            short = struct.unpack_from(tiff.order + "H", content, at + 2) == (3,)
            value_at = at + (12 if tiff.big else 8)
            struct.pack_into(
                tiff.order + "H" if short else tiff.pointer, content, value_at, new & 0xFFFF if short else new
            )
    return detail


def _double_tag(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    """A tag that is there twice, with two values."""
    one, other = chance.sample(tiff.entries, 2)
    content[one : one + 2] = content[other : other + 2]
    return f"entry at {one} becomes another {int.from_bytes(content[one : one + 2], _ENDIAN[tiff.order])}"


def _edit_list(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    """A value within the lists of block offsets or lengths."""
    value_at = 12 if tiff.big else 8
    lists = [at for at in tiff.entries if struct.unpack_from(tiff.order + "H", content, at)[0] in (273, 279, 324, 325)]
    at = chance.choice(lists)
    tag, kind = struct.unpack_from(tiff.order + "HH", content, at)
    [count] = struct.unpack_from(tiff.pointer, content, at + 4)
    item = {3: "H", 4: "I", 16: "Q"}[kind]
    inline = count * struct.calcsize(item) <= struct.calcsize(tiff.pointer)
    start = at + value_at if inline else struct.unpack_from(tiff.pointer, content, at + value_at)[0]
    number = chance.randrange(count)
    new = chance.choice((*_NUMBERS, len(content), len(content) - 1, at)) & (2 ** (8 * struct.calcsize(item)) - 1)
    struct.pack_into(tiff.order + item, content, start + number * struct.calcsize(item), new)
    return f"value {number} of {tag} is {new}"


def _loop(content: bytearray, tiff: Tiff, chance: random.Random) -> str:
    """The directory after one of them is itself, an earlier one, or somewhere in the file."""
    starts = [struct.unpack_from(tiff.pointer, tiff.content, at)[0] for at in tiff.links[:-1]]
    at, new = chance.choice(tiff.links), chance.choice((*starts, chance.randrange(len(content)), 0, 1))
    struct.pack_into(tiff.pointer, content, at, new)
    return f"link at {at} leads to {new}"


MUTATIONS: dict[str, Callable[[bytearray, Tiff, random.Random], str]] = {
    "header flip": _flip_header,
    "data flip": _flip_data,
    "cut": _cut,
    "tag": _edit_tag,
    "list": _edit_list,
    "loop": _loop,
    "shift": _shift,
    "overwrite": _overwrite,
    "twin tag": _double_tag,
}
