import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from threading import Event

import imagecodecs
import numpy as np
import pytest
import shapely
from morecantile import Tile

from catalog import lock
from catalog.errors import StoreUnavailableError
from catalog.search import Footprint
from catalog.store import open_store
from imagery_node import pyramid_thread
from imagery_node.grid import WEB_MERCATOR_QUAD, get_grid
from imagery_node.layer_file import read_layers
from imagery_node.pyramid_book import PyramidBook
from imagery_node.pyramid_builder import base_zoom
from imagery_node.pyramid_cell import cell_number, cell_tile, count_cells, shrink
from imagery_node.pyramid_home import FOLDER, PyramidHome
from imagery_node.pyramid_thread import PyramidThread
from imagery_node.scene_index import Places, SceneIndex
from imagery_node.settings import ImageryNodeSettings
from tests.support.command import in_process
from tests.support.published import CORNER, node_at, publish_scene, put_collection

MANY = 6
"""Scenes of a layer that gets no pyramid yet."""
BASE = 13
"""The base zoom that scenes of 2 × 2 tiles of zoom 14 come to then."""
ROW = range(0, 32, 4)
"""How far east the scenes lie: side by side with gaps as wide as they are."""


def tile_at(zoom, *, east=0):
    """The tile of a zoom over the north-western corner of a scene."""
    shift = CORNER.z - zoom
    return Tile(x=(CORNER.x + east) >> shift, y=CORNER.y >> shift, z=zoom)


def path_of(tile, suffix="", layer="img"):
    return f"/raster/layers/{layer}/tiles/{WEB_MERCATOR_QUAD}/{tile.z}/{tile.x}/{tile.y}{suffix}"


def cells_of(home):
    """Tag and completeness of every cell of every pyramid, as another process reads them."""
    book = PyramidBook(home / FOLDER)
    found = {name: book.all_cells(row.key) for name, row in book.pyramids().items()}
    book.close()
    return {name: {number: (cell.tag, cell.complete) for number, cell in rows.items()} for name, rows in found.items()}


class Building:
    """The pyramids of a home, with a builder that works when it is told to."""

    def __init__(self, home):
        self.store = open_store(home)
        settings = ImageryNodeSettings(home=home, pyramid_scenes=MANY)
        self.pyramids = PyramidHome.open(SceneIndex(self.store, Places(home), read_layers(home)), settings)
        self.builder = self.pyramids.builder()
        self.home = home

    def catch_up(self):
        """Work, and say what was done."""
        before = dict(self.builder.counts)
        self.builder.catch_up(Event())
        return {what: n - before.get(what, 0) for what, n in self.builder.counts.items() if n != before.get(what, 0)}

    def tags(self, name="img"):
        return {number: tag for number, (tag, _) in cells_of(self.home)[name].items()}

    def close(self):
        self.builder.close()
        self.pyramids.close()
        self.store.close()


@pytest.fixture
def home(tmp_path):
    """A node with a row of scenes."""
    fill(tmp_path)
    return tmp_path


def fill(home, count=None):
    store = open_store(home)
    put_collection(store, "gf2-pms")
    for position, east in enumerate(ROW[:count]):
        colour = (60 + 20 * position, 200 - 15 * position, 90)
        publish_scene(store, home, f"S{position}", f"2024-03-0{position + 1}T03:00:00Z", colour=colour, east=east)
    store.close()


def fill_year(home, year):
    """One more scene, of another year."""
    store = open_store(home)
    publish_scene(store, home, f"S{year}", f"{year}-03-01T03:00:00Z", colour=(9, 9, 200), east=ROW[0])
    store.close()


@pytest.fixture
def building(home):
    built = Building(home)
    yield built
    built.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A running node whose pyramids are built."""
    home = tmp_path_factory.mktemp("home")
    fill(home)
    building = Building(home)
    building.catch_up()
    with node_at(home, pyramid="off", pyramid_scenes=MANY) as running:
        running.building = building
        yield running
    building.close()


def picture(node, tile, suffix=".png", query=""):
    answer = node.get(path_of(tile, suffix) + query)
    assert answer.status_code == 200, answer.text
    return answer, imagecodecs.png_decode(answer.content)


def with_alpha(pixels):
    return pixels if pixels.shape[2] == 4 else np.dstack((pixels, np.full(pixels.shape[:2], 255, np.uint8)))


@pytest.mark.parametrize("zoom", [9, 10, 11, 12])
def test_a_tile_of_low_zoom_shows_what_its_scenes_show(node, zoom):
    answer, stored = picture(node, tile_at(zoom))
    direct_answer, direct = picture(node, tile_at(zoom), query="?assets=visual")
    assert answer.headers["server-timing"].startswith("pyramid")
    assert direct_answer.headers["server-timing"].startswith("composed")
    stored, direct = with_alpha(stored), with_alpha(direct)
    inside = (stored[..., 3] == 255) & (direct[..., 3] == 255)
    assert inside.any()
    assert np.abs(stored[inside].astype(int) - direct[inside]).mean() < 4
    assert ((stored[..., 3] > 127) != (direct[..., 3] > 127)).mean() < 0.02
    assert not (direct[..., 3].astype(bool) & (stored[..., 3] == 0)).any()


def test_from_the_base_zoom_on_tiles_are_drawn_from_scenes(node):
    answer, _ = picture(node, tile_at(BASE))
    assert "pyramid-lag" not in answer.headers


def test_a_tile_of_twice_the_side_is_four_tiles_of_the_next_zoom(node):
    tile = tile_at(11)
    _, twice = picture(node, tile, "@2x.png")
    below = [
        with_alpha(picture(node, Tile(2 * tile.x + dx, 2 * tile.y + dy, 12))[1])
        if node.get(path_of(Tile(2 * tile.x + dx, 2 * tile.y + dy, 12))).status_code == 200
        else np.zeros((256, 256, 4), np.uint8)
        for dy in (0, 1)
        for dx in (0, 1)
    ]
    top, bottom = np.hstack(below[:2]), np.hstack(below[2:])
    assert (with_alpha(twice) == np.vstack((top, bottom))).all()
    assert (with_alpha(picture(node, tile)[1]) == shrink(below)).all()


def test_the_world_shows_every_scene(node):
    _, world = picture(node, Tile(0, 0, 0))
    assert (world[..., 3] > 0).sum() == len({(CORNER.x + east + across) // 64 for east in ROW for across in (0, 1)})
    _, region = picture(node, tile_at(7))
    shown = with_alpha(region)[..., 3] > 0
    grid = get_grid(WEB_MERCATOR_QUAD)
    left, _, _, top = grid.bounds(tile_at(7))
    for east in ROW:
        x, _, _, y = grid.bounds(tile_at(14, east=east))
        side = grid.pixel_sides[7]
        assert shown[int((top - y) / side + 0.5), int((x - left) / side + 0.5)]


def test_a_place_without_scenes_is_an_empty_tile(node):
    answer = node.get(path_of(Tile(0, 0, 5)))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["pyramid-lag"] == "0"


def test_a_client_that_has_the_tile_gets_304_and_no_list_of_scenes_is_made(node, monkeypatch):
    tag = node.get(path_of(tile_at(8))).headers["etag"]
    monkeypatch.setattr(type(node.store), "footprints", None)
    node.app.state.tiles._plans.clear()
    answer = node.get(path_of(tile_at(8)), headers={"if-none-match": tag})
    assert (answer.status_code, answer.headers["etag"]) == (304, tag)


@pytest.mark.parametrize(
    ("suffix", "media"),
    [("", "image/png"), (".png", "image/png"), (".webp", "image/webp"), (".jpg", "image/jpeg"), ("@2x", "image/png")],
)
def test_a_tile_with_holes_comes_in_the_format_that_is_asked_for(node, suffix, media):
    assert node.get(path_of(tile_at(9), suffix)).headers["content-type"] == media


def test_white_paper_shows_through_in_proportion(node):
    answer = node.get(path_of(Tile(0, 0, 0), ".jpg"))
    assert imagecodecs.jpeg8_decode(answer.content).min() > 240


@pytest.mark.parametrize("query", ["?datetime=2024-03-01", "?feather=4", "?assets=visual"])
def test_what_the_caller_chose_is_drawn_from_scenes(node, query):
    answer = node.get(path_of(tile_at(10)) + query)
    assert answer.status_code == 200
    assert "pyramid-lag" not in answer.headers


@pytest.mark.parametrize(
    ("interval", "lane"),
    [
        ("2024-03-01/2024-03-08", "pyramid"),
        ("2024", "pyramid"),
        ("../2024-03-08T03:00:00Z", "pyramid"),
        ("2024-03-02/..", "composed"),
        ("../2024-03-07", "composed"),
    ],
)
def test_an_interval_of_all_scenes_is_the_layer_itself(node, interval, lane):
    answer = node.get(path_of(tile_at(9), ".png") + f"?datetime={interval}&explain=1")

    assert answer.json()["lane"] == lane


def test_a_period_that_is_asked_for_gets_the_pyramid_of_the_dated_layer(home):
    fill_year(home, 2023)
    with node_at(home, pyramid="off", pyramid_scenes=MANY, scenes_per_tile=2) as node:
        assert node.get(path_of(tile_at(8)) + "?datetime=2024").headers["imagery-complete"] == "false"
        building = Building(home)
        building.catch_up()
        answer = node.get(path_of(tile_at(8)) + "?datetime=2024-01-01/2024-12-31")
        building.close()

    assert answer.headers["server-timing"].startswith("pyramid")
    assert "imagery-complete" not in answer.headers


def test_a_difference_is_never_answered_from_a_pyramid_although_it_compares_all_scenes(home):
    building = Building(home)
    building.pyramids.book.wish("img~false-colour")
    building.catch_up()
    compared = path_of(tile_at(8)).replace("/tiles/", "/difference/tiles/")
    with node_at(home, pyramid="off", pyramid_scenes=MANY) as node:
        answer = node.get(compared + "?before=2023&after=2024&render=false-colour")
    building.close()

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_rendering")  # it is not of one value


def test_a_layer_that_came_to_show_one_day_only_is_drawn_from_its_scenes(home):
    (home / "layers.toml").write_text('[[layer]]\nid = "newest"\ntitle = "Newest"\n', encoding="utf-8")
    building = Building(home)
    building.catch_up()
    (home / "layers.toml").write_text('[[layer]]\nid = "newest"\ntitle = "Newest"\ntime = "latest"\n', encoding="utf-8")
    with node_at(home, pyramid="off", pyramid_scenes=MANY) as node:
        answer = node.get(path_of(tile_at(8), layer="newest"))
    building.close()

    assert answer.status_code == 200, answer.text
    assert "pyramid-lag" not in answer.headers


def test_a_cell_comes_to_be_incomplete_although_its_pixels_stay(home, monkeypatch):
    monkeypatch.setattr("imagery_node.composite.MAX_COMPOSITE_SCENES", 1)
    (home / "layers.toml").write_text('[[layer]]\nid = "merged"\nrule = "median"\n', encoding="utf-8")
    building = Building(home)
    building.catch_up()
    before = cells_of(home)["merged"]
    publish_scene(building.store, home, "CLOUDY", "2024-04-01T03:00:00Z", east=ROW[0], cloud_cover=90)
    building.catch_up()
    building.close()

    base = cell_number(tile_at(BASE))
    tag, complete = cells_of(home)["merged"][base]
    assert (before[base], complete) == ((tag, True), False)


def test_what_a_tile_is_made_of_is_told_at_low_zooms_too(node):
    found = node.get(path_of(tile_at(10)) + "/scenes").json()
    assert len(found["scenes"]) >= 3


def test_explain_says_that_a_tile_comes_from_the_pyramid_and_what_its_scenes_are(node):
    found = node.get(path_of(tile_at(10)) + "?explain=1").json()
    assert found["lane"] == "pyramid"
    assert len(found["scenes"]) >= 3


def test_a_layer_with_few_scenes_has_no_pyramid(tmp_path):
    fill(tmp_path, MANY)
    building = Building(tmp_path)
    assert building.catch_up() == {}
    assert building.pyramids.book.pyramids() == {}
    building.close()


def test_the_second_pyramid_of_the_same_pictures_takes_those_of_the_first(building):
    done = building.catch_up()
    assert set(building.pyramids.book.pyramids()) == {"img", "gf2-pms"}
    assert building.tags() == building.tags("gf2-pms")
    assert done["reused"] == done["drawn"] + done["averaged"]


def test_nothing_is_drawn_when_nothing_has_changed(building):
    building.catch_up()
    assert building.catch_up() == {}


def test_a_publication_changes_exactly_the_cells_it_lies_on(building):
    building.catch_up()
    before = building.tags()
    publish_scene(building.store, building.home, "NEW", "2024-05-01T03:00:00Z", east=8)
    done = building.catch_up()
    after = building.tags()
    west, south, east, north = building.store.item("gf2-pms", "NEW")["bbox"]
    grid = get_grid(WEB_MERCATOR_QUAD)

    def lies_on(number):
        left, bottom, right, top = grid.bbox(cell_tile(number))
        return left < east - 1e-6 and right > west + 1e-6 and bottom < north - 1e-6 and top > south + 1e-6

    changed = {number for number in before.keys() | after.keys() if before.get(number) != after.get(number)}
    assert changed == set(filter(lies_on, after))
    deepest = [number for number in changed if cell_tile(number).z == BASE]
    assert done["drawn"] == len(deepest)
    assert done["averaged"] == len(changed) - len(deepest)


def test_a_recalled_scene_gives_back_the_cells_of_before(building):
    building.catch_up()
    before = building.tags()
    publish_scene(building.store, building.home, "NEW", "2024-05-01T03:00:00Z", east=9)
    building.catch_up()
    building.store.recall("gf2-pms", "NEW", reason="test")
    done = building.catch_up()
    assert building.tags() == before
    assert "drawn" not in done


def test_cells_go_where_the_last_scene_is_recalled(building):
    building.catch_up()
    building.store.recall("gf2-pms", "S7", reason="test")
    building.catch_up()
    assert cell_number(tile_at(BASE, east=ROW[7])) not in building.tags()
    assert cell_number(tile_at(BASE, east=ROW[6])) in building.tags()


def test_objects_without_a_cell_are_deleted_after_a_while(building, monkeypatch):
    building.catch_up()
    building.store.recall("gf2-pms", "S7", reason="test")
    building.catch_up()
    stored = set(building.pyramids.cells.tags())
    assert set(building.tags().values()) < stored
    monkeypatch.setattr("imagery_node.pyramid_builder._GRACE_S", -1.0)
    building.catch_up()
    assert set(building.pyramids.cells.tags()) == set(building.tags().values())


def test_a_change_that_is_not_drawn_yet_is_told(home):
    building = Building(home)
    building.catch_up()
    with node_at(home, pyramid="off", pyramid_scenes=MANY) as node:
        near, far = path_of(tile_at(12)), path_of(tile_at(12, east=ROW[7]))
        before = node.get(near)
        node.publish("NEW", "2024-05-01T03:00:00Z", colour=(250, 0, 0))
        stale, fresh = node.get(near), node.get(far)
        assert stale.headers["imagery-complete"] == "false"
        assert stale.headers["pyramid-lag"] == "1"
        assert stale.headers["etag"] == before.headers["etag"]
        assert stale.headers["cache-control"] == "no-cache, max-age=0"
        assert "imagery-complete" not in fresh.headers
        building.catch_up()
        now = node.get(near)
        assert now.headers["pyramid-lag"] == "0"
        assert "imagery-complete" not in now.headers
        assert now.headers["etag"] != before.headers["etag"]
        assert node.get(far).headers["etag"] == fresh.headers["etag"]
    building.close()


def test_a_recalled_scene_is_gone_before_its_cells_are_made_again(home):
    building = Building(home)
    building.catch_up()
    with node_at(home, pyramid="off", pyramid_scenes=MANY) as node:
        near, far = path_of(tile_at(12)), path_of(tile_at(12, east=ROW[7]))
        before = node.get(near)
        node.store.recall("gf2-pms", "S0", reason="test")
        now = node.get(near)
        assert now.headers["etag"] != before.headers["etag"]
        assert "pyramid-lag" not in now.headers
        assert node.get(far).headers["server-timing"].startswith(("pyramid", "cached"))
        building.catch_up()
        assert node.get(near).headers["pyramid-lag"] == "0"
    building.close()


def test_before_a_pyramid_is_there_tiles_are_drawn_from_scenes(home):
    with node_at(home, pyramid="off", pyramid_scenes=MANY, scenes_per_tile=3) as node:
        answer = node.get(path_of(tile_at(8)))
        assert answer.headers["server-timing"].startswith("composed")
        assert answer.headers["imagery-complete"] == "false"


def test_a_node_builds_its_pyramids_by_itself(home):
    with node_at(home, pyramid="serve", pyramid_scenes=MANY) as node:
        deadline = time.monotonic() + 30
        while node.get(path_of(tile_at(8))).headers.get("pyramid-lag") != "0":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert node.get(path_of(tile_at(8))).headers["server-timing"].startswith("cached")


@pytest.mark.parametrize(("side", "zoom"), [(0.02, 13), (0.5, 9), (1.0, 8), (90.0, 2)])
def test_the_base_is_the_zoom_at_which_a_tile_touches_as_many_scenes_as_it_may(side, zoom):
    when = datetime(2024, 1, 1, tzinfo=UTC)
    scenes = [Footprint("c", "i", "1", when, shapely.box(0, 0, side, side), 1.0, None)] * 10
    assert abs(base_zoom(scenes, 12) - zoom) <= (side > 10)
    across = 360 / 2 ** base_zoom(scenes, 12) / side + 1
    assert across**2 <= 13


def test_a_scene_too_wide_for_the_base_brings_it_up(building, monkeypatch):
    monkeypatch.setattr("imagery_node.pyramid_builder.MAX_CELLS", 16)
    building.catch_up()
    item = building.store.item("gf2-pms", "S0")
    wide = shapely.box(100, 20, 140, 50)
    bbox, geometry = list(wide.bounds), json.loads(shapely.to_geojson(wide))
    building.store.register({**item, "id": "WIDE", "bbox": bbox, "geometry": geometry})
    building.catch_up()
    base = building.pyramids.book.pyramids()["img"].base_zoom
    assert base < BASE
    assert count_cells(tuple(bbox), base) <= 16
    assert {cell_tile(number).z for number in building.tags()} == set(range(base + 1))


def test_a_rendering_that_was_asked_for_gets_its_pyramid(home):
    building = Building(home)
    building.catch_up()
    with node_at(home, pyramid="off", pyramid_scenes=MANY, scenes_per_tile=3) as node:
        address = path_of(tile_at(8)) + "?render=false-colour"
        assert node.get(address).headers["imagery-complete"] == "false"
        building.catch_up()
        answer = node.get(address)
        assert answer.headers["pyramid-lag"] == "0"
        assert "Pyramid-Lag" in answer.headers["access-control-expose-headers"]
        assert "imagery-complete" not in answer.headers
    assert "img~false-colour" in building.pyramids.book.pyramids()
    building.close()


def test_a_wish_for_too_many_scenes_is_not_granted(building, monkeypatch):
    monkeypatch.setattr("imagery_node.pyramid_builder.MAX_WISHED_SCENES", 5)
    building.pyramids.book.wish("img~false-colour")
    building.pyramids.book.wish("img_1066")
    building.catch_up()
    assert set(building.pyramids.book.pyramids()) == {"img", "gf2-pms", "img_1066"}


def test_only_the_pyramids_last_asked_for_are_kept(building, monkeypatch):
    monkeypatch.setattr("imagery_node.pyramid_builder.MAX_WISHES", 1)
    for name in ("img~false-colour", "img~natural"):
        building.pyramids.book.wish(name)
    building.catch_up()
    assert set(building.pyramids.book.pyramids()) == {"img", "gf2-pms", "img~natural"}


def test_another_rendering_of_a_collection_is_drawn_anew(building):
    building.pyramids.book.wish("img~natural")
    building.catch_up()
    before = building.tags("img~natural")
    document = building.store.collection("gf2-pms")
    document["renders"]["natural"]["rescale"] = [[0, 500], [0, 500], [0, 500]]
    building.store.put_collection(document)
    building.catch_up()
    after = building.tags("img~natural")
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_scenes_of_a_new_collection_come_into_the_layer_of_everything(building):
    building.catch_up()
    put_collection(building.store, "gf1-pms")
    publish_scene(building.store, building.home, "OTHER", "2024-05-01T03:00:00Z", collection="gf1-pms", east=40)
    building.catch_up()
    assert cell_number(tile_at(BASE, east=40)) in building.tags()
    assert cell_number(tile_at(BASE, east=40)) not in building.tags("gf2-pms")


def test_a_damaged_object_is_never_shown_and_made_again(home):
    building = Building(home)
    building.catch_up()
    number = cell_number(tile_at(11))
    tag = building.tags()[number]
    file = home / FOLDER / "cells" / tag[:2] / f"{tag}.webp"
    sound = file.read_bytes()
    with node_at(home, pyramid="off", pyramid_scenes=MANY) as node:
        file.write_bytes(sound[:-9])
        answer = node.get(path_of(tile_at(11)))
        assert answer.status_code == 200
        assert answer.headers["server-timing"].startswith("composed")
        building.catch_up()
        assert file.read_bytes() == sound
        assert node.get(path_of(tile_at(11))).headers["server-timing"].startswith("pyramid")
    building.close()


def test_a_damaged_book_is_begun_anew(home):
    first = Building(home)
    first.catch_up()
    expected = first.tags()
    first.close()
    file = home / FOLDER / "book-1.db"
    content = bytearray(file.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    file.write_bytes(content)
    again = Building(home)
    again.builder.clean()
    done = again.catch_up()
    assert again.tags() == expected
    assert "drawn" not in done
    again.close()


def test_a_scene_that_cannot_be_read_is_told_and_tried_again(building, monkeypatch):
    file = next(building.home.glob("scenes/gf2-pms/S3/1/visual.tif"))
    content = file.read_bytes()
    file.write_bytes(content[:100])
    building.catch_up()
    cells = cells_of(building.home)["img"]
    number = cell_number(tile_at(BASE, east=ROW[3]))
    assert not cells[number][1]
    assert not cells[1][1]
    assert cells[cell_number(tile_at(BASE, east=ROW[6]))][1]
    file.write_bytes(content)
    building.catch_up()
    assert not cells_of(building.home)["img"][1][1]
    monkeypatch.setattr("imagery_node.pyramid_builder._TRY_AGAIN_S", -1.0)
    building.catch_up()
    assert all(complete for _, complete in cells_of(building.home)["img"].values())


def test_a_builder_that_is_killed_is_gone_on_with(home, tmp_path_factory):
    script = """
import os, signal, sys
from pathlib import Path
from imagery_node.cell_store import CellStore
from tests.imagery_node.test_pyramid import Building
write, left = CellStore.write, [5]
def dying(self, tag, pixels):
    write(self, tag, pixels)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
CellStore.write = dying
Building(Path(sys.argv[1])).catch_up()
"""
    ended = subprocess.run([sys.executable, "-c", script, str(home)], check=False)
    assert ended.returncode == -signal.SIGKILL
    building, whole = Building(home), Building(_copy(home, tmp_path_factory.mktemp("copy")))
    done, expected = building.catch_up(), whole.catch_up()
    assert building.tags() == whole.tags()
    assert done["drawn"] + done.get("averaged", 0) == expected["drawn"] + expected["averaged"] - 5
    for each in (building, whole):
        each.close()


def _copy(home, target):
    fill(target)
    return target


def test_the_command_builds_once_and_says_what_it_did(home, monkeypatch):
    monkeypatch.setenv("IMAGERY_NODE_PYRAMID_SCENES", str(MANY))
    command = ["pyramid", "--once", "--home", home]
    assert "drawn 8" in in_process(*command, "--layer", "img").stdout
    assert set(cells_of(home)) == {"img"}
    assert in_process(*command, "--layer", "none").returncode == 2
    with (
        lock.exclusive(home / FOLDER / lock.LOCK_SUFFIX),
        pytest.raises(StoreUnavailableError, match="another process"),
    ):
        in_process(*command)


def test_of_two_processes_one_builds_and_the_other_follows_it(home, monkeypatch):
    monkeypatch.setattr(pyramid_thread, "_ELECTION_S", 0.05)
    made = []

    class Idle:
        def __init__(self, name):
            self.name = name
            made.append(name)

        def clean(self):
            pass

        def catch_up(self, stop):
            pass

        def close(self):
            pass

    (home / FOLDER).mkdir()
    threads = [PyramidThread(home / FOLDER, lambda name=name: Idle(name), poll_s=0.05) for name in "ab"]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    (first,) = made
    threads["ab".index(first)].close()
    deadline = time.monotonic() + 10
    while len(made) == 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert sorted(made) == ["a", "b"]
    for thread in threads:
        thread.close()


def test_a_home_that_cannot_be_written_is_served_without_pyramids(home):
    (home / FOLDER).write_text("not a folder")
    with node_at(home, pyramid="serve", pyramid_scenes=MANY) as node:
        assert node.get(path_of(tile_at(8))).headers["server-timing"].startswith("composed")
