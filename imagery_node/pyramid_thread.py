"""PyramidThread: builds the pyramids of a home behind a serving process, in one of all that serve it."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import apsw

from catalog import lock
from catalog.errors import CatalogError
from imagery_node.errors import ImageryNodeError
from imagery_node.pyramid_builder import PyramidBuilder

logger = logging.getLogger(__name__)

_ELECTION_S = 5.0
"""From one try to become the builder to the next."""
_REST_S = 30.0
"""After a failure."""
_NICENESS = 10
_END_S = 15.0


class PyramidThread:
    """One thread of low priority; idle while another process of this home builds."""

    def __init__(self, folder: Path, make: Callable[[], PyramidBuilder], *, poll_s: float) -> None:
        """Prepare, without starting.

        Args:
            folder: Of the pyramids, with the lock.
            make: Makes the builder, once this process is the one.
            poll_s: Seconds from one look at the catalogue to the next.
        """
        self._folder = folder
        self._make = make
        self._poll_s = poll_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pyramids", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the cell at hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)  # on Linux that is the thread alone
        while not self._stop.is_set():
            pause_s = _ELECTION_S
            try:
                with lock.exclusive_if_free(self._folder / lock.LOCK_SUFFIX) as elected:
                    if elected:
                        self._build()
            except (CatalogError, ImageryNodeError, OSError, apsw.Error) as error:
                logger.warning("building pyramids waits %.0f s: %s", _REST_S, error)
                pause_s = _REST_S
            self._stop.wait(pause_s)

    def _build(self) -> None:
        builder = self._make()
        try:
            builder.clean()
            while not self._stop.is_set():
                builder.catch_up(self._stop)
                self._stop.wait(self._poll_s)
        finally:
            builder.close()
