"""The command `composite`: many scenes of a period become one item without clouds."""

import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rasterio.errors import NotGeoreferencedWarning

from catalog.errors import UnknownCollectionError
from catalog.publishing import find_published, publish
from catalog.search import ItemStore
from catalog.settings import CatalogSettings
from catalog.staging import staging_folder
from cog_builder.check import check_scene
from cog_builder.composite import CompositeBlock, composite_block
from cog_builder.composite_product import build_composite
from cog_builder.map_grid import MapGrid
from cog_builder.quality import FILL
from cog_builder.settings import CogBuilderSettings
from imagery_node.commands.builder import Json, Profile, Replace, Workers, dask_address
from imagery_node.commands.catalog import BAD_CONFIGURATION, DEFAULT_HOME, Catalog, Home, open_home, read_settings
from imagery_node.commands.composite_scenes import Chosen, Order, choose_scenes
from imagery_node.commands.engine import LOCAL, Engine, open_engine
from imagery_node.commands.report import REFUSALS, Outcome, Report, refusal
from imagery_node.errors import ImageryNodeError
from imagery_node.layer_file import read_layers
from imagery_node.scene_index import Places, SceneIndex

PUBLISH = "publish"

NO_CLUSTER = "none"

Dask = Annotated[
    str,
    typer.Option(
        callback=lambda text: text if text == NO_CLUSTER else dask_address(text),
        help="Where blocks are drawn: local starts workers here, tcp://… is a scheduler, none is this process.",
    ),
]

_Build = Callable[[Path], dict[str, Any]]
"""Builds into an empty folder; gives the Item."""

_MARGIN_PX = 2
"""Around a block: what interpolation may reach for."""


def composite(
    layer: Annotated[str, typer.Argument(help="Collection, or a layer whose scenes there are of one collection.")],
    datetime: Annotated[str, typer.Option(help="Period (2024, 2024Q3, 2024-07) or interval a/b.")],
    bbox: Annotated[str, typer.Option(help="west,south,east,north in degrees.")],
    rule: Annotated[Literal["median", "max-ndvi", "clearest"], typer.Option(help="What a pixel becomes.")] = "median",
    assets: Annotated[Literal["analytic", "sharp"], typer.Option(help="Reflectance that is read.")] = "analytic",
    resolution: Annotated[
        float | None, typer.Option(min=0.1, max=10_000, help="Side of a pixel, metres; else the finest of the scenes.")
    ] = None,
    crs: Annotated[str | None, typer.Option(help="Such as EPSG:4548; else the one the scenes share.")] = None,
    home: Home = DEFAULT_HOME,
    catalog: Catalog = None,
    dask: Dask = LOCAL,
    workers: Workers = None,
    profile: Profile = None,
    out: Annotated[str, typer.Option(help="`publish`, or a folder that gets one with the files.")] = PUBLISH,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Make one item of the clear pixels of many scenes, with the count of clear observations, and publish it."""
    _need_extra()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # for all threads: odc-stac warps arrays, which have none
    options = {"workers": workers, "profile": profile}
    settings = read_settings(CogBuilderSettings, **{name: value for name, value in options.items() if value})
    catalog_settings = read_settings(CatalogSettings)
    store = open_home(home, catalog)
    places = Places.of(home.resolve(), catalog_settings)
    order = Order(layer, datetime, bbox, rule, assets, resolution, crs)
    with Report(as_json, total=1) as report:
        try:
            chosen = choose_scenes(order, SceneIndex(store, places, read_layers(home)).newest())
            with open_engine(None if dask == NO_CLUSTER else dask, processes=settings.workers) as engine:
                draw = _drawing(engine, chosen)
                build = partial(
                    build_composite, chosen.composite, draw=draw, settings=settings, progress=report.progress
                )
                outcome = (
                    _published(chosen, build, store, home.resolve(), catalog_settings.disk_reserve_mib, replace=replace)
                    if out == PUBLISH
                    else _built(chosen, build, Path(out))
                )
        except (*REFUSALS, ImageryNodeError) as error:
            outcome = refusal(Path(layer), error)
        report.tell([outcome])
    store.close()


def _need_extra() -> None:
    """End with exit code 78 where odc-stac is not installed."""
    try:
        import odc.stac  # noqa: F401
    except ImportError as error:
        typer.echo("composite: needs the extra `composite`: pip install 'imagery-node[composite]'", err=True)
        raise typer.Exit(BAD_CONFIGURATION) from error


def _published(
    chosen: Chosen, build: _Build, store: ItemStore, home: Path, reserve_mib: int, *, replace: bool
) -> Outcome:
    collection, item_id = chosen.composite.collection, chosen.composite.item_id
    done = None if replace else find_published(collection["id"], item_id, home=home, store=store)
    if done is None:
        try:
            store.collection(collection["id"])
        except UnknownCollectionError:
            store.put_collection(collection)
        with staging_folder(home) as place:
            folder = place / "composite"
            folder.mkdir()
            build(folder)
            done = publish(folder, home=home, store=store, verify=check_scene, replace=replace, reserve_mib=reserve_mib)
    state = "already_published" if done.already_published else "published"
    return _outcome(chosen, state, {"version": done.version, "warnings": list(done.warnings)})


def _built(chosen: Chosen, build: _Build, out: Path) -> Outcome:
    done = out / chosen.composite.item_id
    facts: dict[str, Any] = {"folder": str(done)}
    if done.exists():
        return _outcome(chosen, "already_built", facts)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=out.absolute()) as place:
        folder = Path(place) / "composite"
        folder.mkdir()
        check_scene(folder, build(folder))
        folder.rename(done)
    return _outcome(chosen, "built", facts)


def _outcome(chosen: Chosen, state: str, facts: dict[str, Any]) -> Outcome:
    composite = chosen.composite
    told = {"collection": composite.collection["id"], "scenes": len(composite.scenes), "left_out": chosen.left_out}
    return Outcome(composite.title, state, composite.item_id, told | facts)


def _drawing(engine: Engine, chosen: Chosen) -> Callable[[MapGrid], CompositeBlock]:
    """Draws blocks as jobs, each of the scenes that it touches."""
    composite = chosen.composite
    boxes = np.array([item["bbox"] for item in composite.scenes], np.float64)

    def draw(grid: MapGrid) -> CompositeBlock:
        touching = _touching(boxes, grid)
        if not touching.any():
            shape = grid.height, grid.width
            nothing = np.zeros((*shape, len(composite.bands)), np.uint16)
            return CompositeBlock(nothing, np.full(shape, FILL, np.uint8), np.zeros(shape, np.uint8))
        near = [each for each, touches in zip(chosen.observations, touching, strict=True) if touches]
        return engine.run(composite_block, near, grid, composite.rule, ndvi_bands=chosen.ndvi_bands)

    return draw


def _touching(boxes: Any, grid: MapGrid) -> Any:
    """Which boxes in degrees touch a grid."""
    cols = np.linspace(-_MARGIN_PX, grid.width + _MARGIN_PX, 9)
    rows = np.linspace(-_MARGIN_PX, grid.height + _MARGIN_PX, 9)
    longitude, latitude = grid.to_degrees(*(axis.ravel() for axis in np.meshgrid(cols, rows)))
    west, south, east, north = boxes.T
    return (west <= longitude.max()) & (east >= longitude.min()) & (south <= latitude.max()) & (north >= latitude.min())
