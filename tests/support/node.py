"""Real servers on free ports: an application in a thread, or a whole node as its own process."""

import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import requests
import uvicorn

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15

_COMPLAINT = re.compile(r"WARNING|ERROR|CRITICAL|Traceback|Warning:")


@contextmanager
def serving(app):
    """Serve an ASGI application from a thread of this process; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            _wait(lambda: server.started, thread.is_alive)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STOP_TIMEOUT_S)


class Node:
    """A server process for one home; stopping it asserts that its log holds no unexpected complaint."""

    def __init__(self, home: Path, *, command=None, ready="/readyz", expected=()):
        """Prepare, without starting.

        `command` runs instead of `imagery-node serve`, with `{home}` and `{port}` filled in; `ready` is a path that
        answers 200 once the server is up; `expected` are regular expressions of log lines that may complain.
        """
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "serve.log"
        self._expected = re.compile("|".join(expected)) if expected else None
        self._ready = ready
        command = command or ("-m", "imagery_node.cli", "serve", "--home", "{home}", "--port", "{port}")
        self._command = [sys.executable, *(word.format(home=home, port=self.port) for word in command)]

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(self._answers, lambda: self.process.poll() is None)
        except RuntimeError as error:
            self._stop()
            raise RuntimeError(f"{error}: {self.log.read_text()}") from error
        return self

    def __exit__(self, kind, *_):
        self._stop()
        if kind is None:
            complaints = [line for line in self.log.read_text().splitlines() if self._complains(line)]
            assert not complaints, complaints

    def _answers(self):
        try:
            return requests.get(self.url + self._ready, timeout=5).ok
        except requests.ConnectionError:
            return False

    def _complains(self, line):
        return _COMPLAINT.search(line) and not (self._expected and self._expected.search(line))

    def _stop(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def _wait(done, alive):
    deadline = time.monotonic() + START_TIMEOUT_S
    while not done():
        if not alive() or time.monotonic() > deadline:
            raise RuntimeError("the server did not start")
        time.sleep(0.05)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
