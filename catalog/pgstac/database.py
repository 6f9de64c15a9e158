"""Connections to PostgreSQL: a bounded pool that needs no time to come back, and the database's errors as ours.

A pool that reconnects in the background waits longer and longer while the server is away. This one connects when it is
asked, so the first request after the server is back finds it (P17), and nobody waits longer than `WAIT_S` (P18).
"""

import contextlib
import random
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, errors
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from catalog.errors import (
    CatalogError,
    DiskFullError,
    InvalidItemError,
    InvalidSearchError,
    SlowSearchError,
    StoreAwayError,
    StoreUnavailableError,
    UnusableStoreError,
)

POOL_SIZE = 8
"""L34: connections of one process, beside one that listens and one for each claim."""
WAIT_S = 2.0
ATTEMPTS = 8
"""Of one write that meets a deadlock or a serialisation failure (P19)."""

_CONNECT_TIMEOUT_S = 2
_FIRST_PAUSE_S = 0.05
_OPTIONS = "-c search_path=imagery_node,pgstac,public -c timezone=UTC -c client_min_messages=error"

Answer = TypeVar("Answer")
Session = Connection[tuple[Any, ...]]


class Database:
    """One database, as one role."""

    def __init__(self, address: SecretStr, *, read_only: bool = False) -> None:
        self._address = address
        self._options = f"{_OPTIONS} -c default_transaction_read_only={'on' if read_only else 'off'}"
        self._idle: list[Session] = []
        self._places = _Places(POOL_SIZE)
        self._closed = False

    def connect(self) -> Session:
        """A connection beside the pool; the caller closes it."""
        with translated():
            return psycopg.connect(
                self._address.get_secret_value(),
                autocommit=True,
                connect_timeout=_CONNECT_TIMEOUT_S,
                keepalives_idle=10,
                keepalives_interval=2,
                keepalives_count=3,
                tcp_user_timeout=10_000,
                application_name="imagery-node",
                options=self._options,
            )

    @contextlib.contextmanager
    def connection(self) -> Iterator[Session]:
        """A connection of the pool; errors of the block become ours.

        Raises:
            StoreAwayError: No server answers, or none of the connections becomes free in time.
        """
        if not self._places.enter(WAIT_S):
            raise StoreAwayError(f"no connection to the catalogue became free within {WAIT_S:g} s")
        try:
            connection = self._take()
            try:
                with translated():
                    yield connection
            finally:
                self._give_back(connection)
        finally:
            self._places.leave()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: all of the block or nothing."""
        with self.connection() as connection, connection.transaction():
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Several statements that see one state."""
        with self.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Session:
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread was quicker
                connection = self._idle.pop()
                if _is_alive(connection):
                    return connection
                connection.close()
        return self.connect()

    def _give_back(self, connection: Session) -> None:
        idle = psycopg.pq.TransactionStatus.IDLE
        if self._closed or connection.closed or connection.info.transaction_status != idle:
            connection.close()
        else:
            self._idle.append(connection)


class _Places:
    """So many may be inside at a time, first come, first served; a semaphore lets who just left pass by who waits."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def enter(self, timeout_s: float) -> bool:
        """Go in; False when no place became free in time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout_s):
            return True
        with self._lock:
            if not turn.is_set():
                self._waiting.remove(turn)
            return turn.is_set()

    def leave(self) -> None:
        """Hand the place on, or leave it free."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


def _is_alive(connection: Session) -> bool:
    """Whether nobody hung up: a server that does so, or goes down, says something; else an idle one is silent."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def check_address(address: SecretStr) -> None:
    """See that an address can be read; nothing of it is repeated, there may be a password in it.

    Raises:
        UnusableStoreError: It cannot.
    """
    try:
        conninfo_to_dict(address.get_secret_value())
    except psycopg.ProgrammingError:
        raise UnusableStoreError("CATALOG_DATABASE: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None


def with_retries(work: Callable[[], Answer]) -> Answer:
    """Do a piece of writing again, after a pause of random length, while others' locks end it (P19)."""
    pause_s = _FIRST_PAUSE_S
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except _CollisionError:
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
            pause_s *= 2
    return work()


class _CollisionError(StoreUnavailableError):
    """Another transaction came in between; the same again may pass."""

    transient = True


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise _translation(error) from error


def _translation(error: psycopg.Error) -> CatalogError:
    if isinstance(error, psycopg.DataError) and error.sqlstate is None:
        return InvalidSearchError("the search has a character that no text here can have")
    told = error.diag.message_primary or str(error).strip()
    match error:
        case errors.DeadlockDetected() | errors.SerializationFailure() | errors.CheckViolation():
            return _CollisionError(f"the catalogue is being written to by others: {told}")
        case errors.LockNotAvailable():
            return StoreAwayError(f"the catalogue is being written to by others: {told}")
        case errors.QueryCanceled():
            return SlowSearchError("the search takes too long; ask for less at once")
        case errors.UntranslatableCharacter() | errors.InvalidTextRepresentation() | errors.NumericValueOutOfRange():
            return InvalidItemError(f"the database cannot keep the document: {told}")
        case errors.DiskFull():
            return DiskFullError("the disk of the database is full: the catalogue was not changed")
        case psycopg.OperationalError():
            return StoreAwayError(f"the database of the catalogue is away: {told}")
    return StoreUnavailableError(f"the catalogue cannot answer: {told}")
