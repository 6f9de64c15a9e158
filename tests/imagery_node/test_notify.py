"""`imagery-node notify` as a process: it tells, stops when asked, and is alone."""

import base64
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import shapely

from catalog.store import open_store
from catalog.webhook import subscriber_secret
from tests.support.command import OURS, imagery_node, in_process
from tests.support.coverage import scene
from tests.support.receiver import receiving
from tests.support.stac import some_collection

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def store(home):
    store = open_store(home)
    store.put_collection(some_collection("gf2-pms"))
    yield store
    store.close()


def settings(address):
    return {"CATALOG_WEBHOOKS": address, "CATALOG_WEBHOOK_SECRET": SECRET}


@contextmanager
def notifying(home, address):
    """A process that tells one address; its log is read until it does."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    command = [sys.executable, "-m", "imagery_node.cli", "notify", "--home", home, "--every", "0.1"]
    process = subprocess.Popen(command, env=inherited | settings(address), stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if "is told of what comes after" in line:
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_publication_is_told_and_sigterm_ends_it_well(store, home):
    with receiving() as receiver, notifying(home, receiver.url) as process:
        store.load([scene("one", shapely.box(104, 30, 105, 31))])
        (event,) = receiver.wait_for(1)
        assert event["data"]["id"] == "one"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_second_process_is_refused(store, home):
    with receiving() as receiver, notifying(home, receiver.url):
        done = imagery_node("notify", "--home", home, variables=settings(receiver.url))
    assert done.returncode == 1
    assert "another process" in done.stderr


def test_each_subscriber_is_shown_its_own_secret(home, monkeypatch):
    addresses = ["https://a.example.org/hook", "https://b.example.org/hook"]
    for name, value in settings(",".join(addresses)).items():
        monkeypatch.setenv(name, value)
    done = in_process("notify", "--home", home, "--secrets")
    assert done.stdout.splitlines() == [f"{address} {subscriber_secret(SECRET, address)}" for address in addresses]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "CATALOG_WEBHOOKS: names nobody"),
        ({"CATALOG_WEBHOOKS": "https://a.example.org/"}, "CATALOG_WEBHOOK_SECRET: is needed"),
        (settings("http://a.example.org/"), "must be https"),
        (settings("https://a.example.org/") | {"CATALOG_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "24 random bytes"),
    ],
)
def test_settings_that_cannot_work_are_refused(home, variables, said, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = in_process("notify", "--home", home)
    assert (done.returncode, said in done.stderr) == (78, True), done.stderr
    assert "c2hvcnQ" not in done.stderr
