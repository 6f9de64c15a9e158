"""Time in a request: which acquisitions `datetime=` means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from catalog.search import Interval
from catalog.timestamp import MAX_TEXT_LENGTH, parse_datetime
from imagery_node.errors import BadParameterError

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MIDNIGHT = time(0, tzinfo=UTC)
_NOON = time(12, tzinfo=UTC)
_LAST_INSTANT = time(23, 59, 59, 999_999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class When:
    """Which acquisitions a request means; every one when both fields are None."""

    interval: Interval | None = None
    nearest: datetime | None = None
    """Show the acquisition date nearest to this instant, and no other."""

    def nearest_date(self, acquired: Iterable[datetime]) -> date | None:
        """The UTC date to show out of these acquisition times: the instant's own date if it is among them."""
        wanted = self.nearest
        if wanted is None:
            return None
        best = min(
            acquired, key=lambda when: (abs((when.date() - wanted.date()).days), abs(when - wanted)), default=None
        )
        return best.date() if best else None

    def includes(self, acquired: datetime) -> bool:
        """Whether an item that is asked for by its id was acquired then: `latest` is whichever it is."""
        start, end = self.interval or (None, None)
        if (start and acquired < start) or (end and acquired > end):
            return False
        return self.nearest is None or self == LATEST or acquired.date() == self.nearest.date()


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
