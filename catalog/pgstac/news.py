"""The newest sequence number without a question to the database: a thread hears of every commit (P17).

Asked for every tile, so it must cost nothing; and while the database is away it goes on telling the last number it
heard, so that tiles of what is known are served.
"""

import logging
import select
import socket
import threading

from catalog.errors import CatalogError
from catalog.pgstac.database import Database, Session, translated
from catalog.pgstac.feed import CHANNEL, read_sequence

logger = logging.getLogger(__name__)

_LISTEN_S = 5.0
"""So often a silent connection is asked whether it is still there."""
_PAUSE_S = 0.5


class News:
    """Knows the newest number from the first time it is asked; one thread, ended by `close`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._trouble: CatalogError | None = None
        self._closed = threading.Event()
        self._wake, self._waker = socket.socketpair()

    def newest(self) -> int:
        """The newest number this process heard of.

        Raises:
            StoreUnavailableError: It never heard of one, and the database is away.
        """
        if self._thread is None:
            self._begin()
        return self._newest

    def check(self) -> None:
        """See that the database was there a moment ago.

        Raises:
            StoreUnavailableError: It was not.
        """
        self.newest()
        if self._trouble is not None:
            raise self._trouble

    def hear(self, sequence: int) -> None:
        """Numbers never go back, whoever tells them first."""
        with self._lock:
            self._newest = max(self._newest, sequence)

    def close(self) -> None:
        """End the thread and its connection."""
        self._closed.set()
        self._waker.close()
        if self._thread is not None:
            self._thread.join()
        self._wake.close()

    def _begin(self) -> None:
        connection = self._subscribe()
        with self._lock:
            begun, self._thread = (
                self._thread,
                self._thread
                or threading.Thread(target=self._follow, args=(connection,), name="catalogue news", daemon=True),
            )
        if begun is None:
            self._thread.start()
        else:  # another caller was quicker
            connection.close()

    def _follow(self, connection: Session | None) -> None:
        while not self._closed.is_set():
            try:
                connection = connection or self._subscribe()
                self._trouble = None
                self._listen(connection)
            except CatalogError as error:
                if self._trouble is None:
                    logger.warning("no news of the catalogue: %s", error)
                self._trouble = error
                if connection is not None:
                    connection.close()
                connection = None
                self._closed.wait(_PAUSE_S)
        if connection is not None:
            connection.close()

    def _listen(self, connection: Session) -> None:
        with translated():
            poll = select.poll()
            for descriptor in (connection.fileno(), self._wake.fileno()):
                poll.register(descriptor, select.POLLIN)
            heard = {descriptor for descriptor, _ in poll.poll(_LISTEN_S * 1000)}
            if connection.fileno() in heard:
                for notify in connection.notifies(timeout=0):
                    self.hear(int(notify.payload))
            elif not heard:
                self.hear(read_sequence(connection))

    def _subscribe(self) -> Session:
        connection = self._database.connect()
        with translated():
            connection.execute(f"LISTEN {CHANNEL}")
            self.hear(read_sequence(connection))
        return connection
