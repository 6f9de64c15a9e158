"""From deliveries to built folders and published scenes; each scene by itself, so that one refused loses no other."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.item import ITEM_FILE
from catalog.neighbour import MAX_NEIGHBOURS, find_neighbours, touching_order
from catalog.publishing import Published, find_published, publish
from catalog.search import ItemStore
from catalog.staging import staging_folder
from cog_builder.balance import Neighbour
from cog_builder.check import check_scene
from cog_builder.elevation import Elevation
from cog_builder.footprint import scene_bbox
from cog_builder.job import build_job, open_job
from cog_builder.pipeline import Progress
from cog_builder.scene import Scene
from cog_builder.settings import CogBuilderSettings
from imagery_node.commands.engine import Engine
from imagery_node.commands.report import REFUSALS, Outcome, name_of, refusal


@dataclass(frozen=True)
class Builder:
    """How scenes are built. The engine's workers see the same files under the same absolute paths."""

    engine: Engine
    elevation: Elevation | None
    settings: CogBuilderSettings
    progress: Progress

    def open(self, delivery: Path, place: Path) -> tuple[Scene, ...]:
        """The scenes of a delivery; see `open_job`."""
        allowed = self.settings.allow_uncalibrated
        return self.engine.run(open_job, delivery.absolute(), place, allow_uncalibrated=allowed)

    def build(self, scene: Scene, place: Path, neighbours: Sequence[Neighbour] = ()) -> tuple[Path, dict[str, Any]]:
        """The folder of a built scene, and its Item; see `build_job`."""
        return self.engine.run(
            build_job,
            scene,
            place,
            elevation=self.elevation,
            settings=self.settings,
            neighbours=neighbours,
            progress=self.progress,
        )


def build_into(out: Path, delivery: Path, builder: Builder) -> Iterator[Outcome]:
    """Build the scenes of a delivery into folders of their own, except those that are there."""
    try:
        with tempfile.TemporaryDirectory(prefix=".building-", dir=out.absolute()) as place:
            for scene in builder.open(delivery, Path(place)):
                try:
                    yield _built(out / scene.id, delivery, scene, Path(place), builder)
                except REFUSALS as error:
                    yield refusal(delivery, error, scene.id)
    except REFUSALS as error:
        yield refusal(delivery, error)


def _built(done: Path, delivery: Path, scene: Scene, place: Path, builder: Builder) -> Outcome:
    facts: dict[str, Any] = {"folder": str(done)}
    if not done.exists():
        folder, item = builder.build(scene, place)
        check_scene(folder, item)
        try:
            folder.rename(done)
        except OSError:
            if not done.exists():  # else the same scene came in another delivery, and was quicker
                raise
        else:
            return Outcome(name_of(delivery), "built", scene.id, facts | {"warnings": _warnings(item)})
    return Outcome(name_of(delivery), "already_built", scene.id, facts)


@dataclass(frozen=True)
class Publisher:
    """Publishes what deliveries and built folders hold."""

    home: Path
    """Absolute."""
    store: ItemStore
    reserve_mib: int
    builder: Builder
    replace: bool = False
    _awaited: set[str] = field(default_factory=set)
    """Scenes of the batch that are still to be replaced: their pictures are no example for others."""

    def in_order(self, deliveries: Sequence[Path]) -> list[Path]:
        """A batch in the order that lets pictures be balanced with one another.

        Its deliveries are opened once more for that; one that is refused will be so when it is published.
        """
        batch = [self._scenes_in(delivery) for delivery in deliveries]
        if self.replace:
            self._awaited.update(scene.id for scenes in batch for scene in scenes)
        begun = [any(self._published_beside(scene, limit=1) for scene in scenes) for scenes in batch]
        places = [[(scene.collection, scene_bbox(scene)) for scene in scenes] for scenes in batch]
        return [deliveries[number] for number in touching_order(places, begun)]

    def publish(self, delivery: Path, *, check: Callable[[], None] = lambda: None) -> Iterator[Outcome]:
        """Publish every scene of a delivery, or the one in a built folder.

        Args:
            delivery: What to publish.
            check: Called once the delivery is open and before each scene is published; raises when it changed since.
        """
        try:
            if (delivery / ITEM_FILE).is_file():
                check()
                yield self._published(delivery, self._publish(delivery))
                return
            with staging_folder(self.home) as place:
                scenes = self.builder.open(delivery, place)
                check()
                for scene in scenes:
                    try:
                        yield self._publish_scene(delivery, scene, place, check)
                    except REFUSALS as error:
                        yield refusal(delivery, error, scene.id)
        except REFUSALS as error:
            yield refusal(delivery, error)

    def _publish_scene(self, delivery: Path, scene: Scene, place: Path, check: Callable[[], None]) -> Outcome:
        """Build and publish a scene that is not listed yet."""
        if not self.replace:
            found = find_published(scene.collection, scene.id, home=self.home, store=self.store)
            if found is not None:
                return self._published(delivery, found)
        folder, item = self.builder.build(scene, place, self._neighbours(scene))
        check()
        return self._published(delivery, self._publish(folder), _warnings(item))

    def _neighbours(self, scene: Scene) -> Sequence[Neighbour]:
        """The published scenes that the picture of a scene is balanced with, where that is wanted."""
        if self.builder.settings.balance == "none":
            return ()
        self._awaited.discard(scene.id)
        return self._published_beside(scene, limit=MAX_NEIGHBOURS)

    def _published_beside(self, scene: Scene, *, limit: int) -> list[Neighbour]:
        found = find_neighbours(
            scene.collection,
            scene_bbox(scene),
            scene.acquired,
            but={scene.id, *self._awaited},
            home=self.home,
            store=self.store,
            limit=limit,
        )
        return [Neighbour.of_item(item, folder) for item, folder in found]

    def _scenes_in(self, delivery: Path) -> tuple[Scene, ...]:
        if (delivery / ITEM_FILE).is_file():
            return ()
        try:
            with staging_folder(self.home) as place:
                return self.builder.open(delivery, place)
        except REFUSALS:
            return ()

    def _publish(self, folder: Path) -> Published:
        return publish(
            folder,
            home=self.home,
            store=self.store,
            verify=check_scene,
            replace=self.replace,
            reserve_mib=self.reserve_mib,
        )

    def _published(self, delivery: Path, done: Published, warnings: list[str] | None = None) -> Outcome:
        state = "already_published" if done.already_published else "published"
        facts = {"collection": done.collection, "version": done.version, "warnings": warnings or []}
        return Outcome(name_of(delivery), state, done.item_id, facts)


def _warnings(item: dict[str, Any]) -> list[str]:
    warnings: list[str] = item["properties"].get("imagery_node:warnings", [])
    return warnings
