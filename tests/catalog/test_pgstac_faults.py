"""What only a database server can suffer: restarts, locks, loaders at the same moment, roles (P17–P19, T21)."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import psycopg
import pytest
import requests
from pydantic import SecretStr

from catalog.app import create_app
from catalog.change_feed import read_feed
from catalog.errors import InvalidItemError, ItemExistsError, StoreUnavailableError, UnusableStoreError
from catalog.pgstac import database as pgstac_database
from catalog.pgstac import listing as pgstac_listing
from catalog.pgstac.migration import READER, WRITER, migrate
from catalog.pgstac.opening import MARK
from catalog.publishing import recall
from catalog.search import Search
from catalog.store import open_store
from tests.catalog.item_store_contract import FIRST, ITEMS
from tests.support.node import serving
from tests.support.postgres import private_cluster
from tests.support.stac import COLLECTIONS, scan, some_collection, some_items

DOCUMENTS = [some_collection(collection) for collection in COLLECTIONS]
WORLD = (-180, -90, 180, 90)


@pytest.fixture
def store(tmp_path, database):
    store = open_store(tmp_path, database=database)
    store.load(ITEMS, collections=DOCUMENTS)
    yield store
    store.close()


@pytest.fixture(scope="module")
def restartable():
    """A server that may be restarted without harm to other tests."""
    with private_cluster() as cluster:
        yield cluster


@pytest.fixture
def own_cluster(restartable):
    """It, and the address of an empty catalogue on it."""
    with restartable.new_database() as name:
        yield restartable, restartable.address(name)


def until(condition, at_most_s):
    """Seconds until it holds."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < at_most_s
        time.sleep(0.05)
    return time.monotonic() - start


def test_P17_while_the_server_restarts_answers_are_503_and_it_comes_back_by_itself(own_cluster, tmp_path):
    cluster, address = own_cluster
    store = open_store(tmp_path, database=address)
    store.load(ITEMS, collections=DOCUMENTS)
    known = store.sequence()
    assert is_ready(store)
    stop, answers = threading.Event(), []

    def ask(url):
        while not stop.is_set():
            answer = requests.get(f"{url}/search?limit=5", timeout=30)
            answers.append((answer.status_code, answer.headers.get("Retry-After")))

    with serving(create_app(store)) as url, ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(ask, url)
        try:
            until(lambda: len(answers) > 20, 30)
            cluster.stop()
            until(lambda: any(status == 503 for status, _ in answers), 30)
            assert store.sequence() == known, "tiles of what is known go on"
            until(lambda: not is_ready(store), 5)
            cluster.start()
            recovered_s = until(lambda: requests.get(f"{url}/search?limit=5", timeout=30).ok, 5)
            until(lambda: store.register(FIRST).sequence == store.sequence(), 5)
            until(lambda: is_ready(store), 5)
        finally:
            stop.set()
    assert recovered_s < 5
    assert {status for status, _ in answers} == {200, 503}
    assert {after for status, after in answers if status == 503} == {"5"}
    store.close()


def is_ready(store):
    """As `/readyz` decides it."""
    try:
        store.check()
    except StoreUnavailableError:
        return False
    return True


def test_P17_what_others_publish_is_heard_of_again_after_a_restart(own_cluster, tmp_path):
    cluster, address = own_cluster
    writer = open_store(tmp_path, database=address)
    writer.load(ITEMS, collections=DOCUMENTS)
    reader = open_store(tmp_path, database=address, read_only=True)
    assert reader.sequence() == writer.sequence()
    cluster.restart()
    until(lambda: _registers(writer), 5)
    until(lambda: reader.sequence() == writer.sequence(), 5)
    reader.close()
    writer.close()


def test_P17_who_has_a_scene_in_hand_waits_for_a_server_that_restarts(own_cluster, tmp_path):
    cluster, address = own_cluster
    store = open_store(tmp_path, database=address)
    store.load(ITEMS, collections=DOCUMENTS)
    cluster.stop()
    with ThreadPoolExecutor(1) as pool:
        recalling = pool.submit(recall, FIRST["id"], home=tmp_path, store=store, reason="test")
        cluster.start()
        assert [change.item_id for change in recalling.result()] == [FIRST["id"]]
    store.close()


def _registers(store):
    try:
        return store.register(FIRST)
    except StoreUnavailableError:
        return None


def test_P17_connections_that_were_ended_are_not_handed_out_again(store, postgres):
    store.item(FIRST["collection"], FIRST["id"])
    postgres.run_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'imagery-node'")
    assert until(lambda: store.item(FIRST["collection"], FIRST["id"]) == FIRST, 5) < 5


def test_P18_a_question_behind_a_lock_is_given_up_and_other_questions_are_answered(tmp_path, store, database):
    address = database.get_secret_value().replace("//postgres@", f"//{READER}@")
    reader = open_store(tmp_path, database=type(database)(address), read_only=True)
    with psycopg.connect(database.get_secret_value()) as other:
        other.execute("LOCK TABLE imagery_node.loaded IN ACCESS EXCLUSIVE MODE")
        start = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            reader.loaded_files()
        assert time.monotonic() - start < 10, "the role has a lock_timeout of 2 s"
        assert len(reader.search(Search(limit=1000)).items) == len(ITEMS)
    assert reader.loaded_files() == set()
    reader.close()


def test_P18_nobody_waits_long_for_a_connection(store, monkeypatch):
    monkeypatch.setattr(pgstac_database, "WAIT_S", 0.2)
    taken, given_back = threading.Barrier(pgstac_database.POOL_SIZE + 1), threading.Event()

    def hold():
        with store._database.connection():
            taken.wait()
            given_back.wait()

    with ThreadPoolExecutor(pgstac_database.POOL_SIZE) as pool:
        for _ in range(pgstac_database.POOL_SIZE):
            pool.submit(hold)
        taken.wait()
        with pytest.raises(StoreUnavailableError, match="no connection"):
            store.collections()
        given_back.set()
    assert store.collections()


def test_P19_loaders_of_the_same_collections_lose_nothing_while_others_read(tmp_path, database):
    stores = [open_store(tmp_path, database=database) for _ in range(3)]
    items = some_items(400)
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.append(len(stores[2].footprints(None, WORLD, None)))

    def load(store, part):
        return sum(store.load(part[start : start + 50], collections=DOCUMENTS) for start in range(0, len(part), 50))

    with ThreadPoolExecutor(4) as pool:
        reading = pool.submit(read)
        loads = [pool.submit(load, stores[0], items[:300]), pool.submit(load, stores[1], items[300:0:-1])]
        assert [job.result() for job in loads] == [300, 300]
        assert stores[2].load(items) == 400
        stop.set()
        reading.result()
    assert [item["id"] for item in stores[2].search(Search(limit=1000)).items] == scan(items)
    numbers = [change.sequence for change in stores[2].changes(0, limit=5000)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 1000
    with stores[2]._database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM pgstac.items").fetchone() == (400,)
    assert seen == sorted(seen), "readers never see fewer"
    for store in stores:
        store.close()


def test_P19_a_load_that_met_a_deadlock_is_done_again(store, database, monkeypatch):
    tried = []

    def list_once_more(*arguments, **options):
        tried.append(1)
        if len(tried) == 1:
            raise psycopg.errors.DeadlockDetected
        return original(*arguments, **options)

    original = pgstac_listing.list_staged
    monkeypatch.setattr(pgstac_listing, "list_staged", list_once_more)
    assert store.load(some_items(10)) == 10
    assert len(tried) == 2


def test_a_follower_never_misses_a_lower_number_that_is_committed_later(tmp_path, store, database):
    other = open_store(tmp_path, database=database)
    start, heard = store.sequence(), []
    with ThreadPoolExecutor(5) as pool:
        jobs = [pool.submit(writer.register, item) for item in ITEMS[:20] for writer in (store, other)]
        while not all(job.done() for job in jobs):
            heard += store.changes(heard[-1].sequence if heard else start)
        heard += store.changes(heard[-1].sequence)
    assert [change.sequence for change in heard] == list(range(start + 1, start + 41))
    other.close()


def test_a_change_that_this_process_did_not_hear_of_is_no_reset_of_the_feed(tmp_path, store, database):
    other = open_store(tmp_path, database=database)
    assert other.sequence() == store.sequence()
    other._news.close()  # it hears of nothing any more
    newest = store.register(FIRST).sequence
    page = read_feed(other, newest, limit=10)
    assert (page.reset, page.resume, page.changes) == (False, newest, [])
    other.close()


def test_the_claim_of_a_dead_session_is_free_and_its_number_no_longer_good(store, postgres):
    with store.claim(FIRST["id"]) as old:
        with pytest.raises(ItemExistsError), store.claim(FIRST["id"]):
            pass
        postgres.run_sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with store.claim(FIRST["id"]) as new:
            assert new > old
        with pytest.raises(ItemExistsError, match="took over"):
            store.register(FIRST, fence=old)


def test_the_claim_of_a_publisher_that_stands_still_can_be_taken_over(tmp_path, store, database):
    other = open_store(tmp_path, database=database, lease_s=0)
    with store.claim(FIRST["id"]) as old, other.claim(FIRST["id"]) as new:
        assert new > old
        with pytest.raises(ItemExistsError, match="took over"):
            store.check_fence(FIRST["id"], old)
    other.close()


def test_T21_the_reader_s_role_cannot_write(tmp_path, store, postgres, database):
    address = type(database)(database.get_secret_value().replace("//postgres@", f"//{READER}@"))
    with psycopg.connect(address.get_secret_value(), autocommit=True) as connection:
        for table in ("imagery_node.item", "imagery_node.change", "pgstac.items", "pgstac.collections"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM {table}")
    reader = open_store(tmp_path, database=address, read_only=True)
    assert len(reader.search(Search(limit=1000)).items) == len(ITEMS)
    assert reader.sequence() == store.sequence()
    with pytest.raises(StoreUnavailableError):
        reader.register(FIRST)
    reader.close()


def test_the_writer_s_role_does_all_that_publishing_needs(tmp_path, store, database):
    address = database.get_secret_value().replace("//postgres@", f"//{WRITER}@")
    writer = open_store(tmp_path, database=type(database)(address))
    with writer.claim(FIRST["id"]) as fence:
        writer.register(FIRST, fence=fence)
    writer.put_collection(some_collection("new"))
    assert writer.load([FIRST | {"collection": "new"}]) == 1
    writer.recall("new", FIRST["id"], reason="test")
    writer.restore("new", FIRST["id"])
    writer.recall("new", FIRST["id"], reason="test")
    writer.remove_collection("new")
    assert writer.refill(DOCUMENTS, ITEMS, []) == len(ITEMS)
    writer.close()


def test_pgstac_itself_finds_what_is_listed_and_nothing_that_is_recalled(store):
    store.recall(FIRST["collection"], FIRST["id"], reason="test")
    with store._database.connection() as connection:
        (found,) = connection.execute("SELECT pgstac.search('{\"limit\": 500}')").fetchone()
    assert {feature["id"] for feature in found["features"]} == {item["id"] for item in ITEMS[1:]}


def test_a_document_that_the_database_cannot_keep_is_refused(store):
    with pytest.raises(InvalidItemError, match="cannot keep"):
        store.register(FIRST | {"properties": FIRST["properties"] | {"note": "\0"}})


def test_what_the_embedded_store_keeps_comes_back_from_here_too(store):
    odd = {"a": None, "b": {"c": None, "d": [1, None]}, "e": 1e300, "f": -0.0, "g": 1.0, "h": 10**18}
    item = FIRST | {"id": "odd", "properties": FIRST["properties"] | odd}
    store.register(item)
    assert store.item(item["collection"], "odd") == item


def test_a_database_that_was_not_migrated_is_refused(tmp_path, postgres):
    with postgres.new_database("template0") as name, pytest.raises(UnusableStoreError, match="catalog migrate"):
        open_store(tmp_path, database=postgres.address(name))


def test_migrating_again_changes_nothing(store, database):
    assert migrate(database) == "0.10.0"
    assert len(store.search(Search(limit=1000)).items) == len(ITEMS)


def test_migrating_is_refused_at_once_where_nobody_listens_or_the_address_is_none(monkeypatch):
    monkeypatch.setattr(
        "pypgstac.db.PgstacDB.__init__", lambda *_, **__: pytest.fail("its pool tries for half a minute")
    )
    with pytest.raises(StoreUnavailableError, match="refused"):
        migrate(SecretStr("postgresql://postgres@127.0.0.1:1/node"))
    with pytest.raises(UnusableStoreError) as refused:
        migrate(SecretStr("postgresql://user:se%cret@127.0.0.1/node"))
    assert "se%cret" not in str(refused.value)


def test_a_database_of_another_version_is_refused(tmp_path, store, postgres, database):
    name = database.get_secret_value().rpartition("/")[2]
    postgres.run_sql(
        "INSERT INTO pgstac.migrations(datetime, version) VALUES (now() + interval '1 day', '0.99.0')", name
    )
    with pytest.raises(UnusableStoreError, match=r"0\.99\.0"):
        open_store(tmp_path, database=database)


def test_the_database_of_another_home_is_refused(tmp_path, store, database):
    with pytest.raises(UnusableStoreError, match="another home"):
        open_store(tmp_path / "other", database=database)
    assert (tmp_path / MARK).exists()


def test_P26_a_new_database_is_filled_from_the_files_of_its_home(tmp_path, store, postgres):
    kept = tmp_path / "loaded" / "000001.ndjson"
    kept.parent.mkdir()
    kept.write_bytes(b"".join(orjson.dumps(document) + b"\n" for document in (*DOCUMENTS, *ITEMS)))
    with postgres.new_database() as name:
        again = open_store(tmp_path, database=postgres.address(name))
        assert list(again.all_items()) == list(store.all_items())
        assert again.loaded_files() == {kept.name}
        again.close()
