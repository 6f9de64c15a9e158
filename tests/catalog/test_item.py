"""The item rules (L26, L27) and where an asset may lie (T02)."""

import copy

import pytest
import shapely

from catalog.errors import InvalidItemError, UnknownItemError
from catalog.item import (
    acquired,
    asset_path,
    check_built_item,
    check_item,
    check_items,
    checked_item,
    is_id,
    item_folder,
    item_version,
)
from catalog.queryable import QUERYABLES
from catalog.timestamp import microseconds
from tests.support.stac import crossing_item, some_items


@pytest.fixture
def item():
    return copy.deepcopy(some_items(1)[0])


@pytest.mark.parametrize("text", ["a", "GF2_PMS2_20241012T032247_L1A14547890001", "gf1-pms", "1", "a.b", "x" * 128])
def test_L26_ids_of_letters_digits_dots_and_dashes_are_good(text):
    assert is_id(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a..b", ".a", "-a", "_a", "a/b", "a\\b", "a b", "a%2Fb", "é", "高分", "a\n", "x" * 129, None, 1],
)
def test_L26_anything_else_is_not_an_id(text):
    assert not is_id(text)


def test_a_good_item_gives_its_footprint(item):
    item["properties"] |= {"gsd": 2, "eo:cloud_cover": 0}
    footprint = check_item(item)
    assert (footprint.collection, footprint.item_id) == (item["collection"], item["id"])
    assert footprint.acquired == acquired(item)
    assert (footprint.gsd_m, footprint.cloud_cover, footprint.version) == (2.0, 0.0, "1")


def _set(*path, to):
    def change(item):
        for key in path[:-1]:
            item = item[key]
        item[path[-1]] = to

    return change


RING = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
WRONG = {
    "type": _set("type", to="Collection"),
    "id": _set("id", to="a/b"),
    "collection": _set("collection", to=None),
    "RFC 3339": _set("properties", "datetime", to="2024-10-12T03:22:47"),
    "datetime": _set("properties", "datetime", to=None),
    "geometry": _set("geometry", to=None),
    "Point": _set("geometry", to={"type": "Point", "coordinates": [1, 2]}),
    "outside longitude": _set("geometry", to={"type": "Polygon", "coordinates": [[[0, 0], [181, 0], [1, 1], [0, 0]]]}),
    "finite": _set("geometry", to={"type": "Polygon", "coordinates": [[[0, 0], [float("nan"), 0], [1, 1], [0, 0]]]}),
    "vertices": _set("geometry", to={"type": "Polygon", "coordinates": [[[0, 0]] * 10_001]}),
    "parts": _set("geometry", to={"type": "MultiPolygon", "coordinates": [[RING]] * 101}),
    "bbox": _set("bbox", to=[0, 0, 1]),
    "4 numbers": _set("bbox", to=[0, 0, 0, 1, 1, 100]),
    "links": _set("links", to=None),
    "rel": _set("links", to=["https://example.com"]),
    "texts href": _set("links", to=[{"rel": ["self"], "href": "https://example.com"}]),
    "stac_extensions": _set("stac_extensions", to=None),
    "type None": _set("assets", "visual", "type", to=None),
    "type 5": _set("assets", "visual", "type", to=5),
    "media type": _set("assets", "visual", "type", to="图像/tiff"),
    "instruments": _set("properties", "instruments", to="pms1"),
    "platform": _set("properties", "platform", to=5),
    "title is 5, expected text": _set("properties", "title", to=5),
    "processing:level is .*, expected text": _set("properties", "processing:level", to=["L1A"]),
    "view:off_nadir is 'low', expected a finite number": _set("properties", "view:off_nadir", to="low"),
    "view:sun_elevation is True, expected a finite number": _set("properties", "view:sun_elevation", to=True),
    "created is 20240101, expected a time": _set("properties", "created", to=20240101),
    "updated is '2024-10-12'": _set("properties", "updated", to="2024-10-12"),
    "layer of all": _set("collection", to="img"),
    "south < north": _set("bbox", to=[0, 1, 1, 0]),
    "href": _set("assets", "visual", to={"type": "image/tiff"}),
    "key": _set("assets", "../visual", to={"href": "./visual.tif"}),
    "64 members": _set("assets", to={f"a{number}": {"href": "./a.tif"} for number in range(65)}),
    "alternate": _set("assets", "visual", to={"href": "./a.tif", "alternate": {"s3": {"href": "s3://x/y.tif"}}}),
    "gsd": _set("properties", "gsd", to="2 m"),
    "eo:cloud_cover": _set("properties", "eo:cloud_cover", to=-1),
    "bytes": _set("properties", "description", to="x" * 1024 * 1024),
}


@pytest.mark.parametrize("found", WRONG)
def test_L27_an_item_that_breaks_a_rule_is_named_with_the_field(item, found):
    WRONG[found](item)
    with pytest.raises(InvalidItemError, match=found):
        check_item(item)


def test_a_queryable_that_is_null_or_missing_is_good(item):
    for queryable in QUERYABLES:
        item["properties"].setdefault(queryable.name, None)
    assert dict(zip([each.name for each in QUERYABLES], checked_item(item).values, strict=True)) == {
        **dict.fromkeys(["constellation", "gsd", "eo:cloud_cover", "view:off_nadir", "view:sun_elevation", "platform"]),
        "processing:level": None,
        "id": item["id"],
        "collection": item["collection"],
        "title": item["properties"]["title"],
        **dict.fromkeys(["datetime", "created", "updated"], microseconds(acquired(item))),
    }


def test_items_checked_together_are_what_they_are_alone(item):
    bad = copy.deepcopy(item) | {"bbox": None}
    good, refused, again = check_items([item, bad, crossing_item()])
    assert good._replace(fields=None) == checked_item(item)._replace(fields=None)
    assert "bbox is None" in str(refused)
    assert again._replace(fields=None) == checked_item(crossing_item())._replace(fields=None)
    assert {name for _, name, _ in good.fields} == item["properties"].keys(), "the refused one is not noted"


def test_a_built_item_needs_more_than_a_loaded_one(item):
    check_item(item)
    with pytest.raises(InvalidItemError, match=r"platform, instruments.*assets\.analytic"):
        check_built_item(item)


def test_a_footprint_that_is_not_split_at_the_antimeridian_is_split():
    whole = crossing_item()
    ring = [[179.5, 50.0], [-179.2, 50.0], [-179.2, 51.0], [179.5, 51.0], [179.5, 50.0]]
    unsplit = {**whole, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    assert shapely.equals(check_item(unsplit).geometry, check_item(whole).geometry)


def test_a_footprint_that_crosses_itself_is_repaired(item):
    item["geometry"] = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    item["bbox"] = [0, 0, 2, 2]
    geometry = check_item(item).geometry
    assert geometry.is_valid
    assert geometry.geom_type == "MultiPolygon"
    assert geometry.area == 2


def test_the_finest_asset_says_the_gsd_where_the_item_does_not(item):
    item["assets"]["visual"]["gsd"] = 16
    item["assets"]["metadata"]["gsd"] = 8.5
    assert check_item(item).gsd_m == 8.5


def test_an_item_without_a_version_is_versioned_by_its_content(item):
    del item["properties"]["version"]
    first = item_version(item)
    assert is_id(first)
    assert first == check_item(item).version == item_version(dict(reversed(item.items())))
    item["properties"]["title"] = "another"
    assert item_version(item) != first


def test_an_item_with_files_elsewhere_is_versioned_by_its_content_whatever_version_it_states(item):
    item["assets"]["visual"]["href"] = "/archive/a/visual.tif"
    first = item_version(item)
    assert first == check_item(item).version != "1"
    item["assets"]["visual"]["href"] = "/archive/b/visual.tif"
    assert item_version(item) != first


# T02


@pytest.fixture
def places(tmp_path, item):
    """A home with the item's folder, an allowed root and a place outside, with one image in each."""
    folder = item_folder(tmp_path / "home", item)
    for place in (folder, folder / "source", tmp_path / "root", tmp_path / "outside", tmp_path / "root-not"):
        place.mkdir(parents=True)
        (place / "visual.tif").write_bytes(b"image")
        (place / "notes.py").write_bytes(b"code")
    (tmp_path / "root" / "link.tif").symlink_to(tmp_path / "outside" / "visual.tif")
    (tmp_path / "root" / "inner.tif").symlink_to(tmp_path / "root" / "visual.tif")
    (folder / "link.tif").symlink_to(tmp_path / "outside" / "visual.tif")
    (tmp_path / "root" / "folder.tif").mkdir()
    return tmp_path


def _path(item, places, href):
    item["assets"]["visual"]["href"] = href.format(places=places)
    return asset_path(item, "visual", home=places / "home", asset_roots=[places / "root"])


@pytest.mark.parametrize(
    "href",
    [
        "./visual.tif",
        "visual.tif",
        "./source/visual.tif",
        "{places}/root/visual.tif",
        "{places}/root/inner.tif",
        "{places}/root/../root/visual.tif",
    ],
)
def test_T02_a_file_where_it_may_be_is_found(item, places, href):
    path = _path(item, places, href)
    assert path.is_absolute()
    assert path.read_bytes() == b"image"


@pytest.mark.parametrize(
    "href",
    [
        "{places}/outside/visual.tif",
        "{places}/root-not/visual.tif",
        "{places}/root/../outside/visual.tif",
        "{places}/root/link.tif",
        "{places}/root/notes.py",
        "{places}/root",
        "./link.tif",
        "./notes.py",
        "../../../../../outside/visual.tif",
        "file://{places}/root/visual.tif",
        "https://example.com/visual.tif",
        "/vsicurl/https://example.com/visual.tif",
        "GTIFF_DIR:1:{places}/root/visual.tif",
        "visual.tif\0.tif",
        "",
    ],
)
def test_T02_a_file_elsewhere_is_refused(item, places, href):
    with pytest.raises((InvalidItemError, UnknownItemError)):
        _path(item, places, href)


@pytest.mark.parametrize("href", ["./gone.tif", "{places}/root/folder.tif"])
def test_a_missing_file_is_unknown(item, places, href):
    with pytest.raises(UnknownItemError, match="missing"):
        _path(item, places, href)


def test_an_asset_that_the_item_lacks_is_unknown(item, tmp_path):
    with pytest.raises(UnknownItemError, match="no asset"):
        asset_path(item, "sharp", home=tmp_path)


@pytest.mark.parametrize(("text", "is_good"), [("a\0b", False), ("\\\0", False), ("a\\u0000b", True)])
def test_a_text_with_the_character_that_postgresql_cannot_keep_is_refused(item, text, is_good):
    item["properties"]["remark"] = text
    if is_good:
        check_item(item)
        return
    with pytest.raises(InvalidItemError, match=r"U\+0000"):
        check_item(item)
