"""The command that signs links to protected files, for people who have no token."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from catalog.access import MAX_LINK_S, Access, FileName, link_expiry
from catalog.errors import UnknownItemError
from catalog.item import item_version
from catalog.link import Addresses, file_address
from catalog.search import Search
from catalog.settings import CatalogSettings
from imagery_node.commands.catalog import DEFAULT_HOME, Catalog, Home, open_home, read_settings
from imagery_node.settings import ImageryNodeSettings

_LIFETIME = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _lifetime_s(text: str) -> int:
    found = _LIFETIME.fullmatch(text)
    seconds = int(timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()) if found else 0
    if not 0 < seconds <= MAX_LINK_S:
        raise typer.BadParameter(f"{text!r:.40}, expected a time such as 90m, 12h or 7d, the longest")
    return seconds


def sign_link(
    item_id: str,
    key: Annotated[str, typer.Argument(help="Asset, such as analytic.")],
    home: Home = DEFAULT_HOME,
    lifetime_s: Annotated[
        int, typer.Option("--for", parser=_lifetime_s, metavar="TIME", help="How long it is good: 90m, 12h, 7d.")
    ] = "1d",  # type: ignore[assignment]  # the parser reads defaults too
    catalog: Catalog = None,
) -> None:
    """Print a link to a protected file that anyone can read for a while."""
    settings, node = read_settings(CatalogSettings), read_settings(ImageryNodeSettings)
    access = Access.of(settings)
    found = open_home(home, catalog, read_only=True).search(Search(ids=(item_id,))).items
    items = [item for item in found if item["collection"] in access.protected and key in item["assets"]]
    if not items:
        raise UnknownItemError(f"no protected collection lists an item {item_id!r:.140} with an asset {key!r:.80}")
    address = str(node.public_url or "http://127.0.0.1:8000").rstrip("/")
    for item in items:
        name = FileName(item["collection"], item_id, item_version(item), key)
        typer.echo(
            file_address(item, key, Addresses(address, address)) + access.sign(name, expires=link_expiry(lifetime_s))
        )
