import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.access import Access
from catalog.link import Addresses, published
from catalog.served_item import given_item, served_item
from tests.support.stac import some_items

AT = Addresses(node="https://node.example", stac="https://node.example/stac")
VIEWS = [("zy3-mux", "BACK")]
FILES = {
    "visual": {"href": "visual.tif", "type": "image/tiff"},
    "thumbnail": {"href": "pictures/thumbnail.webp", "type": "image/webp"},
    "remote": {"href": "https://elsewhere.example/a.tif"},
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def _item(**more):
    (item,) = some_items(1)
    return {**item, "assets": {key: dict(asset) for key, asset in FILES.items()}, **more}


def _served(item, at=AT):
    return orjson.loads(published(served_item(item, "v1", VIEWS).document, at))


@given(st.dictionaries(TEXTS, TEXTS, max_size=4), st.text(alphabet='\1\2\3\\u01"/', max_size=8))
def test_what_was_given_comes_back_whatever_its_texts_are(texts, marks):
    item = _item()
    item["properties"] |= {"title": marks, "texts": texts}
    item["assets"]["visual"]["href"] = f"visual.t{marks}".replace("/", "")
    assert given_item(served_item(item, "v1", VIEWS)) == item
    assert _served(item)["properties"] == item["properties"]


@pytest.mark.parametrize("links", [None, [], [{"rel": "license", "href": "https://example.com/licence"}]])
@pytest.mark.parametrize("extensions", [None, [], ["https://example.com/schema.json"]])
@pytest.mark.parametrize("picture", [True, False])
def test_members_that_serving_replaces_come_back_as_they_were(links, extensions, picture):
    item = _item()
    for name, value in (("links", links), ("stac_extensions", extensions)):
        item.pop(name, None)
        if value is not None:
            item[name] = value
    if not picture:
        del item["assets"]["visual"]
    assert given_item(served_item(item, "v1", VIEWS)) == item


def test_addresses_start_from_the_roots_of_who_asks():
    item = _item()
    served = _served(item)
    hrefs = {link["rel"]: link["href"] for link in served["links"]}
    assert hrefs["root"] == AT.stac
    assert hrefs["related"] == f"{AT.stac}/collections/zy3-mux/items/BACK"
    assert served["assets"]["visual"]["href"] == f"{AT.node}/data/{item['collection']}/{item['id']}/v1/visual.tif"
    alone = Addresses(node="https://other.example", stac="https://other.example")
    assert {link["href"] for link in _served(item, alone)["links"] if link["rel"] == "root"} == {
        "https://other.example/"
    }


def test_only_files_of_protected_collections_are_signed():
    at = Addresses(node=AT.node, stac=AT.stac, access=Access(frozenset({"closed"}), b"k" * 32))
    assert "signature=" not in str(_served(_item(), at))
    signed = _served(_item(collection="closed"), at)
    assert {key for key, asset in signed["assets"].items() if "&signature=" not in asset["href"]} == {"remote"}
    assert all("signature=" in link["href"] for link in signed["links"] if link["rel"] == "preview")
