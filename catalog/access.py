"""Who is given the files of protected collections: bearers of a token, and whoever has a link that is signed.

Only files are protected. The items themselves stay searchable, so nobody is told more by a refusal than by a search.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from catalog.collection import composite_id
from catalog.settings import CatalogSettings

MAX_LINK_S = 7 * 24 * 3600
DEFAULT_LINK_S = 24 * 3600

_PURPOSE = "imagery-node GET file 1"
"""First line of what is signed: a signature opens a file for reading and nothing else."""


class FileName(NamedTuple):
    """One file by its names."""

    collection: str
    item_id: str
    version: str
    key: str


@dataclass(frozen=True)
class Access:
    """The rule for every way to a file; without settings nothing is protected."""

    protected: frozenset[str] = frozenset()
    """Collection ids; with a collection its composites, which show its pixels."""
    _signing_key: bytes = field(default=b"", repr=False)
    _read_tokens: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, settings: CatalogSettings) -> Self:
        """The rule that the settings say."""
        key = settings.signing_key.get_secret_value().encode() if settings.signing_key else b""
        composites = map(composite_id, settings.protected)
        return cls(frozenset((*settings.protected, *composites)), key, settings.read_tokens)

    @property
    def knows_readers(self) -> bool:
        """Whether there is a token that opens something."""
        return bool(self._read_tokens)

    def admits(self, token: str) -> bool:
        """Whether a bearer token opens protected files."""
        return is_any_of(token, self._read_tokens)

    def sign(self, name: FileName, *, expires: int) -> str:
        """The query that opens a file until a Unix time; empty where nothing is protected."""
        if name.collection not in self.protected:
            return ""
        return f"?expires={expires}&signature={self._signature(name, expires)}"

    def is_signed(self, name: FileName, *, expires: int, signature: str) -> bool:
        """Whether the signature is ours, for this file, and not out of date."""
        if not self._signing_key or not 0 <= expires - time.time() <= MAX_LINK_S:
            return False
        return hmac.compare_digest(signature.encode(), self._signature(name, expires).encode())

    def _signature(self, name: FileName, expires: int) -> str:
        text = "\n".join((_PURPOSE, *name, str(expires)))
        digest = hmac.new(self._signing_key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_any_of(token: str, tokens: Sequence[str]) -> bool:
    """Whether a token is one of some; takes as long whichever it resembles."""
    given = hashlib.sha256(token.encode()).digest()
    matches = [hmac.compare_digest(given, hashlib.sha256(each.encode()).digest()) for each in tokens]
    return any(matches)


def link_expiry(lifetime_s: int = DEFAULT_LINK_S) -> int:
    """The Unix time at which a link that is made now ends."""
    return int(time.time()) + lifetime_s
