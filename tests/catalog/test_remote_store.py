"""T02: which addresses lie in an allowed store, and which only look so."""

import pytest
from pydantic import ValidationError

from catalog.asset_place import asset_place, remote_address
from catalog.errors import InvalidItemError
from catalog.remote_store import is_object, is_remote, origin_of, read_store, resolve_address
from catalog.settings import CatalogSettings
from tests.support.stac import some_items

STORES = (read_store("HTTPS://Data.Example.org/scenes"), read_store("http://127.0.0.1:8000/data/"))


@pytest.mark.parametrize(
    ("href", "address"),
    [
        ("https://data.example.org/scenes/a.tif", "https://data.example.org:443/scenes/a.tif"),
        ("https://DATA.example.org:443/scenes/b/a.tif", "https://data.example.org:443/scenes/b/a.tif"),
        ("http://127.0.0.1:8000/data/x/y.TIF", "http://127.0.0.1:8000/data/x/y.TIF"),
        ("http://127.0.0.1:8000/data/%E9%AB%98.tif", "http://127.0.0.1:8000/data/%E9%AB%98.tif"),
    ],
)
def test_an_address_below_a_store_is_given_in_one_form(href, address):
    assert is_remote(href)
    assert remote_address(href, STORES) == address


@pytest.mark.parametrize(
    "href",
    [
        "http://data.example.org/scenes/a.tif",
        "https://data.example.org:8443/scenes/a.tif",
        "https://data.example.org/scenesx/a.tif",
        "https://data.example.org/other/a.tif",
        "https://data.example.org.evil.com/scenes/a.tif",
        "https://user@data.example.org/scenes/a.tif",
        "https://evil.com@data.example.org/scenes/a.tif",
        "https://data.example.org@evil.com/scenes/a.tif",
        "https://data.example.org\\@evil.com/scenes/a.tif",
        "https://data.example.org/scenes/../a.tif",
        "https://data.example.org/scenes/%2e%2e/a.tif",
        "https://data.example.org/scenes/%2E%2E%2fa.tif",
        "https://data.example.org/scenes/b%2f..%2fa.tif",
        "https://data.example.org/scenes/b%5ca.tif",
        "https://data.example.org/scenes/b%252fa.tif",
        "https://data.example.org/scenes/b\\a.tif",
        "https://data.example.org/scenes//a.tif",
        "https://data.example.org/scenes/./a.tif",
        "https://data.example.org/scenes/a.tif?b=c",
        "https://data.example.org/scenes/a.tif#b",
        "https://data.example.org/scenes/a.tif?",
        "https://data.example.org/scenes/a b.tif",
        "https://data.example.org/scenes/高.tif",
        "https://data.example.org/scenes/a.tif\n",
        "https://data.example.org/scenes/\x00a.tif",
        "https://data.example.org:port/scenes/a.tif",
        "https://[::1/scenes/a.tif",
        "https:///scenes/a.tif",
        "ftp://data.example.org/scenes/a.tif",
        "file:///scenes/a.tif",
        "https://data.example.org/scenes/" + "a" * 3000 + ".tif",
        "https://data.example.org/scenes/a.vrt",
        "https://data.example.org/scenes/a",
    ],
)
def test_T02_what_only_looks_like_an_address_of_a_store_is_none(href):
    assert remote_address(href, STORES) is None


BUCKETS = (read_store("s3://scenes/gaofen"), read_store("s3://other.bucket-1"))


@pytest.mark.parametrize(
    "href", ["s3://scenes/gaofen/a.tif", "s3://scenes/gaofen/高分二号/b+c=1.tif", "s3://other.bucket-1/x/y.xml"]
)
def test_an_object_below_a_store_keeps_its_key(href):
    assert remote_address(href, BUCKETS) == href
    assert is_remote(href)
    assert is_object(href)


@pytest.mark.parametrize(
    "href",
    [
        "s3://scenes/gaofenx/a.tif",
        "s3://scenes/a.tif",
        "s3://SCENES/gaofen/a.tif",
        "s3://scenes:443/gaofen/a.tif",
        "s3://user@scenes/gaofen/a.tif",
        "s3://scenes/gaofen/../a.tif",
        "s3://scenes/gaofen/./a.tif",
        "s3://scenes/gaofen//a.tif",
        "s3://scenes/gaofen/%2e%2e/a.tif",
        "s3://scenes/gaofen/a%2ftif.tif",
        "s3://scenes/gaofen/a.tif?versionId=1",
        "s3://scenes/gaofen/a.tif#b",
        "s3://scenes/gaofen/b\\a.tif",
        "s3://scenes/gaofen/b a.tif",
        "s3://scenes/gaofen/b\u3000a.tif",
        "s3://scenes/gaofen/\u202etif.a.tif",
        "s3://scenes/gaofen/a.tif\n",
        "s3://scenes/gaofen/a.vrt",
        "S3://scenes/gaofen/a.tif",
        "s3:///gaofen/a.tif",
        "s3://scenes",
        "https://scenes/gaofen/a.tif",
        "s3://scenes/gaofen/" + "a" * 3000 + ".tif",
    ],
)
def test_T02_what_only_looks_like_an_object_of_a_store_is_none(href):
    assert remote_address(href, BUCKETS) is None


def test_the_origin_of_an_object_is_its_bucket():
    assert origin_of(BUCKETS[0]) == "s3://scenes"


def test_no_store_allows_nothing():
    assert resolve_address("https://data.example.org/scenes/a.tif", ()) is None


def test_the_origin_is_scheme_host_and_port():
    assert origin_of(STORES[0]) == "https://data.example.org:443"


def test_an_asset_is_looked_for_where_the_settings_allow_it_now(tmp_path):
    item = some_items(1)[0] | {"assets": {"visual": {"href": "http://127.0.0.1:8000/data/a.tif"}}}
    found = asset_place(item, "visual", home=tmp_path, remote_stores=STORES)
    assert found == "http://127.0.0.1:8000/data/a.tif"
    with pytest.raises(InvalidItemError, match="CATALOG_REMOTE_STORES"):
        asset_place(item, "visual", home=tmp_path, remote_stores=STORES[:1])


def test_stores_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("CATALOG_REMOTE_STORES", "https://data.example.org/scenes, http://127.0.0.1:8000/data/,")
    assert CatalogSettings().remote_stores == STORES


@pytest.mark.parametrize(
    "store",
    [
        "data.example.org",
        "s3://b",
        "s3://Bucket/x",
        "s3://a..b/x",
        "s3://bucket/../x",
        "https://u:p@host/x",
        "https://host/../x",
        "/x",
    ],
)
def test_P32_a_store_that_is_no_plain_address_is_refused_by_name(monkeypatch, store):
    monkeypatch.setenv("CATALOG_REMOTE_STORES", store)
    with pytest.raises(ValidationError, match="remote_stores"):
        CatalogSettings()


KEY = {"S3_ACCESS_KEY_ID": "KEY", "S3_SECRET_ACCESS_KEY": "never-told"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"S3_ACCESS_KEY_ID": "KEY"}, "there must be both"),
        ({"S3_SECRET_ACCESS_KEY": "never-told"}, "there must be both"),
        ({**KEY, "S3_ENDPOINT": "minio:9000"}, "s3_endpoint"),
        ({**KEY, "S3_ENDPOINT": "https://minio.example.org/path"}, "s3_endpoint"),
        ({**KEY, "S3_ENDPOINT": "https://u:p@minio.example.org"}, "s3_endpoint"),
        ({**KEY, "S3_ENDPOINT": "s3://bucket"}, "s3_endpoint"),
        ({**KEY, "S3_REGION": "cn north"}, "s3_region"),
        ({**KEY, "S3_ENDPOINT": "http://127.0.0.1:9000", "S3_VIRTUAL_HOSTS": "true"}, "S3_VIRTUAL_HOSTS"),
        ({**KEY, "S3_ENDPOINT": "http://[::1]:9000", "S3_VIRTUAL_HOSTS": "true"}, "S3_VIRTUAL_HOSTS"),
        ({**KEY, "S3_BUCKET": "x"}, "S3_BUCKET"),
    ],
)
def test_P32_a_bad_setting_of_s3_is_refused_by_name_without_its_secret(monkeypatch, values, told):
    for name, value in values.items():
        monkeypatch.setenv(f"CATALOG_{name}", value)
    with pytest.raises(ValidationError, match=told) as caught:
        CatalogSettings()
    assert "never-told" not in str(caught.value)
    assert "u:p" not in str(caught.value)
