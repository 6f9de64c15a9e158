"""The commands that look after the catalogue, and what every command needs to reach it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from catalog.errors import CatalogError
from catalog.loading import load
from catalog.maintenance import export, rebuild, verify
from catalog.publishing import recall, restore
from catalog.search import ItemStore
from catalog.settings import CatalogSettings
from catalog.store import open_store
from imagery_node.commands.report import failure

BAD_CONFIGURATION = 78
"""Exit code when settings or folders cannot be used."""

DEFAULT_HOME = Path("node-data")
Home = Annotated[Path, typer.Option(envvar="IMAGERY_NODE_HOME", help="Folder of the node's scenes and catalogue.")]

Settings = TypeVar("Settings", bound=BaseSettings)

app = typer.Typer(help="Look after the catalogue.", no_args_is_help=True)


def open_home(home: Path, *, new: bool = False) -> ItemStore:
    """Open the catalogue, or end with exit code 78 where the folder cannot be used.

    Args:
        home: The node's folder.
        new: Make a node where there is none; else a mistyped folder would pass for an empty node.
    """
    if not new and not any((home / name).exists() for name in ("scenes", "loaded", "catalog.db")):
        typer.echo(f"--home {home}: no node is there; expected a folder with scenes/ or catalog.db", err=True)
        raise typer.Exit(BAD_CONFIGURATION)
    try:
        return open_store(home)
    except OSError as error:
        typer.echo(f"--home {home}: {error.strerror}; expected a folder that can be written to", err=True)
        raise typer.Exit(BAD_CONFIGURATION) from error


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
    item_id: str, reason: Annotated[str, typer.Option(help="Kept with the tombstone.")], home: Home = DEFAULT_HOME
) -> None:
    """Take a scene out of search, tiles and caches at once; its files and a tombstone stay."""
    with _refusing():
        for change in recall(item_id, home=home, store=open_home(home), reason=reason):
            typer.echo(f"recalled {change.collection}/{change.item_id}, change {change.sequence}")


def restore_scene(item_id: str, home: Home = DEFAULT_HOME) -> None:
    """List a recalled scene again."""
    with _refusing():
        for change in restore(item_id, home=home, store=open_home(home)):
            typer.echo(f"restored {change.collection}/{change.item_id}, change {change.sequence}")


@app.command("load")
def load_command(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="Items and Collections, one a line.")
    ],
    home: Home = DEFAULT_HOME,
) -> None:
    """List items whose files lie elsewhere, below the folders of CATALOG_ASSET_ROOTS."""
    settings = read_settings(CatalogSettings)
    store = open_home(home, new=True)
    with _refusing():
        for file in files:
            count = load(file, home=home, store=store, asset_roots=settings.asset_roots)
            typer.echo(f"loaded {count} items of {file.name}")


@app.command("rebuild")
def rebuild_command(home: Home = DEFAULT_HOME) -> None:
    """Make the catalogue anew from the files."""
    with _refusing():
        typer.echo(f"listed {rebuild(home, open_home(home))} items")


@app.command("verify")
def verify_command(home: Home = DEFAULT_HOME) -> None:
    """Compare the catalogue with the files; exit 1 when they differ."""
    store = open_home(home)
    found = 0
    for finding in verify(home, store, asset_roots=read_settings(CatalogSettings).asset_roots):
        found += 1
        typer.echo(f"{finding.collection}/{finding.item_id}: {finding.problem}")
    typer.echo(f"{found} problems", err=True)
    raise typer.Exit(1 if found else 0)


@app.command("export")
def export_command(home: Home = DEFAULT_HOME) -> None:
    """Write every collection and item, one a line, as `catalog load` reads them."""
    for document in export(home, open_home(home)):
        sys.stdout.buffer.write(orjson.dumps(document) + b"\n")


@contextmanager
def _refusing() -> Iterator[None]:
    """End with exit code 1 and the reason when the catalogue refuses."""
    try:
        yield
    except CatalogError as error:
        typer.echo(failure(error), err=True)
        raise typer.Exit(1) from error
