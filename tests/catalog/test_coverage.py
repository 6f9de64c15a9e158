"""Coverage: figures against a plain union of the footprints, and the answers over real HTTP."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import requests
import shapely
from pyproj import Transformer
from shapely.geometry import shape

from catalog import coverage as module
from catalog.area import AreaBook, folder_of_areas
from catalog.area_file import AreaProperties, load_areas
from catalog.coverage import Question, answer, measure, search_box
from catalog.errors import BusyError, InvalidSearchError, SlowSearchError, TooLargeError
from catalog.lane import Lane
from catalog.search import Footprint
from tests.support.coverage import COUNTY, counties, scene, turned_squares
from tests.support.node import serving
from tests.support.stac import some_collection

AREA = shape(COUNTY)
START = datetime(2024, 7, 1, tzinfo=UTC)
QUARTER = (START, datetime(2024, 9, 30, 23, 59, 59, tzinfo=UTC))
Q3 = "2024-07-01T00:00:00Z/2024-09-30T23:59:59Z"
TO_EQUAL_AREA = Transformer.from_crs(4326, 6933, always_xy=True)


def footprints(geometries):
    return [
        Footprint("gf2-pms", f"scene-{number}", "1", START + timedelta(days=number % 90), geometry, 2.0, number % 30)
        for number, geometry in enumerate(geometries)
    ]


def brute_km2(geometry):
    """By another way: a cylindrical equal-area map, edges cut short first."""
    flat = shapely.transform(shapely.segmentize(geometry, 0.001), lambda xy: np.c_[TO_EQUAL_AREA.transform(*xy.T)])
    return flat.area / 1e6


# Figures


@pytest.mark.parametrize("count", [1, 4, 9, 16, 600])
def test_figures_and_gaps_are_those_of_a_plain_union(count):
    scenes = footprints(turned_squares(np.random.default_rng(count), count))
    covered = shapely.intersection(AREA, shapely.union_all([scene.geometry for scene in scenes]))
    found = measure(AREA, scenes)
    assert found.km2 == pytest.approx(brute_km2(AREA), rel=1e-7)
    assert found.covered_km2 == pytest.approx(brute_km2(covered), rel=1e-6)
    gaps = shapely.union_all([gap.polygon for gap in found.gaps])
    assert shapely.difference(AREA, covered).symmetric_difference(gaps).area < 1e-9
    assert sum(gap.km2 for gap in found.gaps) + found.covered_km2 == pytest.approx(found.km2, rel=1e-6)
    assert found.is_complete == (not found.gaps)
    assert sum(member.added_km2 for member in found.covering_set) == pytest.approx(found.covered_km2, abs=0.01)


def test_a_month_is_measured_by_its_own_scenes():
    west, east = shapely.box(103, 29, 104.4, 32), shapely.box(104.4, 29, 106, 32)
    scenes = footprints([west, east])
    scenes[1] = Footprint("gf2-pms", "later", "1", datetime(2024, 8, 31, 23, 59, tzinfo=UTC), east, 2.0, None)
    found = measure(AREA, scenes, months=["2024-07", "2024-08", "2024-09"])
    july, august, september = found.months
    assert july.covered_km2 == pytest.approx(brute_km2(shapely.intersection(AREA, west)), rel=1e-6)
    assert july.covered_km2 + august.covered_km2 == pytest.approx(found.km2)
    assert (september.scenes, september.covered_km2) == (0, pytest.approx(0, abs=1e-9))
    assert found.is_complete
    assert not any(month.is_complete for month in found.months)


def test_of_scenes_alike_the_clear_one_is_listed_then_the_newer():
    whole = shapely.box(103, 29, 106, 32)
    scenes = [
        Footprint("gf2-pms", name, "1", START + timedelta(days=day), whole, 2.0, cloud)
        for name, day, cloud in (("unknown", 9, None), ("old", 1, 3.0), ("new", 2, 3.0), ("cloudy", 8, 50.0))
    ]
    assert [member.scene.item_id for member in measure(AREA, scenes).covering_set] == ["new"]


def test_a_sliver_does_not_make_an_area_incomplete_and_is_counted_all_the_same():
    almost = shapely.box(103, 29, 106, 32).difference(shapely.box(104.3, 30.3, 104.30005, 30.30005))
    found = measure(AREA, footprints([almost]))
    assert found.is_complete
    assert 0 < found.km2 - found.covered_km2 < 1e-4
    assert not measure(AREA, footprints([almost.difference(shapely.box(104.3, 30.3, 104.3003, 30.3003))])).is_complete


# Areas that are refused, or lie on both sides of the antimeridian


def test_an_area_over_the_antimeridian_is_looked_for_in_the_narrow_box():
    split = shapely.union_all([shapely.box(179, 50, 180, 51), shapely.box(-180, 50, -178, 51)])
    assert search_box(split) == (179, 50, -178, 51)
    assert search_box(AREA) == AREA.bounds


def test_scenes_on_both_sides_of_the_antimeridian_cover_it(store):
    store.put_collection(some_collection("gf2-pms"))
    split = shapely.union_all([shapely.box(179, 50, 180, 51), shapely.box(-180, 50, -179, 51)])
    crossing = scene("crossing", split) | {"bbox": [179, 50, -179, 51]}
    store.load([crossing, scene("elsewhere", shapely.box(100, 50, 101, 51))])
    found = answer(store, Question(shapely.intersection(split, shapely.box(-180, 50.2, 180, 50.6)), QUARTER))
    assert (found.is_complete, found.scenes) == (True, 1)


@pytest.mark.parametrize(
    ("area", "said"),
    [
        (shapely.Point(104, 30), "Polygon"),
        (shapely.box(-170, 0, 170, 10), "wider than 180°"),
        (shapely.box(104, 30, 104 + 1e-9, 31), "smaller than 100 m²"),
    ],
)
def test_what_is_no_area_is_refused(store, area, said):
    with pytest.raises(InvalidSearchError, match=said):
        answer(store, Question(area, QUARTER))


# Bounds


@pytest.mark.parametrize(
    ("bound", "most"),
    [("MAX_SCENES", 3), ("MAX_LOOKED_AT", 3), ("MAX_FOOTPRINT_VERTICES", 19), ("MAX_AREA_VERTICES", 4)],
)
def test_what_is_too_much_is_refused_by_the_name_of_its_bound(store, monkeypatch, bound, most):
    store.put_collection(some_collection("gf2-pms"))
    store.load([scene(f"scene-{number}", AREA.envelope) for number in range(4)])
    assert answer(store, Question(AREA, QUARTER)).is_complete
    monkeypatch.setattr(module, bound, most)
    with pytest.raises(TooLargeError, match=str(most)):
        answer(store, Question(AREA, QUARTER))


def test_too_many_months_are_refused(store):
    with pytest.raises(TooLargeError, match="121 months"):
        answer(
            store, Question(AREA, (datetime(2014, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)), by_month=True)
        )


def test_what_takes_too_long_is_refused(store, monkeypatch):
    store.put_collection(some_collection("gf2-pms"))
    store.load([scene("one", AREA.envelope)])
    monkeypatch.setattr(module, "DEADLINE_S", -1.0)
    with pytest.raises(SlowSearchError):
        answer(store, Question(AREA, QUARTER))


def test_a_lane_lets_no_more_through_than_it_may_and_refuses_who_waits_too_long():
    go, at_work = threading.Event(), threading.Semaphore(0)

    def work():
        at_work.release()
        assert go.wait(30)

    async def crowd():
        lane = Lane(2, wait_s=0.05)
        first = [asyncio.create_task(lane.run(work)) for _ in range(2)]
        for _ in first:
            await asyncio.to_thread(at_work.acquire, timeout=30)
        with pytest.raises(BusyError):
            await lane.run(work)
        go.set()
        await asyncio.gather(*first)
        await lane.run(work)

    asyncio.run(crowd())
    assert [at_work.acquire(blocking=False) for _ in range(2)] == [True, False]


# Over HTTP


@pytest.fixture(scope="module")
def url(new_api, tmp_path_factory):
    home = tmp_path_factory.mktemp("operator")
    (home / "counties.json").write_text(json.dumps(counties()))
    load_areas(home / "counties.json", home=home, properties=AreaProperties(identity="code"))
    store, app = new_api(areas=AreaBook(folder_of_areas(home)))
    store.put_collection(some_collection("gf2-pms"))
    store.put_collection(some_collection("gf1-pms"))
    west, east = shapely.box(103, 29, 104.4, 32), shapely.box(104.4, 29, 106, 32)
    store.load(
        [
            scene("west", west),
            scene("east", east, "2024-08-02T03:00:00Z"),
            scene("east-cloudy", east, "2024-09-02T03:00:00Z", cloud_cover=40.0),
            scene("east-coarse", east, gsd=8.0),
            scene("all-gf1", shapely.union_all([west, east]), "2024-09-30T23:00:00Z", collection="gf1-pms", gsd=2.1),
            scene("all-of-unknown-clouds", shapely.union_all([west, east]), cloud_cover=None),
            scene("all-too-old", shapely.union_all([west, east]), "2024-06-30T23:59:59Z"),
        ]
    )
    with serving(app) as address:
        yield address


def ask(url, **body):
    return requests.post(f"{url}/coverage", json={"area": "510104", "datetime": Q3} | body, timeout=30)


def test_is_my_county_complete_is_one_request(url):
    told = ask(url, gsd=2, cloud_cover=10, collections=["gf2-pms"], group="month")
    assert told.status_code == 200
    assert told.headers["content-type"] == "application/geo+json"
    document = told.json()
    assert document["complete"] is True
    assert (document["percent"], document["features"]) == (100, [])
    assert document["area"]["name"] == "锦江区"
    assert document["area_km2"] == pytest.approx(brute_km2(AREA), rel=1e-6)
    assert document["scenes_considered"] == 2
    assert document["covering_set"]["method"] == "exact"
    members = document["covering_set"]["scenes"]
    assert [member["id"] for member in members] == ["west", "east"]
    assert members[1] | {"added_km2": 0} == {
        "collection": "gf2-pms",
        "id": "east",
        "datetime": "2024-08-02T03:00:00Z",
        "cloud_cover": 5.0,
        "gsd": 2.0,
        "added_km2": 0,
        "href": f"{url}/collections/gf2-pms/items/east",
    }
    assert [(month["month"], month["complete"], month["scenes"]) for month in document["months"]] == [
        ("2024-07", False, 1),
        ("2024-08", False, 1),
        ("2024-09", False, 0),
    ]


def test_what_is_not_covered_comes_back_as_features_and_figures(url):
    document = ask(url, area=None, intersects=COUNTY, gsd=2, collections=["gf2-pms"], cloud_cover=4).json()
    assert (document["complete"], document["covered_km2"], document["percent"]) == (False, 0, 0)
    (gap,) = document["features"]
    assert shape(gap["geometry"]).equals(AREA)
    assert gap["properties"]["km2"] == document["gap_km2"] == document["area_km2"]
    assert document["covering_set"] == {"method": "exact", "covered_km2": 0, "scenes": []}
    assert "months" not in document


def test_a_filter_says_which_scenes_may_count(url):
    document = ask(url, filter="id = 'all-gf1' OR id = 'west'", **{"filter-lang": "cql2-text"}).json()
    assert (document["complete"], document["scenes_considered"]) == (True, 2)
    assert [member["id"] for member in document["covering_set"]["scenes"]] == ["all-gf1"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"area": "999999"}, 404, "unknown_area"),
        ({"area": None}, 400, "limit.body"),
        ({"intersects": COUNTY}, 400, "limit.body"),
        ({"area": None, "intersects": {"type": "Point", "coordinates": [1, 2]}}, 400, "invalid_search"),
        ({"area": None, "intersects": {"type": "Polygon", "coordinates": [[["x"]]]}}, 400, "invalid_search"),
        ({"datetime": "yesterday"}, 400, "invalid_search"),
        ({"datetime": "2024-07-01T00:00:00Z/..", "group": "month"}, 400, "invalid_search"),
        ({"datetime": "1990-07-01T00:00:00Z/2024-07-01T00:00:00Z", "group": "month"}, 413, "limit.coverage"),
        ({"gsd": 0}, 400, "limit.gsd"),
        ({"cloud_cover": 101}, 400, "limit.cloud_cover"),
        ({"filter": "nonsense((", "filter-lang": "cql2-text"}, 400, "invalid_search"),
        ({"filter": "no_such_property = 1", "filter-lang": "cql2-text"}, 400, "invalid_search"),
        ({"unknown": 1}, 400, "unknown_parameter"),
    ],
)
def test_a_question_that_means_nothing_is_refused(url, body, status, code):
    refused = ask(url, **body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
