"""Protected collections: searched by anyone, read by bearers of a token and with signed links."""

import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import odc.stac
import pystac
import pystac_client
import pytest
import rasterio
import requests

from catalog.access import MAX_LINK_S, Access, FileName
from catalog.settings import CatalogSettings
from tests.support.published import node_at, put_collection

TOKEN = "reader-" + "r" * 32
READER = {"Authorization": f"Bearer {TOKEN}"}
SETTINGS = CatalogSettings(protected=("gf2-pms",), signing_key="k" * 40, read_token=TOKEN)

ITEM = "/stac/collections/gf2-pms/items/SECRET"
VERSIONED = "/data/gf2-pms/SECRET/1/analytic.tif"
NEWEST = f"{ITEM}/assets/analytic"
RASTER = "/raster/collections/gf2-pms/items/SECRET"

both_addresses = pytest.mark.parametrize("path", [VERSIONED, NEWEST])


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with node_at(tmp_path_factory.mktemp("home"), catalog=SETTINGS) as running:
        for collection in ("gf1-pms", "gf2-pms"):
            put_collection(running.store, collection)
        running.publish("SECRET", "2024-03-01T03:00:00Z")
        running.publish("OPEN", "2024-06-05T03:00:00Z", collection="gf1-pms")
        yield running


@pytest.fixture(scope="module")
def content(node):
    return (node.home / "scenes/gf2-pms/SECRET/1/analytic.tif").read_bytes()


def _query(path, name=("gf2-pms", "SECRET", "1", "analytic"), lifetime_s=600):
    return path + Access.of(SETTINGS).sign(FileName(*name), expires=int(time.time()) + lifetime_s)


@both_addresses
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_protected_file_is_refused_without_a_token(node, path, method):
    answer = node.get(path, method)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="imagery-node"'
    assert "Authorization" in answer.headers["vary"]
    assert method == "HEAD" or answer.json()["code"] == "unauthorised"


@both_addresses
def test_a_token_opens_it_for_this_caller_only(node, path, content):
    answer = node.get(path, headers=READER)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["cache-control"] == "private, no-store"
    part = node.get(path, headers=READER | {"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])


@pytest.mark.parametrize("path", [VERSIONED, NEWEST, ITEM, "/stac/search", "/data/gf1-pms/OPEN/1/visual.tif"])
def test_a_wrong_token_is_never_taken_for_none(node, path):
    answer = node.get(path, headers={"Authorization": f"Bearer {TOKEN}x"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_the_header_of_another_scheme_is_somebody_elses(node):
    assert node.get(ITEM, headers={"Authorization": "Basic eDp5"}).status_code == 200
    assert node.get(VERSIONED, headers={"Authorization": "Basic eDp5"}).status_code == 401


@both_addresses
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_signed_link_opens_it_without_a_token(node, path, method, content):
    answer = node.get(_query(path), method)
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(content)))
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.content == (content if method == "GET" else b"")


@both_addresses
@pytest.mark.parametrize(
    ("other", "lifetime_s"),
    [
        ({}, -5),
        ({}, MAX_LINK_S + 600),
        ({"collection": "gf1-pms"}, 600),
        ({"item_id": "OTHER"}, 600),
        ({"version": "2"}, 600),
        ({"key": "visual"}, 600),
    ],
)
def test_a_link_that_is_late_or_of_something_else_is_403(node, path, other, lifetime_s):
    signer = Access(frozenset({"gf1-pms", "gf2-pms"}), b"k" * 40)
    name = FileName("gf2-pms", "SECRET", "1", "analytic")._replace(**other)
    answer = node.get(path + signer.sign(name, expires=int(time.time()) + lifetime_s))
    assert (answer.status_code, answer.json()["code"]) == (403, "bad_link")


@both_addresses
def test_a_link_that_somebody_changed_is_403(node, path):
    signed = _query(path)
    expires = parse_qs(urlsplit(signed).query)["expires"][0]
    for wrong in (
        signed[:-1],
        signed.replace(f"expires={expires}", f"expires={int(expires) + 1}"),
        f"{path}?expires={expires}&signature=",
        f"{path}?expires={expires}&signature=%E4%B8%AD",
    ):
        assert node.get(wrong).status_code == 403
    assert node.get(f"{path}?expires={expires}").status_code == 401
    assert node.get(f"{path}?expires=never&signature=x").status_code == 400
    assert node.get(f"{signed}&expires=1").status_code == 400


def test_what_is_absent_is_404_for_everyone(node):
    for headers in ({}, READER):
        for path in ("/data/gf2-pms/NOPE/1/analytic.tif", "/data/gf2-pms/SECRET/1/nope.tif", f"{ITEM}/assets/nope"):
            assert node.get(path, headers=headers).status_code == 404


def test_items_stay_searchable_with_plain_links_for_the_public(node):
    answer = node.get(ITEM)
    assert answer.status_code == 200
    assert "signature" not in answer.text
    assert "Authorization" in answer.headers["vary"]
    found = node.get("/stac/search?collections=gf2-pms").json()["features"]
    assert [item["id"] for item in found] == ["SECRET"]
    assert node.get(found[0]["assets"]["analytic"]["href"].removeprefix(node.url)).status_code == 401


@pytest.mark.parametrize("path", [ITEM, "/stac/search?ids=SECRET", "/stac/collections/gf2-pms/items"])
def test_a_reader_gets_signed_links_that_nobody_else_is_given_from_a_cache(node, path, content):
    answer = node.get(path, headers=READER)
    assert answer.headers["cache-control"] == "private, no-store"
    assert "Authorization" in answer.headers["vary"]
    (item,) = answer.json().get("features", [answer.json()])
    href = item["assets"]["analytic"]["href"]
    assert requests.get(href, timeout=30).content == content
    assert "signature" not in node.get(path).text


def test_a_reader_gets_plain_links_to_what_is_public(node):
    item = node.get("/stac/collections/gf1-pms/items/OPEN", headers=READER).json()
    assert "?" not in item["assets"]["visual"]["href"]
    assert node.get("/data/gf1-pms/OPEN/1/visual.tif").headers["cache-control"] == "public, no-cache"


def test_a_link_is_made_for_who_has_a_token(node, content):
    assert node.get(f"{NEWEST}/link").status_code == 401
    assert node.get(f"{ITEM}/assets/nope/link").status_code == 404
    answer = node.get(f"{NEWEST}/link?lifetime_s=120", headers=READER)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")
    assert 0 < answer.json()["expires"] - time.time() <= 120
    assert requests.get(answer.json()["href"], timeout=30).content == content
    assert node.get(f"{NEWEST}/link?lifetime_s={MAX_LINK_S + 1}", headers=READER).status_code == 400
    public = node.get("/stac/collections/gf1-pms/items/OPEN/assets/visual/link").json()
    assert public == {"href": f"{node.url}/data/gf1-pms/OPEN/1/visual.tif", "expires": None}


def test_gdal_reads_a_signed_link(node):
    for lifetime_s, settings in ((600, {}), (700, {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif"})):
        with (
            rasterio.Env(**settings),
            rasterio.open(f"/vsicurl/{node.url}{_query(VERSIONED, lifetime_s=lifetime_s)}") as remote,
        ):
            assert remote.read(4, window=((10, 12), (20, 22))).tolist() == [[420, 421], [420, 421]]


@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # odc-geo calls it
def test_odc_stac_loads_what_pystac_client_found_with_a_token(node):
    client = pystac_client.Client.open(f"{node.url}/stac", headers=READER)
    (item,) = client.search(ids=["SECRET"]).items()
    loaded = odc.stac.load([item], bands=["analytic.1", "analytic.4"], crs="EPSG:32650", resolution=15)
    assert float((loaded["analytic.4"] - loaded["analytic.1"]).max()) == 300
    plain = pystac.Item.from_dict(node.get(ITEM).json())
    with pytest.raises(Exception, match="401"):
        odc.stac.load([plain], bands=["analytic.1"], crs="EPSG:32650", resolution=15)


@pytest.mark.parametrize(
    "path",
    [
        "/info",
        "/statistics",
        "/preview.tif?assets=analytic",
        "/point/116.38,39.97?assets=analytic",
        "/bbox/116.37,39.96,116.38,39.97.tif?assets=analytic",
    ],
)
def test_values_of_pixels_are_given_to_readers_only(node, path):
    assert node.get(RASTER + path).status_code == 401
    assert node.get(RASTER + path, headers=READER).status_code == 200
    assert node.get(f"/raster/collections/gf1-pms/items/OPEN{path}").status_code == 200


def test_the_command_signs_a_link_for_somebody_without_a_token(node, monkeypatch, content):
    monkeypatch.setenv("CATALOG_PROTECTED", "gf2-pms")
    monkeypatch.setenv("CATALOG_SIGNING_KEY", "k" * 40)
    monkeypatch.setenv("IMAGERY_NODE_PUBLIC_URL", node.url)
    sign = [sys.executable, "-m", "imagery_node.cli", "catalog", "sign", "--home", str(node.home)]
    done = subprocess.run([*sign, "SECRET", "analytic", "--for", "2h"], capture_output=True, text=True, timeout=60)
    assert requests.get(done.stdout.strip(), timeout=30).content == content, done
    for words in (("SECRET", "nope"), ("NOPE", "analytic"), ("OPEN", "visual")):
        assert subprocess.run([*sign, *words], capture_output=True, timeout=60).returncode == 1
    for lifetime in ("8d", "0s", "soon"):
        words = ("SECRET", "analytic", "--for", lifetime)
        assert subprocess.run([*sign, *words], capture_output=True, timeout=60).returncode == 2
