"""Which published scenes count as neighbours of another one."""

from datetime import UTC, datetime
from itertools import permutations

import orjson
import pytest
import shapely

from catalog.item import item_folder
from catalog.neighbour import find_neighbours, touching_order
from tests.support.stac import some_collection

BOX = (116.0, 39.0, 117.0, 40.0)
DAY = datetime(2024, 6, 1, 3, tzinfo=UTC)


@pytest.fixture
def put(home, store):
    """List a scene that covers so much of the box from the west; `files` are the assets it has on disk."""
    for collection in ("gf2-pms", "gf1-pms"):
        store.put_collection(some_collection(collection))

    def _put(item_id, *, day="2024-06-01", east=117.0, collection="gf2-pms", files=("analytic", "quality"), href="./"):
        area = shapely.box(115.5, 38.5, east, 40.5)
        item = {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": item_id,
            "collection": collection,
            "geometry": orjson.loads(shapely.to_geojson(area)),
            "bbox": list(area.bounds),
            "properties": {"datetime": f"{day}T03:00:00Z", "version": "1"},
            "links": [],
            "assets": {key: {"href": f"{href}{key}.tif"} for key in ("analytic", "quality")},
        }
        folder = item_folder(home, item)
        folder.mkdir(parents=True)
        for key in files:
            (folder / f"{key}.tif").touch()
        store.register(item)
        return folder

    return _put


@pytest.fixture
def found(home, store):
    def _found(**options):
        neighbours = find_neighbours("gf2-pms", BOX, DAY, but={"ITSELF"}, home=home, store=store, **options)
        return [item["id"] for item, _ in neighbours]

    return _found


def test_those_that_share_most_ground_come_first(put, found):
    put("LITTLE", east=116.2)
    put("MUCH", east=116.9)
    put("HALF", east=116.5)
    put("BESIDE", east=115.9)
    assert found() == ["MUCH", "HALF", "LITTLE"]
    assert found(limit=2) == ["MUCH", "HALF"]


def test_the_nearer_date_goes_first_and_another_season_is_no_neighbour(put, found):
    put("LARGE", day="2023-11-20", east=116.9)
    put("SMALL", day="2024-06-05", east=116.3)
    put("LATER", day="2024-07-20", east=116.3)
    assert found() == ["SMALL", "LATER"]


def test_it_gives_the_item_and_the_folder_of_its_listed_version(put, home, store):
    folder = put("OLD")
    [(item, where)] = find_neighbours("gf2-pms", BOX, DAY, but={"ITSELF"}, home=home, store=store)
    assert (item["id"], where) == ("OLD", folder)


def test_a_scene_is_no_neighbour_of_itself_nor_of_another_collection(put, found):
    put("ITSELF")
    put("OTHER", collection="gf1-pms")
    assert found() == []


def test_recalled_scenes_are_left_out(put, found, store):
    put("GONE")
    store.recall("gf2-pms", "GONE", reason="wrong place")
    assert found() == []


def test_scenes_whose_files_are_not_the_nodes_are_left_out_and_make_room_for_others(put, found, tmp_path):
    put("LOADED", href=f"{tmp_path}/elsewhere/")
    put("HALF_LOST", files=("analytic",))
    put("WHOLE", east=116.1)
    assert found(limit=1) == ["WHOLE"]


class TestTouchingOrder:
    STRIP = tuple((116.0, 40.0 - 0.3 * number, 116.5, 40.4 - 0.3 * number) for number in range(5))

    def order(self, *numbers, begun=()):
        """Of scenes of the strip, given in some order."""
        deliveries = [[("gf2-pms", self.STRIP[number])] for number in numbers]
        found = touching_order(deliveries, [number in begun for number in numbers])
        return [numbers[place] for place in found]

    def test_each_lies_beside_one_before(self):
        for given in permutations(range(5)):
            first, *others = order = self.order(*given)
            assert first == given[0]
            assert all({other - 1, other + 1} & set(order[:place]) for place, other in enumerate(others, 1))

    def test_it_starts_beside_what_is_published(self):
        assert self.order(0, 3, 2, 1, begun=[3]) == [3, 2, 1, 0]

    def test_what_lies_apart_comes_when_nothing_else_is_left(self):
        assert self.order(4, 0, 1, 3) == [4, 3, 0, 1]

    def test_deliveries_of_other_collections_or_of_no_scene_are_not_beside(self):
        place = self.STRIP[0]
        deliveries = [[("gf2-pms", place)], [], [("gf1-pms", place)], [("gf1-wfv", place), ("gf2-pms", place)]]
        assert touching_order(deliveries, [False] * 4) == [0, 3, 1, 2]
        assert touching_order([], []) == []
