"""The portal in a real browser, on a real node with scenes of three dates and two satellites."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import requests
from morecantile import Tile
from PIL import Image

from catalog.publishing import publish
from catalog.store import open_store
from cog_builder.elevation import DemFile
from cog_builder.pipeline import build_delivery
from cog_builder.settings import CogBuilderSettings
from imagery_node.grid import get_grid
from imagery_node.routes.portal import PORTAL
from tests.support.node import Node
from tests.support.simulated import LATITUDE, LONGITUDE, Patchwork, tiny_delivery, tiny_dem

BROWSER_TESTS = Path(__file__).parent.parent / "browser"
DATES = ["2022-03-15", "2023-06-02", "2024-10-12"]
PLACE = f"16/{LATITUDE}/{LONGITUDE}"
MAP_PART = (slice(60, 640), slice(300, 1200))
"""Rows and columns of the screenshots where only the map is."""
GROUND = (232, 235, 231)
"""The map's colour where nothing was imaged: --ground in css/base.css."""


@dataclass(frozen=True)
class Walk:
    """What `portal.mjs` saw."""

    node: str
    folder: Path

    @cached_property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text())

    def picture(self, name: str) -> np.ndarray:
        image = Image.open(self.folder / f"{name}.png").convert("RGB")
        return np.asarray(image, np.int16)[MAP_PART]

    def tiles(self, first: str, last: str) -> list[str]:
        """The tiles asked for between two looks."""
        requests = self.report["requests"][self.report[first]["requests"] : self.report[last]["requests"]]
        return [url for url in requests if re.search(r"/tiles/WebMercatorQuad/\d+/\d+/\d+(\?|$)", url)]


class Brightening(Patchwork):
    """Each year the ground is lighter, so that a picture shows which date it is of."""

    def reflectance(self, grid, when):
        return super().reflectance(grid, when) * (0.6 + 0.2 * (when.year - 2022))


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    home, inbox = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("inbox")
    world = Brightening()
    deliveries = [
        tiny_delivery("gf1-pms", inbox, world=world),
        tiny_delivery(
            "gf1-pms", inbox, world=world, product_id=6312202, acquired=datetime(2023, 6, 2, 3, 18, 40, tzinfo=UTC)
        ),
        tiny_delivery("gf2-pms", inbox, world=world),
    ]
    store = open_store(home)
    for delivery in deliveries:
        built = tmp_path_factory.mktemp("built")
        build_delivery(delivery, built, elevation=DemFile(tiny_dem(), "ellipsoid"), settings=CogBuilderSettings())
        publish(built, home=home, store=store, verify=lambda folder, item: None)
    store.close()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("IMAGERY_NODE_ATTRIBUTION", "© CRESDA")
        environment.setenv("IMAGERY_NODE_REVIEW_NUMBER", "GS(2024)1234号")
        with Node(home) as served:
            yield served.url


@pytest.fixture(scope="module")
def walk(node, tmp_path_factory):
    missing = [name for name in ("chromium", "node") if shutil.which(name) is None]
    if not (BROWSER_TESTS / "node_modules" / "playwright-core").is_dir():
        missing.append("playwright-core (npm ci --prefix tests/browser)")
    if missing and not os.environ.get("CI"):
        pytest.skip(f"needs {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("portal")
    command = ["node", BROWSER_TESTS / "portal.mjs", f"{node}/", PLACE, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return Walk(node, folder)


@pytest.mark.parametrize("name", ["start", "oldest"])
def test_the_map_draws_the_imagery(walk, name):
    covered = np.abs(walk.picture(name) - GROUND).max(-1) > 40
    assert covered.mean() > 0.5


def test_the_time_strip_lists_the_dates_of_the_place_in_view(walk):
    assert walk.report["start"]["dates"] == DATES
    assert walk.report["start"]["shown"] == "最新"


def test_choosing_a_date_changes_the_request_and_the_picture(walk):
    tiles = walk.tiles("start", "oldest")
    assert tiles
    assert {parse_qs(urlsplit(url).query)["datetime"][0] for url in tiles} == {"2022-03-15/2022-03-15"}
    changed = np.abs(walk.picture("start") - walk.picture("oldest")).max(-1) > 12
    assert changed.mean() > 0.05
    assert walk.report["oldest"]["shown"] == "2022年3月15日"


def test_a_click_tells_date_satellite_sensor_resolution_and_the_item(walk):
    card, item = walk.report["card"], walk.report["item"]
    for fact in ("2022年3月15日", "11:20:11 北京时间", "03:20:11 UTC", "高分一号", "PMS1", "2 米"):
        assert fact in card
    assert item["type"] == "Feature"
    assert item["collection"] == "gf1-pms"
    assert item["properties"]["datetime"].startswith("2022-03-15T03:20:11")


def test_a_click_asks_for_the_scenes_of_that_very_place(walk):
    asked = [re.search(r"/(24)/(\d+)/(\d+)/scenes", url) for url in walk.report["requests"] if "/scenes" in url]
    assert asked
    for found in asked:
        west, south, east, north = get_grid("WebMercatorQuad").bbox(Tile(z=24, x=int(found[2]), y=int(found[3])))
        assert (west + east) / 2 == pytest.approx(LONGITUDE, abs=1e-4)
        assert (south + north) / 2 == pytest.approx(LATITUDE, abs=1e-4)


def test_the_page_is_chinese_first_and_english_on_request(walk):
    start, english = walk.report["start"], walk.report["english"]
    assert (start["language"], english["language"]) == ("zh-CN", "en")
    assert all(re.search(r"[一-鿿]", name) for name in start["layers"])
    spoken = [english["title"], english["shown"], *english["layers"], walk.report["englishCard"]]
    assert not re.search(r"[一-鿿]", " ".join(spoken))
    assert "Gaofen-1" in walk.report["englishCard"]


def test_a_site_without_a_name_has_one_in_the_language_of_the_page(walk):
    for look, name in (("start", "卫星影像"), ("english", "Satellite imagery")):
        assert walk.report[look]["title"] == walk.report[look]["heading"] == name


def test_credit_line_and_review_number_are_shown_in_both_languages(walk):
    for look in ("start", "english", "phone"):
        assert walk.report[look]["legal"] == "© CRESDA · 审图号：GS(2024)1234号"


def test_a_shared_link_opens_the_same_view_layer_date_and_language(walk):
    seen, shared = walk.report["english"], walk.report["shared"]
    assert shared["hash"] == seen["hash"]
    assert (shared["chosen"], shared["language"]) == ("2022-03-15", "en")
    assert np.abs(walk.picture("shared") - walk.picture("oldest"))[:, :400].mean() < 2


def test_the_keyboard_reaches_scene_and_dates(walk):
    assert walk.report["keyboard"]["chosen"] == DATES[-1]


def test_a_phone_shows_everything_without_scrolling_sideways(walk):
    assert walk.report["phone"]["width"] == 390
    assert walk.report["phone"]["dates"] == DATES


def test_failures_are_told_in_the_language_of_the_page(walk):
    assert "影像未能载入" in walk.report["tileFailure"]
    assert "影像服务出现故障" in walk.report["nodeFailure"]
    assert not re.search(r"[A-Za-z]", walk.report["tileFailure"] + walk.report["nodeFailure"])


def test_the_console_stays_silent_and_no_other_host_is_asked(walk):
    assert walk.report["console"] == []
    assert {urlsplit(url).netloc for url in walk.report["requests"] if not url.startswith("blob:")} == {
        urlsplit(walk.node).netloc
    }


def test_the_page_allows_only_its_own_scripts_and_styles(node):
    policy = requests.get(f"{node}/").headers["content-security-policy"]
    for rule in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
    ):
        assert rule in policy
    assert "unsafe" not in policy


def test_a_browser_that_has_a_file_is_told_so(node):
    first = requests.get(f"{node}/vendor/ol/ol.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["content-encoding"] == "gzip"
    again = requests.get(f"{node}/vendor/ol/ol.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_both_languages_have_the_same_messages():
    source = (PORTAL / "js" / "messages.js").read_text()
    chinese, english = source.split("  en: {")
    keys = re.compile(r"^    (\w+):", re.MULTILINE)
    assert keys.findall(chinese) == keys.findall(english)


def test_every_message_that_is_used_exists():
    source = (PORTAL / "js" / "messages.js").read_text()
    known = set(re.findall(r"^    (\w+):", source, re.MULTILINE))
    used = set(re.findall(r'data-(?:text|label)="(\w+)"', (PORTAL / "index.html").read_text()))
    for script in (PORTAL / "js").glob("*.js"):
        used |= set(re.findall(r"\b(?:text(?:\(\))?|words)\.(\w+)", script.read_text()))
        used |= set(re.findall(r'NodeError\("(\w+)"', script.read_text()))
    assert used <= known
