"""Following a peer: what it lists is listed here, and nothing it says can do more than that."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from catalog import outbound, peer
from catalog.app import create_app
from catalog.cursor import read_cursor, write_cursor
from catalog.errors import DiskFullError
from catalog.following import Follower
from catalog.intake import Intake, Tally
from catalog.maintenance import rebuild
from catalog.peer import Peer, PeerError
from catalog.publishing import recall, restore
from catalog.remote_store import read_store
from catalog.store import open_store
from tests.support.node import serving
from tests.support.stac import COLLECTIONS, some_collection, some_items

ITEMS = [
    item | {"properties": item["properties"] | {"updated": f"2024-05-{number + 1:02}T00:00:00Z"}}
    for number, item in enumerate(some_items(12))
]


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    monkeypatch.setattr(outbound, "_FIRST_PAUSE_S", 0.001)


@pytest.fixture
def origin(tmp_path):
    """The catalogue that is followed, with some items."""
    store = open_store(tmp_path / "origin")
    for collection in COLLECTIONS:
        store.put_collection(some_collection(collection))
    store.load(ITEMS)
    with serving(create_app(store)) as url:
        store.url = url
        yield store
    store.close()


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def store(home):
    opened = open_store(home)
    yield opened
    opened.close()


def follow(url, home, store, *, everything=False, stores=(), collections=frozenset(), **options):
    """One look."""
    asked = Peer(url)
    stores = tuple(map(read_store, stores or (f"{url}/data",)))
    intake = Intake(asked, home=home, store=store, remote_stores=stores, collections=collections, **options)
    try:
        return Follower(asked, intake, home, collections=collections).follow(everything=everything)
    finally:
        asked.close()


def names(store):
    return sorted((item["collection"], item["id"]) for item in store.all_items())


def test_everything_is_taken_once_and_then_what_changed(origin, home, store):
    assert follow(origin.url, home, store) == Tally(taken=12)
    assert names(store) == names(origin)
    assert follow(origin.url, home, store) == Tally()
    changed = ITEMS[0] | {"properties": ITEMS[0]["properties"] | {"title": "another"}}
    origin.register(changed)
    origin.recall(ITEMS[1]["collection"], ITEMS[1]["id"], reason="clouds")
    assert follow(origin.url, home, store) == Tally(taken=1, recalled=1)
    assert store.item(changed["collection"], changed["id"])["properties"]["title"] == "another"
    assert names(store) == names(origin)
    assert follow(origin.url, home, store, everything=True) == Tally(unchanged=11)


def test_a_rebuild_from_the_files_gives_the_same(origin, home, store):
    follow(origin.url, home, store)
    origin.recall(ITEMS[1]["collection"], ITEMS[1]["id"], reason="clouds")
    follow(origin.url, home, store)
    before, collections, recalled = list(store.all_items()), store.collections(), store.tombstones()
    rebuild(home, store)
    assert (list(store.all_items()), store.collections()) == (before, collections)
    assert [(change.item_id, change.reason) for change in store.tombstones()] == [
        (change.item_id, change.reason) for change in recalled
    ]


def test_an_item_that_came_and_went_between_two_looks_is_never_listed(origin, home, store):
    follow(origin.url, home, store)
    brief = ITEMS[0] | {"id": "BRIEF"}
    origin.register(brief)
    origin.recall(brief["collection"], "BRIEF", reason="by mistake")
    assert follow(origin.url, home, store) == Tally()


def test_only_the_collections_asked_for_are_taken(origin, home, store):
    only = frozenset({"gf2-pms"})
    assert follow(origin.url, home, store, collections=only) == Tally(taken=4)
    origin.register(ITEMS[0] | {"id": "NEW"})
    origin.register(ITEMS[2] | {"id": "NEW"})
    assert follow(origin.url, home, store, collections=only) == Tally(taken=1)
    assert {collection for collection, _ in names(store)} == only
    assert [each["id"] for each in store.collections()] == ["gf2-pms"]


def test_a_collection_that_is_known_here_keeps_its_document(origin, home, store):
    ours = some_collection("gf1-pms") | {"title": "ours"}
    store.put_collection(ours)
    follow(origin.url, home, store)
    assert [each["title"] for each in store.collections()] == ["ours", "gf1-wfv 测试", "gf2-pms 测试"]


def test_an_item_of_this_node_is_neither_replaced_nor_recalled(origin, home, store):
    store.put_collection(some_collection("gf1-pms"))
    mine = ITEMS[0]
    store.load([mine])
    assert follow(origin.url, home, store) == Tally(taken=11, refused=1)
    origin.recall(mine["collection"], mine["id"], reason="not theirs to recall")
    assert follow(origin.url, home, store) == Tally()
    assert store.item(mine["collection"], mine["id"]) == mine


def test_what_this_node_recalled_stays_recalled_until_it_restores_it(origin, home, store):
    follow(origin.url, home, store)
    collection, item_id = ITEMS[0]["collection"], ITEMS[0]["id"]
    recall(item_id, home=home, store=store, reason="not for us")
    origin.recall(collection, item_id, reason="clouds")
    origin.restore(collection, item_id)
    follow(origin.url, home, store)
    assert (collection, item_id) not in names(store)
    restore(item_id, home=home, store=store)
    assert (collection, item_id) in names(store)


def test_a_full_disk_ends_the_look_and_lists_nothing(origin, home, store):
    with pytest.raises(DiskFullError):
        follow(origin.url, home, store, reserve_mib=2**40)
    assert names(store) == []
    assert read_cursor(home, origin.url).sequence is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"url": 7}', b'{"url": "x", "since": 1}', b"\xff"])
def test_a_cursor_that_cannot_be_read_has_everything_looked_at_again(origin, home, store, content):
    follow(origin.url, home, store)
    next(home.glob("sync/*.json")).write_bytes(content)
    assert follow(origin.url, home, store) == Tally(unchanged=12)


class TestWithoutFeed:
    """A peer that is any STAC API."""

    @pytest.fixture(autouse=True)
    def no_feed(self, monkeypatch):
        monkeypatch.setattr(peer, "FEED_LINK", "none-of-its-links")

    def test_what_was_updated_since_is_taken(self, origin, home, store):
        assert follow(origin.url, home, store) == Tally(taken=12)
        origin.register(_updated(ITEMS[0], "2024-06-01T00:00:00Z"))
        assert follow(origin.url, home, store) == Tally(taken=1, unchanged=1)
        assert read_cursor(home, origin.url).updated == "2024-06-01T00:00:00Z"

    def test_where_it_cannot_filter_newer_scenes_are_taken(self, origin, home, store, monkeypatch):
        monkeypatch.setattr(peer, "_FILTERS", ("/no-such-class",))
        follow(origin.url, home, store)
        later = ITEMS[0]["properties"] | {"datetime": "2025-06-01T00:00:00Z"}
        origin.register(ITEMS[0] | {"id": "LATER", "properties": later})
        assert follow(origin.url, home, store).taken == 1

    def test_a_recall_and_a_restore_are_found_by_comparing_all(self, origin, home, store):
        follow(origin.url, home, store)
        place = ITEMS[3]["collection"], ITEMS[3]["id"]
        origin.recall(*place, reason="clouds")
        assert follow(origin.url, home, store).recalled == 0
        assert follow(origin.url, home, store, everything=True) == Tally(recalled=1, unchanged=11)
        origin.restore(*place)
        assert follow(origin.url, home, store, everything=True) == Tally(taken=1, unchanged=11)
        assert names(store) == names(origin)

    def test_all_is_compared_again_after_an_hour(self, origin, home, store):
        follow(origin.url, home, store)
        origin.recall(ITEMS[3]["collection"], ITEMS[3]["id"], reason="clouds")
        cursor = read_cursor(home, origin.url)
        cursor.compared = "2024-01-01T00:00:00Z"
        write_cursor(home, cursor)
        assert follow(origin.url, home, store).recalled == 1

    def test_P21_an_update_from_the_future_does_not_hide_those_that_follow(self, origin, home, store):
        origin.register(_updated(ITEMS[0], "9999-12-31T00:00:00Z"))
        follow(origin.url, home, store)
        origin.register(_updated(ITEMS[1], "2024-06-01T00:00:00Z"))
        assert follow(origin.url, home, store).taken == 1


def _updated(item, when):
    return item | {"properties": item["properties"] | {"updated": when}}


class TestHostilePeer:
    """A peer that answers whatever a test says."""

    @pytest.fixture
    def liar(self):
        with hostile() as server:
            yield server

    def test_a_redirect_is_not_followed(self, liar, home, store):
        with hostile() as other:
            liar.answers["/"] = (302, {"Location": other.url}, b"")
            with pytest.raises(PeerError, match="redirect"):
                follow(liar.url, home, store)
            assert other.asked == []

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no JSON",
            b"[]",
            b"null",
            b'{"links": {}}',
            b'{"links": [1]}',
            b'{"links": []}',
            b"[" * 100_000,
            b"NaN",
        ],
    )
    def test_a_landing_page_that_is_none_is_told(self, liar, home, store, body):
        liar.answers["/"] = (200, {}, body)
        with pytest.raises(PeerError):
            follow(liar.url, home, store)

    @pytest.mark.parametrize("href", ["http://other.example.org/search", "//other.example.org/search", "file:///etc/x"])
    def test_links_that_lead_elsewhere_are_refused(self, liar, home, store, href):
        liar.landing(search=href)
        with pytest.raises(PeerError, match="search link leads to"):
            follow(liar.url, home, store)
        liar.landing()
        liar.say("/search", {"features": [], "links": [{"rel": "next", "href": href}]})
        with pytest.raises(PeerError, match="next link leads to"):
            follow(liar.url, home, store)

    def test_a_body_without_end_is_cut_off(self, liar, home, store, monkeypatch):
        monkeypatch.setattr(peer, "MAX_BODY_BYTES", 1 << 20)
        liar.landing()
        liar.answers["/search"] = (200, {}, b" " * (3 << 20))
        with pytest.raises(PeerError, match="more than 1048576 bytes"):
            follow(liar.url, home, store)

    def test_pages_without_end_are_left(self, liar, home, store):
        liar.landing()
        page = {"features": [liar.item("A")], "links": [{"rel": "next", "href": f"{liar.url}/search?token=again"}]}
        liar.say("/search", page)
        with pytest.raises(PeerError, match="brings nothing new"):
            follow(liar.url, home, store)
        assert len(liar.asked) < 8

    def test_a_busy_peer_is_asked_again(self, liar, home, store):
        liar.landing()
        liar.say("/search", {"features": [liar.item("A")], "links": []})
        liar.busy = 3
        assert follow(liar.url, home, store) == Tally(taken=1)
        liar.busy = 100
        with pytest.raises(PeerError, match="503"):
            follow(liar.url, home, store)

    @pytest.mark.parametrize(
        "change",
        [
            {"id": "../../../../tmp/x"},
            {"id": 7},
            {"collection": "img"},
            {"collection": None},
            {"type": "Collection"},
            {"properties": None},
            {"properties": {"datetime": 3}},
            {"properties": {"datetime": "2024-01-01T00:00:00Z", "gsd": "fine"}},
            {"geometry": {"type": "Polygon", "coordinates": "none"}},
            {"geometry": None},
            {"bbox": [1]},
            {"links": 5},
            {"assets": []},
            {"assets": {"a": {"href": "http://other.example.org/data/a.tif"}}},
            {"assets": {"a": {"href": "/etc/passwd.tif"}}},
            {"assets": {"a": {"href": "a.tif"}}},
            {"assets": {"a": {"href": "{url}/data/../search.tif"}}},
            {"assets": {"a": {"href": "{url}/data/%2e%2e/a.tif"}}},
            {"assets": {"a": {"href": "{url}/data/a.vrt"}}},
            {"assets": {"a": {"href": "{url}/data/a.tif?x=.tif"}}},
            {"assets": {"a": {"href": "{url}.evil.example/data/a.tif"}}},
            {"assets": {"a": {"href": "{url}/data/a.tif", "alternate": {"x": {"href": "file:///etc/passwd"}}}}},
            {"title": "x" * (1 << 20)},
        ],
        ids=str,
    )
    def test_T02_a_bad_item_is_refused_and_the_others_are_taken(self, liar, home, store, change):
        liar.landing()
        text = orjson.dumps(liar.item("BAD") | change).replace(b"{url}", liar.url.encode())
        liar.say("/search", {"features": [liar.item("A"), orjson.loads(text), liar.item("B")], "links": []})
        assert follow(liar.url, home, store) == Tally(taken=2, refused=1)
        assert [item_id for _, item_id in names(store)] == ["A", "B"]

    @pytest.mark.parametrize(
        "feed",
        [
            {"changes": [], "resume": -1, "newest": 0},
            {"changes": [], "resume": "7", "newest": 0},
            {"changes": [], "resume": 2**63, "newest": 0},
            {"changes": {}, "resume": 7, "newest": 0},
            {"changes": [{"action": "delete", "collection": "c", "id": "A"}], "resume": 7, "newest": 0},
            {"changes": [{"action": "recall", "collection": "../c", "id": "A"}], "resume": 7, "newest": 0},
            {"changes": [{"action": "recall", "collection": "c", "id": "A"}], "resume": 0, "newest": 0},
        ],
        ids=str,
    )
    def test_a_feed_that_makes_no_sense_is_told_and_the_cursor_stays(self, liar, home, store, feed):
        liar.landing(changes=f"{liar.url}/changes")
        liar.say("/search", {"features": [liar.item("A")], "links": []})
        liar.say("/changes", feed)
        with pytest.raises(PeerError):
            follow(liar.url, home, store)
        assert read_cursor(home, liar.url).sequence in {None, 0}

    def test_a_reason_is_kept_short_and_printable(self, liar, home, store):
        liar.landing(changes=f"{liar.url}/changes")
        liar.say("/search", {"features": [liar.item("A")], "links": []})
        liar.say("/changes", {"changes": [], "resume": 0, "newest": 0})
        follow(liar.url, home, store)
        told = {"action": "recall", "collection": "c", "id": "A", "reason": "\x1b[2J" + "坏" * 5000}
        liar.script = [{"changes": [told], "resume": 1}, {"changes": [], "resume": 1}]
        follow(liar.url, home, store)
        (tombstone,) = store.tombstones()
        assert tombstone.reason.startswith(f"{liar.url}: [2J坏")
        assert len(tombstone.reason) < 1100


@contextmanager
def hostile():
    """A server whose answers a test writes."""
    liar = _Liar()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"liar": liar}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    liar.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield liar
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Liar:
    def __init__(self):
        self.answers, self.asked, self.busy, self.script = {}, [], 0, []

    def say(self, path, document):
        self.answers[path] = (200, {}, orjson.dumps(document))

    def landing(self, search=None, **links):
        given = {"search": search or f"{self.url}/search"} | links
        self.say("/", {"links": [{"rel": rel, "href": href} for rel, href in given.items()]})

    def item(self, item_id):
        return {
            **ITEMS[0],
            "id": item_id,
            "collection": "c",
            "assets": {"visual": {"href": f"{self.url}/data/{item_id}.tif"}},
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    liar: _Liar

    def log_message(self, *_):
        pass

    def do_GET(self):
        liar, path = self.liar, self.path.partition("?")[0]
        liar.asked.append(self.path)
        status, headers, body = liar.answers.get(path, (404, {}, b"{}"))
        if liar.busy:
            liar.busy -= 1
            status = 503
        if path == "/changes" and liar.script:
            body = orjson.dumps(liar.script.pop(0))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
