"""Validators of tiles out of ten thousand scenes, against a scan of all of them."""

import numpy as np
import pytest
import shapely
from morecantile import Tile
from shapely.geometry import shape

from catalog.store import open_store
from imagery_node.grid import get_grid
from imagery_node.scene_index import Places, SceneIndex
from imagery_node.tile_plan import plan_tile
from imagery_node.tile_request import read_layer_tile
from tests.support.stac import COLLECTIONS, some_collection, some_items

GRID = get_grid("WebMercatorQuad")
COUNT = 10_000


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Ten thousand footprints, and the catalogue that lists them."""
    home = tmp_path_factory.mktemp("home")
    store = open_store(home)
    for collection in COLLECTIONS:
        store.put_collection(some_collection(collection))
    items = some_items(COUNT + 20)
    store.load(items[:COUNT])
    yield store, SceneIndex(store, Places(home)), items
    store.close()


def tag(snapshot, tile, query=""):
    place = {"layer": "img", "tms": GRID.name, "z": str(tile.z), "x": str(tile.x), "y": str(tile.y)}
    request = read_layer_tile(place, query.encode())
    return plan_tile(snapshot, request, scenes_per_tile=200, dated_max_age_s=60).etag


def tiles_near(bounds, count, seed):
    """Random tiles of several zooms, half of them where the bounds are."""
    rng = np.random.default_rng(seed)
    tiles = set()
    while len(tiles) < count:
        zoom = int(rng.integers(7, 13))
        lon, lat = rng.uniform((bounds[0] - 0.3, bounds[1] - 0.3), (bounds[2] + 0.3, bounds[3] + 0.3))
        if len(tiles) % 2:
            lon, lat = rng.uniform((75, 18), (135, 52))
        tiles.add(GRID.pixel_at(lon, lat, zoom)[0])
    return sorted(tiles)


def touched(tiles, items):
    """Tiles on whose ground any of the items lies."""
    grounds = [shape(item["geometry"]) for item in items]
    return [tile for tile in tiles if any(shapely.box(*GRID.bbox(tile)).intersects(ground) for ground in grounds)]


def test_a_publication_changes_the_tags_of_exactly_the_tiles_it_lies_on(archive):
    store, index, items = archive
    for number, item in enumerate(items[COUNT : COUNT + 4]):
        tiles = tiles_near(item["bbox"], 60, seed=number)
        before = index.newest()
        tags = {tile: tag(before, tile) for tile in tiles}
        store.register(item)
        after = index.newest()
        changed = [tile for tile in tiles if tag(after, tile) != tags[tile]]
        assert changed == touched(tiles, [item])
        assert 5 < len(changed) < len(tiles)


def test_a_replacement_changes_tags_on_old_and_on_new_ground_and_a_recall_undone_changes_none(archive):
    store, index, items = archive
    old, new = items[COUNT + 4], items[COUNT + 5]
    store.register(old)
    moved = {
        **old,
        "geometry": new["geometry"],
        "bbox": new["bbox"],
        "properties": {**old["properties"], "version": "2"},
    }
    tiles = sorted({*tiles_near(old["bbox"], 50, seed=5), *tiles_near(new["bbox"], 50, seed=6)})
    tags = {tile: tag(index.newest(), tile) for tile in tiles}
    store.register(moved)
    replaced = {tile: tag(index.newest(), tile) for tile in tiles}
    assert [tile for tile in tiles if replaced[tile] != tags[tile]] == touched(tiles, [old, moved])
    store.recall(old["collection"], old["id"], reason="test")
    recalled = [tile for tile in tiles if tag(index.newest(), tile) != replaced[tile]]
    assert recalled == touched(tiles, [moved])
    store.restore(old["collection"], old["id"])
    assert {tile: tag(index.newest(), tile) for tile in tiles} == replaced


def test_a_publication_of_another_time_changes_no_tag(archive):
    store, index, items = archive
    item = items[COUNT + 8]
    year = int(item["properties"]["datetime"][:4])
    tiles = tiles_near(item["bbox"], 30, seed=9)
    queries = [f"datetime={year - 1}", f"datetime={year}"]
    before = {(tile, query): tag(index.newest(), tile, query) for tile in tiles for query in queries}
    store.register(item)
    changed = [tile for tile in tiles if tag(index.newest(), tile, queries[1]) != before[tile, queries[1]]]
    assert changed == touched(tiles, [item])
    assert all(tag(index.newest(), tile, queries[0]) == before[tile, queries[0]] for tile in tiles)


@pytest.mark.parametrize("query", ["rule=oldest", "feather=4", "assets=sharp", "rule=median"])
def test_rule_feather_and_rendering_are_part_of_the_tag(archive, query):
    _, index, items = archive
    lon, lat = shape(items[0]["geometry"]).centroid.coords[0]
    tile = GRID.pixel_at(lon, lat, 11)[0]
    assert tag(index.newest(), tile, query) != tag(index.newest(), tile)
    assert tag(index.newest(), tile, "rule=newest-clear&feather=0") == tag(index.newest(), tile)


def test_a_place_in_degrees_lies_in_the_pixel_it_is_said_to():
    for lon, lat, zoom in ((116.4, 39.9, 14), (-180, 85, 3), (180, -85, 3), (0, 0, 0)):
        tile, row, col = GRID.pixel_at(lon, lat, zoom)
        assert 0 <= row < 256
        assert 0 <= col < 256
        west, south, east, north = GRID.bbox(Tile(tile.x, tile.y, tile.z))
        assert west <= lon <= east
        assert south <= lat <= north
