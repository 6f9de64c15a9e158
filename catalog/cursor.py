"""Cursor: up to where a peer was followed, kept in `home/sync`. Without it everything is looked at again."""

import hashlib
import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from catalog.durable import move_file, write_file
from catalog.staging import staging_folder

logger = logging.getLogger(__name__)


@dataclass
class Cursor:
    """Where to go on."""

    url: str
    sequence: int | None = None
    """Of the peer's change feed."""
    updated: str | None = None
    """Newest `updated` of its items, or newest `datetime` where it cannot be asked for `updated`."""
    compared: str | None = None
    """When all its items were last looked at."""


def cursor_file(home: Path, url: str) -> Path:
    """Its place; the name says for people which peer it is about."""
    name = re.sub(r"[^a-z0-9.]+", "-", url.lower().partition("://")[2])[:80].strip("-")
    return home / "sync" / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:8]}.json"


def read_cursor(home: Path, url: str) -> Cursor:
    """What was kept; a new one where nothing was, or nothing that can be read."""
    path = cursor_file(home, url)
    try:
        cursor = Cursor(**orjson.loads(path.read_bytes()))
        kinds = (str, int | None, str | None, str | None)
        if cursor.url == url and all(map(isinstance, asdict(cursor).values(), kinds)):
            return cursor
    except FileNotFoundError:
        return Cursor(url)
    except (OSError, ValueError, TypeError) as error:
        logger.warning("%s cannot be read: %s", path.name, error)
    return Cursor(url)


def write_cursor(home: Path, cursor: Cursor) -> None:
    """Keep it; durable when this returns."""
    path = cursor_file(home, cursor.url)
    with staging_folder(home) as staged:
        write_file(staged / path.name, orjson.dumps(asdict(cursor), option=orjson.OPT_INDENT_2) + b"\n")
        move_file(staged / path.name, path)
