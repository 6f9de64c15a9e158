"""The commands that look after the catalogue, and what every command needs to reach it."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import orjson
import typer
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from catalog.errors import CatalogError, UnusableStoreError
from catalog.geoparquet import as_lines, write_geoparquet
from catalog.loading import load
from catalog.maintenance import export, rebuild, verify
from catalog.publishing import recall, restore
from catalog.search import ItemStore
from catalog.settings import CatalogSettings
from catalog.store import migrate_database, open_store
from imagery_node.commands.failure import failure
from imagery_node.commands.lazy_group import lazy_group

BAD_CONFIGURATION = 78
"""Exit code when settings or folders cannot be used."""

DEFAULT_HOME = Path("node-data")
Home = Annotated[Path, typer.Option(envvar="IMAGERY_NODE_HOME", help="Folder of the node's scenes and catalogue.")]
Catalog = Annotated[
    str | None,
    typer.Option(
        help="postgresql://… of a pgSTAC database with the catalogue; else CATALOG_DATABASE, else SQLite in the home."
    ),
]

Settings = TypeVar("Settings", bound=BaseSettings)

app = typer.Typer(
    cls=lazy_group(
        {"areas": "imagery_node.commands.areas:areas", "sign": "imagery_node.commands.signing:sign_link"},
    ),
    help="Look after the catalogue.",
    no_args_is_help=True,
)


def open_home(home: Path, catalog: str | None = None, *, new: bool = False, read_only: bool = False) -> ItemStore:
    """Open the catalogue, or end with exit code 78 where the folder or the database cannot be used.

    Args:
        home: The node's folder.
        catalog: What `--catalog` says.
        new: Make a node where there is none; else a mistyped folder would pass for an empty node.
        read_only: A database is asked for nothing that a reader may not do.
    """
    database = database_of(catalog)
    if database is None and not new and not any((home / name).exists() for name in ("scenes", "loaded", "catalog.db")):
        typer.echo(f"--home {home}: no node is there; expected a folder with scenes/ or catalog.db", err=True)
        raise typer.Exit(BAD_CONFIGURATION)
    try:
        return open_store(home, database=database, read_only=read_only and database is not None)
    except UnusableStoreError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIGURATION) from error
    except OSError as error:
        typer.echo(f"--home {home}: {error.strerror}; expected a folder that can be written to", err=True)
        raise typer.Exit(BAD_CONFIGURATION) from error


def database_of(catalog: str | None) -> SecretStr | None:
    """The address of the database, by `--catalog` or the settings."""
    return read_settings(CatalogSettings, **({"database": catalog} if catalog else {})).database


def read_settings(kind: type[Settings], **values: Any) -> Settings:
    """Read settings, or end with exit code 78 and a line for each that is wrong."""
    try:
        return kind(**values)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            message = problem["msg"].removeprefix("Value error, ")
            name = "_".join(map(str, problem["loc"])).upper()
            typer.echo(f"{kind.model_config['env_prefix']}{name}: {message}" if name else message, err=True)
        raise typer.Exit(BAD_CONFIGURATION) from error


def recall_scene(
    item_id: str,
    reason: Annotated[str, typer.Option(help="Kept with the tombstone.")],
    home: Home = DEFAULT_HOME,
    catalog: Catalog = None,
) -> None:
    """Take a scene out of search, tiles and caches at once; its files and a tombstone stay."""
    with _refusing():
        for change in recall(item_id, home=home, store=open_home(home, catalog), reason=reason):
            typer.echo(f"recalled {change.collection}/{change.item_id}, change {change.sequence}")


def restore_scene(item_id: str, home: Home = DEFAULT_HOME, catalog: Catalog = None) -> None:
    """List a recalled scene again."""
    with _refusing():
        for change in restore(item_id, home=home, store=open_home(home, catalog)):
            typer.echo(f"restored {change.collection}/{change.item_id}, change {change.sequence}")


@app.command("load")
def load_command(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="Items and Collections, one a line; or stac-geoparquet."),
    ],
    home: Home = DEFAULT_HOME,
    catalog: Catalog = None,
) -> None:
    """List items whose files lie elsewhere, below the folders of CATALOG_ASSET_ROOTS or in CATALOG_REMOTE_STORES."""
    settings = read_settings(CatalogSettings)
    store = open_home(home, catalog, new=True)
    with _refusing(), ExitStack() as opened:
        for file in files:
            count = load(
                opened.enter_context(as_lines(file)),
                home=home,
                store=store,
                asset_roots=settings.asset_roots,
                remote_stores=settings.remote_stores,
            )
            typer.echo(f"loaded {count} items of {file.name}")


@app.command("rebuild")
def rebuild_command(home: Home = DEFAULT_HOME, catalog: Catalog = None) -> None:
    """Make the catalogue anew from the files."""
    with _refusing():
        typer.echo(f"listed {rebuild(home, open_home(home, catalog))} items")


@app.command("verify")
def verify_command(home: Home = DEFAULT_HOME, catalog: Catalog = None) -> None:
    """Compare the catalogue with the files; exit 1 when they differ."""
    store = open_home(home, catalog)
    settings = read_settings(CatalogSettings)
    found = 0
    for finding in verify(home, store, asset_roots=settings.asset_roots, remote_stores=settings.remote_stores):
        found += 1
        typer.echo(f"{finding.collection}/{finding.item_id}: {finding.problem}")
    typer.echo(f"{found} problems", err=True)
    raise typer.Exit(1 if found else 0)


@app.command("export")
def export_command(
    home: Home = DEFAULT_HOME,
    catalog: Catalog = None,
    form: Annotated[
        Literal["ndjson", "geoparquet"], typer.Option("--format", help="One JSON a line, or a table.")
    ] = "ndjson",
    output: Annotated[Path | None, typer.Option(dir_okay=False, help="File to write; stdout without one.")] = None,
) -> None:
    """Write every collection and item as `catalog load` reads them."""
    if form == "geoparquet" and output is None:
        raise typer.BadParameter("a geoparquet file needs --output", param_hint="--format")
    documents = export(home, open_home(home, catalog))
    with _refusing():
        if output is not None and form == "geoparquet":
            write_geoparquet(documents, output)
            return
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as lines:
            lines.writelines(orjson.dumps(document) + b"\n" for document in documents)


@app.command("migrate")
def migrate_command(
    catalog: Annotated[str | None, typer.Option(help="postgresql://… of the database; else CATALOG_DATABASE.")] = None,
) -> None:
    """Make a PostgreSQL database into a catalogue, or bring it to this version; as a role that may create roles."""
    database = database_of(catalog)
    if database is None:
        typer.echo("CATALOG_DATABASE: is needed, or --catalog postgresql://…", err=True)
        raise typer.Exit(BAD_CONFIGURATION)
    with _refusing():
        typer.echo(f"the database is a catalogue now, on pgSTAC {migrate_database(database)}")


@contextmanager
def _refusing() -> Iterator[None]:
    """End with exit code 1 and the reason when the catalogue refuses."""
    try:
        yield
    except CatalogError as error:
        typer.echo(failure(error), err=True)
        raise typer.Exit(1) from error
