"""Files in remote stores: the pixels that are on disk, or an error when the store gives anything else (P04, P20)."""

import logging
import time
import traceback
from threading import Thread
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pytest

from imagery_node import breaker as breaker_module
from imagery_node import http_ranges
from imagery_node.block import decode_block
from imagery_node.breaker import Breaker
from imagery_node.cog import open_cog
from imagery_node.cog_cache import CogCache
from imagery_node.errors import UnreadableAssetError
from imagery_node.gdal_file import open_geotiff, telling_failures
from imagery_node.http_ranges import HttpRanges
from imagery_node.object_store import ObjectStore
from imagery_node.source_file import RemoteFile
from tests.support.http_store import http_store
from tests.support.rasters import landscape, write_cog

LYING = ["cut", "short", "shifted", "whole", "redirect", "packed", 403, 404, 500, 503, 429]


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    monkeypatch.setattr(http_ranges, "SILENCE_S", 0.3)
    monkeypatch.setattr(http_ranges, "READ_S", 1.0)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A COG whose header is longer than what is read at once, and whose blocks lie far behind it."""
    pixels = landscape(700, 900, 4)
    mask = np.add.outer(np.arange(700), np.arange(900)) > 300
    bucket = tmp_path_factory.mktemp("store") / "bucket"
    bucket.mkdir()
    return write_cog(bucket / "a.tif", pixels, mask=mask, COMPRESS="DEFLATE", BLOCKSIZE="128")


@pytest.fixture
def store(picture):
    with http_store(picture.parents[1]) as running:
        yield running


@pytest.fixture
def ranges(store):
    reader = HttpRanges(ObjectStore(store.url, region="us-east-1", key_id="KEY", secret="SECRET").url)
    yield reader
    reader.close()


@pytest.fixture(params=["http", "s3"])
def file(request, store, ranges):
    """The picture in the store, by either of its addresses."""
    return RemoteFile({"http": f"{store.url}/bucket/a.tif", "s3": "s3://bucket/a.tif"}[request.param], ranges)


def blocks_of(cog):
    """Every block of every level."""
    for index, level in enumerate(cog.levels):
        _, rows, cols = level.offsets.shape
        for row in range(rows):
            for col in range(cols):
                yield decode_block(cog, index, row, col)


def test_every_block_of_a_remote_file_is_that_of_the_file(picture, file):
    remote = list(blocks_of(open_cog(file)))
    local = list(blocks_of(open_cog(picture)))
    assert len(remote) == len(local)
    for one, other in zip(remote, local, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.valid is None, other.valid is None)
        np.testing.assert_array_equal(one.valid, other.valid)


def test_a_header_and_a_block_take_few_requests_over_one_connection(store, file):
    decode_block(open_cog(file), 0, 2, 3)
    assert 2 <= len(store.requests) <= 4
    assert len({connection for _, connection, _ in store.requests}) == 1
    assert {headers["accept-encoding"] for *_, headers in store.requests} == {"identity"}


def test_gdal_reads_the_same_through_our_reader(store, picture, file):
    with telling_failures(file), open_geotiff(file) as remote, open_geotiff(picture) as local:
        np.testing.assert_array_equal(remote.read(), local.read())
        np.testing.assert_array_equal(remote.dataset_mask(), local.dataset_mask())
        assert remote.overviews(1) == local.overviews(1)
    assert {urlsplit(path).path for path, *_ in store.requests} == {"/bucket/a.tif"}


@pytest.mark.parametrize("fault", [*LYING, "silent", "dripping"])
def test_P20_whatever_a_store_does_a_read_gives_the_right_bytes_or_an_error(store, fault, file):
    cog = open_cog(file)
    store.fail(fault)
    begun = time.monotonic()
    with pytest.raises(UnreadableAssetError, match=r"a\.tif"):
        decode_block(cog, 0, 2, 3)
    assert time.monotonic() - begun < 10
    if fault == "redirect":
        assert not any("elsewhere" in path for path, *_ in store.requests)


@pytest.mark.parametrize("fault", LYING)
def test_P20_a_file_that_cannot_be_read_from_the_start_is_told_by_both_readers(store, fault, file):
    store.fail(fault)
    with pytest.raises(UnreadableAssetError, match=r"a\.tif"):
        open_cog(file)
    with pytest.raises(UnreadableAssetError, match=r"a\.tif"), telling_failures(file), open_geotiff(file):
        pass


@pytest.mark.parametrize("fault", ["cut", 503, "short"])
def test_P20_what_passes_is_asked_again(store, fault, file):
    expected = decode_block(open_cog(file), 0, 2, 3).pixels
    cog = open_cog(file)
    store.fail(fault, times=2)
    np.testing.assert_array_equal(decode_block(cog, 0, 2, 3).pixels, expected)


@pytest.mark.parametrize("blocks", [0, 1, 4, 8])
def test_P20_gdal_never_shows_what_it_could_not_read(store, blocks, file):
    """The store breaks after some blocks: whatever GDAL makes of that, an error is told."""
    with pytest.raises(UnreadableAssetError):
        _read_while_it_breaks(store, file, blocks)


def _read_while_it_breaks(store, file, blocks):
    with telling_failures(file), open_geotiff(file) as dataset:
        for _, window in list(dataset.block_windows(1))[:blocks]:
            dataset.read(window=window)
        store.fail(500)
        dataset.read(masked=True)


def test_a_failed_read_is_not_remembered(store, file):
    cache = CogCache(16, 1 << 24)
    store.fail(404)
    with pytest.raises(UnreadableAssetError):
        cache.open(file)
    store.fail(None)
    cog = cache.open(file)
    store.fail(404)
    with pytest.raises(UnreadableAssetError):
        cache.block(cog, 0, 2, 3)
    store.fail(None)
    assert cache.block(cog, 0, 2, 3).pixels.any()
    assert cache.open(file) is cog


def test_a_file_that_became_another_one_gives_an_error_and_then_its_new_pixels(tmp_path, ranges):
    old, new = landscape(600, 600, 1, seed=1), landscape(600, 600, 1, seed=2)
    path = write_cog(tmp_path / "a.tif", old, COMPRESS="DEFLATE", BLOCKSIZE="128")
    with http_store(tmp_path) as store:
        cache, file = CogCache(16, 1 << 24), RemoteFile(f"{store.url}/a.tif", ranges)
        before = cache.block(cache.open(file), 0, 4, 4).pixels
        write_cog(path, new, COMPRESS="DEFLATE", BLOCKSIZE="128")
        store.etag = '"2"'
        with pytest.raises(UnreadableAssetError, match="another file"):
            cache.block(cache.open(file), 0, 3, 3)
        after = cache.block(cache.open(file), 0, 4, 4).pixels
    assert (before != after).any()
    np.testing.assert_array_equal(after, decode_block(open_cog(path), 0, 4, 4).pixels)


def test_P20_a_host_that_keeps_failing_is_left_alone_and_others_are_not(store, ranges, picture, file):
    store.fail(500)
    for _ in range(3):
        with pytest.raises(UnreadableAssetError):
            open_cog(file)
    asked = len(store.requests)
    with pytest.raises(UnreadableAssetError, match="is not asked"):
        open_cog(file)
    assert len(store.requests) == asked
    with http_store(picture.parents[1]) as other:
        assert open_cog(RemoteFile(f"{other.url}/bucket/a.tif", ranges)).levels


def test_a_breaker_lets_one_try_after_its_pause_and_all_once_that_worked(monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(breaker_module, "time", clock)
    breaker = Breaker(failures=2, pause_s=5)
    breaker.tell(worked=False)
    assert breaker.lets_through()
    breaker.tell(worked=False)
    assert not breaker.lets_through()
    clock.now = 4.9
    assert not breaker.lets_through()
    clock.now = 5.0
    assert [breaker.lets_through() for _ in range(3)] == [True, False, False]
    breaker.tell(worked=True)
    assert [breaker.lets_through() for _ in range(3)] == [True, True, True]


def test_P20_a_host_is_asked_by_so_many_at_a_time_and_by_others_meanwhile(monkeypatch, store, picture, file):
    monkeypatch.setattr(http_ranges, "_PER_HOST", 2)
    monkeypatch.setattr(http_ranges, "READ_S", 0.5)
    store.fail("silent")
    waiting = [Thread(target=_try_to_open, args=(file,)) for _ in range(6)]
    for thread in waiting:
        thread.start()
    with http_store(picture.parents[1]) as other:
        assert open_cog(RemoteFile(f"{other.url}/bucket/a.tif", file.ranges)).levels
    for thread in waiting:
        thread.join()
    assert 2 <= store.busiest <= 2 + http_ranges.ATTEMPTS  # a request that is given up ends there a little later


def _try_to_open(file):
    with pytest.raises(UnreadableAssetError):
        open_cog(file)


@pytest.mark.parametrize("fault", [*LYING, "silent"])
def test_no_error_and_no_log_tells_what_an_object_is_asked_with(store, ranges, caplog, fault):
    caplog.set_level("DEBUG")
    logging.getLogger("httpx").setLevel("WARNING")  # as the node runs
    store.fail(fault)
    with pytest.raises(UnreadableAssetError) as caught:
        open_cog(RemoteFile("s3://bucket/a.tif", ranges))
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "Signature=" in store.requests[0][0]
    for secret in ("SECRET", "Signature", "X-Amz"):
        assert secret not in told
