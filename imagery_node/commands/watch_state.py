"""What the watch remembers of an inbox, readable by people and programs, and the reports of what it refused.

Nothing is lost with these files: the catalogue knows what is published, and the rest is looked at again.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import orjson

from imagery_node.commands.inbox import Fingerprint
from imagery_node.commands.report import Outcome

logger = logging.getLogger(__name__)

PASSING = frozenset({"disk_full", "io_error", "resource", "search_deadline", "store_unavailable"})
"""Codes of refusals that are not the delivery's fault: it is tried again by itself."""

_MOST_NAME_BYTES = 200


@dataclass(frozen=True)
class Record:
    """What became of a delivery so far."""

    delivery: str
    size: int
    modified: str
    state: Literal["waiting", "published", "refused"]
    since: str
    """When it came into this state: UTC, ISO 8601."""
    items: tuple[str, ...] = ()
    """Ids of its scenes that are published."""
    code: str | None = None
    """Of a refusal; of a delivery that waits, why it cannot be read yet."""
    reason: str | None = None

    @classmethod
    def waiting(cls, delivery: str, fingerprint: Fingerprint) -> Self:
        """A delivery that is new or has changed."""
        return cls(delivery, fingerprint.size, fingerprint.modified, "waiting", _now())

    @property
    def fingerprint(self) -> Fingerprint:
        """The state of the delivery that this is about."""
        return Fingerprint(self.size, self.modified)

    @property
    def age_s(self) -> float:
        """Seconds since it came into its state."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.since)).total_seconds()

    def deferred(self, code: str, reason: str) -> Self:
        """It cannot be read yet."""
        return replace(self, code=code, reason=reason)

    def refused(self) -> Self:
        """It could not be read, and that is final."""
        return replace(self, state="refused", since=_now())

    def settled(self, outcomes: list[Outcome]) -> Self:
        """What became of its scenes: one that is refused makes the delivery refused."""
        refusals = [outcome.facts for outcome in outcomes if outcome.is_refused]
        return replace(
            self,
            state="refused" if refusals else "published",
            since=_now(),
            items=tuple(outcome.item_id for outcome in outcomes if outcome.item_id and not outcome.is_refused),
            code=refusals[0]["code"] if refusals else None,
            reason="; ".join(facts["reason"] for facts in refusals) or None,
        )


class WatchState:
    """`HOME/watch/state.ndjson`, one line per delivery, and `HOME/rejected/NAME.json`. Safe from many threads."""

    def __init__(self, home: Path) -> None:
        self._file = home / "watch" / "state.ndjson"
        self._rejected = home / "rejected"
        self._lock = threading.Lock()
        self._records = _read(self._file)
        self._saved = True

    def get(self, delivery: str) -> Record | None:
        """What is known of a delivery."""
        return self._records.get(delivery)

    def put(self, record: Record) -> None:
        """Remember, and tell of a delivery that is settled at once; of one that waits with the next `save`."""
        with self._lock:
            self._records[record.delivery] = record
            self._saved = False
        if record.state == "waiting":
            return
        report = self._rejected / _report_name(record.delivery)
        if record.state == "refused":
            _write(report, orjson.dumps(_document(record), option=orjson.OPT_INDENT_2) + b"\n")
        else:
            report.unlink(missing_ok=True)
        self.save()

    def forget_all_but(self, deliveries: Collection[str]) -> None:
        """Forget what no longer lies in the inbox; an empty one may just not be mounted."""
        with self._lock:
            gone = self._records.keys() - set(deliveries) if deliveries else ()
            for delivery in gone:
                del self._records[delivery]
                self._saved = False

    def save(self) -> None:
        """Write what has changed."""
        with self._lock:
            if not self._saved:
                lines = [orjson.dumps(_document(record)) + b"\n" for _, record in sorted(self._records.items())]
                _write(self._file, b"".join(lines))
                self._saved = True


def _document(record: Record) -> dict[str, Any]:
    return {name: value for name, value in asdict(record).items() if value is not None}


def _read(file: Path) -> dict[str, Record]:
    """The records of a file; nothing when it is missing or not ours."""
    try:
        records = [Record(**orjson.loads(line)) for line in file.read_bytes().splitlines()]
        return {record.delivery: replace(record, items=tuple(record.items)) for record in records}
    except (OSError, ValueError, TypeError):
        return {}


def _write(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.draft")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(file)
    except OSError as error:  # a full disk, most likely: publishing goes on as well as it can
        logger.warning("%s cannot be written: %s", file, error.strerror)


def _report_name(delivery: str) -> str:
    """A file name for any delivery's name."""
    name = os.fsencode(delivery)
    if len(name) > _MOST_NAME_BYTES:
        digest = hashlib.sha256(name).hexdigest()[:16]
        return f"{name[:_MOST_NAME_BYTES].decode('utf-8', 'ignore')}-{digest}.json"
    return f"{delivery}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
