"""The command that serves: what it prints, and how it ends when it cannot."""

import os
import socket
import subprocess
import sys

import pytest

from tests.support.node import Node


def serve(home, *options, **environment):
    command = [sys.executable, "-m", "imagery_node.cli", "serve", "--home", home, *options]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def test_one_line_says_where_the_node_is(tmp_path):
    with Node(tmp_path) as node:
        (line,) = (line for line in node.log.read_text().splitlines() if "http://" in line)
        assert node.url in line


@pytest.mark.parametrize(
    ("environment", "complaints"),
    [
        ({"IMAGERY_NODE_FOO": "1"}, ["unknown settings: IMAGERY_NODE_FOO"]),
        ({"CATALOG_FOO": "1"}, ["unknown settings: CATALOG_FOO"]),
        (
            {"IMAGERY_NODE_DRAW_WORKERS": "0", "IMAGERY_NODE_TILE_CACHE_MIB": "much"},
            [
                "IMAGERY_NODE_DRAW_WORKERS: Input should be greater than or equal to 1",
                "IMAGERY_NODE_TILE_CACHE_MIB: Input should be a valid integer, unable to parse string as an integer",
            ],
        ),
    ],
)
def test_wrong_settings_end_it_with_78_and_a_line_for_each(tmp_path, environment, complaints):
    done = serve(tmp_path, **environment)
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (78, "", complaints)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_told_without_a_traceback(tmp_path, workers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = serve(tmp_path, "--port", str(taken.getsockname()[1]), "--workers", workers)
    assert done.returncode not in {0, 78}
    assert "address already in use" in done.stderr.lower()
    assert "Traceback" not in done.stderr
