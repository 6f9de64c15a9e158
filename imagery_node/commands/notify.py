"""`imagery-node notify`: posts every change of the catalogue to the subscribers of CATALOG_WEBHOOKS."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from catalog import lock
from catalog.errors import StoreUnavailableError
from catalog.outbound import make_client
from catalog.settings import CatalogSettings
from catalog.webhook import Courier, Subscriber
from imagery_node.commands.catalog import BAD_CONFIGURATION, DEFAULT_HOME, Catalog, Home, open_home, read_settings
from imagery_node.commands.watch import Stop

logger = logging.getLogger(__name__)

_SILENCE_S = 10.0
_FOR_EVER_S = 86_400.0


def notify(
    home: Home = DEFAULT_HOME,
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds from one look to the next.")] = 2.0,
    public_url: Annotated[
        str, typer.Option(envvar="IMAGERY_NODE_PUBLIC_URL", help="Address of the node, for the links in events.")
    ] = "",
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Only print each subscriber's address and its own secret.")
    ] = False,
    catalog: Catalog = None,
) -> None:
    """Tell the subscribers of CATALOG_WEBHOOKS what is published, replaced, recalled and restored, for ever."""
    settings = read_settings(CatalogSettings)
    if not settings.webhooks or settings.webhook_secret is None:
        typer.echo("CATALOG_WEBHOOKS: names nobody to tell", err=True)
        raise typer.Exit(BAD_CONFIGURATION)
    secret = settings.webhook_secret.get_secret_value()
    subscribers = [Subscriber(address, secret=secret, home=home) for address in settings.webhooks]
    if secrets:
        for subscriber in subscribers:
            typer.echo(f"{subscriber.address} {subscriber.secret}")
        return
    store = open_home(home, catalog, read_only=True)
    (home / "webhooks").mkdir(exist_ok=True)
    with lock.exclusive_if_free(home / "webhooks" / lock.LOCK_SUFFIX) as alone:
        if not alone:
            raise StoreUnavailableError(f"another process tells the subscribers of {home}")
        with make_client(silence_s=_SILENCE_S, connections=len(subscribers)) as client:
            ended, stop = threading.Event(), Stop()
            couriers = [
                Courier(subscriber, store, node=public_url.rstrip("/"), client=client, stop=ended, poll_s=every)
                for subscriber in subscribers
            ]
            _work(couriers, stop, ended)
    store.close()


def _work(couriers: list[Courier], stop: Stop, ended: threading.Event) -> None:
    """Each courier in a thread of its own, so that a dead subscriber holds up nobody else."""
    with stop.listening(), ThreadPoolExecutor(len(couriers), thread_name_prefix="courier") as threads:
        work = [threads.submit(courier.run) for courier in couriers]
        for future in work:
            future.add_done_callback(lambda _: stop.ask())  # a fault of ours ends them all, to be seen
        logger.info("telling %d subscribers", len(couriers))
        while not stop.is_asked():
            stop.wait(_FOR_EVER_S)
        ended.set()
    for future in work:
        future.result()
