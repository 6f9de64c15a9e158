"""The command `imagery-node`: the one place that ties builder, catalogue and service together."""

import logging.config
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from catalog.errors import CatalogError
from catalog.fail_point import check_fail_point
from catalog.item import ITEM_FILE
from catalog.maintenance import sweep
from catalog.publishing import Published, find_published, publish
from catalog.settings import CatalogSettings
from catalog.staging import staging_folder
from cog_builder.check import check_scene
from cog_builder.deliveries import open_delivery
from cog_builder.elevation import ConstantHeight, DemFile, Elevation
from cog_builder.errors import CogBuilderError
from cog_builder.pipeline import build_scene
from cog_builder.scene import Scene
from cog_builder.settings import CogBuilderSettings
from cog_builder.simulation.command import simulate
from imagery_node import catalog_commands
from imagery_node.catalog_commands import BAD_CONFIGURATION, DEFAULT_HOME, Home, open_home, read_settings
from imagery_node.gdal import pin_options
from imagery_node.report import Report, failure

app = typer.Typer(
    help="Publish satellite scenes: deliveries in, map tiles and a STAC catalogue out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(catalog_commands.app, name="catalog")
app.command("recall")(catalog_commands.recall_scene)
app.command("restore")(catalog_commands.restore_scene)
app.command()(simulate)

REFUSALS = (CogBuilderError, CatalogError)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {"numexpr": {"level": "WARNING"}},
}
"""For commands and for every server process alike."""

Paths = Annotated[list[Path], typer.Argument(exists=True, help="Archives (tar.gz, tar, zip) or folders as delivered.")]
Dem = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Elevation model: GeoTIFF or VRT.")]
Height = Annotated[
    float | None, typer.Option(min=-500, max=9000, help="Constant ground height instead, metres above the ellipsoid.")
]
Workers = Annotated[int | None, typer.Option(min=1, max=256, help="Threads that draw and compress.")]
Profile = Annotated[Literal["compatible", "compact"] | None, typer.Option(help="Compression of the reflectance files.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON line per scene on stdout.")]
Replace = Annotated[bool, typer.Option(help="Make a new version of what is there already.")]

_DRAIN_S = 30
_WORKER_START_S = 60
"""A server process that is silent for so long is replaced; on a busy machine one takes long to start."""


@app.command()
def inspect(paths: Paths, as_json: Json = False) -> None:
    """Say what deliveries are and what is wrong with them, without building anything."""
    with Report(as_json, paths, REFUSALS) as report:
        for path in paths:
            with report.refusing(path), tempfile.TemporaryDirectory(prefix="inspect-") as workspace:
                report.add(path, "good", **_facts(open_delivery(path, Path(workspace))))


@app.command()
def build(
    paths: Paths,
    out: Annotated[Path, typer.Option(help="Folder that gets one folder per scene.")],
    dem: Dem = None,
    height: Height = None,
    workers: Workers = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Build scene folders with COGs and item.json; nothing is published."""
    settings = _builder_settings(workers=workers, profile=profile)
    elevation = _elevation(dem, height, settings)
    out.mkdir(parents=True, exist_ok=True)
    with Report(as_json, paths, REFUSALS) as report:
        for path in paths:
            with report.refusing(path), tempfile.TemporaryDirectory(prefix=".building-", dir=out) as place:
                scene = open_delivery(path, _made(Path(place) / "workspace"))
                done = out / scene.id
                if done.exists():
                    report.add(path, "already_built", item_id=scene.id, folder=str(done))
                    continue
                folder = _made(Path(place) / "scene")
                item = build_scene(
                    scene,
                    folder,
                    Path(place) / "workspace",
                    elevation=elevation,
                    settings=settings,
                    progress=report.progress,
                )
                check_scene(folder, item)
                folder.rename(done)
                report.add(path, "built", item_id=scene.id, folder=str(done), warnings=_warnings(item))


@app.command("publish")
def publish_command(
    paths: Paths,
    home: Home = DEFAULT_HOME,
    dem: Dem = None,
    height: Height = None,
    workers: Workers = None,
    profile: Profile = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Publish deliveries or built scene folders: checked, atomic, and a second time without effect."""
    settings = _builder_settings(workers=workers, profile=profile)
    elevation = _elevation(dem, height, settings)
    catalog_settings = read_settings(CatalogSettings)
    store = open_home(home, new=True)
    sweep(home, store, grace_s=catalog_settings.grace_s)

    def published(folder: Path) -> Published:
        reserve_mib = catalog_settings.disk_reserve_mib
        return publish(folder, home=home, store=store, verify=check_scene, replace=replace, reserve_mib=reserve_mib)

    with Report(as_json, paths, REFUSALS) as report:
        for path in paths:
            with report.refusing(path):
                if (path / ITEM_FILE).is_file():
                    _report_published(report, path, published(path))
                    continue
                with staging_folder(home) as folder, tempfile.TemporaryDirectory(dir=folder) as workspace:
                    scene = open_delivery(path, Path(workspace))
                    found = None if replace else find_published(scene.collection, scene.id, home=home, store=store)
                    warnings: list[str] = []
                    if found is not None:
                        done = found
                    else:
                        item = build_scene(
                            scene,
                            folder,
                            Path(workspace),
                            elevation=elevation,
                            settings=settings,
                            progress=report.progress,
                        )
                        warnings = _warnings(item)
                        done = published(folder)
                    _report_published(report, path, done, warnings)


@app.command()
def serve(
    home: Home = DEFAULT_HOME,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
) -> None:
    """Serve tiles, the STAC API and the portal."""
    import uvicorn

    from imagery_node.settings import ImageryNodeSettings

    os.environ["IMAGERY_NODE_HOME"] = str(home.resolve())
    read_settings(ImageryNodeSettings)
    read_settings(CatalogSettings)
    open_home(home, new=True).close()
    uvicorn.run(
        "imagery_node.app:app_from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_config=LOGGING,
        access_log=False,
        server_header=False,
        timeout_worker_healthcheck=_WORKER_START_S,
        timeout_graceful_shutdown=_DRAIN_S,
    )


def main() -> None:
    """Run the command line; what is refused outside a batch ends it with exit code 1 and the reason."""
    logging.config.dictConfig(LOGGING)
    pin_options()
    try:
        check_fail_point()
    except ValueError as error:
        typer.echo(str(error), err=True)
        sys.exit(BAD_CONFIGURATION)
    try:
        app()
    except REFUSALS as error:
        typer.echo(failure(error), err=True)
        sys.exit(1)


def _builder_settings(**options: Any) -> CogBuilderSettings:
    """The builder's settings, with the options that a command was given on top."""
    return read_settings(CogBuilderSettings, **{name: value for name, value in options.items() if value is not None})


def _elevation(dem: Path | None, height_m: float | None, settings: CogBuilderSettings) -> Elevation | None:
    if dem is not None and height_m is not None:
        raise typer.BadParameter("give --dem or --height, not both")
    if height_m is not None:
        return ConstantHeight(height_m)
    dem = dem or settings.dem
    return None if dem is None else DemFile(dem, settings.dem_vertical_datum)


def _facts(scene: Scene) -> dict[str, Any]:
    """What `inspect` tells of a scene."""
    return {
        "item_id": scene.id,
        "title": scene.title,
        "collection": scene.collection,
        "datetime": scene.acquired.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "level": scene.level,
        "cloud_cover": scene.cloud_cover,
        "sun_elevation": scene.sun_elevation,
        "sun_azimuth": scene.sun_azimuth,
        "calibration": scene.calibration_source,
        "images": [
            {"kind": image.kind, "width": image.width, "height": image.height, "gsd_m": image.gsd_m}
            for image in scene.images
        ],
        "warnings": list(scene.warnings),
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _warnings(item: dict[str, Any]) -> list[str]:
    warnings: list[str] = item["properties"].get("imagery_node:warnings", [])
    return warnings


def _report_published(report: Report, path: Path, done: Published, warnings: Sequence[str] = ()) -> None:
    state = "already_published" if done.already_published else "published"
    report.add(
        path, state, item_id=done.item_id, collection=done.collection, version=done.version, warnings=list(warnings)
    )


if __name__ == "__main__":
    main()
