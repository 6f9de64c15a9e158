"""Times as STAC writes them: RFC 3339 with an offset, UTC inside."""

import re
from datetime import UTC, datetime, timedelta

from catalog.extent import Interval

MAX_TEXT_LENGTH = 64
"""L25."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:)(\d\d)(\.\d{1,18})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parse_datetime(text: str) -> datetime:
    """Read one RFC 3339 instant; digits past the microsecond are dropped, a leap second is the second after it.

    Raises:
        ValueError: It is not an instant with an offset in the years 1–9999.
    """
    match = _RFC3339.fullmatch(text) if len(text) <= MAX_TEXT_LENGTH else None
    if match is None:
        raise ValueError(f"{text[:MAX_TEXT_LENGTH]!r} is not an RFC 3339 time such as 2024-10-12T03:22:47Z")
    day, hour_minute, second, fraction, offset = match.groups()
    leap = second == "60"
    shown = "59" if leap else second
    try:
        when = datetime.fromisoformat(f"{day}T{hour_minute}{shown}{fraction or ''}{offset.upper()}").astimezone(UTC)
        return when + timedelta(seconds=1) if leap else when
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time of the years 1–9999: {error}") from error


def parse_interval(text: str) -> Interval:
    """Read an instant or an interval `a/b`, `../b`, `a/..`; an instant is the interval of itself.

    Raises:
        ValueError: It is neither, is open on both sides, or ends before it starts.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise ValueError(f"a datetime parameter has at most {MAX_TEXT_LENGTH} characters, found {len(text)}")
    start_text, slash, end_text = text.partition("/")
    if not slash:
        instant = parse_datetime(text)
        return instant, instant
    start = None if start_text in {"", ".."} else parse_datetime(start_text)
    end = None if end_text in {"", ".."} else parse_datetime(end_text)
    if start is None and end is None:
        raise ValueError(f"the interval {text!r} is open on both sides; leave it out instead")
    if start is not None and end is not None and start > end:
        raise ValueError(f"the interval {text!r} ends before it starts")
    return start, end


def format_datetime(when: datetime) -> str:
    """The instant in UTC with `Z`, without a fraction when it has none."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def microseconds(when: datetime) -> int:
    """Since 1970, exact."""
    return (when - _EPOCH) // _MICROSECOND


def from_microseconds(us: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(0, *divmod(us, 1_000_000))  # twice as fast as of microseconds alone
