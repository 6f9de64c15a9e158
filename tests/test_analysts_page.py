"""docs/analysts.md: its examples are run as they stand, against a real node."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import shapely
from rasterio.transform import from_origin

from catalog.settings import CatalogSettings
from catalog.webhook import signature
from tests.support.command import imagery_node
from tests.support.coverage import counties, scene
from tests.support.measured import publish_measured
from tests.support.published import node_at
from tests.support.stac import some_collection

PAGE = (Path(__file__).resolve().parent.parent / "docs/analysts.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHELL = [block for language, block in BLOCKS if language == "sh"]
CURL = [command for block in SHELL for command in re.split(r"\n(?=curl )", block) if command.startswith("curl ")]
(COUNTY,) = (command for command in CURL if '"group"' in command)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "counties.geojson").write_text(json.dumps(counties()))
    (command,) = (block for language, block in BLOCKS if not language)
    words = [word.replace("HOME", str(home)) for word in command.split()[1:]]
    done = imagery_node(*[str(home / word) if word.endswith(".geojson") else word for word in words])
    assert done.returncode == 0, done.stderr
    with node_at(home) as running:
        running.store.put_collection(some_collection("gf2-pms"))
        running.store.load(
            [scene("one", shapely.box(103, 29, 104.4, 32)), scene("two", shapely.box(104.3, 29, 106, 32))]
        )
        chengdu = from_origin(408_700, 3_394_600, 8, 8)
        place = {"crs": "EPSG:32648", "transform": chengdu, "eo:cloud_cover": 5}
        publish_measured(running.store, home, "field", "2024-05-01T03:00:00Z", **place)
        yield running


@pytest.fixture
def run(tmp_path):
    """Runs a shell command whose curl fails with the status of an error."""
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\n")
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")

    def _run(command):
        environment = os.environ | {"CURL_HOME": str(tmp_path), "no_proxy": "*"}
        done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, env=environment, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return _run


@pytest.mark.parametrize("command", CURL, ids=lambda command: command.split()[-1][:20])
def test_every_request_of_the_page_is_answered(node, run, command):
    assert json.loads(run(command.replace("http://127.0.0.1:8000", node.url)))


def test_the_county_of_the_page_is_complete(node, run):
    told = json.loads(run(COUNTY.replace("http://127.0.0.1:8000", node.url)))
    assert (told["complete"], told["percent"], told["covering_set"]["method"]) == (True, 100, "exact")
    assert {member["id"] for member in told["covering_set"]["scenes"]} == {"one", "two"}
    assert [month["month"] for month in told["months"]] == ["2024-07", "2024-08", "2024-09"]


def test_the_secret_of_the_page_is_accepted(run):
    (command,) = (block for block in SHELL if "whsec_" in block)
    settings = CatalogSettings(webhooks="https://a.example.org/", webhook_secret=run(command).strip())
    assert settings.webhooks == ("https://a.example.org/",)


def test_the_receiver_of_the_page_knows_our_signature_from_another():
    (code,) = (block for language, block in BLOCKS if language == "python")
    names = {}
    exec(code, names)
    secret, now, body = "whsec_" + base64.b64encode(bytes(32)).decode(), int(time.time()), b"{}"
    headers = {"webhook-id": "7", "webhook-timestamp": str(now), "webhook-signature": signature(secret, "7", now, body)}
    assert names["is_genuine"](headers, body, secret)
    assert not names["is_genuine"](headers, b"{} ", secret)
    assert not names["is_genuine"](headers | {"webhook-timestamp": str(now - 1000)}, body, secret)
