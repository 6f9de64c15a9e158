"""Time in a request."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagery_node.errors import BadParameterError
from imagery_node.when import ALWAYS, LATEST, LATEST_CLEAR, When, overlap, parse_period, parse_when, whole_day

LAST = (23, 59, 59, 999_999)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (None, ALWAYS),
        ("latest", LATEST),
        ("latest-clear", LATEST_CLEAR),
        ("2026", When((utc(2026, 1, 1), utc(2026, 12, 31, *LAST)))),
        ("2026-02", When((utc(2026, 2, 1), utc(2026, 2, 28, *LAST)))),
        ("2024-02", When((utc(2024, 2, 1), utc(2024, 2, 29, *LAST)))),
        ("2026Q1", When((utc(2026, 1, 1), utc(2026, 3, 31, *LAST)))),
        ("2026Q3", When((utc(2026, 7, 1), utc(2026, 9, 30, *LAST)))),
        ("2026Q4", When((utc(2026, 10, 1), utc(2026, 12, 31, *LAST)))),
        ("2025/2026-03", When((utc(2025, 1, 1), utc(2026, 3, 31, *LAST)))),
        ("2025Q4/..", When((utc(2025, 10, 1), None))),
        ("../2025-04-05", When((None, utc(2025, 4, 5, *LAST)))),
        ("9999", When((utc(9999, 1, 1), utc(9999, 12, 31, *LAST)))),
        ("2024-10-12T03:22:47Z", When(nearest=utc(2024, 10, 12, 3, 22, 47))),
        ("2024-10-12t03:22:47.5+08:00", When(nearest=utc(2024, 10, 11, 19, 22, 47, 500_000))),
        ("2024-10-12", When(nearest=utc(2024, 10, 12, 12))),
        ("2024-10-12/2024-10-13", When((utc(2024, 10, 12), utc(2024, 10, 13, 23, 59, 59, 999_999)))),
        ("../2024-10-12T00:00:00Z", When((None, utc(2024, 10, 12)))),
        ("2024-10-12T00:00:00Z/", When((utc(2024, 10, 12), None))),
    ],
)
def test_L25_times_are_read_as_rfc_3339_says(text, meant):
    assert parse_when(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2024-10-12T03:22:47", "2024-10-12 03:22:47Z", "2024-13-01", "2024-02-30T00:00:00Z", "0000-01-01",
        "10000-01-01T00:00:00Z", "../..", "/", "2024-10-12/2024-10-11", "2024-01-01/2024-01-02/2024-01-03",
        "0001-01-01T00:00:00+23:59", "2024-10-12T03:22:47Z" + "0" * 60, "２０２４-10-12", "latest/..",
        "0000", "2024-13", "2024-00", "2024Q5", "2024Q0", "2024q1", "24", "2024-1", "2025/2024",
        "latest-clear/..", "２０２４",
    ],
)  # fmt: skip
def test_L25_anything_else_is_refused(text):
    with pytest.raises(BadParameterError) as refused:
        parse_when(text)
    assert refused.value.code == "limit.datetime"


def test_a_refused_time_is_told_with_all_that_would_do():
    with pytest.raises(BadParameterError, match=r"'2024Q5' .*2024Q3, an interval a/b, latest or latest-clear"):
        parse_when("2024Q5")


def test_an_instant_prefers_its_own_date_to_a_nearer_time():
    wanted = When(nearest=utc(2024, 10, 12, 0, 30))
    assert wanted.nearest_date([utc(2024, 10, 11, 23, 59), utc(2024, 10, 12, 20)]) == date(2024, 10, 12)
    assert wanted.nearest_date([]) is None
    assert ALWAYS.nearest_date([utc(2024, 10, 12)]) is None


@pytest.mark.parametrize(
    ("text", "included"),
    [
        (None, True),
        ("latest", True),
        ("2024-10-12", True),
        ("2024-10-12T23:00:00Z", True),  # the date decides, as on a layer
        ("2024-10-13T07:59:59+08:00", True),
        ("2024-10-13", False),
        ("2024-10-12T03:22:47Z/2024-10-12T03:22:47Z", True),
        ("../2024-10-12T03:22:46Z", False),
        ("2024-10-12T03:22:48Z/..", False),
        ("2024-10-12/2024-10-12", True),
    ],
)
def test_an_item_is_asked_for_by_its_time_or_by_another(text, included):
    assert parse_when(text).includes(utc(2024, 10, 12, 3, 22, 47)) is included


@given(st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), min_size=1))
def test_no_other_date_is_nearer_than_the_one_chosen(acquired):
    wanted = utc(2015, 6, 1, 12)
    chosen = When(nearest=wanted).nearest_date(acquired)
    assert min(abs(when.date() - wanted.date()) for when in acquired) == abs(chosen - wanted.date())
    assert LATEST.nearest_date(acquired) == max(acquired).date()


@given(st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))))
def test_the_nearest_date_is_also_found_by_asking_for_the_newest_of_intervals(acquired):
    def newest(interval):
        start, end = interval
        return max(
            (when for when in acquired if (not start or start <= when) and (not end or when <= end)), default=None
        )

    for instant in (utc(2015, 6, 1, 12), *acquired[:2]):
        nearest, found = (
            When(nearest=instant).nearest_date(acquired),
            When(nearest=instant).search_nearest_date(newest),
        )
        assert (nearest is None) == (found is None)
        assert not nearest or abs(nearest - instant.date()) == abs(found - instant.date())
    assert LATEST.search_nearest_date(newest) == LATEST.nearest_date(acquired)
    assert ALWAYS.search_nearest_date(newest) is None


@given(st.dates())
def test_a_period_holds_the_days_that_carry_its_name_and_no_others(day):
    for period in (f"{day.year:04}", f"{day.year:04}-{day.month:02}", f"{day.year:04}Q{(day.month + 2) // 3}"):
        first, last = parse_period(period)
        assert first <= whole_day(day)[0]
        assert whole_day(day)[1] <= last
        assert period in {f"{first.year:04}", f"{first:%Y-%m}".zfill(7), f"{first.year:04}Q{(first.month + 2) // 3}"}
        assert last.year == day.year
    assert parse_period(day.isoformat()) is None


@given(*[st.tuples(*[st.none() | st.datetimes(timezones=st.just(UTC))] * 2)] * 2, st.datetimes(timezones=st.just(UTC)))
def test_what_lies_in_the_overlap_lies_in_both_intervals(one, other, instant):
    def holds(interval):
        return (not interval[0] or interval[0] <= instant) and (not interval[1] or instant <= interval[1])

    assert holds(overlap(one, other)) == (holds(one) and holds(other))
    assert overlap(one, None) == overlap(None, one) == one
