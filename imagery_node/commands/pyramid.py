"""`imagery-node pyramid`: keeps the stored pictures of low zooms up with the catalogue, in place of `serve`."""

import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Annotated

import apsw
import typer

from catalog import lock
from catalog.errors import StoreUnavailableError
from catalog.settings import CatalogSettings
from imagery_node.commands.catalog import (
    BAD_CONFIGURATION,
    DEFAULT_HOME,
    Catalog,
    Home,
    open_home,
    read_settings,
)
from imagery_node.commands.watch import Stop
from imagery_node.errors import ImageryNodeError, LayerFileError, NotFoundError
from imagery_node.layer_file import read_layers
from imagery_node.pyramid_builder import PyramidBuilder
from imagery_node.pyramid_home import FOLDER, PyramidHome
from imagery_node.scene_index import Places, SceneIndex
from imagery_node.settings import ImageryNodeSettings

_FOR_EVER_S = 86_400.0


def pyramid(
    home: Home = DEFAULT_HOME,
    layer: Annotated[list[str] | None, typer.Option(help="Only this layer; may be repeated.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Catch up and end.")] = False,
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds from one look to the next.")] = 2.0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Threads that draw.")] = os.cpu_count() or 1,
    catalog: Catalog = None,
) -> None:
    """Build the pyramids of layers with many scenes, then follow what is published and recalled, for ever."""
    settings = read_settings(ImageryNodeSettings, home=home.resolve())
    catalog_settings = read_settings(CatalogSettings)
    try:
        defined = read_layers(home)
    except LayerFileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIGURATION) from error
    store = open_home(home, catalog, read_only=True)
    places = Places.of(settings.home, catalog_settings)
    index = SceneIndex(store, places, defined)
    for layer_id in layer or ():
        try:
            index.newest().layer(layer_id)
        except NotFoundError as error:
            raise typer.BadParameter(str(error), param_hint="--layer") from error
    pyramids = PyramidHome.open(index, settings)
    if pyramids is None:
        raise StoreUnavailableError(f"{home / FOLDER} cannot be written")
    with lock.exclusive_if_free(pyramids.folder / lock.LOCK_SUFFIX) as alone:
        if not alone:
            raise StoreUnavailableError(f"another process builds the pyramids of {home}")
        builder = pyramids.builder(threads=workers)
        _work(builder, layer or (), every_s=0.0 if once else every)
        builder.close()
    done = ", ".join(f"{what} {count}" for what, count in sorted(builder.counts.items())) or "nothing to do"
    typer.echo(f"cells: {done}")
    pyramids.close()
    store.close()


def _work(builder: PyramidBuilder, layers: Collection[str], *, every_s: float) -> None:
    """Build in a thread of its own, so that a signal finds the main thread free."""
    ended, stop = Event(), Stop()
    with stop.listening(), ThreadPoolExecutor(1, thread_name_prefix="pyramids") as threads:
        work = threads.submit(_follow, builder, layers, ended, every_s)
        work.add_done_callback(lambda _: stop.ask())
        while not stop.is_asked():
            stop.wait(_FOR_EVER_S)
        ended.set()
    try:
        work.result()
    except (ImageryNodeError, OSError, apsw.Error) as error:
        raise StoreUnavailableError(f"the pyramids cannot be built: {error}") from error


def _follow(builder: PyramidBuilder, layers: Collection[str], ended: Event, every_s: float) -> None:
    """Catch up once, or again and again where there is a pause between."""
    builder.clean()
    builder.catch_up(ended, layers=layers)
    while every_s and not ended.wait(every_s):
        builder.catch_up(ended, layers=layers)
