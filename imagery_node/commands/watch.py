"""The watch: publishes what is complete in an inbox, whatever happens to it or to this process."""

import logging
import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from catalog.errors import StoreUnavailableError
from imagery_node.commands.inbox import Inbox, Sighting, has_changed, verify_checksum
from imagery_node.commands.publisher import Publisher
from imagery_node.commands.report import REFUSALS, Outcome, Report, name_of, refusal
from imagery_node.commands.watch_state import PASSING, Record, WatchState

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 600.0
"""After a refusal that was not the delivery's fault."""
_TRY_STORE_AGAIN_S = 60.0
"""After one for want of the catalogue's database, which mostly is soon back."""


class DroppedError(Exception):
    """The watch was asked to stop, and the scene is left for the next one."""


class Stop:
    """Asked for by SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self._asked = False
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()  # may be rung in a signal handler

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside the block these signals ask for the stop, instead of being deadly."""
        before = {number: signal.signal(number, lambda *_: self.ask()) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def ask(self) -> None:
        """Stop as soon as nothing is left half done."""
        self._asked = True
        self._bell.put(None)

    def is_asked(self) -> bool:
        """Whether it is time to stop."""
        return self._asked

    def heed(self) -> None:
        """Drop what is being built when it is time to stop."""
        if self._asked:
            raise DroppedError

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than until it is time to stop."""
        with suppress(queue.Empty):
            self._bell.get(timeout=seconds)


class Watch:
    """One inbox and the node that its deliveries go to."""

    def __init__(self, inbox: Inbox, publisher: Publisher, report: Report, stop: Stop) -> None:
        self._inbox = inbox
        self._publisher = publisher
        self._report = report
        self._stop = stop
        self._state = WatchState(publisher.home)
        self._busy: set[str] = set()

    def run(self, *, once: bool, poll_s: float) -> None:
        """Publish what arrives; with `once`, what is complete now."""
        self._publisher.builder.engine.each(self._arrivals(once=once, poll_s=poll_s), self._take)
        self._state.save()

    def _arrivals(self, *, once: bool, poll_s: float) -> Iterator[Sighting]:
        """Deliveries whose turn it is, for ever."""
        while not self._stop.is_asked():
            seen = []
            for sighting in self._inbox.sightings():
                seen.append(name_of(sighting.path))
                if self._is_due(sighting):
                    self._busy.add(seen[-1])
                    self._state.save()
                    yield sighting
                if self._stop.is_asked():
                    return
            self._state.forget_all_but(seen)
            self._state.save()
            if once:
                return
            self._stop.wait(poll_s)

    def _is_due(self, sighting: Sighting) -> bool:
        """Whether a delivery is to be opened now; what is known of it is brought up to date."""
        name = name_of(sighting.path)
        if name in self._busy:
            return False
        record = self._state.get(name)
        if record is None or record.fingerprint != sighting.fingerprint:
            record = Record.waiting(name, sighting.fingerprint)
            self._state.put(record)
        if record.state == "refused":
            pause_s = _TRY_STORE_AGAIN_S if record.code == StoreUnavailableError.code else _TRY_AGAIN_S
            return record.code in PASSING and record.age_s > pause_s
        if record.code is not None and self._inbox.is_given_up(sighting):
            self._refuse(record)
            return False
        return record.state == "waiting" and record.code is None and self._inbox.is_ready(sighting)

    def _refuse(self, record: Record) -> None:
        """Give up on a delivery that could not be read, and had the time to become readable."""
        self._report.tell([Outcome(record.delivery, "refused", facts={"code": record.code, "reason": record.reason})])
        self._state.put(record.refused())

    def _take(self, sighting: Sighting) -> None:
        name = name_of(sighting.path)
        record = Record.waiting(name, sighting.fingerprint)
        logger.info("%s: %d bytes, quiet for %.0f s, is taken", name, sighting.fingerprint.size, sighting.quiet_s)
        try:
            outcomes = self._outcomes(sighting)
            if any(outcome.is_refused for outcome in outcomes):
                self._check_unchanged(sighting)  # else the refusal may be of what was there for a moment
            unread = next((outcome for outcome in outcomes if outcome.is_refused and outcome.item_id is None), None)
            if unread is not None:
                code, reason = unread.facts["code"], unread.facts["reason"]
                if code not in PASSING and not self._inbox.is_given_up(sighting):
                    logger.info("%s: waits, it may still be on its way: %s", name, reason)
                    self._state.put(record.deferred(code, reason))
                    return
            self._report.tell(outcomes)
            self._state.put(record.settled(outcomes))
        except _ChangedError:
            logger.info("%s: waits, it changed while it was read", name)
        except DroppedError:
            logger.info("%s: dropped to stop", name)
        except BaseException:
            self._stop.ask()
            raise
        finally:
            self._busy.discard(name)

    def _outcomes(self, sighting: Sighting) -> list[Outcome]:
        try:
            verify_checksum(sighting.path)
        except REFUSALS as error:
            return [refusal(sighting.path, error)]
        return list(self._publisher.publish(sighting.path, check=lambda: self._check_unchanged(sighting)))

    def _check_unchanged(self, sighting: Sighting) -> None:
        self._stop.heed()
        if has_changed(sighting):
            raise _ChangedError


class _ChangedError(Exception):
    """A delivery is not what it was when it was taken."""
