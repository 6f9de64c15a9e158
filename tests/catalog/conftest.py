"""An empty home and its catalogue."""

import pytest

from catalog.fail_point import SWITCH, VARIABLE
from catalog.store import open_store


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def store(home):
    store = open_store(home)
    yield store
    store.close()


@pytest.fixture
def rehearse(monkeypatch):
    def _rehearse(what):
        monkeypatch.setenv(SWITCH, "1")
        monkeypatch.setenv(VARIABLE, what)

    return _rehearse
