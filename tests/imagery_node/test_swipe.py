from urllib.parse import parse_qs, urlparse

import pytest

from imagery_node.grid import WEB_MERCATOR_QUAD, get_grid
from tests.support.published import CORNER

BOX = ",".join(map(str, get_grid(WEB_MERCATOR_QUAD).bbox(CORNER)))
SWIPE = f"/raster/layers/gf2-pms/swipe?bbox={BOX}"


def path(address):
    return urlparse(address)._replace(scheme="", netloc="").geturl()


def test_both_dates_have_addresses_of_tiles_that_show_them(node):
    document = node.get(f"{SWIPE}&before=2024-02-20&after=latest&render=natural").json()
    assert [document[side]["date"] for side in ("before", "after")] == ["2024-03-01", "2024-09-10"]
    for side in ("before", "after"):
        (tiles,) = document[side]["tiles"]
        assert parse_qs(urlparse(tiles).query) == {"datetime": [document[side]["date"]], "render": ["natural"]}
        tile = node.get(path(tiles.format(z=CORNER.z, x=CORNER.x, y=CORNER.y)))
        assert (tile.status_code, tile.headers["imagery-date"]) == (200, document[side]["date"])
        assert node.get(path(document[side]["tilejson"])).json()["tiles"] == [tiles]


def test_an_interval_stays_the_interval_it_is(node):
    document = node.get(f"{SWIPE}&before=2024-01-01/2024-08-31&after=2024Q3").json()
    assert document["before"]["date"] is None
    assert parse_qs(urlparse(document["before"]["tiles"][0]).query) == {"datetime": ["2024-01-01/2024-08-31"]}
    assert (document["before"]["scenes"], document["after"]["scenes"]) == (1, 1)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("&before=2024-02-20", 400, "limit.after"),
        ("&after=2024-02-20", 400, "limit.before"),
        ("&before=2024-02-20&after=then", 400, "limit.datetime"),
        ("&before=2024-02-20&after=latest&datetime=latest", 400, "unknown_parameter"),
        ("&before=2020&after=latest", 404, "not_found"),
        ("&before=2024-02-20&after=latest&render=nope", 404, "not_found"),
    ],
)
def test_what_cannot_be_paired_is_refused(node, query, status, code):
    answer = node.get(SWIPE + query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_swipe_without_a_place_is_refused(node):
    assert node.get("/raster/layers/gf2-pms/swipe?before=2024&after=latest").json()["code"] == "limit.bbox"
