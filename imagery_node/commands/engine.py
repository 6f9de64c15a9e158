"""Where jobs run: in this process, or on the workers of a Dask cluster that share the file system with it."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cog_builder.errors import CogBuilderError, WorkerLostError
from cog_builder.pipeline import Progress
from imagery_node.commands.failure import ClusterLostError
from imagery_node.gdal import pin_options

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
"""In place of an address: start workers on this machine."""

Heed = Callable[[], None]
"""Called now and then while a job runs, from any thread; raises to drop the job."""

Thing = TypeVar("Thing")
Result = TypeVar("Result")

_CONNECT_S = 30.0
_NO_DOOR = "127.0.0.1:0"
"""Where Dask's pages about itself are served; by default they would be, to everyone, on port 8787."""
_LOOK_S = 0.5
_MOST_AT_ONCE = 256


class Engine(Protocol):
    """Runs jobs: functions of a module, whose arguments can be sent to another process."""

    def run(
        self, job: Callable[..., Result], *arguments: Any, progress: Progress | None = None, **options: Any
    ) -> Result:
        """Run one job and wait for it; `progress` is told of jobs of this process only.

        Raises:
            WorkerLostError: Every worker that took the job died.
        """

    def each(self, things: Iterable[Thing], work: Callable[[Thing], None]) -> None:
        """Do the work for everything that comes, as much at once as there are workers; an error ends it."""


@contextlib.contextmanager
def open_engine(dask: str | None, *, processes: int, heed: Heed = lambda: None) -> Iterator[Engine]:
    """The engine that was asked for.

    Args:
        dask: Address of a scheduler, `local`, or None to work in this process.
        processes: How many workers `local` starts.
        heed: See `Heed`.

    Raises:
        ClusterLostError: At the address no scheduler answers, or it has no worker.
    """
    if dask is None:
        yield ThisProcess(heed)
        return
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)  # what becomes of a scene tells of a lost worker
    with contextlib.ExitStack() as stack:
        if dask == LOCAL:
            dask = stack.enter_context(
                LocalCluster(
                    n_workers=processes,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=_NO_DOOR,
                    worker_dashboard_address=_NO_DOOR,
                    memory_limit=None,  # a build bounds its memory itself
                    silence_logs=logging.ERROR,
                )
            ).scheduler_address
        try:
            client = stack.enter_context(Client(dask, timeout=_CONNECT_S, set_as_default=False))
            client.wait_for_workers(1, timeout=_CONNECT_S)
        except OSError as error:
            raise ClusterLostError(f"--dask {dask}: {error}") from error
        yield DaskCluster(client, heed)


class ThisProcess:
    """One job after the other, right here."""

    def __init__(self, heed: Heed) -> None:
        self._heed = heed

    def run(
        self, job: Callable[..., Result], *arguments: Any, progress: Progress | None = None, **options: Any
    ) -> Result:
        """See `Engine`."""
        if progress is None:
            return job(*arguments, **options)

        def heeding(scene: str, share: float) -> None:
            self._heed()
            progress(scene, share)

        return job(*arguments, progress=heeding, **options)

    def each(self, things: Iterable[Thing], work: Callable[[Thing], None]) -> None:
        """See `Engine`."""
        for thing in things:
            work(thing)


class DaskCluster:
    """A job whose worker dies is given to another one; Dask gives it up after a few deaths."""

    def __init__(self, client: "Client", heed: Heed) -> None:
        self._client = client
        self._heed = heed
        self._ended = False

    def run(
        self, job: Callable[..., Result], *arguments: Any, progress: Progress | None = None, **options: Any
    ) -> Result:
        """See `Engine`."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm import CommClosedError

        future = self._client.submit(_pinned, job, *arguments, **options, pure=False)
        try:
            while not future.done():
                self._heed()
                if self._ended:
                    raise CancelledError
                with contextlib.suppress(TimeoutError):
                    future.exception(timeout=_LOOK_S)
            outcome: Result | _Failure = future.result()
        except KilledWorker as error:
            raise WorkerLostError(
                f"{error.allowed_failures + 1} workers that took this died, the last one at {error.last_worker.address}"
            ) from error
        except (FutureCancelledError, CommClosedError) as error:
            raise ClusterLostError(f"the scheduler at {self._client.scheduler.addr} is gone: {error}") from error
        finally:
            future.cancel()
        if isinstance(outcome, _Failure):
            raise outcome.error
        return outcome

    def each(self, things: Iterable[Thing], work: Callable[[Thing], None]) -> None:
        """See `Engine`; for each thing a thread of this process waits, and one more so that no worker does."""
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(_MOST_AT_ONCE) as threads:
            try:
                for thing in things:
                    running.add(threads.submit(work, thing))
                    while len(running) > self._worker_threads():
                        running = _unfinished(running)
                while running:
                    running = _unfinished(running)
            except BaseException:
                self._ended = True
                raise

    def _worker_threads(self) -> int:
        """Of this moment: workers come and go."""
        return sum(self._client.nthreads().values())


@dataclass(frozen=True)
class _Failure:
    """An error that is an answer: raised on a worker, Dask would print it there with its traceback."""

    error: Exception


def _pinned(job: Callable[..., Result], *arguments: Any, **options: Any) -> Result | _Failure:
    """Run a job on a worker, with the options of GDAL, OpenCV and PROJ that our own processes have."""
    pin_options()
    try:
        return job(*arguments, **options)
    except (CogBuilderError, OSError) as error:
        return _Failure(error)


def _unfinished(running: set[Future[None]]) -> set[Future[None]]:
    """Wait a little; raise the error of what has failed."""
    done, rest = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest
