"""Mosaic tiles against a brute-force oracle: a full scan of all items, and a plain rasterio warp of every scene."""

from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import numpy as np
import pytest
import shapely
from morecantile import Tile

from catalog.store import open_store
from imagery_node.cog_cache import CogCache
from imagery_node.grid import get_grid, to_web_mercator
from imagery_node.mosaic_rule import NEWEST, RULES
from imagery_node.scene_index import Places, SceneIndex
from imagery_node.tile_drawing import draw_tile
from imagery_node.tile_plan import is_complete, plan_tile
from imagery_node.tile_request import read_layer_tile
from tests.support.mosaics import SPREAD_M, plain_mosaic, publish_overlapping
from tests.support.rasters import BEIJING_UTM, UTM_50N

GRID = get_grid("WebMercatorQuad")
SHAPE = (256, 256)
WHEN = datetime(2024, 5, 1, 12, tzinfo=UTC)
UNKNOWN_CLOUD = 20.0
TILES = 6
"""Random tiles for each rule and time."""

ORDERS = {
    "newest": lambda scene: 0,
    "newest-clear": lambda scene: cloud(scene) > 20,
    "oldest": lambda scene: scene.acquired,
    "clearest": lambda scene: cloud(scene),
    "finest": lambda scene: scene.gsd,
    "nearest": lambda scene: abs(scene.acquired - WHEN),
    "weighted": lambda scene: 2 * scene.gsd + cloud(scene) - 0.1 * days(scene) + scene.off_nadir,
}
"""The rules again, written down another way."""

TIMES = {
    "": lambda scene: True,
    "2024": lambda scene: True,
    "2024Q2": lambda scene: 4 <= scene.acquired.month <= 6,
    "2024-07": lambda scene: scene.acquired.month == 7,
    "2024-03-05/..": lambda scene: scene.acquired >= datetime(2024, 3, 5, tzinfo=UTC),
    "../2024-05": lambda scene: scene.acquired.month <= 5,
}


def cloud(scene):
    return UNKNOWN_CLOUD if scene.cloud is None else scene.cloud


def days(scene):
    return scene.acquired.timestamp() / 86400


def ordered(scenes, order):
    return sorted(scenes, key=lambda s: (ORDERS[order](s), -s.acquired.timestamp(), s.item["collection"], s.name))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Fourteen overlapping scenes, and the catalogue that lists them."""
    home = tmp_path_factory.mktemp("home")
    store = open_store(home)
    scenes = publish_overlapping(store, home, 14)
    yield scenes, SceneIndex(store, Places(home)).newest()
    store.close()


@pytest.fixture(scope="module")
def cogs():
    return CogCache(64, 1 << 27)


def random_tiles(seed, count=TILES, zooms=(13, 14, 15)):
    """Tiles where the scenes are, or a little beside."""
    rng = np.random.default_rng(seed)
    tiles = []
    for zoom in rng.choice(zooms, count):
        place = np.array(BEIJING_UTM) + rng.uniform(-500, SPREAD_M + 4000, 2)
        x, y = to_web_mercator(UTM_50N).transform(*place)
        side = GRID.pixel_sides[zoom] * 256
        tiles.append(Tile(int((x - GRID.left) / side), int((GRID.top - y) / side), int(zoom)))
    return tiles


def drawn(snapshot, cogs, tile, query="", *, layer="img", scenes_per_tile=200):
    place = {"layer": layer, "tms": GRID.name, "z": str(tile.z), "x": str(tile.x), "y": str(tile.y)}
    request = read_layer_tile(place, query.encode())
    plan = plan_tile(snapshot, request, scenes_per_tile=scenes_per_tile, dated_max_age_s=0)
    return plan, draw_tile(snapshot, plan, cogs, Event())


def scan(scenes, tile, *, order, time=lambda scene: True):
    """All scenes of that time on a tile, topmost first."""
    area = shapely.box(*GRID.bbox(tile))
    return ordered([scene for scene in scenes if scene.ground.intersects(area) and time(scene)], order)


def assert_equal(picture, expected, *, of_edges=0.02):
    """To 2 grey levels, but for pixels on edges of scenes and of clouds, which may fall to either side."""
    pixels, valid = expected
    assert (picture.valid != valid).mean() <= 0.002
    both = picture.valid & valid
    if not both.any():
        return
    off = np.abs(picture.pixels.astype(float) - pixels).max(axis=2)[both]
    assert (off > 2).mean() <= of_edges
    assert np.median(off) <= 0.6


@pytest.mark.parametrize("rule", sorted(ORDERS))
def test_a_tile_shows_what_a_full_scan_and_a_plain_warp_give_for_every_rule(archive, cogs, rule):
    scenes, snapshot = archive
    query = f"rule={rule}" + ("&datetime=2024-05-01T12:00:00Z" if rule == "nearest" else "")
    shown = 0
    for tile in random_tiles(seed=len(rule)):
        plan, picture = drawn(snapshot, cogs, tile, query)
        expected = scan(scenes, tile, order=rule)
        assert [scene.item_id for scene in plan.scenes.scenes] == [scene.name for scene in expected]
        assert is_complete(plan.scenes, picture)
        assert_equal(picture, plain_mosaic(expected, GRID.bounds(tile), SHAPE))
        shown += picture.valid.any()
    assert shown > TILES / 2


@pytest.mark.parametrize("datetime", TIMES)
def test_a_tile_shows_what_a_full_scan_gives_for_every_time(archive, cogs, datetime):
    scenes, snapshot = archive
    for tile in random_tiles(seed=len(datetime) + 20, count=5):
        _, picture = drawn(snapshot, cogs, tile, f"datetime={datetime}" if datetime else "")
        expected = scan(scenes, tile, order="newest-clear", time=TIMES[datetime])
        assert_equal(picture, plain_mosaic(expected, GRID.bounds(tile), SHAPE))


def test_clear_pixels_come_before_cloudy_ones_of_scenes_above(archive, cogs):
    scenes, snapshot = archive
    differs = 0
    for tile in random_tiles(seed=40, count=10):
        _, picture = drawn(snapshot, cogs, tile, "rule=clear-pixels")
        expected = scan(scenes, tile, order="newest-clear")
        assert_equal(picture, plain_mosaic(expected, GRID.bounds(tile), SHAPE, clear_first=True))
        _, plain = drawn(snapshot, cogs, tile)
        np.testing.assert_array_equal(picture.valid, plain.valid)  # a cloud that nothing replaces stays
        differs += (picture.pixels != plain.pixels).any()
    assert differs >= 2


@pytest.mark.parametrize("feather_px", [1, 12, 32])
@pytest.mark.parametrize("rule", ["newest", "clear-pixels"])
def test_feathered_scenes_fade_as_the_distance_from_their_edges_says(archive, cogs, feather_px, rule):
    scenes, snapshot = archive
    clear_first = RULES[rule].clear_pixels_first
    for tile in random_tiles(seed=50 + feather_px, count=3):
        _, picture = drawn(snapshot, cogs, tile, f"rule={rule}&feather={feather_px}")
        expected = scan(scenes, tile, order="newest-clear" if clear_first else "newest")
        fading = plain_mosaic(expected, GRID.bounds(tile), SHAPE, clear_first=clear_first, feather_px=feather_px)
        assert_equal(picture, fading, of_edges=0.05)
        np.testing.assert_array_equal(picture.valid, drawn(snapshot, cogs, tile)[1].valid)


@pytest.mark.parametrize("query", ["", "rule=clear-pixels", "feather=32", "rule=clear-pixels&feather=9"])
def test_neighbouring_tiles_agree_at_their_border(archive, cogs, query):
    """Four tiles are the picture of their common ground drawn at once, but for the rounding of single values."""
    _, snapshot = archive
    for first in random_tiles(seed=60, count=3, zooms=(14, 15)):
        first = Tile(first.x // 2 * 2, first.y // 2 * 2, first.z)
        parent = Tile(first.x // 2, first.y // 2, first.z - 1)
        place = {"layer": "img", "tms": GRID.name, "z": str(parent.z), "x": str(parent.x), "y": f"{parent.y}@2x"}
        plan = plan_tile(snapshot, read_layer_tile(place, query.encode()), scenes_per_tile=200, dated_max_age_s=0)
        whole = draw_tile(snapshot, plan, cogs, Event())
        for dx in (0, 1):
            for dy in (0, 1):
                _, picture = drawn(snapshot, cogs, Tile(first.x + dx, first.y + dy, first.z), query)
                part = slice(256 * dy, 256 * dy + 256), slice(256 * dx, 256 * dx + 256)
                np.testing.assert_array_equal(picture.valid, whole.valid[part])
                off = np.abs(picture.pixels.astype(int) - whole.pixels[part])
                assert (off > 0).mean() < 0.0005
                assert off.max() <= 1


def test_a_tile_that_may_draw_from_few_scenes_is_complete_or_says_that_it_is_not(archive, cogs):
    scenes, snapshot = archive
    told = []
    for tile in random_tiles(seed=70, count=20):
        plan, picture = drawn(snapshot, cogs, tile, "rule=newest", scenes_per_tile=2)
        expected = scan(scenes, tile, order="newest")
        pixels, valid = plain_mosaic(expected, GRID.bounds(tile), SHAPE)
        told.append(is_complete(plan.scenes, picture))
        if told[-1]:
            assert_equal(picture, (pixels, valid))
        else:
            assert len(expected) > 2
            assert not picture.valid.all()
    assert 2 < sum(told) < 18


def test_holes_are_the_same_ground_at_every_zoom(archive, cogs):
    """A pixel of a coarse tile is shown where most of the finer pixels under it are, but for the edges of scenes."""
    _, snapshot = archive
    for tile in random_tiles(seed=80, count=4, zooms=(13,)):
        coarse = drawn(snapshot, cogs, tile)[1].valid
        children = [
            [drawn(snapshot, cogs, Tile(2 * tile.x + dx, 2 * tile.y + dy, 14))[1].valid for dx in (0, 1)]
            for dy in (0, 1)
        ]
        share = np.block(children).reshape(256, 2, 256, 2).mean((1, 3))
        inside, outside = share == 1, share == 0
        assert (coarse[inside]).mean() > 0.995 if inside.any() else True
        assert not coarse[outside].mean() > 0.005 if outside.any() else True


def test_a_feathered_rule_is_cited_and_is_part_of_the_validator(archive, cogs):
    _, snapshot = archive
    tile = random_tiles(seed=90, count=1)[0]
    plans = [drawn(snapshot, cogs, tile, query)[0] for query in ("rule=newest", "rule=newest&feather=8")]
    assert [plan.rule for plan in plans] == [NEWEST, replace(NEWEST, feather_px=8)]
    assert plans[0].etag != plans[1].etag
    assert {dict(plan.headers)[b"mosaic-rule"] for plan in plans} == {b"newest/1"}
