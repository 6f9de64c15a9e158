"""The command `imagery-node`: the one place that ties builder, catalogue and service together."""

import logging.config
import os
import sys
from typing import Annotated

import typer

from catalog.errors import CatalogError
from catalog.fail_point import check_fail_point
from catalog.settings import CatalogSettings
from cog_builder.errors import CogBuilderError
from imagery_node.commands.catalog import BAD_CONFIGURATION, DEFAULT_HOME, Catalog, Home, open_home, read_settings
from imagery_node.commands.failure import ClusterLostError, failure
from imagery_node.commands.lazy_group import lazy_group

_WITHOUT_PICTURES = {
    "recall": "imagery_node.commands.catalog:recall_scene",
    "restore": "imagery_node.commands.catalog:restore_scene",
    "catalog": "imagery_node.commands.catalog:app",
}
_WITH_PICTURES = {
    "inspect": "imagery_node.commands.builder:inspect",
    "build": "imagery_node.commands.builder:build",
    "publish": "imagery_node.commands.builder:publish",
    "watch": "imagery_node.commands.builder:watch",
    "composite": "imagery_node.commands.composite:composite",
    "sync": "imagery_node.commands.sync:sync",
    "notify": "imagery_node.commands.notify:notify",
    "pyramid": "imagery_node.commands.pyramid:pyramid",
    "simulate": "cog_builder.simulation.command:simulate",
}

app = typer.Typer(
    cls=lazy_group({**_WITH_PICTURES, **_WITHOUT_PICTURES}),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {name: {"level": "WARNING"} for name in ("numexpr", "httpx", "stac_geoparquet")},
}
"""For commands and for every server process alike."""

_DRAIN_S = 30
_WORKER_START_S = 60
"""A server process that is silent for so long is replaced; on a busy machine one takes long to start."""


@app.callback()
def begin(context: typer.Context) -> None:
    """Publish satellite scenes: deliveries in, map tiles and a STAC catalogue out."""
    if context.invoked_subcommand not in _WITHOUT_PICTURES:
        from imagery_node.gdal import pin_options

        pin_options()


@app.command()
def serve(
    home: Home = DEFAULT_HOME,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
    catalog: Catalog = None,
    transactions: Annotated[
        bool, typer.Option("--transactions", help="Serve instead the STAC API that writes, to the bearer of a token.")
    ] = False,
) -> None:
    """Serve tiles, the STAC API and the portal."""
    import uvicorn

    from imagery_node.errors import LayerFileError
    from imagery_node.layer_file import read_layers
    from imagery_node.settings import ImageryNodeSettings

    os.environ["IMAGERY_NODE_HOME"] = str(home.resolve())
    read_settings(ImageryNodeSettings)
    try:
        read_layers(home)
    except LayerFileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIGURATION) from error
    if catalog:
        os.environ["CATALOG_DATABASE"] = catalog
    if read_settings(CatalogSettings).write_token is None and transactions:
        typer.echo("CATALOG_WRITE_TOKEN: is needed for --transactions", err=True)
        raise typer.Exit(BAD_CONFIGURATION)
    open_home(home, new=True, read_only=not transactions).close()
    uvicorn.run(
        f"imagery_node.{'write_app' if transactions else 'app'}:app_from_environment",
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
    try:
        check_fail_point()
    except ValueError as error:
        typer.echo(str(error), err=True)
        sys.exit(BAD_CONFIGURATION)
    try:
        app()
    except (CogBuilderError, CatalogError, ClusterLostError) as error:
        typer.echo(failure(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
