"""The smallest set of scenes that covers what can be covered.

Greedy first: always the scene that adds most, out of the areas that are still bare. Then scenes that later ones made
needless are dropped. With few scenes the smallest set of all is then searched, and found unless that takes too long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from catalog.surface import areas_km2

SLIVER_KM2 = 1e-4
"""100 m²: no scene is taken for less, and no gap is smaller."""

MAX_EXACT_SCENES = 60
"""The smallest set is searched among so many scenes at most."""

MAX_STEPS = 50_000
"""So many partial sets are looked at in that search before it is given up."""

_FEW_VERTICES = 128
_FINEST = 1e-3
"""Degrees: pieces are not cut finer for scenes that are smaller."""
_MOST_HALVINGS = 14
_CHUNK = 1024

Geometries = NDArray[np.object_]
Method = Literal["exact", "greedy"]


@dataclass(frozen=True)
class CoveringSet:
    """Scenes that together cover an area wherever any of those given does, but for slivers."""

    numbers: list[int]
    """Which of the scenes given, those that add most first."""
    added_km2: list[float]
    """What each adds to those before it."""
    method: Method
    """`exact`: there is no smaller set."""


def covering_set(
    area: BaseGeometry, scenes: Geometries, *, check_time: Callable[[], None] = lambda: None
) -> CoveringSet:
    """Choose the scenes.

    Args:
        area: In degrees.
        scenes: Footprints in degrees, the preferred first: of scenes that add the same, the first is taken.
        check_time: Called again and again; raises where it takes too long.
    """
    pieces = _pieces(area, scenes)
    check_time()
    numbers, method = _choose(pieces, scenes, check_time)
    return CoveringSet(numbers, _gains_km2(pieces, scenes[numbers]), method)


def _choose(pieces: Geometries, scenes: Geometries, check_time: Callable[[], None]) -> tuple[list[int], Method]:
    greedy = _without_needless(pieces, scenes, _greedy(pieces, scenes, check_time), check_time)
    if len(greedy) <= 2:  # greedy begins with the scene that covers most: if one were enough, it would be that
        return greedy, "exact"
    if len(scenes) > MAX_EXACT_SCENES:
        return greedy, "greedy"
    search = _Search(_faces(pieces, scenes, check_time), len(scenes))
    for size in range(1, len(greedy)):
        smaller = search.of_size(size)
        if search.gave_up:
            return greedy, "greedy"
        if smaller is not None:
            return _by_gain(pieces, scenes, smaller), "exact"
    return greedy, "exact"


def _gains_km2(pieces: Geometries, scenes: Geometries) -> list[float]:
    """What each scene adds to those before it."""
    bare, tree, gains = pieces.copy(), shapely.STRtree(pieces), []
    for scene in scenes:
        near = tree.query(scene)
        gains.append(float(areas_km2(shapely.intersection(bare[near], scene)).sum()))
        bare[near] = shapely.difference(bare[near], scene)
    return gains


def _pieces(area: BaseGeometry, scenes: Geometries) -> Geometries:
    """The area in pieces no larger than a scene and of few vertices: taking a scene away changes few of them."""
    bounds = shapely.bounds(scenes) if len(scenes) else np.array([area.bounds])
    width, height = np.median(bounds[:, 2:] - bounds[:, :2], axis=0)
    return np.array(_halves(area, max(width, _FINEST), max(height, _FINEST), _MOST_HALVINGS), dtype=object)


def _halves(geometry: BaseGeometry, width: float, height: float, halvings: int) -> list[BaseGeometry]:
    if geometry.is_empty:
        return []
    west, south, east, north = geometry.bounds
    across, up = (east - west) / width, (north - south) / height
    if not halvings or (max(across, up) <= 1 and shapely.get_num_coordinates(geometry) <= _FEW_VERTICES):
        return [geometry]
    x, y = ((west + east) / 2, north) if across > up else (east, (south + north) / 2)
    x_from, y_from = (x, south) if across > up else (west, y)
    boxes = shapely.box(west, south, x, y), shapely.box(x_from, y_from, east, north)
    return [
        piece for box in boxes for piece in _halves(shapely.intersection(geometry, box), width, height, halvings - 1)
    ]


def _greedy(pieces: Geometries, scenes: Geometries, check_time: Callable[[], None]) -> list[int]:
    """Scenes by what they add, the most first."""
    bare, bare_km2, taken = pieces.copy(), areas_km2(pieces), []
    pairs = _Pairs(pieces, scenes, check_time)
    gains = pairs.gains()
    while len(scenes) and gains[number := int(gains.argmax())] > SLIVER_KM2:
        check_time()
        own = pairs.of_scene(number)
        if (stale := own[pairs.stale[own]]).size:  # no scene adds more than it did before: the others can wait
            pairs.km2[stale] = areas_km2(shapely.intersection(bare[pairs.piece[stale]], scenes[number]))
            pairs.stale[stale] = False
            gains[number] = _rounded(pairs.km2[own].sum())
            continue
        taken.append(number)
        touched = pairs.piece[own]
        bare[touched] = shapely.difference(bare[touched], scenes[number])
        bare_km2[touched] = areas_km2(bare[touched])
        pairs.shrink(touched, bare_km2)
        gains = pairs.gains()
    return taken


class _Pairs:
    """What each scene covers of each piece that it touches."""

    def __init__(self, pieces: Geometries, scenes: Geometries, check_time: Callable[[], None]) -> None:
        self.scene, self.piece = shapely.STRtree(pieces).query(scenes)
        self._first = np.searchsorted(self.scene, np.arange(len(scenes) + 1))
        self._whole = np.zeros(len(self.scene), dtype=bool)
        self.km2 = np.zeros(len(self.scene))
        self.stale = np.zeros(len(self.scene), dtype=bool)
        """Where `km2` may be too much, because another scene was taken since."""
        pieces_km2 = areas_km2(pieces)
        shapely.prepare(scenes)
        for start in range(0, len(self.scene), _CHUNK):
            check_time()
            part = slice(start, start + _CHUNK)
            scene, piece = self.scene[part], self.piece[part]
            whole = shapely.covers(scenes[scene], pieces[piece])
            self._whole[part] = whole
            self.km2[part] = pieces_km2[piece]
            self.km2[part][~whole] = areas_km2(shapely.intersection(pieces[piece[~whole]], scenes[scene[~whole]]))

    def of_scene(self, number: int) -> NDArray[np.intp]:
        """The pairs of a scene."""
        return np.arange(self._first[number], self._first[number + 1])

    def gains(self) -> NDArray[np.float64]:
        """What each scene covers, at most, of what is bare."""
        return _rounded(np.bincount(self.scene, self.km2, minlength=len(self._first) - 1).astype(np.float64))

    def shrink(self, pieces: NDArray[np.intp], bare_km2: NDArray[np.float64]) -> None:
        """Less is bare of some pieces."""
        touched = np.isin(self.piece, pieces)
        left = bare_km2[self.piece[touched]]
        self.km2[touched] = np.where(self._whole[touched], left, np.minimum(self.km2[touched], left))
        self.stale[touched] = ~self._whole[touched] & (self.km2[touched] > 0)


def _rounded(km2: NDArray[np.float64]) -> NDArray[np.float64]:
    """So that of scenes which add the same the first is taken, whatever the last digits say."""
    return np.round(km2, 6)


def _without_needless(
    pieces: Geometries, scenes: Geometries, taken: list[int], check_time: Callable[[], None]
) -> list[int]:
    """The set without scenes whose part of the area the others cover, those taken last looked at first."""
    tree = shapely.STRtree(pieces)
    kept = list(taken)
    for number in reversed(taken):
        check_time()
        others = scenes[[other for other in kept if other != number]]
        beside = others[shapely.STRtree(others).query(scenes[number])]
        alone = shapely.difference(scenes[number], shapely.union_all(beside))
        near = pieces[tree.query(alone)]
        if areas_km2(shapely.intersection(near, alone)).sum() <= SLIVER_KM2:
            kept.remove(number)
    return kept


def _by_gain(pieces: Geometries, scenes: Geometries, numbers: Sequence[int]) -> list[int]:
    order = _greedy(pieces, scenes[list(numbers)], lambda: None)
    return [numbers[place] for place in order]


def _faces(pieces: Geometries, scenes: Geometries, check_time: Callable[[], None]) -> list[int]:
    """The parts into which the scenes cut the area, each as the set of scenes over it: bit n for scene n.

    A part whose scenes include all those of another part is left out: what covers the other covers it too.
    """
    parts, sets = pieces, np.zeros(len(pieces), dtype=np.int64)
    for number, scene in enumerate(scenes):
        check_time()
        inside, outside = shapely.intersection(parts, scene), shapely.difference(parts, scene)
        parts = np.concatenate([inside, outside])
        sets = np.concatenate([sets | (1 << number), sets])
        large = areas_km2(parts) > 0
        parts, sets = parts[large], sets[large]
    distinct, face_of = np.unique(sets, return_inverse=True)
    km2 = np.bincount(face_of, areas_km2(parts), minlength=len(distinct))
    covered = sorted((int(face) for face in distinct[km2 > SLIVER_KM2] if face), key=int.bit_count)
    least: list[int] = []
    for face in covered:
        if not any(other & face == other for other in least):
            least.append(face)
    return least


class _Search:
    """Looks for a set of scenes, some of each face, that has a given size."""

    def __init__(self, faces: Sequence[int], scenes: int) -> None:
        self._faces = faces
        self._scenes = scenes
        self._steps = 0

    @property
    def gave_up(self) -> bool:
        """Whether it took too many steps, so that what was not found may yet be there."""
        return self._steps > MAX_STEPS

    def of_size(self, size: int, chosen: int = 0) -> list[int] | None:
        """The scenes of such a set that has `chosen` and at most `size` more; None where none was found."""
        self._steps += 1
        bare = [face for face in self._faces if not face & chosen]
        if not bare:
            return [number for number in range(self._scenes) if chosen >> number & 1]
        if self.gave_up or _disjoint(bare) > size:
            return None
        narrowest = min(bare, key=int.bit_count)
        for number in range(self._scenes):
            if narrowest >> number & 1:
                found = self.of_size(size - 1, chosen | 1 << number)
                if found is not None or self.gave_up:
                    return found
        return None


def _disjoint(faces: Sequence[int]) -> int:
    """Some faces that no two have a scene in common: each needs a scene of its own."""
    used = count = 0
    for face in faces:
        if not face & used:
            used |= face
            count += 1
    return count
