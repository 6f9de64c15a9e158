"""The command that takes in named areas."""

from pathlib import Path
from typing import Annotated

import typer

from catalog.area_file import AreaProperties, load_areas
from imagery_node.commands.catalog import DEFAULT_HOME, Catalog, Home, open_home


def areas(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="GeoJSON FeatureCollections.")],
    home: Home = DEFAULT_HOME,
    id_property: Annotated[str, typer.Option(help="Property with the id, such as an adcode.")] = "id",
    name_property: Annotated[str, typer.Option(help="Property with the Chinese name.")] = "name",
    name_en_property: Annotated[str, typer.Option(help="Property with the English name; may be missing.")] = "name_en",
    catalog: Catalog = None,
) -> None:
    """Take in counties or other areas to ask about by name, in place of those of an earlier file of the same name."""
    open_home(home, catalog, new=True).close()
    properties = AreaProperties(id_property, name_property, name_en_property)
    for file in files:
        count = load_areas(file, home=home, properties=properties)
        typer.echo(f"took in {count} areas of {file.name}")
