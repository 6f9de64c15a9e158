"""What a batch command tells: a line per scene on stdout, a progress bar on stderr, the exit code at the end."""

import errno
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from catalog.errors import CatalogError
from cog_builder.errors import CogBuilderError

REFUSALS = (CogBuilderError, CatalogError, OSError)
"""What stops a delivery or a scene, and not the batch."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Outcome:
    """What became of a scene, or of a delivery that could not be opened."""

    delivery: str
    state: str
    """`refused`, or what was done."""
    item_id: str | None = None
    """None when it is not known which scenes the delivery holds."""
    facts: dict[str, Any] = field(default_factory=dict)
    """With `code` and `reason` of a refusal."""
    line: str | None = None
    """The facts in words, for people; by default each with its name."""

    @property
    def is_refused(self) -> bool:
        """Whether the scene or delivery was refused."""
        return self.state == "refused"

    def as_json(self) -> dict[str, Any]:
        """Everything in one flat document."""
        known = {} if self.item_id is None else {"item_id": self.item_id}
        return {"delivery": self.delivery, "state": self.state, **known, **self.facts}

    def as_text(self) -> str:
        """A line, and one for each warning."""
        if self.line is not None:
            return f"{self.state}  {self.delivery}  {self.line}"
        facts = self.as_json()
        del facts["delivery"], facts["state"]
        warnings = facts.pop("warnings", [])
        words = [self.state, self.delivery, *(f"{name}={value}" for name, value in facts.items())]
        return "\n".join(["  ".join(words), *(f"  warning: {warning}" for warning in warnings)])


def name_of(delivery: Path) -> str:
    """The name as text: whatever bytes it is made of, it can be printed and written as JSON."""
    return _printable(delivery.name)


def refusal(delivery: Path, error: BaseException, item_id: str | None = None) -> Outcome:
    """The outcome that an error stands for."""
    code, reason = getattr(error, "code", "error"), str(error)
    if isinstance(error, OSError):
        code = "disk_full" if error.errno in _FULL else "io_error"
        reason = f"{delivery.name}: {error.filename or ''}: {error.strerror or error}"
    return Outcome(name_of(delivery), "refused", item_id, {"code": code, "reason": _printable(reason)})


class Report:
    """Tells what became of each scene; on leaving, exits with 1 when any was refused. Safe from many threads."""

    def __init__(self, as_json: bool, *, total: int | None) -> None:
        self._as_json = as_json
        self._refused = 0
        self._lock = threading.Lock()
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._scene = self._bar.add_task("", total=1.0, visible=False)
        self._batch = self._bar.add_task("deliveries", total=total, visible=total is None or total > 1)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if error is None and self._refused:
            raise typer.Exit(1)

    def progress(self, scene: str, share: float) -> None:
        """Show how far a scene is; called from any thread."""
        self._bar.update(self._scene, description=scene, completed=share, visible=True)

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Tell what became of the scenes of a delivery, each as soon as it is known."""
        for outcome in outcomes:
            self._bar.update(self._scene, visible=False)
            with self._lock:
                self._refused += outcome.is_refused
                typer.echo(orjson.dumps(outcome.as_json()).decode() if self._as_json else outcome.as_text())
        self._bar.advance(self._batch)


def _printable(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "backslashreplace")
