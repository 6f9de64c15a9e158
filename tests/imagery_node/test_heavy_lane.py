import asyncio
import logging
import socket
import threading
import time

import pytest
import requests
from fastapi import FastAPI

from catalog.problem import ProblemMiddleware, add_problem_handlers
from imagery_node.errors import STATUS_CODES, BadParameterError, DeadlineError
from imagery_node.heavy_lane import HeavyAnswer, HeavyLane
from imagery_node.settings import ImageryNodeSettings
from tests.support.node import serving


def parts_until(given_up, made):
    """Parts without end, until nobody wants them any more."""
    while not given_up.wait(0.02):
        made.append(len(made))
        yield b"part\n"
    raise DeadlineError("given up")


@pytest.fixture
def lane_app():
    """An application with works of each kind in a lane of one place; `made` grows with every part."""
    settings = ImageryNodeSettings(heavy_in_flight=1, queue_wait_s=0.3, heavy_deadline_s=0.6)
    lane, made, release = HeavyLane(settings), [], threading.Event()

    def refuse(_):
        raise BadParameterError("no", limit="x")

    def wait_first(given_up):
        release.wait(5)
        yield b"late" if given_up.is_set() else b"first"

    works = {
        "short": lambda _: iter((b"one ", b"two")),
        "endless": lambda given_up: parts_until(given_up, made),
        "refused": refuse,
        "held": wait_first,
    }
    app = FastAPI()
    app.add_middleware(ProblemMiddleware)
    add_problem_handlers(app, STATUS_CODES)

    @app.get("/{name}")
    def answer(name: str):
        return HeavyAnswer(lane, works[name], media_type="text/plain")

    app.state.made, app.state.release = made, release
    with serving(app) as url:
        app.state.url = url
        yield app.state


def settle(made):
    """How many parts are made once no more are."""
    count = -1
    while count != len(made):
        count = len(made)
        time.sleep(0.2)
    return count


def test_parts_are_sent_one_by_one(lane_app):
    assert requests.get(f"{lane_app.url}/short", timeout=5).text == "one two"
    with requests.get(f"{lane_app.url}/endless", stream=True, timeout=5) as answer:
        assert next(answer.iter_lines()) == b"part"
        assert len(lane_app.made) < 10


def test_what_is_refused_before_the_first_part_is_an_error_like_any_other(lane_app):
    answer = requests.get(f"{lane_app.url}/refused", timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (400, "limit.x")


def test_an_answer_out_of_time_breaks_off_without_its_end(lane_app, caplog):
    with pytest.raises(requests.exceptions.ChunkedEncodingError), caplog.at_level(logging.CRITICAL):
        _ = requests.get(f"{lane_app.url}/endless", timeout=5).content
    assert requests.get(f"{lane_app.url}/short", timeout=5).status_code == 200


def test_a_full_lane_is_answered_503_and_is_free_again_afterwards(lane_app):
    held = threading.Thread(target=requests.get, args=(f"{lane_app.url}/held",), kwargs={"timeout": 5})
    held.start()
    time.sleep(0.1)
    assert requests.get(f"{lane_app.url}/short", timeout=5).status_code == 503
    lane_app.release.set()
    held.join()
    assert requests.get(f"{lane_app.url}/short", timeout=5).status_code == 200


def test_a_client_that_leaves_stops_costing(lane_app):
    host, port = lane_app.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(100)
    assert settle(lane_app.made) < 15  # the time of the lane is enough for twice as many
    assert requests.get(f"{lane_app.url}/short", timeout=5).status_code == 200


def test_work_that_is_given_up_before_its_first_part_is_no_answer_yet():
    async def nothing_in_time():
        lane = HeavyLane(ImageryNodeSettings(heavy_in_flight=1, heavy_deadline_s=0.05))

        def work(given_up):
            given_up.wait(5)
            raise DeadlineError("given up")

        sent = []

        async def receive():
            await asyncio.sleep(60)

        async def send(message):
            sent.append(message)

        answer = HeavyAnswer(lane, work, media_type="text/plain")
        with pytest.raises(DeadlineError):
            await answer({"type": "http"}, receive, send)
        return sent

    assert asyncio.run(nothing_in_time()) == []
