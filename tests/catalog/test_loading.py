"""`catalog load`: all of a file or nothing, each refusal with its line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks.kill_publisher import build_scene, open_every_raster
from catalog.errors import InvalidItemError
from catalog.fail_point import SWITCH, VARIABLE
from catalog.loading import load
from catalog.maintenance import rebuild, sweep, verify
from catalog.publishing import publish, recall
from catalog.search import Search
from tests.support.small_files import small_files
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
    assert [change.item_id for change in store.changes(0)] == [item_id]


def test_heights_of_a_bbox_are_dropped_once(home, store, load_lines, items):
    west, south, east, north = items[0]["bbox"]
    load_lines(items[0] | {"bbox": [west, south, 0, east, north, 100]})
    assert store.item(items[0]["collection"], items[0]["id"]) == items[0]
    rebuild(home, store)
    assert store.item(items[0]["collection"], items[0]["id"]) == items[0]


def test_every_item_is_checked_before_the_store_sees_it(store, load_lines, items, monkeypatch):
    seen = []
    load_lines(*(some_collection(collection) for collection in COLLECTIONS))
    monkeypatch.setattr(store, "load", lambda checked, **_: seen.extend(checked))
    items[3]["assets"]["visual"]["href"] = "/etc/passwd.tif"
    with pytest.raises(InvalidItemError, match=r"items\.ndjson:4: "):
        load_lines(*items)
    items[2]["bbox"] = None
    with pytest.raises(InvalidItemError, match=r"items\.ndjson:3: "):
        load_lines(*items)
    assert [item.item_id for item in seen] == [item["id"] for item in [*items[:3], *items[:2]]]


def test_no_collection_may_be_called_as_the_layer_of_everything(home, store, load_lines, items):
    with pytest.raises(InvalidItemError, match=r"items\.ndjson:2: .*layer"):
        load_lines(items[0], items[1] | {"collection": "img"})
    _nothing_was_loaded(home, store)


_LOAD = """
import sys
from pathlib import Path
from catalog.errors import CatalogError
from catalog.fail_point import SWITCH, VARIABLE
from catalog.loading import load
from catalog.maintenance import rebuild, sweep, verify
from catalog.store import open_store
home, source, root = map(Path, sys.argv[1:])
try:
    load(source, home=home, store=open_store(home), asset_roots=[root])
except CatalogError as error:
    print(error.code)
"""


def _load_in_another_process(home, source, root, **options):
    return subprocess.run(
        [sys.executable, "-c", _LOAD, home, source, root],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        **options,
    )


def test_P01_a_load_that_is_killed_before_its_commit_is_never_listed(home, store, load_lines, items, tmp_path):
    load_lines(*items[:10])
    source = tmp_path / "killed.ndjson"
    source.write_bytes(b"\n".join(map(orjson.dumps, items)))
    rehearsal = os.environ | {SWITCH: "1", VARIABLE: "load:kill"}
    done = _load_in_another_process(home, source, tmp_path / "archive", env=rehearsal)
    assert done.returncode == -signal.SIGKILL, done
    assert sorted(path.name for path in home.glob("loaded/*")) == ["000001.ndjson", "000002.ndjson"]
    assert [str(finding).partition(" ")[0] for finding in verify(home, store, asset_roots=[tmp_path / "archive"])] == [
        "loaded/000002.ndjson:"
    ]
    assert rebuild(home, store) == 10
    sweep(home, store, grace_s=900)
    assert [path.name for path in home.glob("loaded/*")] == ["000001.ndjson"]
    assert list(verify(home, store, asset_roots=[tmp_path / "archive"])) == []


def test_a_sweep_leaves_the_file_of_a_running_load_alone(home, store, load_lines, items, monkeypatch):
    commit = store.load

    def sweep_before_the_commit(documents, **options):
        documents = list(documents)
        sweep(home, store, grace_s=900)
        return commit(documents, **options)

    monkeypatch.setattr(store, "load", sweep_before_the_commit)
    load_lines(*items)
    assert store.loaded_files() == {path.name for path in home.glob("loaded/*")} == {"000001.ndjson"}


@pytest.mark.parametrize("limit", [8_000, 40_000, 100_000])
def test_P03_a_file_size_limit_while_loading_leaves_nothing(home, store, items, tmp_path, limit):
    source = tmp_path / "many.ndjson"
    source.write_bytes(
        b"".join(orjson.dumps(item | {"id": f"{item['id']}-{n}"}) + b"\n" for n in range(9) for item in items)
    )
    done = _load_in_another_process(home, source, tmp_path / "archive", **small_files(limit))
    assert done.stdout.strip() in {"disk_full", "store_unavailable"}, done
    _nothing_was_loaded(home, store)
