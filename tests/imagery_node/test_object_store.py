"""Where objects are asked for, and that our signatures are those of Amazon's own library."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from catalog.settings import CatalogSettings
from imagery_node.object_store import ObjectStore

KEY = {"key_id": "AKIDEXAMPLE", "secret": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"}


@pytest.mark.parametrize("key", ["a.tif", "高分二号/b+c=1.tif", "x/~y/(1)&2.tif"])
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "https://minio.example.org:443"])
def test_a_signature_is_that_of_botocore(monkeypatch, endpoint, key):
    signed = ObjectStore(endpoint, region="cn-north-1", **KEY).url(f"s3://scenes/{key}")
    place, query = urlsplit(signed), parse_qs(urlsplit(signed).query)
    assert query["X-Amz-Expires"] == ["60"]
    when = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - when).total_seconds()) < 60
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: when)
    request = AWSRequest("GET", place._replace(query="").geturl())
    credentials = Credentials(KEY["key_id"], KEY["secret"])
    botocore.auth.S3SigV4QueryAuth(credentials, "s3", "cn-north-1", expires=60).add_auth(request)
    assert parse_qs(urlsplit(request.url).query)["X-Amz-Signature"] == query["X-Amz-Signature"]


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, "https://s3.us-east-1.amazonaws.com/scenes/x/%E9%AB%98.tif"),
        ({"s3_region": "cn-north-1"}, "https://s3.cn-north-1.amazonaws.com/scenes/x/%E9%AB%98.tif"),
        ({"s3_endpoint": "http://minio:9000"}, "http://minio:9000/scenes/x/%E9%AB%98.tif"),
        (
            {"s3_endpoint": "https://oss-cn-beijing.aliyuncs.com", "s3_virtual_hosts": True},
            "https://scenes.oss-cn-beijing.aliyuncs.com/x/%E9%AB%98.tif",
        ),
    ],
)
@pytest.mark.parametrize("signed", [True, False])
def test_an_object_is_asked_for_where_the_settings_say(settings, place, signed):
    secrets = {"s3_access_key_id": KEY["key_id"], "s3_secret_access_key": KEY["secret"]} if signed else {}
    store = ObjectStore.of(CatalogSettings(**settings, **secrets))
    found = urlsplit(store.url("s3://scenes/x/高.tif"))
    assert f"{found.scheme}://{found.netloc.removesuffix(':443')}{found.path}" == place
    assert bool(found.query) == signed


def test_other_addresses_are_asked_as_they_are():
    address = "https://data.example.org:443/scenes/a.tif"
    assert ObjectStore("http://127.0.0.1:9000", region="us-east-1", **KEY).url(address) == address


def test_the_environment_changes_nothing(monkeypatch):
    for name in ("ENDPOINT", "ENDPOINT_URL", "ENDPOINT_URL_S3"):
        monkeypatch.setenv(f"AWS_{name}", "http://elsewhere:1")
    for name, value in {"SESSION_TOKEN": "token", "REGION": "else", "SKIP_SIGNATURE": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    signed = ObjectStore("http://127.0.0.1:9000", region="us-east-1", **KEY).url("s3://scenes/a.tif")
    assert signed.startswith("http://127.0.0.1:9000/scenes/a.tif?")
    assert "us-east-1" in signed
    assert "Security-Token" not in signed
