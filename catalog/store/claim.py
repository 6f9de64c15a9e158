"""Claims: the exclusive right to publish one scene, lost by dying or by standing still for too long."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from catalog import lock
from catalog.errors import CatalogError, InvalidItemError, ItemExistsError
from catalog.item import is_id
from catalog.store.database import Database, immediate, translated

logger = logging.getLogger(__name__)

LEASE_S = 60.0
"""A claim whose owner did not move for so long may be taken over; its fencing number then no longer registers."""


class ClaimBook:
    """Claims as rows in the database, each with a lock file that dies with its owner."""

    def __init__(self, database: Database, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._folder = folder
        self._lease_s = lease_s

    @contextlib.contextmanager
    def claim(self, scene_id: str) -> Iterator[int]:
        """Hold the scene; gives the fencing number.

        Raises:
            ItemExistsError: Another live publisher holds it.
        """
        if not is_id(scene_id):
            raise InvalidItemError(f"{scene_id!r:.140} cannot be the id of a scene")
        with contextlib.ExitStack() as stack:
            fence = self._take(scene_id, stack)
            stopped = threading.Event()
            heart = threading.Thread(target=self._beat, args=(scene_id, fence, stopped), daemon=True)
            heart.start()
            try:
                yield fence
            finally:
                stopped.set()
                heart.join()
                self._release(scene_id, fence)

    def _take(self, scene_id: str, stack: contextlib.ExitStack) -> int:
        connection = self._database.connection()
        with translated(), immediate(connection):
            row = connection.execute("SELECT fence, lock, heartbeat FROM claim WHERE scene = ?", (scene_id,)).fetchone()
            fence, held_by, heartbeat = row or (0, None, 0.0)
            alive = held_by is not None and lock.is_owned(self._folder / held_by)
            if alive and abs(time.time() - heartbeat) < self._lease_s:
                raise ItemExistsError(f"scene {scene_id} is being published by another process; try again later")
            name = f"{scene_id}.{fence + 1}{lock.LOCK_SUFFIX}"
            (self._folder / name).unlink(missing_ok=True)
            stack.enter_context(lock.owned(self._folder / name))
            connection.execute(
                "INSERT OR REPLACE INTO claim(scene, fence, lock, heartbeat) VALUES (?, ?, ?, ?)",
                (scene_id, fence + 1, name, time.time()),
            )
        return int(fence) + 1

    def _beat(self, scene_id: str, fence: int, stopped: threading.Event) -> None:
        while not stopped.wait(self._lease_s / 4):
            try:
                with translated():
                    self._database.connection().execute(
                        "UPDATE claim SET heartbeat = ? WHERE scene = ? AND fence = ?", (time.time(), scene_id, fence)
                    )
            except CatalogError as error:
                logger.warning("could not renew the claim of %s: %s", scene_id, error)

    def _release(self, scene_id: str, fence: int) -> None:
        with translated():
            self._database.connection().execute(
                "UPDATE claim SET lock = NULL WHERE scene = ? AND fence = ?", (scene_id, fence)
            )
