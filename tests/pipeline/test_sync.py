"""Two real nodes: what one publishes, recalls and restores shows at the other, whose maps read the files over HTTP."""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import requests
from PIL import Image

from catalog.cursor import read_cursor, write_cursor
from catalog.following import Follower
from catalog.intake import Intake, Tally
from catalog.maintenance import rebuild, verify
from catalog.peer import Peer
from catalog.publishing import recall, restore
from catalog.remote_store import read_store
from catalog.store import open_store
from tests.support.node import Node
from tests.support.published import INSIDE, address, node_at, publish_scene, put_collection

PATIENCE_S = 60
"""Far longer than anything here takes, for machines that do much else."""

LAYER = "/raster/layers/img/"
TOUCHED, UNTOUCHED = f"{LAYER}{address(suffix='.png')}", f"{LAYER}{address(dx=3, suffix='.png')}"
FIRST = "/raster/collections/gf2-pms/items/FIRST"


def run(*words, code=0, **environment):
    """One command of the node."""
    done = subprocess.run(
        [sys.executable, "-m", "imagery_node.cli", *map(str, words)],
        capture_output=True, text=True, timeout=300, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def following(url, home):
    """A sync that looks twice a second, while the block runs."""
    words = [sys.executable, "-m", "imagery_node.cli", "sync", f"{url}/stac", "--home", home, "--every", "0.5"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "Traceback" not in output


def until(found):
    """The first good answer."""
    deadline = time.monotonic() + PATIENCE_S
    while not (answer := found()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return answer


def get(node, path, status=200, **options):
    answer = requests.get(node.url + path, timeout=30, **options)
    assert answer.status_code == status, answer.text
    return answer


def ids(node):
    return sorted(item["id"] for item in get(node, "/stac/search?limit=100").json()["features"])


def pixels(answer):
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))


@pytest.fixture
def filled(tmp_path):
    """The home of the node that publishes."""
    return fill(tmp_path / "ours")


def fill(home):
    """A scene here and another one three tiles east."""
    store = open_store(home)
    for collection in ("gf1-pms", "gf2-pms"):
        put_collection(store, collection)
    publish_scene(store, home, "FIRST", "2024-03-01T03:00:00Z", colour=(200, 60, 40))
    publish_scene(store, home, "EAST", "2024-03-02T03:00:00Z", collection="gf1-pms", east=3)
    store.close()
    return home


@pytest.fixture
def ours(filled):
    """It runs, as a process of its own."""
    with Node(filled) as node:
        node.store, node.home = open_store(filled), filled
        yield node
    node.store.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A node and one that took over its scenes, as processes, for tests that only look at them."""
    mirror = tmp_path_factory.mktemp("mirror")
    with ExitStack() as running:
        ours = running.enter_context(Node(fill(tmp_path_factory.mktemp("ours"))))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CATALOG_REMOTE_STORES", f"{ours.url}/data")
            assert "taken 2" in run("sync", f"{ours.url}/stac", "--home", mirror, "--once")
            theirs = running.enter_context(Node(mirror))
        theirs.home = mirror
        yield ours, theirs


@pytest.fixture
def near(filled):
    """It runs, as a thread of this process."""
    with node_at(filled) as node:
        yield node


@pytest.fixture
def far(tmp_path, near):
    """The home of a node that follows it, and its catalogue."""
    store = open_store(tmp_path / "far")
    yield tmp_path / "far", store
    store.close()


@pytest.fixture
def mirror(tmp_path, ours, monkeypatch):
    """The home of the node that follows; it may read the files of the other."""
    monkeypatch.setenv("CATALOG_REMOTE_STORES", f"{ours.url}/data")
    return tmp_path / "mirror"


def test_what_happens_at_one_node_shows_at_the_other_and_touches_no_other_tile(ours, mirror):
    mirror.mkdir()
    with Node(mirror) as theirs, following(ours.url, mirror):
        until(lambda: ids(theirs) == ["EAST", "FIRST"])
        before = {path: get(theirs, path).headers["etag"] for path in (TOUCHED, UNTOUCHED)}

        publish_scene(ours.store, ours.home, "SECOND", "2024-06-01T03:00:00Z", colour=(40, 60, 200))
        until(lambda: ids(theirs) == ["EAST", "FIRST", "SECOND"])
        assert get(theirs, TOUCHED).headers["etag"] != before[TOUCHED]
        assert get(theirs, UNTOUCHED).headers["etag"] == before[UNTOUCHED]
        np.testing.assert_array_equal(pixels(get(theirs, TOUCHED)), pixels(get(ours, TOUCHED)))

        recall("SECOND", home=ours.home, store=ours.store, reason="wrong orbit file")
        until(lambda: ids(theirs) == ["EAST", "FIRST"])
        assert {path: get(theirs, path).headers["etag"] for path in before} == before
        (tombstone,) = open_store(mirror).tombstones()
        assert tombstone.reason == f"{ours.url}/stac: wrong orbit file"

        restore("SECOND", home=ours.home, store=ours.store)
        until(lambda: ids(theirs) == ["EAST", "FIRST", "SECOND"])
        assert get(theirs, UNTOUCHED).headers["etag"] == before[UNTOUCHED]


def test_every_picture_at_the_follower_is_that_of_the_origin(pair):
    ours, theirs = pair
    point = ",".join(map(str, INSIDE))
    for path in (
        TOUCHED,
        f"{LAYER}{address(suffix='.jpg')}",
        f"{LAYER}{address(dx=1, dy=1, suffix='.png')}",
        f"/raster/layers/gf2-pms/{address(suffix='.png')}?render=natural",
        f"{FIRST}/{address(suffix='.webp')}?assets=analytic&bidx=1&bidx=2&bidx=3&rescale=0,1000",
        f"{FIRST}/preview.png?assets=visual&max_size=64",
    ):
        np.testing.assert_array_equal(pixels(get(theirs, path)), pixels(get(ours, path)), err_msg=path)
    values = f"{FIRST}/preview.npy?assets=analytic"
    assert get(theirs, values).content == get(ours, values).content
    for path in (
        f"{FIRST}/point/{point}?assets=analytic",
        f"{FIRST}/statistics?assets=analytic",
        f"{LAYER}dates?point={point}",
    ):
        one, other = get(theirs, path).json(), get(ours, path).json()
        assert without_places(one) == without_places(other), path
    jpeg = f"{LAYER}{address(suffix='.jpg')}"
    assert [get(theirs, jpeg).headers["server-timing"] for _ in range(2)] == ["verbatim", "verbatim"]


def without_places(document):
    """A document without what differs between two nodes by its nature: addresses and versions."""
    if isinstance(document, dict):
        return {
            key: without_places(value) for key, value in document.items() if key not in {"links", "version", "href"}
        }
    return [without_places(value) for value in document] if isinstance(document, list) else document


def test_an_item_says_where_it_is_from_and_its_files_stay_there(pair):
    ours, theirs = pair
    origin = f"{ours.url}/stac/collections/gf2-pms/items/FIRST"
    item = get(theirs, "/stac/collections/gf2-pms/items/FIRST").json()
    assert item["properties"]["imagery_node:origin"] == {
        "catalog": f"{ours.url}/stac", "href": origin, "version": "1",
    }  # fmt: skip
    assert [link["href"] for link in item["links"] if link["rel"] == "canonical"] == [origin]
    assert not any(ours.url in link["href"] for link in item["links"] if link["rel"] != "canonical")
    theirs_at, ours_at = (
        {key: asset["href"] for key, asset in document["assets"].items()}
        for document in (item, get(ours, "/stac/collections/gf2-pms/items/FIRST").json())
    )
    assert theirs_at == ours_at
    collections = get(theirs, "/stac/collections").json()["collections"]
    assert {each["id"]: "renders" in each for each in collections} == {"gf1-pms": True, "gf2-pms": True}
    assert not any(ours.url in link["href"] for each in collections for link in each["links"])
    assert not list(theirs.home.glob("scenes/*/*/*"))


@pytest.mark.parametrize("step", ["load", "follow", "recall", "restore"])
def test_a_sync_that_is_killed_is_made_good_by_the_next_one(near, far, step, monkeypatch):
    monkeypatch.setenv("CATALOG_REMOTE_STORES", f"{near.url}/data")
    home, store = far
    follow(near, home, store)
    near.publish("SECOND", "2024-06-01T03:00:00Z")
    recall("FIRST", home=near.home, store=near.store, reason="clouds")
    if step == "restore":
        follow(near, home, store)
        restore("FIRST", home=near.home, store=near.store)
    rehearsal = {"NODE_REHEARSAL": "1", "NODE_FAILPOINT": f"{step}:kill"}
    run("sync", f"{near.url}/stac", "--home", home, "--once", code=-signal.SIGKILL, **rehearsal)
    run("sync", f"{near.url}/stac", "--home", home, "--once")

    expected = ["EAST", "FIRST", "SECOND"] if step == "restore" else ["EAST", "SECOND"]
    assert listed(store) == expected
    assert list(verify(home, store, remote_stores=stores_of(near))) == []
    before = list(store.all_items())
    rebuild(home, store)
    assert list(store.all_items()) == before
    assert follow(near, home, store) == Tally()


def follow(node, home, store, stores=None):
    """One look at a node, as `sync --once` takes it."""
    peer = Peer(f"{node.url}/stac")
    intake = Intake(peer, home=home, store=store, remote_stores=stores or stores_of(node))
    try:
        return Follower(peer, intake, home).follow()
    finally:
        peer.close()


def stores_of(node):
    return (read_store(f"{node.url}/data"),)


def listed(store):
    return sorted(item["id"] for item in store.all_items())


def test_a_feed_that_began_anew_is_followed_by_comparing_everything(near, far):
    follow(near, *far)
    recall("EAST", home=near.home, store=near.store, reason="gone while nobody looked")
    home, store = far
    cursor = read_cursor(home, f"{near.url}/stac")
    cursor.sequence = 10**15
    write_cursor(home, cursor)
    assert follow(near, home, store) == Tally(recalled=1, unchanged=1)
    assert listed(store) == ["FIRST"]
    assert follow(near, home, store) == Tally()


def test_a_scene_that_comes_back_to_its_own_node_is_passed_over(near, far):
    home, store = far
    follow(near, home, store)
    with node_at(home) as back:
        assert follow(back, near.home, near.store, stores=stores_of(near)) == Tally()
    assert listed(near.store) == ["EAST", "FIRST"]


def test_an_item_with_the_name_of_an_own_scene_is_refused_and_nothing_happens_to_the_scene(near, far):
    home, store = far
    put_collection(store, "gf2-pms")
    publish_scene(store, home, "FIRST", "2023-03-01T03:00:00Z")
    assert follow(near, home, store) == Tally(taken=1, refused=1)
    recall("FIRST", home=near.home, store=near.store, reason="not yours")
    assert follow(near, home, store) == Tally()
    assert store.item("gf2-pms", "FIRST")["properties"]["datetime"] == "2023-03-01T03:00:00Z"


def test_files_outside_the_allowed_stores_are_refused_and_told(near, far, monkeypatch):
    home, _ = far
    monkeypatch.setenv("CATALOG_REMOTE_STORES", "https://other.example.org/data")
    told = run("sync", f"{near.url}/stac", "--home", home, "--once", code=1)
    assert "refused 2" in told
    assert "CATALOG_REMOTE_STORES" in told
    monkeypatch.setenv("CATALOG_REMOTE_STORES", f"{near.url}/data")
    assert "taken 2" in run("sync", f"{near.url}/stac", "--home", home, "--once", "--everything")


def test_T02_a_store_that_is_no_longer_allowed_is_no_longer_read(near, far):
    home, store = far
    follow(near, home, store)
    with node_at(home) as theirs:
        for path in (TOUCHED, f"{FIRST}/info?assets=visual"):
            assert theirs.get(path).status_code == 502


def test_P20_a_node_whose_peer_is_down_answers_502_and_draws_again_when_it_is_back(ours, mirror):
    run("sync", f"{ours.url}/stac", "--home", mirror, "--once")
    expected = ("cannot read", "is not asked", "UnreadableAssetError", "Traceback")
    with Node(mirror, expected=expected) as theirs:
        os.kill(ours.process.pid, signal.SIGSTOP)
        try:
            assert requests.get(theirs.url + TOUCHED, timeout=60).status_code in {502, 504}
            assert get(theirs, "/stac/search").json()["features"]
        finally:
            os.kill(ours.process.pid, signal.SIGCONT)
        until(lambda: requests.get(theirs.url + TOUCHED, timeout=60).status_code == 200)
        np.testing.assert_array_equal(pixels(get(theirs, TOUCHED)), pixels(get(ours, TOUCHED)))
