"""What every ItemStore must find, count and put in order; part of `ItemStoreContract`."""

import itertools
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from catalog.aggregation import AGGREGATIONS
from catalog.errors import InvalidSearchError
from catalog.filtering import read_filter
from catalog.queryable import QUERYABLES
from catalog.search import Search, SortKey
from catalog.timestamp import parse_datetime
from catalog.wording import mentions, wording_of
from tests.support.stac import COLLECTIONS, START, scan, some_collection, some_items

PLATFORMS = ("gaofen-1", "gf-2", "ziyuan-3-02", None, "PLATFORM")
MORE_FACTS = {
    "eo:cloud_cover": (0, 9.5, 10, None, 20, 100, 55.5),
    "platform": PLATFORMS,
    "constellation": ("gaofen", None),
    "instruments": (["pms"], ["MUX", "nad"], None),
    "gsd": (2, 0.8, None, 16, 5.8),
    "view:off_nadir": (-3.5, 0, None, 12.25),
    "processing:level": ("L1A", "l2a", None),
    "updated": ("2024-01-01T00:00:00Z", "2024-01-01T08:00:00.5+08:00", None),
    "test:note": ("a", 3, None, True, [1], {"b": 1}),
}


def described(item, number):
    """The item with facts of many kinds, some of them missing."""
    facts = {name: values[number % len(values)] for name, values in MORE_FACTS.items()}
    properties = {name: value for name, value in (item["properties"] | facts).items() if value is not None}
    if number % 6 == 0:
        properties["title"] = ("高分影像 甲", "Scene B", "scene b")[number % 3] + " 洞庭湖"[: number % 4]
    elif number % 6 == 1:
        del properties["title"]
    return item | {"properties": properties}


SCENES = [described(item, number) for number, item in enumerate(some_items(120))]
DOCUMENTS = {
    "gf1-pms": some_collection("gf1-pms") | {"title": "高分一号 PMS", "keywords": ["国产", "Reflectance"]},
    "gf1-wfv": some_collection("gf1-wfv"),
    "gf2-pms": some_collection("gf2-pms") | {"summaries": {"platform": ["gaofen-2"]}},
}

sort_keys = st.lists(
    st.builds(SortKey, st.sampled_from([queryable.name for queryable in QUERYABLES]), st.booleans()),
    max_size=4,
    unique_by=lambda key: key.name,
).map(tuple)


def pages(store, search):
    """The ids of all pages of a search."""
    while True:
        page = store.search(search)
        assert len(page.items) <= search.limit
        yield from (item["id"] for item in page.items)
        if page.next_token is None:
            return
        search = replace(search, token=page.next_token)


def in_order(items, sort=()):
    """Ids in the order of answers."""
    items = sorted(items, key=lambda item: (-_instant(item, "datetime").timestamp(), item["collection"], item["id"]))
    for key in reversed(sort):
        with_value = [item for item in items if _value(item, key.name) is not None]
        without = [item for item in items if _value(item, key.name) is None]
        with_value.sort(key=lambda item: _value(item, key.name), reverse=key.descending)
        items = with_value + without
    return [item["id"] for item in items]


def _value(item, name):
    if name in {"id", "collection"}:
        return item[name]
    kind = next(queryable.kind for queryable in QUERYABLES if queryable.name == name)
    return _instant(item, name) if kind == "time" else item["properties"].get(name)


def _instant(item, name):
    text = item["properties"].get(name)
    return None if text is None else parse_datetime(text)


class SearchContract:
    """Tests of one implementation; a subclass gives the `store` fixture: an empty store."""

    @pytest.fixture
    def archive(self, store):
        store.load(SCENES, collections=DOCUMENTS.values())
        return store

    # Order

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(sort=sort_keys, limit=st.integers(5, 70), boxed=st.booleans())
    def test_any_order_is_kept_over_all_pages_with_missing_values_last(self, archive, sort, limit, boxed):
        bbox = (80, 20, 125, 50) if boxed else None
        found = list(pages(archive, Search(sort=sort, limit=limit, bbox=bbox)))
        inside = set(scan(SCENES, area=box(*bbox) if bbox else None))
        assert found == in_order([item for item in SCENES if item["id"] in inside], sort)

    @pytest.mark.parametrize(
        "sort", [(SortKey("instruments"),), (SortKey("x; DROP TABLE item"),), (SortKey("id"),) * 5]
    )
    def test_an_order_by_what_cannot_be_sorted_or_by_too_much_is_refused(self, archive, sort):
        with pytest.raises(InvalidSearchError, match="sort"):
            archive.search(Search(sort=sort))

    def test_an_order_that_no_token_could_continue_is_refused_at_once(self, archive):
        scene = SCENES[0]
        archive.register(scene | {"properties": scene["properties"] | {"title": "!" * 2000}})
        with pytest.raises(InvalidSearchError, match="too long a text"):
            archive.search(Search(sort=(SortKey("title"),), limit=1))
        assert len(archive.search(Search(sort=(SortKey("title"),), limit=2)).items) == 2

    # Filters

    @pytest.mark.parametrize(
        "text",
        [
            '"eo:cloud_cover" < 20',
            "\"eo:cloud_cover\" <= 9.5 AND platform = 'gf-2'",
            '"eo:cloud_cover" IS NULL',
            'NOT "eo:cloud_cover" IS NULL AND gsd BETWEEN 0.8 AND 5.8',
            'NOT ("eo:cloud_cover" > 10)',
            "platform IN ('gaofen-1', 'PLATFORM') OR gsd = 16",
            "platform LIKE 'g%'",
            "CASEI(platform) = CASEI('platform')",
            "title LIKE '%b%'",
            "id <> 'x' AND collection = 'gf2-pms'",
            "datetime >= TIMESTAMP('2021-01-01T00:00:00Z') AND datetime < TIMESTAMP('2022-01-01T00:00:00Z')",
            "updated = TIMESTAMP('2024-01-01T00:00:00Z')",
            "updated > TIMESTAMP('2024-01-01T00:00:00.25Z')",
            'gsd * 2 > "eo:cloud_cover"',
            '"view:off_nadir" < 0 OR "view:off_nadir" > 12',
            "S_INTERSECTS(geometry, POLYGON((80 20, 120 22, 100 50, 80 20))) AND gsd < 10",
            "\"test:note\" = 'a'",
            '"processing:level" = \'l2a\' AND "test:note" = 3',
            "unheard_of = 3",
            "unheard_of IS NULL",
        ],
    )
    def test_a_filter_finds_what_its_conjuncts_match(self, archive, text):
        conditions = read_filter(text, "cql2-text")
        expected = [item for item in SCENES if all(conjunct.matches(item) for conjunct in conditions.conjuncts)]
        assert list(pages(archive, Search(filter=conditions, limit=13))) == in_order(expected)
        bbox, interval = (80, 20, 120, 48), (START, START + timedelta(days=600))
        inside = set(scan(expected, area=box(*bbox), interval=interval))
        found = pages(archive, Search(filter=conditions, bbox=bbox, interval=interval, limit=13))
        assert list(found) == in_order([item for item in expected if item["id"] in inside])

    # Free text

    @pytest.mark.parametrize(
        "terms",
        [
            ("高分",), ("高分一号",), ("GF1",), ("gaofen-2",), ("资源三号",), ("ZY3-02",), ("ziyuan 3 02",), ("国产",),
            ("洞庭",), ("洞庭湖",), ("甲 洞",), ("scene B",), ("甲",), ("测试",), ("reflectance",), ("made for",),
            ("PMS",), ("mux",), ("L1A000000001",), ("wfv 1", "MUX"), ("nowhere to be found",), ("platform",),
            ("100%",), ('"quoted" OR',), ("_",), ("é",), ("\0",), ("a\0b",),
        ],
    )  # fmt: skip
    def test_free_text_finds_what_mentions_any_of_its_terms(self, archive, terms):
        expected = [
            item
            for item in SCENES
            if any(
                mentions(wording, term)
                for term in terms
                for wording in (wording_of(item), wording_of(DOCUMENTS[item["collection"]]))
            )
        ]
        assert list(pages(archive, Search(terms=terms, limit=23))) == in_order(expected)
        found = pages(archive, Search(terms=terms, bbox=(80, 20, 120, 48), sort=(SortKey("gsd"),), limit=23))
        inside = set(scan(expected, area=box(80, 20, 120, 48)))
        assert list(found) == in_order([item for item in expected if item["id"] in inside], (SortKey("gsd"),))

    def test_free_text_follows_what_is_replaced_recalled_and_restored(self, archive):
        scene = SCENES[2]
        asked = Search(terms=("taklamakan",))
        archive.register(scene | {"properties": scene["properties"] | {"title": "Taklamakan 塔克拉玛干"}})
        assert list(pages(archive, asked)) == [scene["id"]]
        archive.recall(scene["collection"], scene["id"], reason="test")
        assert list(pages(archive, asked)) == []
        archive.restore(scene["collection"], scene["id"])
        assert list(pages(archive, Search(terms=("塔克拉玛干",)))) == [scene["id"]]
        archive.register(scene)
        assert list(pages(archive, asked)) == []

    @pytest.mark.parametrize("terms", [("",), (" ",), ("x" * 257,), ("x",) * 17, ("\ud800",)])
    def test_terms_outside_their_bounds_are_refused(self, archive, terms):
        with pytest.raises(InvalidSearchError, match="term"):
            archive.search(Search(terms=terms))

    # How many

    @pytest.mark.parametrize(
        "asked",
        [
            {},
            {"collections": ("gf1-pms",)},
            {"collections": ("gf1-pms", "nothing")},
            {"ids": (SCENES[0]["id"], SCENES[1]["id"], SCENES[2]["id"], SCENES[3]["id"])},
            {"bbox": (80, 20, 120, 48)},
            {"interval": (START, START + timedelta(days=400))},
            {"terms": ("scene",)},
            {"filter": read_filter('"eo:cloud_cover" < 20', "cql2-text"), "sort": (SortKey("gsd"),)},
        ],
    )
    def test_a_search_says_on_every_page_how_many_it_finds(self, archive, asked):
        search = Search(**asked, limit=3)
        page = archive.search(search)
        assert page.next_token is not None
        assert page.matched == len(list(pages(archive, search)))
        assert archive.search(replace(search, token=page.next_token)).matched == page.matched
        assert archive.search(replace(search, limit=1000)).matched == page.matched

    def test_the_count_follows_what_comes_and_goes(self, archive):
        def count(collection):
            return archive.search(Search(collections=(collection,), limit=1)).matched

        before = count("gf1-pms")
        archive.register(SCENES[0])
        assert count("gf1-pms") == before
        archive.recall("gf1-pms", SCENES[0]["id"], reason="test")
        assert count("gf1-pms") == before - 1
        archive.register(SCENES[0] | {"id": "another"})
        archive.restore("gf1-pms", SCENES[0]["id"])
        archive.load([SCENES[0], SCENES[3], SCENES[3] | {"id": "third"}])
        assert count("gf1-pms") == before + 2
        assert archive.search(Search(limit=1)).matched == len(SCENES) + 2

    @pytest.mark.parametrize(
        "other",
        [
            Search(filter=read_filter('"eo:cloud_cover" < 20', "cql2-text")),
            Search(terms=("gf",)),
            Search(sort=(SortKey("gsd"),)),
        ],
    )
    def test_a_token_is_bound_to_filter_terms_and_order(self, archive, other):
        token = archive.search(Search(limit=5)).next_token
        with pytest.raises(InvalidSearchError, match="token"):
            archive.search(replace(other, token=token))

    # Aggregations

    @pytest.mark.parametrize(
        "asked",
        [
            {},
            {"bbox": (80, 20, 120, 48), "limit": 1},
            {"collections": ("gf1-pms",), "terms": ("gf-2",)},
            {"filter": read_filter("\"test:note\" = 'a' AND gsd < 10", "cql2-text")},
        ],
    )
    def test_aggregations_count_all_that_a_search_finds(self, archive, asked):
        found = set(pages(archive, Search(**asked)))
        items = [item for item in SCENES if item["id"] in found]
        clouds = [item["properties"].get("eo:cloud_cover") for item in items]
        platforms = [item["properties"].get("platform") for item in items]
        expected = {
            "total_count": {"total_count": len(items)},
            "datetime_frequency": Counter(item["properties"]["datetime"][:7] + "-01T00:00:00Z" for item in items),
            "collection_frequency": Counter(item["collection"] for item in items),
            "platform_frequency": Counter(platform for platform in platforms if platform is not None),
            "cloud_cover_frequency": Counter(str(min(int(c // 10) * 10, 90)) for c in clouds if c is not None),
            "grid_geohash_frequency": Counter(_geohash(item["bbox"]) for item in items),
        }
        counted = archive.aggregate(Search(**asked), list(AGGREGATIONS))
        assert {name: {bucket.key: bucket.count for bucket in buckets} for name, buckets in counted.items()} == expected
        cloudy = [int(bucket.key) for bucket in counted["cloud_cover_frequency"]]
        assert cloudy == sorted(cloudy)
        months = [bucket.key for bucket in counted["datetime_frequency"]]
        assert months == sorted(months)

    def test_an_unknown_aggregation_is_refused(self, archive):
        with pytest.raises(InvalidSearchError, match="tallest"):
            archive.aggregate(Search(), ["tallest"])

    # Fields

    def test_fields_are_those_of_the_items_held(self, archive):
        fields = {field.name: field for field in archive.fields()}
        names = set(itertools.chain.from_iterable(item["properties"] for item in SCENES))
        assert list(fields) == sorted(names)
        assert set(fields["platform"].values) == {platform for platform in PLATFORMS if platform is not None}
        assert fields["eo:cloud_cover"].types == ("number",)
        assert set(fields["test:note"].types) == {"string", "number", "boolean", "array", "object"}
        assert fields["test:note"].values == ()
        assert fields["title"].values == (), "there are too many"

    def test_fields_of_a_collection_are_its_own_and_grow_with_its_items(self, archive):
        archive.put_collection(some_collection("new"))
        assert archive.fields(["new"]) == []
        archive.register(SCENES[0] | {"collection": "new", "properties": SCENES[0]["properties"] | {"test:new": "x"}})
        archive.register(SCENES[1] | {"collection": "new", "properties": SCENES[1]["properties"] | {"test:new": "y"}})
        (field,) = [field for field in archive.fields(["new"]) if field.name == "test:new"]
        assert (field.types, field.values) == (("string",), ("x", "y"))
        assert "test:new" not in {field.name for field in archive.fields(COLLECTIONS)}

    # Paging while others write

    @pytest.mark.parametrize("sort", [(), (SortKey("eo:cloud_cover"),), (SortKey("platform", True), SortKey("gsd"))])
    def test_eight_readers_lose_and_double_nothing_while_others_publish_replace_and_recall(self, archive, sort):
        staying, going = SCENES[:60], SCENES[60:]

        def write(number):
            scene = going[number]
            archive.register(scene | {"id": f"new-{number}"})
            archive.recall(scene["collection"], scene["id"], reason="test")
            same_place = staying[number]
            archive.register(same_place | {"properties": same_place["properties"] | {"test:again": number}})

        written = threading.Event()

        def read():
            found = [list(pages(archive, Search(limit=4, sort=sort)))]
            while not written.is_set():
                found.append(list(pages(archive, Search(limit=4, sort=sort))))
            return found

        with ThreadPoolExecutor(8) as pool:
            reading = [pool.submit(read) for _ in range(8)]
            try:
                for number in range(12):
                    write(number)
            finally:
                written.set()
            readings = list(itertools.chain.from_iterable(done.result() for done in reading))
        order = in_order(staying, sort)
        for found in readings:
            assert max(Counter(found).values()) == 1
            assert [name for name in found if name in set(order)] == order


def _geohash(bbox):
    """By halving, as geohashes are told."""
    (west, south, east, north), point = (-180, -90, 180, 90), ((bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2)
    bits = ""
    for number in range(15):
        if number % 2 == 0:
            middle = (west + east) / 2
            bits += str(int(point[0] >= middle))
            west, east = (middle, east) if point[0] >= middle else (west, middle)
        else:
            middle = (south + north) / 2
            bits += str(int(point[1] >= middle))
            south, north = (middle, north) if point[1] >= middle else (south, middle)
    return "".join("0123456789bcdefghjkmnpqrstuvwxyz"[int(bits[start : start + 5], 2)] for start in (0, 5, 10))
