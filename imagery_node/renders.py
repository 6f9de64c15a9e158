"""The renderings that collection documents name (`renders` of the STAC render extension 2.0.0).

A caller chooses one with `render=`; `natural` completes what is asked of a reflectance asset without a stretch.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from catalog.asset_key import ANALYTIC, SHARP
from imagery_node.colormap import read_classes
from imagery_node.errors import BadRenderingError, NotFoundError
from imagery_node.rendering import Rendering
from imagery_node.scene_index import Snapshot

_GAMMA = re.compile(r"gamma rgb (\d{1,2}(?:\.\d{1,4})?)", re.ASCII | re.IGNORECASE)
"""The one operation of `color_formula` that is drawn here."""


def render_names(snapshot: Snapshot, collections: Iterable[str]) -> list[str]:
    """Names of the renderings of these collections, each once."""
    return list(dict.fromkeys(name for collection in collections for name in _renders(snapshot, collection)))


def complete(rendering: Rendering | str, snapshot: Snapshot, collections: Iterable[str]) -> Rendering:
    """The rendering of a name, or the one that was asked for with what it left open.

    Of several collections the first decides that has a rendering of the name.

    Raises:
        NotFoundError: None has one.
        BadRenderingError: It cannot be shown as a tile.
    """
    if isinstance(rendering, str):
        return read_render(rendering, find_render(snapshot, collections, rendering)[1])
    if rendering.asset not in {ANALYTIC, SHARP} or rendering.rescale or rendering.expression or rendering.classes:
        return rendering
    try:
        _, natural = find_render(snapshot, collections, "natural")
    except NotFoundError:
        return rendering
    indexes = rendering.indexes or tuple(natural["bidx"])
    pairs = natural["rescale"] * len(natural["bidx"]) if len(natural["rescale"]) == 1 else natural["rescale"]
    stretches = dict(zip(natural["bidx"], map(tuple, pairs), strict=True))
    widest = min(low for low, _ in stretches.values()), max(high for _, high in stretches.values())
    rescale = tuple(stretches.get(index, widest) for index in indexes)
    return replace(rendering, indexes=indexes, rescale=rescale, gamma=rendering.gamma or _read_gamma(natural))


def find_render(snapshot: Snapshot, collections: Iterable[str], name: str) -> tuple[str, Mapping[str, Any]]:
    """The document of a rendering and its collection: the first that has one of the name.

    Raises:
        NotFoundError: None has one.
    """
    for collection in collections:
        if name in _renders(snapshot, collection):
            return collection, _renders(snapshot, collection)[name]
    raise NotFoundError(f"no rendering is called {name!r} here; /raster/layers lists them")


def read_render(name: str, render: Mapping[str, Any]) -> Rendering:
    """A rendering as its document describes it.

    Raises:
        BadRenderingError: Tiles cannot show it.
    """
    assets = render.get("assets")
    if not isinstance(assets, list) or len(assets) != 1:
        raise BadRenderingError(f"rendering {name} has the assets {assets!r:.80}, tiles show one")
    try:
        return Rendering(
            asset=str(assets[0]),
            indexes=tuple(render["bidx"]) if "bidx" in render else None,
            expression=render.get("expression"),
            rescale=tuple((float(low), float(high)) for low, high in render["rescale"])
            if "rescale" in render
            else None,
            colormap=render.get("colormap_name"),
            gamma=_read_gamma(render),
            classes=read_classes(render["colormap"]) if "colormap" in render else (),
        )
    except (TypeError, ValueError) as error:  # the document may come from elsewhere
        raise BadRenderingError(f"rendering {name} is not as the collection should describe it: {error}") from error


def _renders(snapshot: Snapshot, collection: str) -> Mapping[str, Any]:
    renders: Mapping[str, Any] = snapshot.collection(collection).get("renders", {})
    return renders


def _read_gamma(render: Mapping[str, Any]) -> float | None:
    """The gamma of a `color_formula` that asks for nothing else.

    Raises:
        BadRenderingError: It asks for more.
    """
    if "color_formula" not in render:
        return None
    formula = _GAMMA.fullmatch(str(render["color_formula"]))
    if formula is None:
        raise BadRenderingError(f"color_formula is {render['color_formula']!r:.80}, expected 'gamma rgb <number>'")
    return float(formula[1])
