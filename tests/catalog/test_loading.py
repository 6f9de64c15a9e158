"""`catalog load`: all of a file or nothing, each refusal with its line."""

import resource
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks.kill_publisher import build_scene, open_every_raster
from catalog.errors import InvalidItemError
from catalog.loading import load
from catalog.publishing import publish, recall
from catalog.search import Search
from tests.support.stac import COLLECTIONS, scan, some_collection, some_items


@pytest.fixture
def items(tmp_path):
    """Items as others make them: absolute hrefs, no version."""
    found = []
    for item in some_items(30):
        place = tmp_path / "archive" / item["id"]
        place.mkdir(parents=True)
        (place / "visual.tif").write_bytes(b"image")
        properties = {key: value for key, value in item["properties"].items() if key != "version"}
        found.append(item | {"assets": {"visual": {"href": str(place / "visual.tif")}}, "properties": properties})
    return found


@pytest.fixture
def load_lines(tmp_path, home, store):
    def _load(*lines, roots=(tmp_path / "archive",)):
        source = tmp_path / "items.ndjson"
        source.write_bytes(b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines))
        return load(source, home=home, store=store, asset_roots=roots)

    return _load


def _nothing_was_loaded(home, store):
    assert store.sequence() == 0
    assert store.collections() == []
    assert not list(home.glob("loaded/*"))
    assert [path.name for path in home.glob("staging/*") if path.name != ".lock"] == []


def test_items_and_collections_come_in_any_order(store, load_lines, items):
    described = some_collection("gf1-pms") | {"title": "described"}
    assert load_lines(*items[:9], b"", described, *items[9:], b"  ") == 30
    assert [item["id"] for item in store.search(Search(limit=1000)).items] == scan(items)
    assert list(store.all_items()) == sorted(items, key=lambda item: (item["collection"], item["id"]))
    assert store.collection("gf1-pms")["title"] == "described"


def test_collections_that_nobody_describes_are_packaged_or_derived(store, load_lines, items):
    items[0]["collection"] = "unheard-of"
    load_lines(*items)
    assert [document["id"] for document in store.collections()] == [*COLLECTIONS, "unheard-of"]
    assert "renders" in store.collection("gf2-pms")
    assert store.collection("unheard-of")["item_assets"] == {}


def test_loading_again_replaces_and_says_so(store, load_lines, items):
    load_lines(*items)
    changed = items[0] | {"properties": items[0]["properties"] | {"title": "changed"}}
    old, sequence = store.footprints(None, tuple(items[0]["bbox"]), None), store.sequence()
    assert load_lines(changed) == 1
    assert [change.action for change in store.changes(sequence)] == ["replace"]
    assert store.footprints(None, tuple(items[0]["bbox"]), None) != old, "the version is another"


def test_a_recalled_item_is_not_listed_by_loading_it_again(home, store, load_lines, items):
    load_lines(*items)
    recall(items[0]["id"], home=home, store=store, reason="test")
    assert load_lines(*items) == 29
    assert [item["id"] for item in store.search(Search(limit=1000)).items] == scan(items[1:])


BAD_LINES = {
    "not JSON": b'{"type": "Feature"',
    "expected an Item": b"[1, 2]",
    "type 'Feature'": b'{"type": "FeatureCollection", "features": []}',
    "id is": b'{"type": "Feature", "stac_version": "1.1.0"}',
    "lacks stac_version": b'{"type": "Collection", "id": "x"}',
    "bytes": b'{"type": "Feature", "x": "' + b"x" * 1024 * 1024 + b'"}',
}


@pytest.mark.parametrize("found", BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_loaded(home, store, load_lines, items, found):
    with pytest.raises(InvalidItemError, match=rf"items\.ndjson:21: .*{found}"):
        load_lines(*items[:20], BAD_LINES[found], *items[20:])
    _nothing_was_loaded(home, store)


@pytest.mark.parametrize(
    "href", ["./visual.tif", "/etc/passwd.tif", "https://example.com/visual.tif", "s3://bucket/visual.tif", "{root}"]
)
def test_T02_an_asset_outside_the_allowed_roots_is_refused_with_its_line(
    home, store, load_lines, items, href, tmp_path
):
    items[3]["assets"]["visual"]["href"] = href.format(root=tmp_path / "archive" / ".." / "secret.tif")
    with pytest.raises(InvalidItemError, match=r"items\.ndjson:4: .*visual"):
        load_lines(*items)
    _nothing_was_loaded(home, store)


def test_without_a_root_nothing_is_allowed(home, store, load_lines, items):
    with pytest.raises(InvalidItemError, match="CATALOG_ASSET_ROOTS"):
        load_lines(*items, roots=())
    _nothing_was_loaded(home, store)


def test_a_published_scene_is_not_loaded_over(home, store, load_lines, items, tmp_path):
    item_id = "GF2_PMS2_20241012T032247_L1A14547890001"
    publish(build_scene(tmp_path / "built", item_id), home=home, store=store, verify=open_every_raster)
    with pytest.raises(InvalidItemError, match="published scene"):
        load_lines(items[0], items[1] | {"id": item_id, "collection": "gf2-pms"})
    assert store.sequence() == 1


_LOAD = """
import sys
from pathlib import Path
from catalog.errors import CatalogError
from catalog.loading import load
from catalog.store import open_store
home, source, root = map(Path, sys.argv[1:])
try:
    load(source, home=home, store=open_store(home), asset_roots=[root])
except CatalogError as error:
    print(error.code)
"""


@pytest.mark.parametrize("limit", [8_000, 40_000, 100_000])
def test_P03_a_file_size_limit_while_loading_leaves_nothing(home, store, items, tmp_path, limit):
    source = tmp_path / "many.ndjson"
    source.write_bytes(
        b"".join(orjson.dumps(item | {"id": f"{item['id']}-{n}"}) + b"\n" for n in range(9) for item in items)
    )
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, home, source, tmp_path / "archive"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.stdout.strip() in {"disk_full", "store_unavailable"}, done
    _nothing_was_loaded(home, store)
