"""`imagery-node sync`: another node's scenes in this one's catalogue and on its maps; their files stay there."""

import logging
from typing import Annotated

import typer

from catalog import lock
from catalog.cursor import cursor_file
from catalog.errors import CatalogError, StoreUnavailableError
from catalog.following import Follower
from catalog.intake import Intake
from catalog.maintenance import sweep
from catalog.peer import Peer
from catalog.remote_store import is_object
from catalog.settings import CatalogSettings
from imagery_node.commands.catalog import DEFAULT_HOME, Catalog, Home, open_home, read_settings
from imagery_node.commands.failure import failure
from imagery_node.commands.watch import DroppedError, Stop

logger = logging.getLogger(__name__)


def sync(
    url: Annotated[str, typer.Argument(help="The other node's STAC API, such as https://other.example.org/stac.")],
    home: Home = DEFAULT_HOME,
    every: Annotated[float, typer.Option(min=0.5, max=86_400, help="Seconds from one look to the next.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="First look at all its items, not only at what changed.")
    ] = False,
    collections: Annotated[str, typer.Option(help="Only these, separated by ','.")] = "",
    catalog: Catalog = None,
) -> None:
    """List another node's scenes here, with their files in CATALOG_REMOTE_STORES, and recall what it recalls."""
    settings = read_settings(CatalogSettings)
    names = frozenset(filter(None, map(str.strip, collections.split(","))))
    try:
        peer = Peer(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="URL") from error
    store = open_home(home, catalog, new=True)
    mutex = cursor_file(home, peer.url).with_suffix(lock.LOCK_SUFFIX)
    mutex.parent.mkdir(exist_ok=True)
    with lock.exclusive_if_free(mutex) as alone:
        if not alone:
            raise StoreUnavailableError(f"{peer.url} is being followed for {home} by another process")
        sweep(home, store, grace_s=settings.grace_s)
        intake = Intake(
            peer,
            home=home,
            store=store,
            remote_stores=tuple(store for store in settings.remote_stores if not is_object(store)),  # buckets are ours
            collections=names,
            reserve_mib=settings.disk_reserve_mib,
        )
        stop = Stop()
        follower = Follower(peer, intake, home, collections=names, heed=stop.heed)
        with stop.listening():
            logger.info("following %s for %s", peer.url, home)
            good = _follow(follower, stop, every_s=every, once=once, everything=everything)
    raise typer.Exit(0 if good else 1)


def _follow(follower: Follower, stop: Stop, *, every_s: float, once: bool, everything: bool) -> bool:
    """Look again and again; gives whether the only look went well."""
    while True:
        try:
            good = _look(follower, everything=everything, quiet=not once)
        except DroppedError:
            return True
        if once:
            return good
        everything = everything and not good
        stop.wait(every_s)


def _look(follower: Follower, *, everything: bool, quiet: bool) -> bool:
    """Look once and tell what came of it; nothing, where that is nothing new and not asked for."""
    try:
        tally = follower.follow(everything=everything)
    except (CatalogError, OSError) as error:
        typer.echo(failure(error), err=True)
        return False
    if not quiet or tally.taken or tally.recalled or tally.refused:
        typer.echo(
            f"taken {tally.taken}, recalled {tally.recalled}, unchanged {tally.unchanged}, refused {tally.refused}"
        )
    return not tally.refused
