"""An empty home, its catalogue, and the STAC API on an empty catalogue."""

from contextlib import ExitStack

import pytest

from catalog.app import create_app
from catalog.fail_point import SWITCH, VARIABLE
from catalog.store import open_store
from tests.support.node import serving
from tests.support.postgres import private_cluster
from tests.support.stac import COLLECTIONS, some_collection


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def store(home):
    store = open_store(home)
    yield store
    store.close()


@pytest.fixture(scope="module", params=["sqlite", "pgstac"])
def new_api(tmp_path_factory, request):
    """Makes (store, app): an empty store open for writing and the STAC API on it.

    All tests of the API begin here, so that this is the one place that decides on which kinds of store they run.
    """
    with ExitStack() as opened:

        def _new_api(**options):
            database = None
            if request.param == "pgstac":
                postgres = request.getfixturevalue("postgres")
                database = postgres.address(opened.enter_context(postgres.new_database()))
            store = open_store(tmp_path_factory.mktemp("home"), database=database)
            opened.callback(store.close)
            return store, create_app(store, **options)

        yield _new_api


@pytest.fixture(scope="module")
def serve_items(new_api):
    """Serves an API that holds these items, until the module's tests are done; gives its address."""
    with ExitStack() as served:

        def _serve_items(items):
            store, app = new_api()
            for collection in COLLECTIONS:
                store.put_collection(some_collection(collection))
            store.load(items)
            return served.enter_context(serving(app))

        yield _serve_items


@pytest.fixture
def rehearse(monkeypatch):
    def _rehearse(what):
        monkeypatch.setenv(SWITCH, "1")
        monkeypatch.setenv(VARIABLE, what)

    return _rehearse


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL of the tests' own."""
    with private_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(postgres):
    """The address of an empty catalogue on it."""
    with postgres.new_database() as name:
        yield postgres.address(name)
