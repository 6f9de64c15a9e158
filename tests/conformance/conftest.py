"""The API on every kind of store, as in the catalogue's own tests."""

from tests.catalog.conftest import new_api as new_api
from tests.catalog.conftest import postgres as postgres
