"""Time in a request: which acquisitions `datetime=` means."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from catalog.search import Interval
from catalog.timestamp import MAX_TEXT_LENGTH, parse_datetime
from imagery_node.errors import BadParameterError

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PERIOD = re.compile(r"(\d{4})(?:-(\d\d)|Q([1-4]))?", re.ASCII)
_MIDNIGHT = time(0, tzinfo=UTC)
_DAY = timedelta(days=1)
_NOON = time(12, tzinfo=UTC)
_LAST_INSTANT = time(23, 59, 59, 999_999, tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class When:
    """Which acquisitions a request means; every one when all fields are as they are here."""

    interval: Interval | None = None
    """Only those within it."""
    nearest: datetime | None = None
    """Show the acquisition date nearest to this instant, and no other."""
    clear_only: bool = False
    """Scenes that are more than a little cloudy do not count."""

    @property
    def is_latest(self) -> bool:
        """Whether the newest date of the place is meant, whichever that is."""
        return self.nearest == _END_OF_TIME

    @property
    def instant(self) -> datetime | None:
        """The single instant asked for; None for an interval and for `latest`."""
        return None if self.is_latest else self.nearest

    @property
    def day(self) -> date | None:
        """The UTC date of that instant."""
        return self.instant.date() if self.instant else None

    def within(self, interval: Interval | None) -> "When":
        """The same, of acquisitions within this interval too."""
        return replace(self, interval=overlap(self.interval, interval))

    def nearest_date(self, acquired: Iterable[datetime]) -> date | None:
        """The UTC date to show out of these acquisition times: the instant's own date if it is among them."""
        wanted = self.nearest
        if wanted is None:
            return None
        best = min(
            acquired, key=lambda when: (abs((when.date() - wanted.date()).days), abs(when - wanted)), default=None
        )
        return best.date() if best else None

    def search_nearest_date(self, newest: Callable[[Interval], datetime | None]) -> date | None:
        """As `nearest_date`, among acquisitions of which only the newest within an interval can be asked for."""
        if self.nearest is None:
            return None
        wanted = self.nearest.date()
        before = newest((None, whole_day(wanted)[1]))
        if wanted == date.max or (before and before.date() == wanted):
            return before.date() if before else None
        first = wanted + _DAY
        after = newest((whole_day(first)[0], None))
        while after and first < after.date():
            middle = first + (after.date() - first) // 2
            earlier = newest((whole_day(first)[0], whole_day(middle)[1]))
            if earlier:
                after = earlier
            else:
                first = middle + _DAY
        return self.nearest_date(filter(None, (before, after)))

    def includes(self, acquired: datetime) -> bool:
        """Whether an item that is asked for by its id was acquired then: `latest` is whichever it is."""
        start, end = self.interval or (None, None)
        if (start and acquired < start) or (end and acquired > end):
            return False
        return self.day is None or acquired.date() == self.day


def whole_day(day: date) -> tuple[datetime, datetime]:
    """First and last instant of a UTC date."""
    return datetime.combine(day, _MIDNIGHT), datetime.combine(day, _LAST_INSTANT)


def overlap(one: Interval | None, other: Interval | None) -> Interval | None:
    """What lies in both intervals; it ends before it starts where they do not meet."""
    if one is None or other is None:
        return one or other
    starts, ends = ([each for each in pair if each] for pair in zip(one, other, strict=True))
    return max(starts, default=None), min(ends, default=None)


ALWAYS = When()
LATEST = When(nearest=_END_OF_TIME)
LATEST_CLEAR = When(nearest=_END_OF_TIME, clear_only=True)
_NAMED = {"latest": LATEST, "latest-clear": LATEST_CLEAR}


def parse_when(text: str | None) -> When:
    """Read `datetime=`: an instant, an interval `a/b` with `..` for an open end, a period, `latest` or `latest-clear`.

    A plain date may stand for an instant. A period is a UTC year, month or quarter: `2026`, `2026-03`, `2026Q3`; as an
    end of an interval a date or a period is included whole.

    Raises:
        BadParameterError: It is none of these, or the interval ends before it starts.
    """
    if text is None:
        return ALWAYS
    if len(text) > MAX_TEXT_LENGTH:
        raise BadParameterError(f"datetime has {len(text)} characters, at most {MAX_TEXT_LENGTH}", limit="datetime")
    if text in _NAMED:
        return _NAMED[text]
    first, slash, last = text.partition("/")
    if not slash:
        period = parse_period(text)
        return When(interval=period) if period else When(nearest=_instant(text, _NOON))
    start = None if first in {"", ".."} else (parse_period(first) or [_instant(first, _MIDNIGHT)])[0]
    end = None if last in {"", ".."} else (parse_period(last) or [_instant(last, _LAST_INSTANT)])[-1]
    if start is None and end is None:
        raise BadParameterError("datetime is open on both sides; leave it out instead", limit="datetime")
    if start and end and end < start:
        raise BadParameterError(f"datetime {text!r} ends before it starts", limit="datetime")
    return When(interval=(start, end))


def parse_period(text: str) -> tuple[datetime, datetime] | None:
    """First and last instant of a UTC year, month or quarter; None when the text is none."""
    found = _PERIOD.fullmatch(text)
    if not found:
        return None
    year, month, quarter = found.groups()
    first, last = (int(month),) * 2 if month else (3 * int(quarter) - 2, 3 * int(quarter)) if quarter else (1, 12)
    if int(year) < 1 or not 1 <= first <= 12:
        return None
    last_day = date(int(year), last, monthrange(int(year), last)[1])
    return whole_day(date(int(year), first, 1))[0], whole_day(last_day)[1]


def period_of(interval: Interval) -> str | None:
    """The name of the UTC year, quarter or month that an interval is; None for any other."""
    start = interval[0]
    if start is None:
        return None
    year = f"{start.year:04}"
    names = year, f"{year}Q{(start.month + 2) // 3}", f"{year}-{start.month:02}"
    return next((name for name in names if parse_period(name) == interval), None)


def _instant(text: str, of_date: time) -> datetime:
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), of_date)
        return parse_datetime(text)
    except ValueError as error:
        raise BadParameterError(
            f"datetime: {text!r} is no time ({error}); expected a date, a time such as 2024-10-12T03:22:47Z, a period "
            "such as 2024, 2024-03 or 2024Q3, an interval a/b, latest or latest-clear",
            limit="datetime",
        ) from error
