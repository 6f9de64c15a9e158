"""The renderings that collection documents name (`renders` of the STAC render extension 2.0.0).

A caller chooses one with `render=`; `natural` completes what is asked of a reflectance asset without a stretch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from catalog.item import ANALYTIC, SHARP
from imagery_node.errors import BadRenderingError, NotFoundError
from imagery_node.rendering import Rendering
from imagery_node.scene_index import Snapshot


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
        found = _find(snapshot, collections, rendering)
        if found is None:
            raise NotFoundError(f"no rendering is called {rendering!r} here; /raster/layers lists them")
        return _read(rendering, found)
    if rendering.asset not in {ANALYTIC, SHARP} or rendering.rescale or rendering.expression:
        return rendering
    natural = _find(snapshot, collections, "natural")
    if natural is None:
        return rendering
    indexes = rendering.indexes or tuple(natural["bidx"])
    stretches = dict(zip(natural["bidx"], map(tuple, natural["rescale"]), strict=True))
    widest = min(low for low, _ in stretches.values()), max(high for _, high in stretches.values())
    return replace(rendering, indexes=indexes, rescale=tuple(stretches.get(index, widest) for index in indexes))


def _find(snapshot: Snapshot, collections: Iterable[str], name: str) -> Mapping[str, Any] | None:
    return next((named[name] for named in (_renders(snapshot, one) for one in collections) if name in named), None)


def _renders(snapshot: Snapshot, collection: str) -> Mapping[str, Any]:
    renders: Mapping[str, Any] = snapshot.collection(collection).get("renders", {})
    return renders


def _read(name: str, render: Mapping[str, Any]) -> Rendering:
    if len(render["assets"]) != 1:
        raise BadRenderingError(f"rendering {name} has {len(render['assets'])} assets, tiles show one")
    return Rendering(
        asset=render["assets"][0],
        indexes=tuple(render["bidx"]) if "bidx" in render else None,
        expression=render.get("expression"),
        rescale=tuple((float(low), float(high)) for low, high in render["rescale"]) if "rescale" in render else None,
        colormap=render.get("colormap_name"),
    )
