"""The commands that take deliveries: inspect, build, publish, watch."""

import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from catalog.lock import exclusive_if_free
from catalog.maintenance import sweep
from catalog.settings import CatalogSettings
from cog_builder.elevation import ConstantHeight, DemFile, Elevation
from cog_builder.pipeline import Progress
from cog_builder.settings import CogBuilderSettings, read_profile
from imagery_node.commands.catalog import DEFAULT_HOME, Catalog, Home, open_home, read_settings
from imagery_node.commands.engine import LOCAL, Heed, open_engine
from imagery_node.commands.inbox import Inbox
from imagery_node.commands.inspection import inspect_delivery
from imagery_node.commands.publisher import Builder, Publisher, build_into
from imagery_node.commands.report import Report
from imagery_node.commands.watch import Stop, Watch

logger = logging.getLogger(__name__)


def _known_profile(text: str | None) -> str | None:
    try:
        read_profile(text or "compatible")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return text


def dask_address(text: str | None) -> str | None:
    """Check what `--dask` says; raises BadParameter."""
    if text not in (None, LOCAL) and not re.match(r"(tcp|tls)://.", text or ""):
        raise typer.BadParameter(f"{text}: expected tcp://HOST:PORT, tls://HOST:PORT or {LOCAL}")
    return text


Paths = Annotated[list[Path], typer.Argument(help="Archives (tar.gz, tar, zip) or folders as delivered.")]
Dem = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Elevation model: GeoTIFF or VRT.")]
Height = Annotated[
    float | None, typer.Option(min=-500, max=9000, help="Constant ground height instead, metres above the ellipsoid.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, max=256, help="Threads that draw and compress; with --dask local, processes.")
]
Profile = Annotated[
    str | None,
    typer.Option(callback=_known_profile, help="compatible, or any of compact, webp and c with commas between."),
]
Uncalibrated = Annotated[
    bool | None, typer.Option("--allow-uncalibrated", help="Take scenes whose gains nobody knows, too.")
]
Dask = Annotated[
    str | None,
    typer.Option(callback=dask_address, help="Build on a Dask cluster: tcp://… of its scheduler, or local."),
]
Balance = Annotated[
    Literal["none", "neighbours"] | None,
    typer.Option(help="Match the picture's colours with published scenes beside it; other files are not touched."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON line per scene on stdout.")]
Replace = Annotated[bool, typer.Option(help="Make a new version of what is there already.")]


def inspect(paths: Paths, allow_uncalibrated: Uncalibrated = None, as_json: Json = False) -> None:
    """Say what deliveries are and what is wrong with them, without building anything."""
    settings = _builder_settings(allow_uncalibrated=allow_uncalibrated)
    with Report(as_json, total=len(paths)) as report:
        for path in paths:
            with tempfile.TemporaryDirectory(prefix="inspect-") as workspace:
                allowed = settings.allow_uncalibrated
                report.tell(inspect_delivery(path, Path(workspace), allow_uncalibrated=allowed))


def build(
    paths: Paths,
    out: Annotated[Path, typer.Option(help="Folder that gets one folder per scene.")],
    dem: Dem = None,
    height: Height = None,
    workers: Workers = None,
    profile: Profile = None,
    allow_uncalibrated: Uncalibrated = None,
    dask: Dask = None,
    as_json: Json = False,
) -> None:
    """Build scene folders with COGs and item.json; nothing is published, and what is there already is left alone."""
    settings = _builder_settings(workers=workers, profile=profile, allow_uncalibrated=allow_uncalibrated)
    elevation = _elevation(dem, height, settings)
    out.mkdir(parents=True, exist_ok=True)
    with Report(as_json, total=len(paths)) as report, _builder(settings, elevation, dask, report.progress) as builder:
        builder.engine.each(paths, lambda path: report.tell(build_into(out, path, builder)))


def publish(
    paths: Paths,
    home: Home = DEFAULT_HOME,
    catalog: Catalog = None,
    dem: Dem = None,
    height: Height = None,
    workers: Workers = None,
    profile: Profile = None,
    allow_uncalibrated: Uncalibrated = None,
    dask: Dask = None,
    balance: Balance = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Publish deliveries or built scene folders: checked, atomic, and a second time without effect."""
    settings = _builder_settings(
        workers=workers, profile=profile, allow_uncalibrated=allow_uncalibrated, balance=balance
    )
    elevation = _elevation(dem, height, settings)
    with Report(as_json, total=len(paths)) as report, _builder(settings, elevation, dask, report.progress) as builder:
        publisher = _publisher(home, catalog, builder, replace=replace)
        if settings.balance == "none":
            builder.engine.each(paths, lambda path: report.tell(publisher.publish(path)))
            return
        for path in publisher.in_order(paths):  # one at a time: each looks at those before it
            report.tell(publisher.publish(path))


def watch(
    inbox: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder that deliveries arrive in.")],
    home: Home = DEFAULT_HOME,
    catalog: Catalog = None,
    once: Annotated[bool, typer.Option("--once", help="Publish what is complete now, then end.")] = False,
    settle: Annotated[
        float, typer.Option(min=0, max=86_400, help="Seconds without a change that make a delivery complete.")
    ] = 60.0,
    poll: Annotated[float, typer.Option(min=0.05, max=3600, help="Seconds between two looks at the inbox.")] = 5.0,
    dem: Dem = None,
    height: Height = None,
    workers: Workers = None,
    profile: Profile = None,
    allow_uncalibrated: Uncalibrated = None,
    dask: Dask = None,
    balance: Balance = None,
    as_json: Json = False,
) -> None:
    """Publish what is complete in an inbox, for ever; SIGTERM and SIGINT end it cleanly."""
    settings = _builder_settings(
        workers=workers, profile=profile, allow_uncalibrated=allow_uncalibrated, balance=balance
    )
    elevation = _elevation(dem, height, settings)
    stop = Stop()
    with (
        Report(as_json, total=None) as report,
        _builder(settings, elevation, dask, report.progress, stop.heed) as builder,
    ):
        publisher = _publisher(home, catalog, builder)
        with _only_watch_of(publisher.home), stop.listening():
            logger.info("watching %s for %s", inbox, home)
            Watch(Inbox(inbox.absolute(), settle_s=settle), publisher, report, stop).run(once=once, poll_s=poll)
            logger.info("stopped watching %s", inbox)
        if not once:
            raise typer.Exit


def _builder_settings(**options: Any) -> CogBuilderSettings:
    """The builder's settings, with the options that a command was given on top."""
    return read_settings(CogBuilderSettings, **{name: value for name, value in options.items() if value is not None})


def _elevation(dem: Path | None, height_m: float | None, settings: CogBuilderSettings) -> Elevation | None:
    if dem is not None and height_m is not None:
        raise typer.BadParameter("give --dem or --height, not both")
    if height_m is not None:
        return ConstantHeight(height_m)
    dem = dem or settings.dem
    return None if dem is None else DemFile(dem.absolute(), settings.dem_vertical_datum)


@contextmanager
def _builder(
    settings: CogBuilderSettings,
    elevation: Elevation | None,
    dask: str | None,
    progress: Progress,
    heed: Heed = lambda: None,
) -> Iterator[Builder]:
    """A builder on the engine that was asked for; ends the command where no cluster answers."""
    processes = settings.workers
    if dask == LOCAL:
        settings = settings.model_copy(update={"workers": max(1, (os.cpu_count() or 1) // processes)})
    with ExitStack() as stack:
        engine = stack.enter_context(open_engine(dask, processes=processes, heed=heed))
        yield Builder(engine, elevation, settings, progress)


def _publisher(home: Path, catalog: str | None, builder: Builder, *, replace: bool = False) -> Publisher:
    """A publisher into a node that was put in order first."""
    settings = read_settings(CatalogSettings)
    store = open_home(home, catalog, new=True)
    sweep(home, store, grace_s=settings.grace_s)
    return Publisher(home.resolve(), store, settings.disk_reserve_mib, builder, replace)


@contextmanager
def _only_watch_of(home: Path) -> Iterator[None]:
    """End with exit code 1 where the node is watched for already: two would not know of each other's deliveries."""
    (home / "watch").mkdir(exist_ok=True)
    with exclusive_if_free(home / "watch" / ".lock") as free:
        if not free:
            typer.echo(f"--home {home}: another process watches an inbox for this node", err=True)
            raise typer.Exit(1)
        yield
