"""Groups of commands that are imported when they are asked for: alone, a light one starts in a third of the time."""

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group


def lazy_group(places: Mapping[str, str]) -> type[TyperGroup]:
    """The `cls` of a `typer.Typer` that has, beside its own commands, those found at `places`.

    Args:
        places: By name of the command: `module:attribute`, which is a function or a `typer.Typer` of several.
    """

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = _Commands({**places, **self.commands})

    return LazyGroup


class _Commands(UserDict[str, Any]):
    """By name, those that were asked for, and the places of the others."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self.data[name] = _imported(name, found)
        return found


def _imported(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.info.name = name
        return get_group(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)
