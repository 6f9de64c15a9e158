"""Time in a request: which acquisitions `datetime=` means."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from catalog.search import Interval
from catalog.timestamp import MAX_TEXT_LENGTH, parse_datetime
from imagery_node.errors import BadParameterError

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MIDNIGHT = time(0, tzinfo=UTC)
_DAY = timedelta(days=1)
_NOON = time(12, tzinfo=UTC)
_LAST_INSTANT = time(23, 59, 59, 999_999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class When:
    """Which acquisitions a request means; every one when both fields are None."""

    interval: Interval | None = None
    nearest: datetime | None = None
    """Show the acquisition date nearest to this instant, and no other."""

    @property
    def day(self) -> date | None:
        """The UTC date of a single instant; None for an interval and for `latest`."""
        return None if self.nearest is None or self == LATEST else self.nearest.date()

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
        return self.nearest is None or self == LATEST or acquired.date() == self.nearest.date()


def whole_day(day: date) -> tuple[datetime, datetime]:
    """First and last instant of a UTC date."""
    return datetime.combine(day, _MIDNIGHT), datetime.combine(day, _LAST_INSTANT)


ALWAYS = When()
LATEST = When(nearest=datetime.max.replace(tzinfo=UTC))


def parse_when(text: str | None) -> When:
    """Read `datetime=`: an instant, an interval `a/b` with `..` for an open end, or `latest`.

    A plain date may stand for an instant; as an end of an interval it includes its whole UTC day.

    Raises:
        BadParameterError: It is none of these, or the interval ends before it starts.
    """
    if text is None:
        return ALWAYS
    if len(text) > MAX_TEXT_LENGTH:
        raise BadParameterError(f"datetime has {len(text)} characters, at most {MAX_TEXT_LENGTH}", limit="datetime")
    if text == "latest":
        return LATEST
    first, slash, last = text.partition("/")
    if not slash:
        return When(nearest=_instant(first, _NOON))
    start = None if first in {"", ".."} else _instant(first, _MIDNIGHT)
    end = None if last in {"", ".."} else _instant(last, _LAST_INSTANT)
    if start is None and end is None:
        raise BadParameterError("datetime is open on both sides; leave it out instead", limit="datetime")
    if start and end and end < start:
        raise BadParameterError(f"datetime {text!r} ends before it starts", limit="datetime")
    return When(interval=(start, end))


def _instant(text: str, of_date: time) -> datetime:
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), of_date)
        return parse_datetime(text)
    except ValueError as error:
        raise BadParameterError(f"datetime: {error}", limit="datetime") from error
