"""Layer: the collections a map client sees as one picture, and which scene lies on top."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from catalog.search import Footprint

EVERYTHING = "img"
CLEAR_BELOW_PERCENT = 20.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a node."""

    layer_id: str
    title: str
    collections: tuple[str, ...]
    clear_first: bool
    """True: scenes with at most 20 % or unknown cloud lie above the others; each group newest first."""
    beneath: frozenset[str] = frozenset()
    """Collections whose scenes lie under all others: grey pictures, most of them aslant, must not hide colours."""

    def order(self, footprints: Iterable[Footprint]) -> list[Footprint]:
        """The scenes with the topmost first; the same for every process and every day."""
        return sorted(
            footprints,
            key=lambda scene: (
                scene.collection in self.beneath,
                self.clear_first and _cloudy(scene),
                -scene.acquired.timestamp(),
                scene.collection,
                scene.item_id,
            ),
        )


def make_layers(collections: Iterable[dict[str, Any]]) -> dict[str, Layer]:
    """The layers of a node with these collection documents: one of everything, then one per collection."""
    documents = list(collections)
    grey = frozenset(document["id"] for document in documents if _is_grey(document))
    everything = Layer(
        EVERYTHING, "全部影像 · All imagery", tuple(d["id"] for d in documents), clear_first=True, beneath=grey
    )
    single = [Layer(d["id"], d.get("title") or d["id"], (d["id"],), clear_first=False) for d in documents]
    return {layer.layer_id: layer for layer in [everything, *single]}


def _is_grey(document: dict[str, Any]) -> bool:
    """Whether one band is shown as all three colours; a document from elsewhere may hold anything there."""
    stretch = document.get("imagery_node:stretch")
    bands = stretch.get("bands") if isinstance(stretch, dict) else None
    return isinstance(bands, list) and len(bands) == 3 and bands.count(bands[0]) == 3


def _cloudy(scene: Footprint) -> bool:
    return scene.cloud_cover is not None and scene.cloud_cover > CLEAR_BELOW_PERCENT
