"""Free text: spellings of satellites, and what of a document is looked at."""

import tomllib
from importlib.resources import files

import pytest

from catalog.collection import collection_document, packaged_collections
from catalog.wording import mentions, sensor_wording, spellings, wording_of

SENSORS = tomllib.loads((files("cog_builder") / "sensors.toml").read_text(encoding="utf-8"))["satellite"]


@pytest.mark.parametrize(
    ("names", "platform"),
    [
        (("高分二号", "高分2号", "GF2", "GF-2", "gf 2", "Gaofen-2", "gaofen2", "高分", "GAOFEN"), "gaofen-2"),
        (("高分二号", "GF2", "gaofen-2"), "GF-2"),
        (("资源三号", "资源三号02星", "ZY3", "ZY302", "zy3-02", "ZY-3-2", "ziyuan-3"), "ziyuan-3-02"),
        (("环境二号", "HJ2A", "HJ-2A", "环境减灾二号A星"), "huanjing-2a"),
        (("CBERS-4", "CB04", "中巴"), "cbers-4"),
    ],
)
def test_a_satellite_is_found_by_all_its_names(names, platform):
    wording = sensor_wording([platform], [])
    assert [name for name in names if not mentions(wording, name)] == []


def test_a_satellite_is_not_found_by_the_name_of_another():
    wording = sensor_wording(["ziyuan-3-02"], ["mux"])
    assert [name for name in ("ZY3-01", "资源三号03星", "高分", "GF3", "mux pan") if mentions(wording, name)] == []


@pytest.mark.parametrize("satellite", SENSORS, ids=lambda satellite: satellite["name"])
def test_every_satellite_that_is_built_is_found_by_its_names_and_in_chinese(satellite):
    wording = sensor_wording([satellite["platform"]], [])
    assert mentions(wording, satellite["platform"])
    assert any(not name.isascii() for name in spellings(satellite["platform"]))


@pytest.mark.parametrize("collection", packaged_collections())
def test_a_packaged_collection_is_found_by_title_keywords_and_satellite(collection):
    document = collection_document(collection)
    wording = wording_of(document)
    for term in (collection, document["title"], *document["keywords"], *document["summaries"]["platform"]):
        assert mentions(wording, term)


def test_a_name_that_nobody_listed_is_only_itself():
    assert spellings("Sentinel-2A") == ("sentinel-2a",)


def test_no_term_reaches_over_two_pieces():
    wording = wording_of({"id": "a", "title": "b", "keywords": ["c d", 3], "description": None})
    assert mentions(wording, "C D")
    assert not mentions(wording, "b c")
