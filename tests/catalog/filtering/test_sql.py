"""Compiled conditions find exactly the items that `cql2` finds."""

import apsw
import cql2
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from catalog.errors import InvalidSearchError
from catalog.filtering import read_filter
from catalog.filtering.sql import compile_conjunct, postgresql_dialect, sqlite_dialect
from catalog.queryable import QUERYABLES
from catalog.timestamp import parse_datetime
from tests.support.strategies import FIRST, expressions, items

TYPES = {"number": "REAL", "text": "TEXT", "time": "INTEGER"}
COLUMNS = ", ".join(f'"{q.column}" {TYPES[q.kind]}' for q in QUERYABLES)
SQLITE = sqlite_dialect(lambda q: f'(-"{q.column}")' if q.kind == "time" else f'"{q.column}"')
POSTGRESQL = postgresql_dialect(lambda q: q.column)
INJECTIONS = ["gsd) OR 1=1 --", "gsd; DROP TABLE item", '"gsd', "eo:cloud_cover'"]


def column_value(item, queryable):
    value = item.get(queryable.name, item["properties"].get(queryable.name))
    if value is None:
        return None
    if queryable.kind == "time":
        return -round((parse_datetime(value) - FIRST.fromtimestamp(0, FIRST.tzinfo)).total_seconds() * 1e6)
    return float(value) if queryable.kind == "number" else value


@pytest.fixture(scope="module")
def database():
    connection = apsw.Connection(":memory:")
    connection.execute(f"CREATE TABLE item ({COLUMNS})")
    yield connection
    connection.close()


def found_by_sql(database, clause, item):
    text, values = clause
    database.execute("DELETE FROM item")
    row = [column_value(item, queryable) for queryable in QUERYABLES]
    database.execute(f"INSERT INTO item VALUES ({', '.join('?' * len(row))})", row)
    return bool(database.execute(f"SELECT count(*) FROM item WHERE {text}", values).get)


def found_by_cql2(expression, item):
    try:
        return cql2.Expr(expression).matches(item)
    except Exception:  # noqa: BLE001  # whatever it raises, it is no match
        return False


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(expression=expressions, sample=st.lists(items(), min_size=1, max_size=4))
def test_sql_and_cql2_find_the_same_items(database, expression, sample):
    try:
        condition = read_filter(expression, "cql2-json")
    except InvalidSearchError:
        assume(False)
    for item in sample:
        for conjunct in condition.conjuncts:
            expected = found_by_cql2(conjunct.expression, item)
            assert conjunct.matches(item) is expected
            if clause := compile_conjunct(conjunct, SQLITE):
                assert found_by_sql(database, clause, item) is expected, clause
        assert all(c.matches(item) for c in condition.conjuncts) is found_by_cql2(condition.expression, item)


@pytest.mark.parametrize(
    ("text", "sqlite", "postgresql"),
    [
        ("title < 'a'", '("title" < ?)', '(title COLLATE "C" < %s)'),
        ("title = 'a'", '("title" = ?)', "(title = %s)"),
        ("title LIKE 'a%'", '("title" GLOB ?)', "(title LIKE %s)"),
        (
            "updated IS NULL OR NOT gsd IN (1)",
            '(((-"updated") IS NULL) OR (NOT ("gsd" IN (?))))',
            "((updated IS NULL) OR (NOT (gsd IN (%s))))",
        ),
        ("gsd * 2 > eo:cloud_cover", '("cloud_cover" < ("gsd" * ?))', None),
    ],
)
def test_each_database_gets_its_own_sql(text, sqlite, postgresql):
    (conjunct,) = read_filter(text, "cql2-text").conjuncts
    assert compile_conjunct(conjunct, SQLITE)[0] == sqlite
    clause = compile_conjunct(conjunct, POSTGRESQL)
    assert (clause and clause[0]) == postgresql


@pytest.mark.parametrize(
    "text",
    [
        *("missing = 1", "properties.id = 'a'", "gsd = 'a'", "datetime > '2024'", "created < updated", "gsd IN (0, 1)"),
        *("gsd / eo:cloud_cover > 1", "gsd % 2 = 1", "gsd ^ 2 = 4", "gsd * gsd - gsd * gsd = 0", "TRUE"),
        *("accenti(title) = 'a'", "casei(title) = 'ä'", "casei(title) < 'a'", "title BETWEEN 1 AND 'b'"),
        *("gsd BETWEEN eo:cloud_cover AND 5", "S_INTERSECTS(geometry, POINT(1 1))", "gsd = 1 OR missing = 1"),
    ],
)
def test_what_sql_would_not_say_exactly_is_asked_of_the_documents(text):
    (conjunct,) = read_filter(text, "cql2-text").conjuncts
    assert compile_conjunct(conjunct, SQLITE) is None


@pytest.mark.parametrize("name", INJECTIONS)
def test_T13_the_name_of_a_property_never_becomes_sql(name):
    expression = {"op": "=", "args": [{"property": name}, 1]}
    try:
        (conjunct,) = read_filter(expression, "cql2-json").conjuncts
    except InvalidSearchError:
        return
    assert compile_conjunct(conjunct, SQLITE) is None


def test_T13_a_value_never_becomes_sql():
    (conjunct,) = read_filter({"op": "=", "args": [{"property": "title"}, "' OR 1=1 --"]}, "cql2-json").conjuncts
    assert compile_conjunct(conjunct, SQLITE) == ('("title" = ?)', ("' OR 1=1 --",))
