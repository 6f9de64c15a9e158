"""A client that leaves stops costing (P34), and those who asked for the same get it all the same (P14)."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit

import pytest

from imagery_node import cog_cache
from tests.support.published import address, node_at, put_collection

HOLED = f"/raster/layers/gf2-pms/{address(suffix='.png', dx=1, dy=1)}"
"""A tile that no scene fills, so that all are opened for it; no file stores it."""
SCENES = 5


@pytest.fixture
def disk(monkeypatch):
    """Opens a file only when `turns` is set; `opened` are those that it was asked for."""
    opened, turns, asked = [], Event(), Event()
    open_cog = cog_cache.open_cog

    def open_slowly(path):
        opened.append(path)
        asked.set()
        turns.wait(20)
        return open_cog(path)

    monkeypatch.setattr(cog_cache, "open_cog", open_slowly)
    disk = type("Disk", (), {"opened": opened, "turns": turns, "asked": asked})
    yield disk
    turns.set()


@pytest.fixture
def node(tmp_path):
    with node_at(tmp_path, draw_workers=1) as running:
        put_collection(running.store, "gf2-pms")
        for number in range(SCENES):
            running.publish(f"S{number}", f"2024-03-0{number + 1}T03:00:00Z")
        yield running


def ask(node, path):
    """A client that has sent its request and reads nothing yet."""
    place = urlsplit(node.url)
    client = socket.create_connection((place.hostname, place.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    return client


def drawings(node):
    return list(node.app.state.tiles._drawings._works.values())


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_P34_a_drawing_ends_at_its_next_scene_when_its_only_client_left(node, disk, caplog):
    client = ask(node, HOLED)
    assert disk.asked.wait(10)
    client.close()
    wait_until(lambda: not drawings(node))
    disk.turns.set()
    assert node.get("/raster/layers/gf2-pms/" + address()).status_code == 200  # by the same thread, behind that drawing
    assert {path.parts[-3] for path in disk.opened} == {f"S{SCENES - 1}"}  # the topmost
    assert node.count("composed") == 0
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_P14_a_client_that_leaves_takes_nothing_from_those_who_asked_for_the_same(node, disk):
    leader = ask(node, HOLED)
    assert disk.asked.wait(10)
    with ThreadPoolExecutor(3) as callers:
        followers = [callers.submit(node.get, HOLED) for _ in range(3)]
        (work,) = drawings(node)
        wait_until(lambda: work.callers == 4)
        leader.close()
        wait_until(lambda: work.callers == 3)
        disk.turns.set()
        assert {follower.result().status_code for follower in followers} == {200}
    assert len(disk.opened) == SCENES
    assert node.count("composed") == 3


def test_a_client_that_comes_after_all_others_left_has_a_drawing_of_its_own(node, disk):
    client = ask(node, HOLED)
    assert disk.asked.wait(10)
    client.close()
    wait_until(lambda: not drawings(node))
    with ThreadPoolExecutor(1) as callers:
        later = callers.submit(node.get, HOLED)
        wait_until(lambda: drawings(node))
        disk.turns.set()
        assert later.result().status_code == 200
