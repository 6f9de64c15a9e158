"""An empty home and its catalogue."""

import pytest

from catalog.store import open_store


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def store(home):
    store = open_store(home)
    yield store
    store.close()
