"""Several server processes and publishers beside them: what is published or recalled shows in each process at once."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import morecantile
import pytest
import requests

from tests.support.node import Node
from tests.support.simulated import LATITUDE, LONGITUDE, tiny_delivery, tiny_dem

SERVE = ("-m", "imagery_node.cli", "serve", "--home", "{home}", "--port", "{port}", "--workers", "2")
WIDE = "GF1_WFV3_20220315T032011_L1A4819777"
SMALL = "GF1_PMS1_20230602T031840_L1A6312201"

_GRID = morecantile.tms.get("WebMercatorQuad")


def tile(longitude, latitude):
    """The address of a tile of about 200 m."""
    x, y, z = _GRID.tile(longitude, latitude, 17)
    return f"/raster/layers/img/tiles/WebMercatorQuad/{z}/{x}/{y}"


TOUCHED = tile(LONGITUDE, LATITUDE)
UNTOUCHED = tile(LONGITUDE + 0.013, LATITUDE)
"""Of the wide scene, about 1.1 km east of its centre, where the small one of 1.3 km does not reach."""


class Workers:
    """The processes of one node, each of which can be asked alone."""

    def __init__(self, node):
        self.url = node.url
        children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
        self.ids = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def ask(self, path, **options):
        """The answers of every process to one request, each over a fresh connection."""
        answers = []
        for pid in self.ids:
            with self._alone(pid):
                answers.append(requests.get(self.url + path, timeout=30, **options))
        return answers

    def tag(self, path):
        """The ETag of a tile, which is the same in every process."""
        tags = {answer.headers["etag"] for answer in self.ask(path)}
        assert len(tags) == 1
        return tags.pop()

    @contextmanager
    def _alone(self, pid):
        others = [other for other in self.ids if other != pid]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            yield
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)


@pytest.fixture
def command(tmp_path):
    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "imagery_node.cli", *map(str, words), "--home", tmp_path / "home"],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    return run


def test_a_publication_and_a_recall_show_in_every_process_at_the_next_request(tmp_path, command):
    wide = tiny_delivery("gf1-wfv", tmp_path)
    small = tiny_delivery("gf1-pms", tmp_path, acquired=datetime(2023, 6, 2, 3, 18, 40, tzinfo=UTC))
    command("publish", wide, "--dem", tiny_dem())
    with Node(tmp_path / "home", command=SERVE) as node:
        workers = Workers(node)
        assert len(workers.ids) == 2
        before = {path: workers.tag(path) for path in (TOUCHED, UNTOUCHED)}
        assert all(answer.status_code == 200 for answer in [*workers.ask(TOUCHED), *workers.ask(UNTOUCHED)])

        command("publish", small, "--dem", tiny_dem())
        for answer in workers.ask(f"{TOUCHED}/scenes"):
            assert [(scene["item"], scene["used"]) for scene in answer.json()["scenes"]] == [
                (SMALL, True), (WIDE, False),
            ]  # fmt: skip
        for answer in workers.ask(f"/stac/search?ids={SMALL}"):
            assert [item["id"] for item in answer.json()["features"]] == [SMALL]
        assert workers.tag(TOUCHED) != before[TOUCHED]
        assert workers.tag(UNTOUCHED) == before[UNTOUCHED]
        held = {"If-None-Match": before[TOUCHED]}
        assert [answer.status_code for answer in workers.ask(TOUCHED, headers=held)] == [200, 200]

        command("recall", SMALL, "--reason", "wrong orbit file")
        for path in (f"/stac/collections/gf1-pms/items/{SMALL}", f"/data/gf1-pms/{SMALL}/1/visual.tif"):
            assert [answer.status_code for answer in workers.ask(path)] == [404, 404]
        for answer in workers.ask(f"{TOUCHED}/scenes"):
            assert [scene["item"] for scene in answer.json()["scenes"]] == [WIDE]
        assert {path: workers.tag(path) for path in before} == before
