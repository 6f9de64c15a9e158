"""The pgSTAC store passes the contract."""

import shutil

import pytest

from catalog.pgstac.opening import MARK
from catalog.store import open_store
from tests.catalog.item_store_contract import ITEMS, ItemStoreContract
from tests.catalog.search_contract import DOCUMENTS, SCENES
from tests.support.stac import COLLECTIONS, some_collection


@pytest.fixture(scope="module")
def templates(postgres, tmp_path_factory):
    """Two filled catalogues, (home, database) each: copying a database is faster than filling one."""
    made = {}
    plain = [some_collection(collection) for collection in COLLECTIONS]
    for name, collections, items in (("filled", plain, ITEMS), ("archive", DOCUMENTS.values(), SCENES)):
        home = tmp_path_factory.mktemp(name)
        postgres.run_sql(f"CREATE DATABASE {name} TEMPLATE template_node")
        store = open_store(home, database=postgres.address(name))
        for document in collections:
            store.put_collection(document)
        store.load(items)
        store.close()
        made[name] = home, name
    yield made
    for name in made:
        postgres.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


class TestPgStacStore(ItemStoreContract):
    @pytest.fixture
    def store(self, tmp_path, database):
        store = open_store(tmp_path, database=database)
        yield store
        store.close()

    @pytest.fixture
    def filled(self, postgres, templates, tmp_path):
        yield from _copy(postgres, templates["filled"], tmp_path)

    @pytest.fixture
    def archive(self, postgres, templates, tmp_path):
        yield from _copy(postgres, templates["archive"], tmp_path)


def _copy(postgres, template, home):
    source, name = template
    shutil.copy(source / MARK, home)
    with postgres.new_database(name) as copy:
        store = open_store(home, database=postgres.address(copy))
        yield store
        store.close()
