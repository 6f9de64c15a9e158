"""A published scene in the hands of an analyst: pystac-client finds it, odc-stac loads its reflectance."""

import odc.stac
import pystac_client
import pytest
import rasterio
import requests
from odc.geo.crs import CRS

from catalog.publishing import publish
from catalog.store import open_store
from cog_builder.check import check_scene
from cog_builder.elevation import DemFile
from cog_builder.pipeline import build_delivery
from cog_builder.settings import CogBuilderSettings
from tests.support.node import Node
from tests.support.schemas import check_document, stac_validator
from tests.support.simulated import tiny_delivery, tiny_dem

KINDS = ("gf1-pms", "gf1-wfv", "gf2-pms")
SCALE = 0.0001


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder, inbox = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("inbox")
    store = open_store(folder)
    for kind in KINDS:
        built = tmp_path_factory.mktemp("built")
        elevation = DemFile(tiny_dem(), "ellipsoid")
        build_delivery(tiny_delivery(kind, inbox), built, elevation=elevation, settings=CogBuilderSettings())
        publish(built, home=folder, store=store, verify=check_scene)
    store.close()
    return folder


@pytest.fixture(scope="module")
def url(home):
    with Node(home) as node:
        yield node.url


@pytest.fixture
def client(url):
    client = pystac_client.Client.open(f"{url}/stac")
    yield client
    client._stac_io.session.close()


@pytest.fixture
def item(client):
    (found,) = client.search(collections=["gf2-pms"]).items()
    return found


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_catalogue_opens_at_its_address_without_a_slash_or_a_redirect(url, method):
    answer, same = (requests.request(method, url + path, allow_redirects=False) for path in ("/stac", "/stac/"))
    assert (answer.status_code, same.status_code) == (200, 200)
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) > 1000
    assert answer.content == same.content
    assert bool(answer.content) == (method == "GET")


def test_the_landing_page_links_to_addresses_that_answer_as_they_stand(url):
    links = {link["rel"]: link["href"] for link in requests.get(f"{url}/stac").json()["links"]}
    assert links["self"] == links["root"] == f"{url}/stac"
    for href in links.values():
        assert requests.head(href).status_code == 200, href


def test_pystac_client_pages_through_all_items(client):
    pages = list(client.search(limit=1).pages())
    assert len(pages) == len(KINDS)
    assert {item.collection_id for page in pages for item in page} == set(KINDS)
    assert {child.id for child in client.get_children()} == set(KINDS)


def test_every_document_of_a_real_publication_is_valid_stac(url):
    validator = stac_validator()
    collections = requests.get(f"{url}/stac/collections").json()["collections"]
    for document in [
        requests.get(f"{url}/stac").json(),
        *collections,
        *requests.get(f"{url}/stac/search").json()["features"],
    ]:
        check_document(document, validator)
    assert len(collections) == len(KINDS)


@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # odc-geo calls it
def test_odc_stac_loads_reflectance_by_common_names_where_it_lies(home, item):
    scenes = odc.stac.load([item], bands=["red", "nir"])
    asset = item.assets["analytic"].to_dict()
    assert list(scenes) == ["red", "nir"]
    assert scenes.odc.geobox.crs == CRS(asset["proj:code"])
    with rasterio.open(home / "scenes" / item.collection_id / item.id / "1/analytic.tif") as file:
        assert scenes.odc.geobox.transform.almost_equals(file.transform)
        assert list(file.transform)[:6] == asset["proj:transform"]
        reflectance = file.read([3, 4]) * SCALE
    assert [asset["bands"][at]["eo:common_name"] for at in (2, 3)] == ["red", "nir"]
    for band, expected in zip(("red", "nir"), reflectance, strict=True):
        assert asset["bands"][2]["raster:scale"] == SCALE
        loaded = scenes[band].isel(time=0).to_numpy() * asset["bands"][2]["raster:scale"]
        assert loaded == pytest.approx(expected)
        assert 0.02 < loaded[loaded > 0].mean() < 0.6
