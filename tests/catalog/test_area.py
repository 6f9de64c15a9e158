"""Named areas: what is taken in from an operator's file, what is refused, and how they are served."""

import json
import logging

import pytest
import requests
import shapely
from shapely.geometry import shape

from catalog import area_file
from catalog.area import AreaBook, folder_of_areas
from catalog.area_file import AreaProperties, load_areas
from catalog.errors import InvalidAreaError, UnknownAreaError
from catalog.surface import area_km2
from tests.support.command import imagery_node
from tests.support.coverage import COUNTY, counties
from tests.support.node import serving

BY_CODE = AreaProperties(identity="code")
BOWTIE = {"type": "Polygon", "coordinates": [[[104, 30], [105, 31], [105, 30], [104, 31], [104, 30]]]}


@pytest.fixture
def book(home):
    return AreaBook(folder_of_areas(home))


@pytest.fixture
def load(home, tmp_path):
    def _load(collection, name="counties.json", properties=BY_CODE):
        source = tmp_path / name
        source.write_text(json.dumps(collection, ensure_ascii=False))
        return load_areas(source, home=home, properties=properties)

    return _load


def with_first(**members):
    """The counties, the first one changed."""
    collection = counties()
    collection["features"][0] |= members
    return collection


def test_areas_are_kept_with_their_box_and_size(load, book):
    assert load(counties()) == 2
    area = book.area("510104")
    assert (area.name, area.name_en) == ("锦江区", "Jinjiang District")
    assert area.geometry.equals(shape(COUNTY))
    assert area.bbox == shape(COUNTY).bounds
    assert area.km2 == pytest.approx(area_km2(shape(COUNTY)))
    with pytest.raises(UnknownAreaError):
        book.area("110000")


def test_an_english_name_may_be_missing_and_the_id_the_features_own(load, book):
    collection = with_first(id="own-id", properties={"name": "某县"})
    collection["features"].pop()
    load(collection, properties=AreaProperties())
    assert (book.area("own-id").name, book.area("own-id").name_en) == ("某县", None)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("锦江", ["510104"]),
        ("jinjiang DISTRICT", ["510104"]),
        ("5101", ["510104"]),
        ("县", ["330921"]),
        ("", ["330921", "510104"]),
        ("jinjiang 县", []),
    ],
)
def test_areas_are_found_by_parts_of_either_name(load, book, words, found):
    load(counties())
    assert [area.area_id for area in book.search(words)] == found


def test_loading_a_file_of_the_same_name_again_replaces_its_areas(load, book):
    load(counties())
    collection = counties()
    collection["features"] = collection["features"][:1]
    collection["features"][0]["properties"]["name"] = "新名"
    before = book.areas()
    assert len(before) == 2
    load(collection)
    assert [area.name for area in book.areas().values()] == ["新名"]


def test_files_are_read_again_only_when_they_changed_and_a_deleted_one_is_forgotten(load, book, home):
    load(counties())
    assert book.areas() is book.areas()
    (home / "areas" / "counties.geojson").unlink()
    assert not book.areas()


def test_a_file_that_cannot_be_used_is_left_out_and_logged(load, book, home, caplog):
    load(counties())
    (home / "areas" / "mangled.geojson").write_text('{"features": [{"id": 1}]}')
    with caplog.at_level(logging.ERROR):
        assert len(book.areas()) == 2
    assert "mangled.geojson" in caplog.text


def test_a_name_may_look_like_json(load, book, home):
    name = '县,"geometry":{"type"}'
    load(with_first(properties={"code": 1, "name": name}))
    assert book.area("1").name == name
    assert book.area("1").geometry.equals(shape(COUNTY))
    assert json.loads((home / "areas" / "counties.geojson").read_text())["features"][0]["properties"]["name"] == name


def test_an_invalid_outline_is_repaired(load, book):
    load(with_first(geometry=BOWTIE))
    assert book.area("510104").geometry.is_valid


@pytest.mark.parametrize(
    ("collection", "said"),
    [
        ([], "FeatureCollection"),
        ({"type": "FeatureCollection", "features": []}, "1–10000 features"),
        (with_first(properties=None), "feature 1: expected a GeoJSON Feature"),
        (with_first(properties={"code": "a b", "name": "x"}), "feature 1: code is 'a b'"),
        (with_first(properties={"code": True, "name": "x"}), "feature 1: code is True"),
        (with_first(properties={"code": 7}), "feature 1: name is None"),
        (with_first(properties={"code": 330921, "name": "x"}), "two areas have the id 330921"),
        (with_first(geometry={"type": "Point", "coordinates": [104, 30]}), "feature 1: the area is a Point"),
        (with_first(geometry=None), "feature 1: a geometry must be"),
        (with_first(geometry={"type": "Polygon", "coordinates": [[[504_000, 1], [2, 1], [2, 2]]]}), "outside"),
        (counties() | {"crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}}, "crs"),
    ],
)  # fmt: skip
def test_what_is_no_area_is_refused_and_nothing_is_taken(load, book, collection, said):
    with pytest.raises(InvalidAreaError, match=said):
        load(collection)
    assert not book.areas()


def test_old_files_may_name_the_chinese_system_in_degrees(load, book):
    load(counties() | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4490"}}})
    assert book.areas()


def test_an_id_of_another_file_is_refused(load):
    load(counties())
    with pytest.raises(InvalidAreaError, match="330921 is in another file"):
        load(counties(), name="others.json")


def test_a_county_may_have_many_more_vertices_than_a_request(load, book):
    coast = shapely.Point(104, 30).buffer(0.3, quad_segs=10_000)
    load(with_first(geometry=json.loads(shapely.to_geojson(coast))))
    assert shapely.get_num_coordinates(book.area("510104").geometry) == 40_001


def test_a_file_of_too_many_vertices_is_refused(load, monkeypatch):
    monkeypatch.setattr(area_file, "MAX_VERTICES", 9)
    with pytest.raises(InvalidAreaError, match="more than 9 vertices"):
        load(counties())


def test_a_file_is_put_into_place_whole(load, home, monkeypatch):
    load(counties())
    monkeypatch.setattr(area_file, "move_file", lambda *_: (_ for _ in ()).throw(OSError(5, "broken disk")))
    with pytest.raises(OSError, match="broken disk"):
        load(with_first(properties={"code": 1, "name": "x"}))
    assert [path.name for path in (home / "areas").iterdir()] == ["counties.geojson"]
    assert "510104" in AreaBook(home / "areas").areas()


def test_the_command_says_what_it_took_and_why_not(tmp_path, home):
    (tmp_path / "区县.geojson").write_text(json.dumps(counties()))
    arguments = ("catalog", "areas", tmp_path / "区县.geojson", "--home", home)
    assert "feature 1: id is None" in imagery_node(*arguments).stderr
    done = imagery_node(*arguments, "--id-property", "code")
    assert (done.returncode, done.stdout) == (0, "took in 2 areas of 区县.geojson\n")
    assert "330921" in AreaBook(folder_of_areas(home)).areas()


def test_areas_are_listed_page_by_page_and_shown_over_http(new_api, tmp_path):
    (tmp_path / "counties.json").write_text(json.dumps(counties()))
    _, app = new_api(areas=AreaBook(folder_of_areas(tmp_path)))
    with serving(app) as url:
        assert requests.get(f"{url}/areas", timeout=30).json()["areas"] == []
        load_areas(tmp_path / "counties.json", home=tmp_path, properties=BY_CODE)
        page = requests.get(f"{url}/areas", params={"limit": 1}, timeout=30).json()
        assert [area["name"] for area in page["areas"]] == ["岱山县"]
        assert (page["numberMatched"], page["numberReturned"]) == (2, 1)
        (following,) = (link["href"] for link in page["links"] if link["rel"] == "next")
        page = requests.get(following, timeout=30).json()
        assert [area["id"] for area in page["areas"]] == ["510104"]
        assert not [link for link in page["links"] if link["rel"] == "next"]
        shown = requests.get(page["areas"][0]["href"], timeout=30)
        assert shown.headers["content-type"] == "application/geo+json"
        assert shape(shown.json()["geometry"]).equals(shape(COUNTY))
        assert requests.get(f"{url}/areas", params={"q": "锦江"}, timeout=30).json()["numberMatched"] == 1
        assert requests.get(f"{url}/areas/110000", timeout=30).status_code == 404
