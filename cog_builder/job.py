"""What a worker does, in this process or on another machine: open a delivery, build a scene.

Both take only values and paths, and work in a fresh folder each time: whatever a worker that died has left behind, the
next attempt does not meet it.
"""

import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cog_builder.balance import Neighbour
from cog_builder.deliveries import open_delivery
from cog_builder.elevation import Elevation
from cog_builder.pipeline import Progress, build_scene
from cog_builder.scene import Scene
from cog_builder.settings import CogBuilderSettings


def open_job(delivery: Path, place: Path, *, allow_uncalibrated: bool) -> tuple[Scene, ...]:
    """Open a delivery in a new folder below `place`, which the files of the scenes need until they are built.

    Raises:
        CogBuilderError: The delivery is refused.
    """
    workspace = Path(tempfile.mkdtemp(prefix="delivery-", dir=place))
    return open_delivery(delivery, workspace, allow_uncalibrated=allow_uncalibrated)


def build_job(
    scene: Scene,
    place: Path,
    *,
    elevation: Elevation | None,
    settings: CogBuilderSettings,
    neighbours: Sequence[Neighbour] = (),
    progress: Progress = lambda scene, share: None,
) -> tuple[Path, dict[str, Any]]:
    """Build a scene in a new folder below `place`.

    Returns:
        The version folder and its Item.

    Raises:
        CogBuilderError: The scene cannot be built.
        FileNotFoundError: `place` was taken away meanwhile, so nobody waits for the scene any more.
    """

    def wanted(title: str, share: float) -> None:
        if not place.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
        progress(title, share)

    attempt = Path(tempfile.mkdtemp(prefix="build-", dir=place))
    folder = attempt / "scene"
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="pixels-", dir=attempt) as pixels:
        item = build_scene(
            scene,
            folder,
            Path(pixels),
            elevation=elevation,
            settings=settings,
            progress=wanted,
            neighbours=neighbours,
        )
    return folder, item
