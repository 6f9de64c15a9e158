"""What a batch command tells: a line per delivery on stdout, a progress bar on stderr, the exit code at the end."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def failure(error: BaseException) -> str:
    """One line: the stable code of a refusal and its reason."""
    return f"refused ({getattr(error, 'code', 'error')}): {error}"


class Report:
    """Collects what became of each delivery; on leaving, exits with 1 when any was refused."""

    def __init__(self, as_json: bool, paths: list[Path], refusals: tuple[type[Exception], ...]) -> None:
        self._as_json = as_json
        self._refusals = refusals
        self._refused = 0
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
        self._batch = self._bar.add_task("deliveries", total=len(paths), visible=len(paths) > 1)

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

    def add(self, path: Path, state: str, **facts: Any) -> None:
        """Tell what became of a delivery."""
        self._bar.update(self._scene, visible=False)
        self._bar.advance(self._batch)
        if self._as_json:
            typer.echo(orjson.dumps({"delivery": path.name, "state": state, **facts}).decode())
            return
        warnings = facts.pop("warnings", [])
        typer.echo(f"{state}  {path.name}  " + "  ".join(f"{key}={value}" for key, value in facts.items()))
        for warning in warnings:
            typer.echo(f"  warning: {warning}")

    @contextmanager
    def refusing(self, path: Path) -> Iterator[None]:
        """Tell a refusal of this delivery, or that a file could not be used, and go on with the next."""
        try:
            yield
        except self._refusals as error:
            self._refuse(path, getattr(error, "code", "error"), str(error))
        except OSError as error:
            code = "disk_full" if error.errno in _FULL else "io_error"
            self._refuse(path, code, f"{path.name}: {error.filename or ''}: {error.strerror}")

    def _refuse(self, path: Path, code: str, reason: str) -> None:
        self._refused += 1
        self.add(path, "refused", code=code, reason=reason)
