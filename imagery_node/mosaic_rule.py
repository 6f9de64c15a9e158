"""MosaicRule: which of several scenes of a place shows, as a named document that a tile can cite."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, get_args

from catalog.search import Footprint
from imagery_node.errors import BadParameterError

Kind = Literal["order", "composite"]
Order = Literal["newest", "newest-clear", "oldest", "clearest", "finest", "nearest", "weighted"]

MAX_FEATHER_PX = 32
CLEAR_BELOW_PERCENT = 20.0
"""Scenes with at most so much cloud count as clear; an unknown cloud cover counts as this much."""

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Weights:
    """What a scene pays per unit; the one that pays least lies on top."""

    gsd: float = 0.0
    """Per metre of ground sample distance."""
    cloud: float = 0.0
    """Per percent of cloud."""
    age: float = 0.0
    """Per day from the instant asked for, or from the newest scene where none was."""
    off_nadir: float = 0.0
    """Per degree of view angle; an unknown angle counts as 0."""


@dataclass(frozen=True, slots=True)
class MosaicRule:
    """One rule; every member is part of a tile's validator."""

    name: str
    version: int = 1
    """Raised when the rule comes to mean another picture."""
    kind: Kind = "order"
    """`order`: scenes lie over each other. `composite`: each pixel is made from all scenes."""
    order: Order = "newest"
    """Which scene lies on top; for a composite, which scenes it is made of where there are too many."""
    clear_pixels_first: bool = False
    """A cloudy pixel gives way to a clear one of a scene below, as their quality assets say."""
    feather_px: int = 0
    """Over so many pixels of the map a scene fades into those below it."""
    weights: Weights = field(default_factory=Weights)
    """For the order `weighted`."""

    def __post_init__(self) -> None:
        if not 0 <= self.feather_px <= MAX_FEATHER_PX:
            raise BadParameterError(f"feather is {self.feather_px}, expected 0–{MAX_FEATHER_PX}", limit="feather")
        if self.order not in get_args(Order):
            raise BadParameterError(f"order is {self.order!r}, expected {', '.join(get_args(Order))}", limit="rule")

    @property
    def citation(self) -> str:
        """Name and version, as the header of a tile says them."""
        return f"{self.name}/{self.version}"

    def feathered(self, feather_px: int | None) -> "MosaicRule":
        """The rule with another feather; None leaves its own."""
        return self if feather_px is None else replace(self, feather_px=feather_px)

    def document(self) -> dict[str, Any]:
        """The rule as clients read it."""
        return asdict(self)

    def sort(
        self,
        footprints: Iterable[Footprint],
        *,
        nearest_to: datetime | None = None,
        off_nadir: Callable[[Footprint], float] = lambda _: 0.0,
        beneath: frozenset[str] = frozenset(),
    ) -> list[Footprint]:
        """The scenes with the topmost first; the same for every process and every day.

        Ties: newest first, then collection and id.

        Args:
            footprints: In any order.
            nearest_to: The instant asked for; without one the newest is the nearest.
            off_nadir: View angle of a scene in degrees; asked for only where it has a weight.
            beneath: Collections whose scenes lie under all others.
        """

        def distance(scene: Footprint) -> float:
            if nearest_to is None:
                return -scene.acquired.timestamp()
            return abs((scene.acquired - nearest_to).total_seconds())

        def cost(scene: Footprint) -> float:
            weights = self.weights
            return (
                weights.gsd * scene.gsd_m
                + weights.cloud * _cloud(scene)
                + weights.age * distance(scene) / _DAY_S
                + (weights.off_nadir * off_nadir(scene) if weights.off_nadir else 0.0)
            )

        keys: Mapping[Order, Callable[[Footprint], float]] = {
            "newest": lambda _: 0.0,
            "newest-clear": lambda scene: not is_clear(scene),
            "oldest": lambda scene: scene.acquired.timestamp(),
            "clearest": _cloud,
            "finest": lambda scene: scene.gsd_m,
            "nearest": distance,
            "weighted": cost,
        }
        key = keys[self.order]
        return sorted(
            footprints,
            key=lambda scene: (
                scene.collection in beneath,
                key(scene),
                -scene.acquired.timestamp(),
                scene.collection,
                scene.item_id,
            ),
        )


def is_clear(scene: Footprint) -> bool:
    """Whether a scene has little cloud, as far as is known."""
    return _cloud(scene) <= CLEAR_BELOW_PERCENT


def _cloud(scene: Footprint) -> float:
    return CLEAR_BELOW_PERCENT if scene.cloud_cover is None else scene.cloud_cover


NEWEST = MosaicRule("newest")
NEWEST_CLEAR = MosaicRule("newest-clear", order="newest-clear")

RULES: Mapping[str, MosaicRule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            NEWEST,
            NEWEST_CLEAR,
            MosaicRule("oldest", order="oldest"),
            MosaicRule("clearest", order="clearest"),
            MosaicRule("clear-pixels", order="newest-clear", clear_pixels_first=True),
            MosaicRule("finest", order="finest"),
            MosaicRule("nearest", order="nearest"),
            MosaicRule("weighted", order="weighted", weights=Weights(gsd=2.0, cloud=1.0, age=0.1, off_nadir=1.0)),
            MosaicRule("median", kind="composite", order="clearest"),
            MosaicRule("max-ndvi", kind="composite", order="clearest"),
            MosaicRule("clearest-pixel", kind="composite", order="clearest"),
        )
    }
)
"""The rules every node knows, by name."""


def find_rule(name: str) -> MosaicRule:
    """A rule every node knows.

    Raises:
        BadParameterError: None has this name.
    """
    rule = RULES.get(name)
    if rule is None:
        raise BadParameterError(f"no rule is called {name!r:.80}, expected {', '.join(RULES)}", limit="rule")
    return rule
