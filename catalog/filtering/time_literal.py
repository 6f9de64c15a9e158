"""Instants, days and intervals of a filter."""

import re
from datetime import date, datetime, timedelta
from typing import Any

from catalog.timestamp import format_datetime, parse_datetime

LAST_DAY = date(9999, 12, 29)
"""Later times cannot be compared."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_OPEN = ".."


def read_time(node: Any) -> Any:
    """A time in CQL2 JSON in its one spelling: UTC, intervals of instants; a text is an instant or midnight.

    Raises:
        ValueError: It is no time, finer than a microsecond, too late or ends before it starts.
    """
    match node:
        case {"timestamp": str(text)}:
            return {"timestamp": format_datetime(instant(text))}
        case {"date": str(text)}:
            midnight(text)
            return {"date": text}
        case {"interval": [start, end]}:
            interval = {"interval": [_read_end(start), _read_end(end)]}
            first, last = time_range(interval) if not _has_property(start, end) else (None, None)
            if first and last and first > last:
                raise ValueError("an interval of the filter ends before it starts")
            return interval
        case str():
            return {"timestamp": format_datetime(_bound(node))}
    raise ValueError(f"expected a time or a property, found {node!r:.60}")


def time_range(node: Any) -> tuple[datetime | None, datetime | None]:
    """First and last microsecond of what `read_time` gave; None where it is open.

    Raises:
        ValueError: It depends on properties.
    """
    match node:
        case {"timestamp": text}:
            return instant(text), instant(text)
        case {"date": text}:
            return midnight(text), midnight(text, days=1) - timedelta(microseconds=1)
        case {"interval": [str(start), str(end)]}:
            return (None if start == _OPEN else instant(start)), (None if end == _OPEN else instant(end))
    raise ValueError("no time of its own")


def instant(text: str) -> datetime:
    """An RFC 3339 time.

    Raises:
        ValueError: It is none, too late or finer than a microsecond.
    """
    if re.search(r"\.\d{6}\d*[1-9]", text):
        raise ValueError(f"{text[:64]!r} is finer than a microsecond")
    when = parse_datetime(text)
    if when.date() > LAST_DAY:
        raise ValueError(f"{text!r} is later than {LAST_DAY}; leave the interval open instead")
    return when


def midnight(text: str, *, days: int = 0) -> datetime:
    """The start of a UTC day such as 2024-10-12, or of one some days later.

    Raises:
        ValueError: It is not a day, or too late.
    """
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a date such as 2024-10-12")
    start = instant(f"{text}T00:00:00Z")
    if start.date() == LAST_DAY:
        raise ValueError(f"{text!r} does not end by {LAST_DAY}; leave the interval open instead")
    return start + timedelta(days=days)


def _read_end(end: Any) -> Any:
    if end == _OPEN or _has_property(end):
        return end
    if not isinstance(end, str):
        raise ValueError(f"an interval is made of texts, '..' and properties, found {end!r:.60}")
    return format_datetime(_bound(end))


def _has_property(*ends: Any) -> bool:
    return any(isinstance(end, dict) and "property" in end for end in ends)


def _bound(text: str) -> datetime:
    return midnight(text) if _DATE.fullmatch(text) else instant(text)
