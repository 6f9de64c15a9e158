"""One scene in a folder, behind HTTP and in a bucket of S3: the same answers from each."""

import contextlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import rasterio
import requests

from catalog import remote_file
from catalog.errors import InvalidItemError
from catalog.loading import load
from catalog.settings import CatalogSettings
from catalog.store import open_store
from imagery_node import http_ranges
from tests.support.http_store import http_store
from tests.support.node import Node
from tests.support.object_store import BUCKET, KEY_ID, REGION, SECRET, object_store
from tests.support.published import INSIDE, address, node_at, publish_scene, put_collection
from tests.support.stac import some_collection

KINDS = ["local", "http", "s3"]
FOLDER = "高分二号"
"""Keys of objects are written as they are; addresses escape what is not ASCII."""

ITEM = "/raster/collections/gf2-pms/items/FAR"
TILES = [
    f"/raster/layers/gf2-pms/{address()}",
    f"/raster/layers/gf2-pms/{address(dx=1, dy=1)}",
    f"/raster/layers/gf2-pms/{address(suffix='@2x.webp')}",
    f"/raster/layers/gf2-pms/{address()}?render=natural",
    f"/raster/layers/gf2-pms/{address(dx=5)}",
    f"/raster/collections/gf2-pms/items/FAR/{address()}?assets=analytic&expression=(b4-b3)/(b4%2Bb3)&rescale=0,1",
]
READS = [
    f"{ITEM}/info",
    f"{ITEM}/statistics?assets=analytic",
    f"{ITEM}/preview/60x50.png",
    f"{ITEM}/bbox/116.37,39.95,116.40,39.97/64x48.tif?assets=analytic",
    f"{ITEM}/bbox/116.37,39.95,116.40,39.97/64x48.tif?assets=analytic&resampling=bilinear",
    f"{ITEM}/point/{INSIDE[0]},{INSIDE[1]}?assets=analytic",
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A scene's item and the folder with its files."""
    home = tmp_path_factory.mktemp("origin")
    store = open_store(home)
    put_collection(store, "gf2-pms")
    publish_scene(store, home, "FAR", "2024-03-01T03:00:00Z")
    item = store.item("gf2-pms", "FAR")
    store.close()
    folder = home / "files" / FOLDER
    folder.parent.mkdir()
    (home / "scenes/gf2-pms/FAR/1").rename(folder)
    return item, folder


@contextmanager
def settings_of(kind, folder):
    """Settings that allow the files of the folder where they lie, and the address of the folder."""
    if kind == "local":
        yield CatalogSettings(asset_roots=(folder.parent,)), str(folder)
    elif kind == "http":
        with http_store(folder.parent) as store:
            yield CatalogSettings(remote_stores=(f"{store.url}/",)), requests.utils.requote_uri(f"{store.url}/{FOLDER}")
    else:
        with object_store(folder.parent) as url:
            yield s3_settings(url), f"s3://{BUCKET}/deliveries/{FOLDER}"


def s3_settings(url, **changes):
    values = {
        "remote_stores": (f"s3://{BUCKET}/deliveries",),
        "s3_endpoint": url,
        "s3_region": REGION,
        "s3_access_key_id": KEY_ID,
        "s3_secret_access_key": SECRET,
    }
    return CatalogSettings(**{**values, **changes})


def far(item, place):
    """The item as somebody else would describe it."""
    assets = {key: asset | {"href": f"{place}/{asset['href'][2:]}"} for key, asset in item["assets"].items()}
    return item | {"assets": assets}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory, scene):
    """A node of each kind."""
    item, folder = scene
    with contextlib.ExitStack() as stack:
        found = {}
        for kind in KINDS:
            settings, place = stack.enter_context(settings_of(kind, folder))
            home = tmp_path_factory.mktemp(kind)
            found[kind] = stack.enter_context(node_at(home, catalog=settings))
            put_collection(found[kind].store, "gf2-pms")
            found[kind].store.load([far(item, place)])
        yield found


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("path", [*TILES, *READS])
def test_every_answer_is_that_of_the_files_on_disk(nodes, kind, path):
    expected, found = nodes["local"].get(path), nodes[kind].get(path)
    assert expected.status_code in (200, 204)
    assert (found.status_code, found.headers.get("content-type")) == (
        expected.status_code,
        expected.headers.get("content-type"),
    )
    assert found.content == expected.content


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_block_is_the_tile_wherever_it_lies(nodes, kind):
    before = nodes[kind].count("verbatim")
    assert nodes[kind].get(f"{TILES[0]}?datetime=2024-03-01").status_code == 200
    assert nodes[kind].count("verbatim") == before + 1


VERSIONED = "/stac/collections/gf2-pms/items/FAR/assets/analytic"


@pytest.mark.parametrize("kind", ["local", "s3"])  # a file of another host is sent by that one
def test_assets_are_downloaded_whole_or_in_parts_by_their_lasting_name(nodes, scene, kind):
    content = (scene[1] / "analytic.tif").read_bytes()
    node = nodes[kind]
    whole = node.get(VERSIONED)
    assert whole.content == content
    for asked, part in {
        "bytes=0-0": content[:1],
        "bytes=5-9": content[5:10],
        "bytes=100-": content[100:],
        "bytes=-7": content[-7:],
        f"bytes=10-{len(content) * 2}": content[10:],
    }.items():
        answer = node.get(VERSIONED, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, part), asked
        first = len(content) - 7 if asked == "bytes=-7" else int(asked[6:].split("-")[0])
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(content)}"
        assert answer.headers["content-length"] == str(len(part))
    assert node.get(VERSIONED, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    assert int(node.get(VERSIONED, "HEAD").headers["content-length"]) == len(content)


def test_an_object_is_sent_by_the_node_with_what_caches_need(nodes, scene):
    node = nodes["s3"]
    answer = node.get(VERSIONED, allow_redirects=False)
    assert answer.status_code == 200
    assert answer.headers["accept-ranges"] == "bytes"
    assert "analytic.tif" in answer.headers["content-disposition"]
    tag = answer.headers["etag"]
    assert node.get(VERSIONED, headers={"If-None-Match": tag}).status_code == 304
    for condition, status in ((tag, 206), ('"other"', 200)):
        assert node.get(VERSIONED, headers={"Range": "bytes=1-2", "If-Range": condition}).status_code == status


def test_gdal_reads_an_object_through_the_node(nodes, scene, monkeypatch):
    monkeypatch.delenv("CPL_VSIL_CURL_ALLOWED_EXTENSIONS")  # what the node allows itself
    with (
        rasterio.open(f"/vsicurl/{nodes['s3'].url}{VERSIONED}") as far_file,
        rasterio.open(scene[1] / "analytic.tif") as file,
    ):
        np.testing.assert_array_equal(far_file.read(), file.read())


def test_an_object_comes_in_pieces(nodes, scene, monkeypatch):
    monkeypatch.setattr(remote_file, "PIECE_BYTES", 1000)
    content = (scene[1] / "analytic.tif").read_bytes()
    assert len(content) > 5000
    assert nodes["s3"].get(VERSIONED).content == content
    assert nodes["s3"].get(VERSIONED, headers={"Range": "bytes=999-3001"}).content == content[999:3002]


def test_P04_an_object_that_changes_while_it_is_sent_ends_early(tmp_path, scene, monkeypatch):
    monkeypatch.setattr(remote_file, "PIECE_BYTES", 1000)
    item, folder = scene
    (tmp_path / BUCKET / "deliveries").mkdir(parents=True)
    content = (folder / "analytic.tif").read_bytes()
    (tmp_path / BUCKET / "deliveries/analytic.tif").write_bytes(content)
    with http_store(tmp_path) as store, node_at(tmp_path / "home", catalog=s3_settings(store.url)) as node:
        put_collection(node.store, "gf2-pms")
        node.store.load([far(item, f"s3://{BUCKET}/deliveries")])
        with node.get(VERSIONED, stream=True) as answer:
            store.etag = '"2"'
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                list(answer.iter_content(100))
        store.fail(503)
        begun = time.monotonic()
        answer = node.get(VERSIONED)
        assert (answer.status_code, answer.json()["code"]) == (502, "source_error")
        assert BUCKET not in answer.text
        assert time.monotonic() - begun < 12


def test_an_object_that_may_not_be_read_or_is_gone_is_502_and_nothing_of_it_is_told(tmp_path, scene):
    item, folder = scene
    with object_store(folder.parent) as url:
        for settings, place in (
            (s3_settings(url, s3_access_key_id="", s3_secret_access_key=None), FOLDER),
            (s3_settings(url), "gone"),
        ):
            with node_at(tmp_path / place, catalog=settings) as node:
                put_collection(node.store, "gf2-pms")
                node.store.load([far(item, f"s3://{BUCKET}/deliveries/{place}")])
                for path in (TILES[5], READS[0], VERSIONED):
                    answer = node.get(path)
                    assert (answer.status_code, answer.json()["code"]) == (502, "source_error"), path
                    assert "s3" not in answer.text
                    assert BUCKET not in answer.text


def test_T23_a_node_reads_a_private_bucket_and_tells_its_secrets_to_nobody(tmp_path, scene, monkeypatch):
    item, folder = scene
    lines = tmp_path / "items.ndjson"
    far_item = far(item, f"s3://{BUCKET}/deliveries/{FOLDER}")
    lines.write_text("\n".join(json.dumps(document) for document in (some_collection("gf2-pms"), far_item)))
    with object_store(folder.parent) as url:
        for name, value in {
            "REMOTE_STORES": f"s3://{BUCKET}/deliveries",
            "S3_ENDPOINT": url,
            "S3_ACCESS_KEY_ID": KEY_ID,
            "S3_SECRET_ACCESS_KEY": SECRET,
        }.items():
            monkeypatch.setenv(f"CATALOG_{name}", value)
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")  # is not looked at
        home = tmp_path / "home"
        command = [sys.executable, "-m", "imagery_node.cli", "catalog", "load", str(lines), "--home", str(home)]
        subprocess.run(command, check=True, capture_output=True)
        with Node(home) as node:
            assert requests.get(node.url + TILES[0], timeout=30).status_code == 200
            assert requests.get(node.url + VERSIONED, timeout=30).status_code == 200
            listed = requests.get(f"{node.url}/stac/collections/gf2-pms/items/FAR", timeout=30)
            assert listed.ok
            assert "s3://" not in listed.text
            href = listed.json()["assets"]["analytic"]["href"]
            assert requests.get(href, timeout=30).content == (folder / "analytic.tif").read_bytes()
            told = node.log.read_text() + listed.text
    for secret in (KEY_ID, SECRET, "Signature"):
        assert secret not in told


def test_an_item_that_leads_to_another_bucket_or_prefix_is_not_loaded(tmp_path, scene):
    item, _ = scene
    for place in (f"s3://{BUCKET}", f"s3://other/deliveries/{FOLDER}", f"s3://{BUCKET}/deliveries/../x"):
        lines = tmp_path / "items.ndjson"
        lines.write_text(json.dumps(far(item, place)))
        store = open_store(tmp_path / "home")
        with pytest.raises(InvalidItemError, match="CATALOG_REMOTE_STORES"):
            load(lines, home=tmp_path / "home", store=store, remote_stores=(f"s3://{BUCKET}/deliveries/",))
        store.close()


def test_P20_a_silent_bucket_holds_up_its_own_files_only(tmp_path, scene, monkeypatch):
    monkeypatch.setattr(http_ranges, "SILENCE_S", 3.0)
    item, folder = scene
    (tmp_path / BUCKET).mkdir()
    (tmp_path / BUCKET / "deliveries").symlink_to(folder.parent)
    with http_store(tmp_path) as store, node_at(tmp_path / "home", catalog=s3_settings(store.url)) as node:
        put_collection(node.store, "gf2-pms")
        node.store.load([far(item, f"s3://{BUCKET}/deliveries/{FOLDER}")])
        assert node.get(VERSIONED, "HEAD").status_code == 200
        store.fail("silent")
        with ThreadPoolExecutor(8) as callers:
            waiting = [callers.submit(node.get, VERSIONED) for _ in range(8)]
            time.sleep(1.5)  # four of them wait for the bucket, the others were told to come back
            begun = time.monotonic()
            assert node.get("/stac/collections/gf2-pms/items/FAR").status_code == 200
            assert time.monotonic() - begun < 3
            assert {answer.result().status_code for answer in waiting} == {502, 503}
