"""Breaker: stops asking a host that keeps failing, so that those who wait for other hosts find threads free (P20)."""

import threading
import time

FAILURES = 4
PAUSE_S = 5.0


class Breaker:
    """What is known of one host; after several failures in a row one request in a while may try again."""

    def __init__(self, *, failures: int = FAILURES, pause_s: float = PAUSE_S) -> None:
        self._allowed = failures
        self._pause_s = pause_s
        self._failures = 0
        self._closed_until = 0.0
        self._lock = threading.Lock()

    def lets_through(self) -> bool:
        """Whether the host may be asked now; whoever hears so must tell how it went."""
        with self._lock:
            now = time.monotonic()
            if self._failures < self._allowed:
                return True
            if now < self._closed_until:
                return False
            self._closed_until = now + self._pause_s  # the others wait for what this one finds
            return True

    def tell(self, *, worked: bool) -> None:
        """How a request went."""
        with self._lock:
            self._failures = 0 if worked else self._failures + 1
            if self._failures >= self._allowed:
                self._closed_until = time.monotonic() + self._pause_s
