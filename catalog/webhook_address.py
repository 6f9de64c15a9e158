"""What webhooks may be sent to, and the secrets they are signed with."""

import base64
import ipaddress
from urllib.parse import urlsplit

SECRET_PREFIX = "whsec_"  # noqa: S105  # of every secret
MIN_SECRET_BYTES = 24
MAX_ADDRESS_LENGTH = 2048


def check_address(address: str) -> str:
    """See that an address may be posted to: https, or http on this machine.

    Raises:
        ValueError: It may not.
    """
    parts = urlsplit(address)
    plain = address.isascii() and address.isprintable() and len(address) <= MAX_ADDRESS_LENGTH and " " not in address
    if not plain or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError(f"{_shown(address)} must be written https://host[:port]/path, without user or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(parts.hostname)):
        raise ValueError(f"{_shown(address)} must be https; http is for this machine only")
    return address


def _shown(address: str) -> str:
    """Without user and password."""
    return repr(address.rpartition("@")[2])[:200]


def read_secret(text: str) -> bytes:
    """The key of a secret such as `whsec_…`.

    Raises:
        ValueError: It is no such secret, or short.
    """
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(SECRET_PREFIX) or len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"a secret is {SECRET_PREFIX} and {MIN_SECRET_BYTES} random bytes or more in base64")
    return key


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
