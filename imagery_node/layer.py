"""Layer: the collections a map client sees as one picture, and which scene lies on top."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from catalog.collection import COMPOSITE_OF
from catalog.search import Footprint
from imagery_node.mosaic_rule import NEWEST, NEWEST_CLEAR, MosaicRule
from imagery_node.when import ALWAYS, When, parse_period

EVERYTHING = "img"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a node."""

    layer_id: str
    title: str
    collections: tuple[str, ...]
    rule: MosaicRule = NEWEST
    """How its scenes become one picture, unless a request says otherwise."""
    beneath: frozenset[str] = frozenset()
    """Collections whose scenes lie under all others: grey pictures, most of them aslant, must not hide colours."""
    render: str | None = None
    """Rendering by its name, for requests that ask for none."""
    when: When = ALWAYS
    """Its time: a request may narrow an interval, and choose anything where this is an instant."""
    max_age_s: int | None = None
    """How long clients may show its tiles without asking again; None leaves that to the settings."""

    def order(
        self,
        footprints: Iterable[Footprint],
        rule: MosaicRule | None = None,
        *,
        nearest_to: datetime | None = None,
        off_nadir: Callable[[Footprint], float] = lambda _: 0.0,
    ) -> list[Footprint]:
        """The scenes with the topmost first, by the layer's rule or another; the same for every process and day."""
        return (rule or self.rule).sort(footprints, nearest_to=nearest_to, off_nadir=off_nadir, beneath=self.beneath)

    def at(self, when: When) -> When:
        """What a request for this time means on this layer."""
        return self.when if when == ALWAYS else when.within(self.when.interval)

    def dated(self, period: str) -> "Layer | None":
        """This layer of one period, for clients without time: `img_2024Q3`; None when there is no such layer."""
        interval = parse_period(period)
        if interval is None or self.when != ALWAYS:
            return None
        return replace(
            self, layer_id=f"{self.layer_id}_{period}", title=f"{self.title} {period}", when=When(interval=interval)
        )


def make_layers(collections: Iterable[dict[str, Any]], defined: Iterable[Layer] = ()) -> dict[str, Layer]:
    """The layers of a node with these collection documents.

    One of everything but composites, one per collection, then those the operator defined: of the same as the first
    where they name none, and in place of the others where they have their names.
    """
    documents = list(collections)
    ids = tuple(document["id"] for document in documents if COMPOSITE_OF not in document)
    held = {document["id"] for document in documents}
    grey = frozenset(document["id"] for document in documents if _is_grey(document))
    everything = Layer(EVERYTHING, "全部影像 · All imagery", ids, NEWEST_CLEAR, beneath=grey)
    single = [Layer(d["id"], d.get("title") or d["id"], (d["id"],)) for d in documents]
    own = [
        replace(layer, collections=tuple(name for name in layer.collections or ids if name in held), beneath=grey)
        for layer in defined
    ]
    return {layer.layer_id: layer for layer in [everything, *single, *own]}


def _is_grey(document: dict[str, Any]) -> bool:
    """Whether one band is shown as all three colours; a document from elsewhere may hold anything there."""
    stretch = document.get("imagery_node:stretch")
    bands = stretch.get("bands") if isinstance(stretch, dict) else None
    return isinstance(bands, list) and len(bands) == 3 and bands.count(bands[0]) == 3
