"""Asset files over HTTP, as GDAL and odc-stac read them."""

import odc.stac
import pystac
import pytest
import rasterio

FILE = "/data/gf2-pms/OLD/1/analytic.tif"


@pytest.fixture
def content(node):
    return (node.home / "scenes/gf2-pms/OLD/1/analytic.tif").read_bytes()


def test_a_whole_file_has_its_media_type_and_length(node, content):
    for method in ("GET", "HEAD"):
        answer = node.get(FILE, method)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
        assert answer.headers["content-length"] == str(len(content))
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.content == (content if method == "GET" else b"")


def test_a_side_file_runs_nothing_in_the_browser_that_shows_it(node):  # T17
    answer = node.get("/data/gf2-pms/OLD/1/metadata.xml")
    assert (answer.headers["content-type"], answer.text) == ("application/xml", "<scene/>")
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(("asked", "start", "stop"), [("0-99", 0, 100), ("100-", 100, None), ("-10", -10, None)])
def test_a_part_of_a_file_is_given_on_request(node, content, asked, start, stop):
    answer = node.get(FILE, headers={"Range": f"bytes={asked}"})
    assert (answer.status_code, answer.content) == (206, content[start:stop])
    assert answer.headers["content-range"].endswith(f"/{len(content)}")


def test_a_part_behind_the_end_cannot_be_given(node, content):
    answer = node.get(FILE, headers={"Range": f"bytes={len(content)}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(content)}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["code"]) == (416, "limit.range")
    assert str(len(content)) in answer.json()["detail"]


def test_a_part_that_is_not_written_as_one_is_refused(node):
    answer = node.get(FILE, headers={"Range": "bytes=9-3"})
    assert (answer.status_code, answer.json()["code"]) == (400, "limit.range")


def test_a_file_that_the_client_has_is_not_sent_again(node):
    tag = node.get(FILE, "HEAD").headers["etag"]
    assert node.get(FILE, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/data/gf2-pms/OLD/2/analytic.tif",  # a version that is not listed
        "/data/gf2-pms/OLD/1/analytic.xml",
        "/data/gf2-pms/OLD/1/item.json",  # a file, but no asset
        "/data/gf2-pms/OLD/1/nope.tif",
        "/data/gf2-pms/NOPE/1/analytic.tif",
    ],
)
def test_only_assets_of_listed_versions_can_be_named(node, path):
    assert node.get(path).status_code == 404


@pytest.mark.parametrize("name", ["..%2f..%2fcatalog.db", "%2e%2e", ".analytic.tif", "a%00.tif"])
def test_a_name_that_is_no_asset_key_is_refused(node, name):
    assert node.get(f"/data/gf2-pms/OLD/1/{name}").status_code in {400, 404}


def test_gdal_reads_a_published_file_over_http(node, content):
    with rasterio.open(f"/vsicurl/{node.url}{FILE}") as remote:
        assert remote.read(4, window=((10, 12), (20, 22))).tolist() == [[420, 421], [420, 421]]


@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # odc-geo calls it
def test_odc_stac_loads_a_published_item(node):
    document = node.get("/stac/collections/gf2-pms/items/OLD").json()
    item = pystac.Item.from_dict(document)
    loaded = odc.stac.load([item], bands=["analytic.1", "analytic.4"], crs="EPSG:32650", resolution=15)
    assert float((loaded["analytic.4"] - loaded["analytic.1"]).max()) == 300
