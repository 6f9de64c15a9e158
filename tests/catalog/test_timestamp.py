"""Times (L25, P21): what is read, what is refused, whatever the machine's time zone."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.timestamp import format_datetime, parse_datetime, parse_interval


@pytest.fixture(params=["UTC", "Asia/Almaty", "America/St_Johns"], autouse=True)
def time_zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024-10-12T03:22:47Z", "2024-10-12T03:22:47+00:00"),
        ("2024-10-12t03:22:47z", "2024-10-12T03:22:47+00:00"),
        ("2024-10-12T11:22:47+08:00", "2024-10-12T03:22:47+00:00"),
        ("2024-10-12T03:22:47.1Z", "2024-10-12T03:22:47.100000+00:00"),
        ("2024-10-12T03:22:47.123456789Z", "2024-10-12T03:22:47.123456+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
    ],
)
def test_P21_an_instant_is_read_as_utc(text, iso):
    assert parse_datetime(text).isoformat() == iso


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-10-12",
        "2024-10-12T03:22:47",
        "2024-10-12 03:22:47Z",
        "20241012T032247Z",
        "2024-W41-6T03:22:47Z",
        "2024-13-01T00:00:00Z",
        "2024-10-12T24:00:00Z",
        "2024-10-12T03:22:61Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:60Z",
        "２024-10-12T03:22:47Z",
        "2024-10-12T03:22:47Z" + "0" * 60,
    ],
)
def test_L25_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="time"):
        parse_datetime(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_back(when):
    assert parse_datetime(format_datetime(when)) == when


START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("2024-01-01T00:00:00Z", (START, START)),
        ("2024-01-01T00:00:00Z/2024-01-02T00:00:00Z", (START, END)),
        ("../2024-01-02T00:00:00Z", (None, END)),
        ("/2024-01-02T00:00:00Z", (None, END)),
        ("2024-01-01T00:00:00Z/..", (START, None)),
        ("2024-01-01T00:00:00Z/", (START, None)),
    ],
)
def test_an_interval_is_read(text, interval):
    assert parse_interval(text) == interval


@pytest.mark.parametrize("text", ["", "/", "../..", "2024-01-02T00:00:00Z/2024-01-01T00:00:00Z", "a/b", "//", "../"])
def test_L25_an_interval_that_means_nothing_is_refused(text):
    with pytest.raises(ValueError, match=r"interval|time"):
        parse_interval(text)
