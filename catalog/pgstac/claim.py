"""Claims: the exclusive right to publish one scene, lost with the connection that holds it or by standing still."""

import contextlib
import logging
import threading
from collections.abc import Iterator

from catalog.errors import CatalogError, InvalidItemError, ItemExistsError, StoreUnavailableError
from catalog.item import is_id
from catalog.pgstac.database import Database, Session, translated

logger = logging.getLogger(__name__)

_LOCKS = 0x696D6167
"""The first half of our advisory locks' numbers; the second is the holder's."""


class ClaimBook:
    """Claims as rows, each with a lock of the session that made it: the server frees it when the session is dead."""

    def __init__(self, database: Database, *, lease_s: float) -> None:
        self._database = database
        self._lease_s = lease_s

    @contextlib.contextmanager
    def claim(self, scene_id: str) -> Iterator[int]:
        """Hold the scene; gives the fencing number.

        Raises:
            ItemExistsError: Another live publisher holds it.
        """
        if not is_id(scene_id):
            raise InvalidItemError(f"{scene_id!r:.140} cannot be the id of a scene")
        connection = self._database.connect()
        with contextlib.closing(connection):
            fence = self._take(connection, scene_id)
            stopped = threading.Event()
            heart = threading.Thread(target=self._beat, args=(connection, scene_id, fence, stopped), daemon=True)
            heart.start()
            try:
                yield fence
            finally:
                stopped.set()
                heart.join()
                with contextlib.suppress(StoreUnavailableError):  # else the claim ended with the connection
                    self._release(connection, scene_id, fence)

    def _take(self, connection: Session, scene_id: str) -> int:
        with translated(), connection.transaction():
            connection.execute("INSERT INTO claim VALUES (%s, 0, NULL, now()) ON CONFLICT DO NOTHING", (scene_id,))
            row = connection.execute(
                "SELECT fence, holder, extract(epoch FROM now() - heartbeat) FROM claim WHERE scene = %s FOR UPDATE",
                (scene_id,),
            ).fetchone()
            fence, holder, age_s = row or (0, None, 0)
            if holder is not None and age_s < self._lease_s and not _try_lock(connection, holder):
                raise ItemExistsError(f"scene {scene_id} is being published by another process; try again later")
            (mine,) = connection.execute("SELECT nextval('holder')::int").fetchone() or (0,)
            connection.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCKS, mine))
            connection.execute(
                "UPDATE claim SET fence = %s, holder = %s, heartbeat = now() WHERE scene = %s",
                (fence + 1, mine, scene_id),
            )
        return int(fence) + 1

    def _beat(self, connection: Session, scene_id: str, fence: int, stopped: threading.Event) -> None:
        while not stopped.wait(self._lease_s / 4):
            try:
                with translated():
                    connection.execute(
                        "UPDATE claim SET heartbeat = now() WHERE scene = %s AND fence = %s", (scene_id, fence)
                    )
            except CatalogError as error:
                logger.warning("could not renew the claim of %s: %s", scene_id, error)
                if connection.closed:
                    return

    def _release(self, connection: Session, scene_id: str, fence: int) -> None:
        with translated():
            connection.execute("UPDATE claim SET holder = NULL WHERE scene = %s AND fence = %s", (scene_id, fence))


def check_fence(connection: Session, scene_id: str, fence: int) -> None:
    """See that no later claim was made, nor is until the caller's transaction ends.

    Raises:
        ItemExistsError: One was.
    """
    found = connection.execute("SELECT fence FROM claim WHERE scene = %s FOR SHARE", (scene_id,)).fetchone()
    if found != (fence,):
        raise ItemExistsError(f"scene {scene_id}: another publisher took over while this one paused")


def _try_lock(connection: Session, holder: int) -> bool:
    """Whether nobody holds the lock of a claim any more; it is given back with the transaction."""
    found = connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (_LOCKS, holder)).fetchone()
    return found == (True,)
