"""Tokens that continue a search."""

import base64
import binascii
import hashlib
import hmac
from typing import Any

import orjson

from catalog.errors import InvalidSearchError
from catalog.search import MAX_TOKEN_LENGTH, Search
from catalog.timestamp import format_datetime

Position = tuple[str | float | None, ...]
"""Where an item stands in the order of answers."""

_SIGNATURE_BYTES = 16


class TokenBook:
    """Writes and reads tokens; each is bound to the search it came from."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, search: Search, position: Position, matched: int | None) -> str:
        """A token that continues `search` behind `position`, and tells again how much it finds.

        Raises:
            InvalidSearchError: The texts of the position do not fit into a token.
        """
        payload = orjson.dumps([matched, *position])
        token = base64.urlsafe_b64encode(self._signature(search, payload) + payload).decode().rstrip("=")
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidSearchError("an item has too long a text to go on behind it in this order; sort by another")
        return token

    def read(self, search: Search, token: str) -> tuple[Position, int | None]:
        """The position and the count that a token stands for.

        Raises:
            InvalidSearchError: It was not given for this search.
        """
        try:
            if len(token) > MAX_TOKEN_LENGTH:
                raise ValueError("too long")
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
            if not hmac.compare_digest(signature, self._signature(search, payload)):
                raise ValueError("wrong signature")
        except (ValueError, binascii.Error) as error:
            raise InvalidSearchError("the token does not belong to this search; start again without it") from error
        matched, *position = orjson.loads(payload)
        return tuple(position), matched

    def _signature(self, search: Search, payload: bytes) -> bytes:
        """Over the position and everything of the search but its limit, which may change from page to page."""
        question = orjson.dumps(_asked(search), option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._key, hashlib.sha256(question).digest() + payload, "sha256")[:_SIGNATURE_BYTES]


def _asked(search: Search) -> list[Any]:
    times = search.interval and [when and format_datetime(when) for when in search.interval]
    expression = search.filter and search.filter.expression
    order = [(key.name, key.descending) for key in search.sort]
    return [search.collections, search.ids, search.bbox, search.intersects, times, expression, search.terms, order]
