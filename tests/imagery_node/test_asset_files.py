"""Assets by item and key: the lasting address of the newest version, beside that of each version."""

import re

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import rioxarray

from benchmarks.kill_publisher import build_scene, open_every_raster
from catalog.maintenance import sweep
from catalog.publishing import publish, recall, restore
from catalog.settings import CatalogSettings
from catalog.store import open_store
from tests.support.loaded import foreign_items
from tests.support.published import node_at
from tests.support.stac import some_collection

ASSETS = "/stac/collections/gf2-pms/items/OLD/assets"
FILE = f"{ASSETS}/analytic"
VERSION = "/data/gf2-pms/OLD/1/analytic.tif"
EXTENSIONS = "CPL_VSIL_CURL_ALLOWED_EXTENSIONS"


@pytest.fixture(scope="module")
def original(node):
    """The file where it lies."""
    return node.home / "scenes/gf2-pms/OLD/1/analytic.tif"


@pytest.fixture(scope="module")
def content(original):
    return original.read_bytes()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_both_addresses_give_the_same_file_with_the_same_headers(node, content, method):
    newest, version = node.get(FILE, method), node.get(VERSION, method)
    assert newest.status_code == 200
    assert newest.content == (content if method == "GET" else b"")
    assert newest.headers["content-disposition"] == 'inline; filename="OLD_analytic.tif"'
    assert newest.headers["content-type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert newest.headers["content-length"] == str(len(content))
    assert newest.headers["accept-ranges"] == "bytes"
    own = {"date", "x-request-id", "vary"}
    assert {name: value for name, value in newest.headers.items() if name not in own} == {
        name: value for name, value in version.headers.items() if name not in own
    }


def test_a_side_file_has_its_own_name_and_media_type(node):
    answer = node.get(f"{ASSETS}/metadata")
    assert (answer.headers["content-type"], answer.text) == ("application/xml", "<scene/>")
    assert answer.headers["content-disposition"] == 'inline; filename="OLD_metadata.xml"'


@pytest.mark.parametrize(("asked", "start", "stop"), [("0-99", 0, 100), ("100-", 100, None), ("-10", -10, None)])
def test_a_part_is_given_on_request(node, content, asked, start, stop):
    answer = node.get(FILE, headers={"Range": f"bytes={asked}"})
    assert (answer.status_code, answer.content) == (206, content[start:stop])
    assert answer.headers["content-range"].endswith(f"/{len(content)}")


def test_several_parts_are_given_at_once(node, content):
    answer = node.get(FILE, headers={"Range": "bytes=0-9,100-119"})
    assert answer.status_code == 206
    assert re.findall(rb"Content-Range: bytes (\d+)-(\d+)/", answer.content) == [(b"0", b"9"), (b"100", b"119")]
    assert content[100:120] in answer.content


def test_a_part_is_given_only_of_the_file_that_the_client_knows(node, content):
    tag = node.get(FILE, "HEAD").headers["etag"]
    for known, status in ((tag, 206), ('"other"', 200)):
        assert node.get(FILE, headers={"Range": "bytes=0-9", "If-Range": known}).status_code == status
    assert node.get(FILE, headers={"If-None-Match": f'"other", {tag}'}).status_code == 304
    assert node.get(FILE, headers={"Range": f"bytes={len(content)}-"}).status_code == 416


def test_scripts_of_other_origins_may_read_parts(node):
    preflight = node.get(
        FILE,
        "OPTIONS",
        headers={
            "Origin": "https://example.com",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range, authorization",
        },
    )
    allowed = preflight.headers["access-control-allow-headers"].lower().split(", ")
    assert {"range", "authorization"} <= set(allowed)
    answer = node.get(FILE, headers={"Range": "bytes=0-9", "Origin": "https://example.com"})
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = set(answer.headers["access-control-expose-headers"].lower().split(", "))
    assert {"content-range", "accept-ranges", "content-length", "etag"} <= exposed


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{ASSETS}/nope", 404),
        ("/stac/collections/gf2-pms/items/NOPE/assets/analytic", 404),
        ("/stac/collections/nope/items/OLD/assets/analytic", 404),
        (f"{ASSETS}/item.json", 404),
        (f"{ASSETS}/..%2f..%2fcatalog.db", 404),
        (f"{ASSETS}/%2e%2e", 400),
        (f"{ASSETS}/.analytic", 400),
        (f"{FILE}?path=/etc/passwd", 400),
    ],
)
def test_T01_only_keys_of_listed_items_name_a_file(node, path, status):
    assert node.get(path).status_code == status


@pytest.fixture
def gdal_of_a_client(monkeypatch):
    """GDAL as QGIS starts it; the node's own reads no address that does not end in .tif."""
    monkeypatch.delenv(EXTENSIONS)


@pytest.mark.usefixtures("gdal_of_a_client")
def test_gdal_and_rioxarray_read_the_pixels_of_the_file(node, original):
    with rasterio.open(original) as file:
        expected = file.read()
    for address in (FILE, VERSION):
        with rasterio.open(f"/vsicurl/{node.url}{address}") as remote:
            assert (remote.driver, remote.overviews(1)) == ("GTiff", [2, 4])
            assert np.array_equal(remote.read(), expected)
        with rioxarray.open_rasterio(node.url + address) as array:
            assert array.rio.crs.to_epsg() == 32650
            assert np.array_equal(array.to_numpy(), expected)


@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # odc-geo calls it
@pytest.mark.usefixtures("gdal_of_a_client")
@pytest.mark.parametrize("address", [FILE, VERSION])
def test_odc_stac_loads_exactly_the_pixels_of_the_file(node, original, address):
    item = pystac.Item.from_dict(node.get("/stac/collections/gf2-pms/items/OLD").json())
    with rasterio.open(original) as file:
        expected, transform = file.read(), file.transform
        shape, code = list(file.shape), f"EPSG:{file.crs.to_epsg()}"
    item.stac_extensions.append("https://stac-extensions.github.io/projection/v2.0.0/schema.json")
    asset = item.assets["analytic"]
    asset.href = node.url + address
    asset.extra_fields |= {"proj:code": code, "proj:shape": shape, "proj:transform": list(transform)[:6]}
    loaded = odc.stac.load([item], bands=["analytic.1", "analytic.4"])
    for band in (1, 4):
        assert np.array_equal(loaded[f"analytic.{band}"].to_numpy()[0], expected[band - 1])


def _publish(home, store, folder, *, seed, replace=False):
    scene = build_scene(folder, "SCENE", seed=seed)
    pixels = (scene / "analytic.tif").read_bytes()
    publish(scene, home=home, store=store, verify=open_every_raster, replace=replace)
    return pixels


def test_P31_a_version_that_was_replaced_is_read_to_its_end_and_the_newest_at_once(tmp_path):
    home = tmp_path / "home"
    with node_at(home) as node:
        first = _publish(home, node.store, tmp_path / "first", seed=1)
        newest = "/stac/collections/gf2-pms/items/SCENE/assets/analytic"
        versions = [f"/data/gf2-pms/SCENE/{number}/analytic.tif" for number in (1, 2)]
        assert node.get(newest).content == node.get(versions[0]).content == first
        second = _publish(home, node.store, tmp_path / "second", seed=2, replace=True)
        assert node.get(newest).content == node.get(versions[1]).content == second
        assert node.get(versions[0]).content == first
        sweep(home, node.store, grace_s=0)
        assert [node.get(version).status_code for version in versions] == [404, 200]


def test_nothing_of_a_recalled_scene_is_read_not_even_when_another_version_takes_its_place(tmp_path):
    home = tmp_path / "home"
    with node_at(home) as node:
        _publish(home, node.store, tmp_path / "first", seed=1)
        _publish(home, node.store, tmp_path / "second", seed=2, replace=True)
        paths = [f"/data/gf2-pms/SCENE/{number}/analytic.tif" for number in (1, 2, 3)]
        paths.append("/stac/collections/gf2-pms/items/SCENE/assets/analytic")
        assert [node.get(path).status_code for path in paths] == [200, 200, 404, 200]
        recall("SCENE", home=home, store=node.store, reason="wrong place")
        assert [node.get(path).status_code for path in paths] == [404, 404, 404, 404]
        restore("SCENE", home=home, store=node.store)
        assert node.get(paths[1]).status_code == 200
        recall("SCENE", home=home, store=node.store, reason="wrong place")
        _publish(home, node.store, tmp_path / "third", seed=3, replace=True)
        assert [node.get(path).status_code for path in paths] == [404, 404, 200, 200]


def test_a_version_that_is_not_listed_yet_is_not_read(tmp_path):
    home = tmp_path / "home"
    with node_at(home) as node:
        _publish(home, node.store, tmp_path / "first", seed=1)
        scene = home / "scenes/gf2-pms/SCENE"
        (scene / "2").symlink_to(scene / "1")
        assert node.get("/data/gf2-pms/SCENE/2/analytic.tif").status_code == 404


def test_a_remote_asset_is_answered_with_its_address(tmp_path, monkeypatch):
    other, home = tmp_path / "other", tmp_path / "home"
    (item,) = foreign_items(tmp_path / "archive", 3)[2:]
    with node_at(other) as peer:
        content = _publish(other, peer.store, tmp_path / "scene", seed=1)
        remote = f"{peer.url}/data/gf2-pms/SCENE/1/analytic.tif"
        store = open_store(home)
        store.put_collection(some_collection("gf2-pms"))
        far = item | {"assets": {"analytic": {"href": remote}, "other": {"href": remote.replace("/data/", "/else/")}}}
        store.load([far])
        store.close()
        with node_at(home, catalog=CatalogSettings(remote_stores=(f"{peer.url}/data",))) as node:
            address = f"/stac/collections/gf2-pms/items/{item['id']}/assets"
            answer = node.get(f"{address}/analytic", allow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (307, remote)
            assert node.get(f"{address}/analytic", headers={"Range": "bytes=5-9"}).content == content[5:10]
            assert node.get(f"{address}/other", allow_redirects=False).status_code == 404
            monkeypatch.delenv(EXTENSIONS)
            with rasterio.open(f"/vsicurl/{node.url}{address}/analytic") as file:
                assert file.count == 4
