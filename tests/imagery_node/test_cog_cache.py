import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from imagery_node import cog_cache
from imagery_node.cog_cache import CogCache, ReadCount
from imagery_node.errors import UnreadableAssetError
from tests.support.rasters import landscape, write_cog

BLOCK_BYTES = 128 * 128 * 2


@pytest.fixture
def path(tmp_path):
    return write_cog(tmp_path / "a.tif", landscape(512, 512, 1), BLOCKSIZE="128")


@pytest.fixture
def decoded(monkeypatch):
    """The blocks that were really decoded."""
    calls = []
    decode = cog_cache.decode_block

    def recorded(cog, *place):
        calls.append(place)
        return decode(cog, *place)

    monkeypatch.setattr(cog_cache, "decode_block", recorded)
    return calls


def test_a_block_is_decoded_once_however_many_threads_ask(path, decoded):
    cache = CogCache(8, 1 << 20)
    together = threading.Barrier(16)

    def ask(_):
        together.wait()
        return cache.block(cache.open(path), 0, 1, 2)

    with ThreadPoolExecutor(16) as pool:
        blocks = list(pool.map(ask, range(16)))
    assert decoded == [(0, 1, 2)]
    assert all(block is blocks[0] for block in blocks)


def test_blocks_stay_within_their_bytes_and_the_oldest_goes_first(path, decoded):
    cache = CogCache(8, 3 * BLOCK_BYTES)
    cog = cache.open(path)
    for col in (0, 1, 2, 0, 3, 0, 1):
        cache.block(cog, 0, 0, col)
    assert [col for _, _, col in decoded] == [0, 1, 2, 3, 1]


def test_a_failure_is_not_kept(path, tmp_path):
    cache = CogCache(8, 1 << 20)
    missing = tmp_path / "later.tif"
    with pytest.raises(UnreadableAssetError):
        cache.open(missing)
    missing.write_bytes(path.read_bytes())
    assert cache.open(missing).levels[0].shape == (512, 512)


def test_P31_a_path_that_names_another_file_is_opened_anew(path, tmp_path):
    cache = CogCache(8, 1 << 20)
    old = cache.open(path)
    before = cache.block(old, 0, 0, 0)
    write_cog(tmp_path / "new.tif", landscape(512, 512, 1, seed=2), BLOCKSIZE="128").replace(path)
    new = cache.open(path)
    assert new is not old
    assert not np.array_equal(cache.block(new, 0, 0, 0).pixels, before.pixels)
    np.testing.assert_array_equal(cache.block(old, 0, 0, 0).pixels, before.pixels)


def test_P13_headers_beyond_their_number_are_closed(path, tmp_path):
    cache = CogCache(2, 1 << 20)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(6):
        copy = tmp_path / f"{number}.tif"
        copy.write_bytes(path.read_bytes())
        cache.open(copy)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 2


def test_what_a_drawing_reads_is_counted_for_it_alone(path):
    cache = CogCache(8, 1 << 20)
    first, second = ReadCount(), ReadCount()
    cog = cache.counted(first).open(path)
    for col in (0, 1, 0):
        cache.counted(first).block(cog, 0, 0, col)
    cache.counted(second).block(cache.counted(second).open(path), 0, 0, 1)
    cache.block(cog, 0, 1, 1)
    stored = cog.levels[0].byte_counts[0, 0, :2].sum()
    assert first.seconds > 0
    assert first == ReadCount(1, blocks_used=3, blocks_decoded=2, bytes_read=stored, seconds=first.seconds)
    assert second == ReadCount(blocks_used=1)
    assert stored > 1000


def test_the_bytes_of_a_mask_are_counted_with_its_block(tmp_path):
    mask = np.add.outer(np.arange(256), np.arange(256)) > 300
    masked = write_cog(tmp_path / "m.tif", landscape(256, 256, 3, "uint8"), mask=mask, COMPRESS="JPEG", BLOCKSIZE="128")
    count = ReadCount()
    cache = CogCache(8, 1 << 20).counted(count)
    level = cache.open(masked).levels[0]
    cache.block(cache.open(masked), 0, 1, 0)
    assert count.bytes_read == level.byte_counts[0, 1, 0] + level.mask.byte_counts[0, 1, 0]
