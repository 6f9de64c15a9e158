"""What every ItemStore must do; a subclass gives the `store` fixture: an empty store."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import box, shape

from catalog.errors import (
    InvalidItemError,
    InvalidSearchError,
    ItemExistsError,
    UnknownCollectionError,
    UnknownItemError,
)
from catalog.search import Change, Search
from tests.catalog.search_contract import SearchContract, pages
from tests.support.stac import COLLECTIONS, START, crossing_item, items_of_all_widths, scan, some_collection, some_items

ITEMS = [*some_items(120), crossing_item()]
FIRST = ITEMS[0]

TRIANGLE = {"type": "Polygon", "coordinates": [[[80, 20], [130, 22], [100, 50], [80, 20]]]}
BOWTIE = {"type": "Polygon", "coordinates": [[[80, 20], [130, 50], [130, 20], [80, 50], [80, 20]]]}
AREAS = {
    "Point": {"type": "Point", "coordinates": [*shape(FIRST["geometry"]).centroid.coords[0]]},
    "MultiPoint": {"type": "MultiPoint", "coordinates": [[82.3, 21.7], [104.2, 33.3], [179.9, 50.5]]},
    "LineString": {"type": "LineString", "coordinates": [[75, 18], [135, 52]]},
    "MultiLineString": {"type": "MultiLineString", "coordinates": [[[75, 18], [135, 52]], [[75, 40], [135, 40]]]},
    "Polygon": TRIANGLE,
    "MultiPolygon": {"type": "MultiPolygon", "coordinates": [TRIANGLE["coordinates"]]},
    "GeometryCollection": {
        "type": "GeometryCollection",
        "geometries": [TRIANGLE, {"type": "Point", "coordinates": [179.9, 50.5]}],
    },
}

instants = st.none() | st.integers(-5, 1005).map(lambda days: START + timedelta(days=days))
searches = st.builds(
    Search,
    collections=st.lists(st.sampled_from(COLLECTIONS), unique=True).map(tuple),
    ids=st.just(()) | st.lists(st.sampled_from([item["id"] for item in ITEMS]), max_size=30).map(tuple),
    bbox=st.none()
    | st.tuples(st.integers(70, 130), st.integers(15, 49), st.integers(1, 40), st.integers(1, 30)).map(
        lambda corner: (corner[0], corner[1], corner[0] + corner[2], corner[1] + corner[3])
    ),
    interval=st.tuples(instants, instants),
    limit=st.integers(1, 40),
)


class ItemStoreContract(SearchContract):
    """Tests of one implementation."""

    @pytest.fixture
    def filled(self, store):
        for collection in COLLECTIONS:
            store.put_collection(some_collection(collection))
        store.load(ITEMS)
        return store

    # Collections

    def test_a_collection_comes_back_as_it_was_put(self, store):
        store.put_collection(some_collection("gf1-pms"))
        assert store.collection("gf1-pms") == some_collection("gf1-pms")
        assert [document["id"] for document in store.collections()] == ["gf1-pms"]

    def test_a_collection_says_the_extent_of_what_it_holds(self, filled):
        held = [item for item in some_items(120) if item["collection"] == "gf1-wfv"]
        extent = filled.collection("gf1-wfv")["extent"]
        assert extent["spatial"]["bbox"] == [list(shapely.union_all([shape(i["geometry"]) for i in held]).bounds)]
        times = sorted(item["properties"]["datetime"] for item in held)
        assert extent["temporal"]["interval"] == [[times[0], times[-1]]]

    def test_a_recalled_item_no_longer_counts_for_the_extent(self, filled):
        filled.recall("gf1-pms", crossing_item()["id"], reason="test")
        assert filled.collection("gf1-pms")["extent"]["spatial"]["bbox"][0][2] < 140

    def test_an_unknown_collection_is_refused(self, store):
        with pytest.raises(UnknownCollectionError):
            store.collection("gf1-pms")
        with pytest.raises(UnknownCollectionError):
            store.register(FIRST)

    def test_a_changed_collection_raises_the_sequence_and_the_same_again_does_not(self, filled):
        before = filled.sequence()
        filled.put_collection(some_collection("gf1-pms"))
        filled.load([], collections=[some_collection("gf1-wfv")])
        assert filled.sequence() == before
        filled.put_collection(some_collection("gf1-pms") | {"title": "another"})
        after = filled.sequence()
        assert before < after < filled.register(FIRST).sequence
        filled.load([], collections=[some_collection("new")])
        assert filled.sequence() > after + 1

    # Items

    def test_an_item_comes_back_as_it_was_registered(self, filled):
        for item in ITEMS[::10]:
            assert filled.item(item["collection"], item["id"]) == item

    def test_an_item_of_another_collection_is_unknown(self, filled):
        with pytest.raises(UnknownItemError):
            filled.item("gf2-pms", FIRST["id"])

    def test_a_bad_item_is_refused_and_nothing_is_kept(self, filled):
        bad = {**FIRST, "id": "new", "bbox": [1, 2, 3]}
        with pytest.raises(InvalidItemError, match="bbox"):
            filled.register(bad)
        before = filled.sequence()
        with pytest.raises(InvalidItemError):
            filled.load([{**FIRST, "id": "good"}, bad])
        assert filled.sequence() == before
        assert not filled.search(Search(ids=("good", "new"))).items

    def test_all_items_are_given_by_collection_and_id(self, filled):
        expected = sorted(ITEMS, key=lambda item: (item["collection"], item["id"]))
        assert list(filled.all_items()) == expected

    def test_a_new_version_takes_the_place_of_the_old(self, filled):
        moved = {**FIRST, "geometry": TRIANGLE, "bbox": [80, 20, 130, 50]}
        moved["properties"] = {**FIRST["properties"], "version": "2"}
        change = filled.register(moved)
        assert (change.action, change.version) == ("replace", "2")
        assert filled.item(FIRST["collection"], FIRST["id"]) == moved
        assert filled.search(Search(ids=(FIRST["id"],))).items == [moved]
        old_place = tuple(FIRST["bbox"])
        assert FIRST["id"] not in {found.item_id for found in filled.footprints(None, old_place, None)}

    # Search

    @pytest.mark.parametrize("kind", AREAS)
    def test_a_geometry_of_any_type_gives_what_a_scan_gives(self, filled, kind):
        found = filled.search(Search(intersects=AREAS[kind], limit=1000)).items
        assert [item["id"] for item in found] == scan(ITEMS, area=shape(AREAS[kind]))

    def test_a_geometry_that_crosses_itself_is_repaired(self, filled):
        found = filled.search(Search(intersects=BOWTIE, limit=1000)).items
        assert [item["id"] for item in found] == scan(ITEMS, area=shapely.make_valid(shape(BOWTIE)))

    def test_a_box_over_the_antimeridian_finds_both_sides(self, filled):
        for bbox in ((179, 40, -179, 60), (179.6, 40, 179.8, 60), (-179.5, 40, -179.4, 60)):
            assert [item["id"] for item in filled.search(Search(bbox=bbox)).items] == [crossing_item()["id"]]
            assert [found.item_id for found in filled.footprints(None, bbox, None)] == [crossing_item()["id"]]

    def test_an_item_over_the_antimeridian_is_not_in_between(self, filled):
        assert crossing_item()["id"] not in {
            found.item_id for found in filled.footprints(None, (-90, 50, 90, 51), None)
        }

    def test_an_item_over_the_antimeridian_is_found_once_by_a_box_of_the_world(self, filled):
        found = [item.item_id for item in filled.footprints(None, (-180, -90, 180, 90), None)]
        assert found == scan(ITEMS)

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(search=searches)
    def test_the_pages_of_a_search_together_are_what_a_scan_gives(self, filled, search):
        expected = scan(
            ITEMS,
            collections=search.collections or None,
            ids=search.ids or None,
            area=box(*search.bbox) if search.bbox else None,
            interval=search.interval,
        )
        assert list(pages(filled, search)) == expected

    def test_paging_goes_on_where_it_was_when_newer_items_arrive(self, filled):
        page = filled.search(Search(limit=50))
        newest = {**FIRST, "id": "newest", "properties": {**FIRST["properties"], "datetime": "2030-01-01T00:00:00Z"}}
        filled.register(newest)
        rest = filled.search(Search(limit=1000, token=page.next_token))
        assert [item["id"] for item in [*page.items, *rest.items]] == scan(ITEMS)

    @pytest.mark.parametrize(
        "other",
        [
            Search(collections=("gf1-pms",)),
            Search(bbox=(100, 20, 110, 30)),
            Search(ids=(FIRST["id"],)),
            Search(interval=(START, None)),
            Search(intersects=TRIANGLE),
        ],
    )
    def test_a_token_of_another_search_is_refused(self, filled, other):
        token = filled.search(Search(limit=5)).next_token
        with pytest.raises(InvalidSearchError, match="token"):
            filled.search(replace(other, token=token))

    def test_a_changed_token_is_refused(self, filled):
        token = filled.search(Search(limit=5)).next_token
        for wrong in ("", "x", "é", token[:-4], "A" + token[1:], token + "AAAA", "A" * 5000):
            with pytest.raises(InvalidSearchError, match="token"):
                filled.search(Search(limit=5, token=wrong))

    @pytest.mark.parametrize(
        "search",
        [
            Search(limit=0),
            Search(limit=-1),
            Search(ids=("x",) * 251),
            Search(collections=("x",) * 51),
            Search(bbox=(1, 2, 3)),
            Search(bbox=(1, 2, 3, 2)),
            Search(bbox=(1, 2, 1, 3)),
            Search(bbox=(1, 5, 3, 4)),
            Search(bbox=(1, 2, float("nan"), 4)),
            Search(bbox=(1, 2, 181, 4)),
            Search(bbox=(1, -91, 2, 4)),
            Search(bbox=(1, 2, 3, 4), intersects=TRIANGLE),
            Search(intersects={"type": "Point"}),
            Search(intersects={"type": "Point", "coordinates": [200, 0]}),
            Search(intersects={"type": "Point", "coordinates": [float("inf"), 0]}),
            Search(intersects={"type": "LineString", "coordinates": [[0, 0]]}),
            Search(intersects={"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1]]]}),
            Search(intersects={"type": "Polygon", "coordinates": []}),
            Search(intersects={"type": "Cube", "coordinates": []}),
            Search(intersects={"type": "MultiPoint", "coordinates": [[0, 0]] * 10_001}),
            Search(intersects={"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]]] * 101}),
            Search(
                intersects={
                    "type": "GeometryCollection",
                    "geometries": [{"type": "GeometryCollection", "geometries": [TRIANGLE]}],
                }
            ),
        ],
    )
    def test_a_search_outside_its_bounds_is_refused(self, filled, search):
        with pytest.raises(InvalidSearchError):
            filled.search(search)

    def test_a_limit_that_is_too_high_is_lowered(self, store):
        store.put_collection(some_collection("gf1-pms"))
        store.load({**FIRST, "id": f"copy-{number}"} for number in range(1002))
        page = store.search(Search(limit=5000))
        assert len(page.items) == 1000
        assert len(store.search(Search(limit=5000, token=page.next_token)).items) == 2

    # Footprints

    @pytest.mark.parametrize("collections", [None, ("gf1-pms", "gf2-pms"), ()])
    @pytest.mark.parametrize("interval", [None, (START, START + timedelta(days=300)), (None, START), (START, None)])
    def test_footprints_are_what_a_scan_gives(self, filled, collections, interval):
        bbox = (95, 25, 120, 45)
        found = filled.footprints(collections, bbox, interval)
        expected = scan(ITEMS, collections=collections, area=box(*bbox), interval=interval or (None, None))
        assert [footprint.item_id for footprint in found] == expected

    def test_there_are_no_footprints_in_an_empty_store(self, store):
        assert store.footprints(None, (100, 20, 101, 21), None) == []

    def test_footprints_of_any_width_are_found_by_boxes_of_any_width(self, store):
        store.load(items := items_of_all_widths(150), collections=map(some_collection, COLLECTIONS))
        corners = [(x, y) for item in items for x in item["bbox"][::2] for y in item["bbox"][1::2]]
        random, counts = Random(8), set()
        for corner in random.choices(corners, k=200):
            width = 90 / 2 ** random.uniform(0, 17)
            west, south = (place - random.choice([0, width, random.uniform(0, width)]) for place in corner)
            west, south, east, north = max(west, -180), max(south, -90), west + width, min(south + width, 90)
            area = box(west, south, min(east, 180), north)
            if east > 180:
                east -= 360
                area = area.union(box(-180, south, east, north))
            interval = random.choice([(None, None), (START, START + timedelta(days=300))])
            found = store.footprints(None, (west, south, east, north), interval)
            assert [footprint.item_id for footprint in found] == scan(items, area=area, interval=interval)
            counts.add(len(found))
        assert len(counts) > 10

    def test_a_footprint_says_what_a_tile_needs(self, filled):
        item = {**FIRST, "id": "with-facts"}
        item["properties"] = {**FIRST["properties"], "version": "7", "gsd": 2.5, "eo:cloud_cover": 12.5}
        filled.register(item)
        (found,) = [f for f in filled.footprints(None, tuple(FIRST["bbox"]), None) if f.item_id == "with-facts"]
        assert (found.collection, found.version, found.gsd_m, found.cloud_cover) == (
            FIRST["collection"],
            "7",
            2.5,
            12.5,
        )
        assert found.acquired == datetime.fromisoformat(item["properties"]["datetime"])
        assert shapely.equals_exact(found.geometry, shape(item["geometry"]), tolerance=0)

    def test_a_point_is_a_box_too(self, filled):
        point = shape(FIRST["geometry"]).centroid
        found = filled.footprints(None, (point.x, point.y, point.x, point.y), None)
        assert [footprint.item_id for footprint in found] == scan(ITEMS, area=point)

    def test_a_tile_may_ask_for_the_newest_footprints_only(self, filled):
        world = (-180, -90, 180, 90)
        whole = filled.footprints(None, world, None)
        assert filled.footprints(None, world, None, 7) == filled.footprints(None, world, None, limit=7) == whole[:7]
        assert filled.footprints(None, world, None, limit=1000) == whole

    # Recall and restore

    def test_a_recalled_item_is_gone_from_every_answer(self, filled):
        change = filled.recall(FIRST["collection"], FIRST["id"], reason="wrong georeference")
        assert (change.action, change.reason) == ("recall", "wrong georeference")
        with pytest.raises(UnknownItemError):
            filled.item(FIRST["collection"], FIRST["id"])
        rest = scan(ITEMS[1:])
        assert [item["id"] for item in filled.search(Search(limit=1000)).items] == rest
        assert not filled.search(Search(ids=(FIRST["id"],))).items
        assert [found.item_id for found in filled.footprints(None, (-180, -90, 180, 90), None)] == rest
        assert FIRST not in list(filled.all_items())
        assert filled.tombstones() == [change]

    def test_a_restored_item_is_as_it_was(self, filled):
        filled.recall(FIRST["collection"], FIRST["id"], reason="mistake")
        assert filled.restore(FIRST["collection"], FIRST["id"]).action == "restore"
        assert filled.item(FIRST["collection"], FIRST["id"]) == FIRST
        assert filled.tombstones() == []
        assert [item["id"] for item in filled.search(Search(limit=1000)).items] == scan(ITEMS)

    def test_what_is_not_listed_cannot_be_recalled_nor_what_is_listed_restored(self, filled):
        with pytest.raises(UnknownItemError):
            filled.restore(FIRST["collection"], FIRST["id"])
        filled.recall(FIRST["collection"], FIRST["id"], reason="test")
        with pytest.raises(UnknownItemError):
            filled.recall(FIRST["collection"], FIRST["id"], reason="again")

    def test_loading_a_recalled_item_again_leaves_it_recalled(self, filled):
        filled.recall(FIRST["collection"], FIRST["id"], reason="test")
        assert filled.load(ITEMS) == len(ITEMS) - 1
        with pytest.raises(UnknownItemError):
            filled.item(FIRST["collection"], FIRST["id"])

    # The change feed

    def test_the_change_feed_tells_everything_in_order(self, filled):
        start = filled.sequence()
        again = {**FIRST, "properties": {**FIRST["properties"], "version": "2"}}
        made = [
            filled.register(again),
            filled.recall(FIRST["collection"], FIRST["id"], reason="why"),
            filled.restore(FIRST["collection"], FIRST["id"]),
        ]
        assert [change.action for change in made] == ["replace", "recall", "restore"]
        assert filled.changes(start) == made
        assert filled.sequence() == made[-1].sequence
        assert filled.changes(start, limit=1) == made[:1]
        assert [change.item_id for change in filled.changes(0, limit=5)] == [item["id"] for item in ITEMS[:5]]

    def test_a_change_tells_the_ground_it_touches_and_that_of_the_version_it_replaces(self, filled):
        start, bounds = filled.sequence(), shape(FIRST["geometry"]).bounds
        moved = FIRST | {"geometry": TRIANGLE, "bbox": [80, 20, 130, 50]}
        both = shape(FIRST["geometry"]).union(shape(TRIANGLE)).bounds
        made = [filled.register(moved), filled.register(moved), filled.register(FIRST)]
        made += [filled.recall(FIRST["collection"], FIRST["id"], reason="x")]
        made += [filled.restore(FIRST["collection"], FIRST["id"])]
        assert [change.bbox for change in made] == [both, (80, 20, 130, 50), both, bounds, bounds]
        filled.load([moved, FIRST | {"id": "new"}])
        assert {change.item_id: change.bbox for change in filled.changes(start)[5:]} == {
            FIRST["id"]: both,
            "new": bounds,
        }
        assert filled.changes(start)[:5] == made

    def test_a_change_across_the_antimeridian_touches_both_sides_only(self, filled):
        item = crossing_item()
        assert filled.recall(item["collection"], item["id"], reason="x").bbox == (179.5, 50, -179.2, 51)
        assert filled.tombstones()[0].bbox == (179.5, 50, -179.2, 51)
        assert filled.restore(item["collection"], item["id"]).bbox == (179.5, 50, -179.2, 51)
        near = [[178, 50.5], [179, 50.5], [179, 51.5], [178, 51.5], [178, 50.5]]
        plain = item | {"geometry": {"type": "Polygon", "coordinates": [near]}, "bbox": [178, 50.5, 179, 51.5]}
        assert filled.register(plain).bbox == (178, 50, -179.2, 51.5)

    def test_the_sequence_of_an_empty_store_is_nought(self, store):
        assert store.sequence() == 0
        assert store.changes(0) == []

    def test_refilling_holds_exactly_what_is_given(self, filled):
        before = filled.sequence()
        gone = Change(
            0,
            "recall",
            ITEMS[1]["collection"],
            ITEMS[1]["id"],
            "1",
            datetime(2024, 1, 2, tzinfo=UTC),
            "why",
            (0, 0, 1, 1),
        )
        documents = [some_collection(collection) for collection in COLLECTIONS]
        assert filled.refill(documents, ITEMS[:10], [gone]) == 9
        assert [item["id"] for item in filled.search(Search(limit=1000)).items] == scan([ITEMS[0], *ITEMS[2:10]])
        (tombstone,) = filled.tombstones()
        assert (tombstone.item_id, tombstone.reason, tombstone.changed) == (gone.item_id, "why", gone.changed)
        assert filled.sequence() > before

    def test_refilling_with_nothing_raises_the_sequence_too(self, filled):
        before = filled.sequence()
        filled.refill([], [], [])
        assert filled.sequence() > before

    def test_the_name_of_a_loaded_file_is_kept_with_its_items_or_not_at_all(self, filled):
        filled.load(ITEMS[:1], file="000001.ndjson")
        with pytest.raises(InvalidItemError):
            filled.load([{}], file="000002.ndjson")
        assert filled.loaded_files() == {"000001.ndjson"}
        filled.refill([], [], [], loaded=["000003.ndjson"])
        assert filled.loaded_files() == {"000003.ndjson"}

    # Claims

    def test_a_claim_excludes_another_until_it_is_released(self, store):
        with store.claim("scene") as first:
            with pytest.raises(ItemExistsError, match="scene"), store.claim("scene"):
                pass
            with store.claim("another"):
                pass
        with store.claim("scene") as second:
            assert second > first

    def test_only_the_newest_fence_registers(self, filled):
        with filled.claim(FIRST["id"]) as old:
            pass
        with filled.claim(FIRST["id"]) as new:
            with pytest.raises(ItemExistsError):
                filled.register(FIRST, fence=old)
            filled.register(FIRST, fence=new)

    # Threads

    def test_threads_write_and_read_together(self, store):
        store.put_collection(some_collection("gf1-pms"))

        def work(number):
            store.register({**FIRST, "id": f"scene-{number}"})
            return len(store.footprints(None, (-180, -90, 180, 90), None))

        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(work, range(40)))
        assert max(seen) == 40
        assert [change.sequence for change in store.changes(0)] == list(range(2, 42))
