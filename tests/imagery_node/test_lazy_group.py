"""Commands are imported when they are asked for, and all of those named are there."""

import subprocess
import sys

import pytest
from typer.main import get_command

from imagery_node.cli import app

_LOAD = """
import sys
from typer.main import get_command
from imagery_node.cli import app
assert get_command(app).commands["catalog"].commands["load"].name == "load"
sys.exit(", ".join({"rasterio", "cv2", "fastapi", "rich", "httpx"} & {*sys.modules}) or None)
"""


def test_the_catalogue_is_loaded_without_what_draws_and_serves():
    done = subprocess.run([sys.executable, "-c", _LOAD], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("group", [(), ("catalog",)], ids=["imagery-node", "catalog"])
def test_every_command_of_the_table_can_be_asked_for(group):
    command = get_command(app)
    for name in group:
        command = command.commands[name]
    found = {name: command.commands[name] for name in command.commands}
    assert len(found) > 5
    assert all(one.name == name and one.help for name, one in found.items())


def test_a_command_that_there_is_not_is_none():
    assert get_command(app).commands.get("paint") is None
