"""Free text: what of a document is looked at, how a term is found in it, and the names of satellites."""

import string
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_SEPARATORS = str.maketrans("", "", "-_ ")
_NUMERALS = str.maketrans("一二三四五六七八九", "123456789")


def fold(text: str) -> str:
    """The text as it is compared: letter case of A–Z does not matter, as in a database."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def wording_of(document: Mapping[str, Any]) -> str:
    """What of a Collection or Item is searched, folded, one piece a line; an Item's collection has its own wording."""
    properties = document.get("properties", document.get("summaries", {}))
    platforms = properties.get("platform", [])
    return join_pieces(
        document["id"],
        document.get("title", properties.get("title")),
        document.get("description"),
        *_texts(document.get("keywords")),
        sensor_wording([platforms] if isinstance(platforms, str) else _texts(platforms), properties.get("instruments")),
    )


def sensor_wording(platforms: Iterable[str], instruments: object) -> str:
    """All names of some satellites, and their instruments."""
    names = [name for platform in platforms for name in (platform, *spellings(platform))]
    return join_pieces(*dict.fromkeys(names), *_texts(instruments))


def join_pieces(*pieces: object) -> str:
    """Texts, folded, one a line, so that no term is found across two of them."""
    return fold("\n".join(piece for piece in pieces if isinstance(piece, str)))


def mentions(text: str, term: str) -> bool:
    """Whether a wording has a term in any of its spellings."""
    return any(spelling in text for spelling in spellings(term))


@lru_cache(4096)
def spellings(term: str) -> tuple[str, ...]:
    """The term, folded; all ways to write it where it is the name of a satellite."""
    return tuple(dict.fromkeys([fold(term), *_satellites().get(_plain(term), ())]))


@cache
def _satellites() -> Mapping[str, tuple[str, ...]]:
    """All spellings by each plain name."""
    table = tomllib.loads((files("catalog") / "satellite_alias.toml").read_text(encoding="utf-8"))
    found: dict[str, tuple[str, ...]] = {}
    for satellite in table["satellite"]:
        written = tuple(dict.fromkeys(way for name in satellite["names"] for way in _ways(fold(name))))
        found |= {_plain(name): written for name in satellite["names"]}
    return found


def _ways(name: str) -> Iterable[str]:
    for way in (name, name.translate(_NUMERALS)):
        yield from (way, way.replace("-", "", 1), way.replace("-", ""), way.replace("-", " "))


def _plain(name: str) -> str:
    return fold(name).translate(_SEPARATORS).translate(_NUMERALS)


def _texts(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
