"""The `query` of a search means the same as a filter."""

import pytest

from catalog.errors import InvalidSearchError
from catalog.filtering import read_filter
from catalog.filtering.query import read_query

ITEM = {"id": "A1", "properties": {"gsd": 2, "title": "50%_a\\b", "platform": "gf2"}}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"gsd": {"eq": 2}}, True),
        ({"gsd": {"neq": 2}}, False),
        ({"gsd": {"lt": 3, "gt": 1}}, True),
        ({"gsd": {"lte": 2}, "properties.gsd": {"gte": 2}}, True),
        ({"gsd": {"lt": 3}, "platform": {"eq": "gf1"}}, False),
        ({"title": {"startsWith": "50%_"}}, True),
        ({"title": {"startsWith": "50_%"}}, False),
        ({"title": {"endsWith": "a\\b"}}, True),
        ({"title": {"contains": "%_a"}}, True),
        ({"title": {"contains": "0_a"}}, False),
        ({"platform": {"in": ["gf1", "gf2"]}}, True),
        ({"missing": {"neq": 5}}, False),
    ],
)
def test_every_operator_means_what_it_says(query, found):
    assert all(conjunct.matches(ITEM) for conjunct in read_query(query).conjuncts) is found


def test_a_query_is_a_filter():
    assert read_query({"gsd": {"lt": 3}, "platform": {"eq": "gf2"}}) == read_filter(
        "gsd < 3 AND platform = 'gf2'", "cql2-text"
    )


@pytest.mark.parametrize(
    "query",
    [
        *({}, {"gsd": {}}, {"gsd": {"like": "a"}}, {"gsd": {"in": []}}, {"gsd": {"in": 5}}, {"title": {"contains": 5}}),
        *({"gsd": {"eq": None}}, {"gsd": {"eq": {"op": "avg", "args": []}}}, {"title": {"startsWith": "x" * 65}}),
    ],
)
def test_a_query_that_means_nothing_is_refused(query):
    with pytest.raises(InvalidSearchError):
        read_query(query)
