"""Random items and CQL2 expressions over the typed columns, small enough that they often meet."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from catalog.queryable import QUERYABLES
from catalog.timestamp import format_datetime

FIRST = datetime(2024, 3, 1, tzinfo=UTC)

_NAMES = {kind: [q.name for q in QUERYABLES if q.kind == kind] for kind in ("number", "text", "time")}

numbers = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 2.5, 1e-300, 1e308, -1e308, 9007199254740993]))
texts = st.one_of(
    st.text(st.sampled_from("abAB%_\\*?[]'高分-"), max_size=4),
    st.sampled_from(["GF2", "gf2", "高分二号", "K", "\u212a", "\u0130", "i\u0307", "Ä", "ä", "ΑΣ", "ß", "true", "5"]),
)
times = st.one_of(
    st.integers(-2, 50).map(lambda hours: FIRST + timedelta(hours=hours)),
    st.integers(0, 3).map(lambda us: FIRST + timedelta(days=1, microseconds=us - 2)),
)
dates = st.integers(-1, 3).map(lambda days: (FIRST + timedelta(days=days)).date().isoformat())


def _written(when: datetime) -> st.SearchStrategy[str]:
    shifted = when + timedelta(hours=8)
    return st.sampled_from([format_datetime(when), shifted.isoformat().replace("+00:00", "+08:00")])


time_texts = times.flatmap(_written)


@st.composite
def polygons(draw):
    """Squares and triangles on a small grid, so that edges and corners often touch."""
    west, south = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    width, height = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    ring = [[west, south], [west + width, south], [west + width, south + height], [west, south + height]]
    ring = ring[: draw(st.sampled_from([3, 4]))]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


@st.composite
def items(draw):
    """STAC items with as much as a filter looks at; any property but the acquisition time may be missing or null."""
    properties = {"datetime": draw(time_texts)}
    by_kind = {"number": numbers, "text": texts, "time": time_texts}
    for queryable in QUERYABLES[3:]:
        if draw(st.booleans()):
            properties[queryable.name] = draw(st.one_of(st.none(), by_kind[queryable.kind], by_kind[queryable.kind]))
    identity = {"id": draw(texts.filter(bool)), "collection": draw(texts.filter(bool))}
    return {"type": "Feature", **identity, "geometry": draw(polygons()), "properties": properties}


def _named(kind: str) -> st.SearchStrategy[dict]:
    return st.sampled_from(_NAMES[kind]).map(lambda name: {"property": name})


def _operation(operators, *arguments: st.SearchStrategy) -> st.SearchStrategy[dict]:
    return st.builds(lambda op, *args: {"op": op, "args": list(args)}, st.sampled_from(operators), *arguments)


_COMPARISONS = ["=", "<>", "<", ">", "<=", ">="]
_arithmetic = st.recursive(
    st.one_of(numbers, _named("number")),
    lambda part: _operation(["+", "-", "*", "/", "%", "div"], part, part),
    max_leaves=4,
)
_folded = st.one_of(_named("text"), _operation(["casei", "accenti"], _named("text")))
_text_values = st.one_of(texts, _operation(["casei"], texts))
_patterns = st.text(st.sampled_from("abAB高分*?[]'"), max_size=3).flatmap(
    lambda text: st.sampled_from(
        [text, f"{text}%", f"%{text}%", f"_{text}%", f"{text}_", f"\\%{text}", f"\\_{text}%\\\\"]
    )
)
_instants = time_texts.map(lambda text: {"timestamp": text})
_days = dates.map(lambda text: {"date": text})
_time_values = st.one_of(_instants, _days, time_texts, dates)


@st.composite
def _intervals(draw):
    start, end = sorted([draw(times), draw(times)])
    return {
        "interval": [
            draw(st.sampled_from(["..", format_datetime(start)])),
            draw(st.sampled_from(["..", format_datetime(end)])),
        ]
    }


_TEMPORAL = ["t_after", "t_before", "t_during", "t_contains", "t_equals", "t_intersects", "t_disjoint", "t_meets"]
_SPATIAL = ["s_intersects", "s_within", "s_contains", "s_equals", "s_touches", "s_overlaps", "s_crosses", "s_disjoint"]
_boxes = st.tuples(*[st.integers(0, 4)] * 2, *[st.integers(5, 9)] * 2).map(lambda box: {"bbox": list(box)})
_places = st.one_of(polygons(), _boxes)

predicates = st.one_of(
    _operation(_COMPARISONS, _arithmetic, _arithmetic),
    _operation(_COMPARISONS, _folded, st.one_of(_text_values, _folded)),
    _operation(_COMPARISONS, _named("time"), _time_values),
    _operation(_COMPARISONS, _time_values, _named("time")),
    _operation(_COMPARISONS, st.one_of(_named("number"), _named("text")), st.one_of(numbers, texts, st.booleans())),
    _operation(["between"], st.one_of(_arithmetic, _folded), numbers, st.one_of(numbers, texts)),
    _operation(["between"], _folded, texts, texts),
    _operation(["between"], _named("time"), _time_values, _time_values),
    _operation(["in"], _folded, st.lists(_text_values, min_size=1, max_size=3)),
    _operation(["in"], _named("number"), st.lists(st.one_of(numbers, texts), min_size=1, max_size=3)),
    _operation(["like"], _folded, _patterns),
    _operation(["isNull"], st.one_of(*map(_named, _NAMES))),
    _operation(_TEMPORAL, _named("time"), st.one_of(_instants, _days, _intervals(), time_texts)),
    _operation(_TEMPORAL, st.one_of(_instants, _days, _intervals()), _named("time")),
    _operation(_SPATIAL, st.just({"property": "geometry"}), _places),
    _operation(_SPATIAL, _places, st.just({"property": "geometry"})),
)
expressions = st.recursive(
    predicates,
    lambda part: st.one_of(_operation(["and", "or"], part, part), _operation(["not"], part)),
    max_leaves=5,
)
"""CQL2 JSON over the typed columns and the geometry; some of it means nothing and is refused."""
