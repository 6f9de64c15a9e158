"""L24 on both sides of every bound, and T06: nothing that a caller writes reaches the parser unbounded."""

import math
import subprocess
import sys

import orjson
import pytest

from catalog.errors import InvalidSearchError
from catalog.filtering import read_filter


def ring(vertices):
    points = [(110 + math.cos(6.28 * k / vertices), 30 + math.sin(6.28 * k / vertices)) for k in range(vertices - 1)]
    return [[round(x, 9), round(y, 9)] for x, y in [*points, points[0]]]


def in_text(vertices):
    return f"s_intersects(geometry, POLYGON(({', '.join(f'{x} {y}' for x, y in ring(vertices))})))"


def in_json(vertices):
    literal = {"type": "Polygon", "coordinates": [ring(vertices)]}
    return {"op": "s_intersects", "args": [{"property": "geometry"}, literal]}


def negated(times, inner=True):
    return inner if times == 0 else {"op": "not", "args": [negated(times - 1, inner)]}


def nested(times):
    """Operators inside operators, alternating."""
    inner = {"op": "isNull", "args": [{"property": "gsd"}]}
    for depth in range(times - 1):
        inner = {"op": ("and", "or")[depth % 2], "args": [True, inner]}
    return inner


def comparison(value):
    return {"op": "=", "args": [{"property": "title"}, value]}


def choice(values):
    return {"op": "in", "args": [{"property": "gsd"}, list(values)]}


TEXTS = {
    "characters": (lambda n: f"title = '{'x' * (n - 10)}'", 2048),
    "brackets": (lambda n: "(" * n + "gsd = 1" + ")" * n, 10),
    "negations": (lambda n: "NOT " * n + "gsd = 1", 2),
    "negations in brackets": (lambda n: "NOT (" * n + "gsd = 1" + ")" * n, 2),
    "predicates": (lambda n: " AND ".join(["gsd = 1"] * n), 50),
    "functions": (lambda n: " OR ".join(["t_after(datetime, updated)"] * n), 50),
    "list values": (lambda n: f"gsd IN ({','.join(['-1'] * n)})", 200),
    "arithmetic": (lambda n: f"gsd = 1{' - 1' * n}", 50),
    "pattern": (lambda n: f"title LIKE '{'x' * n}'", 64),
    "folded pattern": (lambda n: f"casei(title) LIKE casei('{'x' * n}')", 64),
    "wildcards": (lambda n: rf"title LIKE '\%\_a{'%_%_'[:n]}'", 3),
    "vertices": (in_text, 10_000),
}
DOCUMENTS = {
    "characters": (lambda n: comparison("x" * (n - len(orjson.dumps(comparison(""))))), 2048),
    "operators": (nested, 10),
    "negations": (negated, 2),
    "predicates": (lambda n: {"op": "and", "args": [{"op": "=", "args": [1, 1]}] * n}, 50),
    "list values": (lambda n: choice([1] * n), 200),
    "pattern": (lambda n: {"op": "like", "args": [{"property": "title"}, "x" * n]}, 64),
    "wildcards": (lambda n: {"op": "like", "args": [{"property": "title"}, "%a_b%c_"[: 2 * n - 1]]}, 3),
    "vertices": (in_json, 10_000),
}


@pytest.mark.parametrize(("write", "most"), TEXTS.values(), ids=TEXTS)
def test_L24_a_text_is_read_at_its_bound_and_refused_above(write, most):
    read_filter(write(most), "cql2-text")
    with pytest.raises(InvalidSearchError):
        read_filter(write(most + 1), "cql2-text")


@pytest.mark.parametrize(("write", "most"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_L24_a_document_is_read_at_its_bound_and_refused_above(write, most):
    read_filter(write(most), "cql2-json")
    read_filter(orjson.dumps(write(most)).decode(), "cql2-json")
    with pytest.raises(InvalidSearchError):
        read_filter(write(most + 1), "cql2-json")


@pytest.mark.parametrize(
    "text",
    [
        "title = '" + "(" * 500 + "'",
        "title = 'it''s ((((((((((((' AND gsd = 1",
        "\"title\" = 'NOT NOT NOT'",
        "title = '高分（二号）''((((((((((('",
    ],
)
def test_what_stands_in_quotes_is_not_counted(text):
    read_filter(text, "cql2-text")


@pytest.mark.parametrize("text", ["gsd = 1)", "(gsd = 1", "title = 'a", 'title" = 1', "((((((((((gsd = 1"])
def test_brackets_and_quotes_need_their_partners(text):
    with pytest.raises(InvalidSearchError, match="partner"):
        read_filter(text, "cql2-text")


def test_a_filter_is_long_or_deep_but_not_both():
    with pytest.raises(InvalidSearchError, match="both"):
        read_filter("(" * 10 + " AND ".join(["gsd = 1"] * 50) + ")" * 10, "cql2-text")


HOSTILE_TEXTS = {
    "brackets": "'(' * 3000 + 'a=1' + ')' * 3000",
    "brackets behind a quote": "\"a = '\" + '(' * 1700 + \"' AND \" + '(' * 1700",
    "brackets behind a quoted name": "'\"a\\'\" = ' + '(' * 1900",
    "calls": "'casei(' * 3000 + 'a' + ')' * 3000",
    "negations": "'NOT ' * 500 + 'a=1'",
    "negations in brackets": "'NOT (' * 400 + 'a=1' + ')' * 400",
    "minus": "'a = ' + '- ' * 1000 + '1'",
    "sums": "'a = 1' + '+1' * 1000",
    "powers": "'a = ' + '^'.join(['1'] * 900)",
    "readings": "'(' * 10 + 'a=1 AND ' * 250 + ')' * 10",
    "a geometry of sums": "'s_intersects(geometry, POINT(1' + '+1' * 200000 + '))'",
    "a geometry of brackets": "'s_intersects(geometry, POLYGON' + '(' * 3000 + ')' * 3000 + ')'",
    "space": "'POINT' + ' ' * 400000 + 'a'",
    "megabytes": "'a' * 5000000",
}

HOSTILE_DOCUMENTS = {
    f"{times} times {operator}": f"""'{{"op":"{operator}","args":[' * {times} + 'true' + ']}}' * {times}"""
    for operator in ("not", "+", "casei")
    for times in (200, 100_000)
}


@pytest.mark.parametrize(("hostile", "language"), [(HOSTILE_TEXTS, "cql2-text"), (HOSTILE_DOCUMENTS, "cql2-json")])
def test_T06_what_would_kill_or_freeze_the_parser_is_refused_by_a_process_that_lives_on(hostile, language):
    refused = f"""
from catalog.errors import InvalidSearchError
from catalog.filtering import read_filter
for name, expression in {{{", ".join(f"{name!r}: {expression}" for name, expression in hostile.items())}}}.items():
    try:
        read_filter(expression, {language!r})
    except InvalidSearchError:
        print(name, flush=True)
"""
    run = subprocess.run([sys.executable, "-c", refused], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.splitlines() == list(hostile)
