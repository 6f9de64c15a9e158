"""Drawn tiles in memory."""

from imagery_node.tile_answer import Drawn
from imagery_node.tile_cache import TileCache


def test_the_tile_asked_for_longest_ago_makes_room():
    cache = TileCache(4_000)
    for name in (b"a", b"b"):
        cache.put(name, Drawn(b"x" * 1_000))
    assert cache.get(b"a")
    cache.put(b"c", Drawn(b"x" * 1_000))
    assert (cache.get(b"b"), len(cache.get(b"a").body), len(cache.get(b"c").body)) == (None, 1_000, 1_000)


def test_empty_tiles_are_held_and_bounded_too():
    cache = TileCache(2_000)
    for number in range(100):
        cache.put(b"%d" % number, Drawn(b""))
    assert cache.get(b"99") == Drawn(b"")
    assert cache.get(b"0") is None


def test_a_cache_without_room_holds_nothing():
    cache = TileCache(0)
    cache.put(b"a", Drawn(b"x"))
    assert cache.get(b"a") is None
