"""Entity tags: what changes with a document, and whether a header names it."""

import hashlib
from typing import Any

import orjson


def document_tag(document: dict[str, Any]) -> str:
    """The tag of a document as the catalogue keeps it: another one, if and only if it is another document."""
    return f'"{hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'


def names_tag(header: str, tag: str) -> bool:
    """Whether If-Match or If-None-Match is about a tag, or about any."""
    named = [part.strip().removeprefix("W/") for part in header.split(",")]
    return tag in named or named == ["*"]
