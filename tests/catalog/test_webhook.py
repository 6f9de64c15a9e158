"""Webhooks to real receivers: order, signatures, retries, what a crash repeats, and who must not hold up whom."""

import base64
import hashlib
import hmac
import json
import threading
from contextlib import contextmanager

import pytest
import shapely

from catalog import webhook
from catalog.change_feed import change_document
from catalog.outbound import make_client
from catalog.webhook import Courier, Subscriber, subscriber_secret
from catalog.webhook_address import check_address
from tests.support.coverage import scene
from tests.support.receiver import receiving
from tests.support.stac import some_collection

SECRET = "whsec_" + base64.b64encode(b"a key of the node that nobody else knows").decode()
NODE = "https://node.example.org"


@pytest.fixture
def filled(store, monkeypatch):
    monkeypatch.setattr(webhook, "pause_s", lambda attempt: 0.01)
    store.put_collection(some_collection("gf2-pms"))
    publish(store, "before")
    return store


@pytest.fixture
def couriers(filled, home):
    """Runs couriers to addresses until the block ends, and sees that none of them died."""

    @contextmanager
    def _couriers(*addresses):
        stop, faults = threading.Event(), []
        with make_client(silence_s=5, connections=4) as client:

            def work(address):
                try:
                    subscriber = Subscriber(address, secret=SECRET, home=home)
                    Courier(subscriber, filled, node=NODE, client=client, stop=stop, poll_s=0.02).run()
                except BaseException as error:
                    faults.append(error)
                    raise

            threads = [threading.Thread(target=work, args=(address,)) for address in addresses]
            for thread in threads:
                thread.start()
            for address in addresses:
                _wait_until_known(Subscriber(address, secret=SECRET, home=home), stop)
            try:
                yield
            finally:
                stop.set()
                for thread in threads:
                    thread.join(30)
        assert not faults

    return _couriers


def _wait_until_known(subscriber, stop):
    for _ in range(1000):
        if subscriber.sequence() is not None:
            return
        stop.wait(0.02)
    raise AssertionError("the courier did not start")


def publish(store, name, **properties):
    store.load([scene(name, shapely.box(104, 30, 105, 31), **properties)])


def ids(events):
    return [event["data"]["id"] for event in events]


def test_every_change_after_the_first_day_is_told_in_order(filled, couriers):
    with receiving() as receiver, couriers(receiver.url):
        for name in ("one", "two", "three"):
            publish(filled, name)
        filled.recall("gf2-pms", "two", reason="试验")
        filled.restore("gf2-pms", "two")
        publish(filled, "one", cloud_cover=1.0)
        events = receiver.wait_for(6)
    assert ids(events) == ["one", "two", "three", "two", "two", "one"]
    assert [event["type"].rpartition(".")[2] for event in events] == [
        "published", "published", "published", "recalled", "restored", "replaced",
    ]  # fmt: skip
    assert [int(event["id"]) for event in events] == [change.sequence for change in filled.changes(0)[1:]]


def test_an_event_is_a_cloud_event_that_says_what_the_feed_says(filled, couriers):
    with receiving() as receiver, couriers(receiver.url):
        publish(filled, "one")
        (event,) = receiver.wait_for(1)
        request = receiver.requests[0]
    change = filled.changes(0)[-1]
    address = f"{NODE}/stac/collections/gf2-pms/items/one"
    assert event == {
        "specversion": "1.0",
        "id": str(change.sequence),
        "source": f"{NODE}/stac/changes",
        "type": "imagery-node.item.published",
        "subject": "gf2-pms/one",
        "time": event["data"]["changed"],
        "datacontenttype": "application/json",
        "data": json.loads(json.dumps(change_document(change, address))),
    }
    assert event["data"]["href"] == address
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.path == "/hook?token=abc"


def test_a_subscriber_can_check_who_sent_it_with_its_own_secret(filled, couriers):
    with receiving() as receiver, couriers(receiver.url):
        publish(filled, "one")
        receiver.wait_for(1)
        request = receiver.requests[0]
    key = base64.b64decode(subscriber_secret(SECRET, receiver.url).removeprefix("whsec_"))
    said = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    right = base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{right}"
    assert request.headers["webhook-id"] == request.event["id"]
    assert subscriber_secret(SECRET, "https://another.example.org/") != subscriber_secret(SECRET, receiver.url)


def test_a_signature_is_that_of_the_standards_own_example():
    """Source: standard-webhooks, libraries/python/tests."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    said = webhook.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "refusal",
    [
        (500, {}, b"busy"),
        (404, {}, b""),
        (429, {"retry-after": "0"}, b""),
        (302, {"location": "http://127.0.0.1:9/"}, b""),
    ],
    ids=["500", "404", "429", "a redirect, which is not followed"],
)
def test_what_is_not_taken_comes_again_before_anything_else(filled, couriers, refusal):
    with receiving(refusal, refusal) as receiver, couriers(receiver.url):
        publish(filled, "one")
        publish(filled, "two")
        events = receiver.wait_for(4)
        tries = receiver.requests[:3]
    assert ids(events) == ["one", "one", "one", "two"]
    assert len({request.headers["webhook-id"] for request in tries}) == 1


def test_a_subscriber_that_asks_for_time_is_given_it(monkeypatch, filled, home):
    pauses = []
    with receiving((503, {"retry-after": "120"}, b""), (503, {"retry-after": "9" * 8}, b"")) as receiver:

        class Stop(threading.Event):
            def wait(self, timeout=None):
                pauses.append(timeout)
                if len(receiver.requests) == 3:
                    self.set()
                return self.is_set()

        subscriber = Subscriber(receiver.url, secret=SECRET, home=home)
        subscriber.note(0)
        with make_client(silence_s=5, connections=1) as client:
            Courier(subscriber, filled, node="", client=client, stop=Stop(), poll_s=7).run()
    assert pauses == [120, 3600, 7]


def test_a_dead_subscriber_holds_up_nobody_and_is_told_everything_later(filled, couriers):
    dead = [(500, {}, b"")] * 20
    with receiving(*dead) as ill, receiving() as well, couriers(ill.url, well.url):
        for name in ("one", "two"):
            publish(filled, name)
        assert ids(well.wait_for(2)) == ["one", "two"]
        assert set(ids(ill.wait_for(20))) == {"one"}
        assert ids(ill.wait_for(22))[20:] == ["one", "two"]


def test_who_comes_back_is_told_what_it_missed_and_nothing_twice(filled, couriers):
    with receiving() as receiver:
        with couriers(receiver.url):
            publish(filled, "one")
            receiver.wait_for(1)
        publish(filled, "while-nobody-told")
        with couriers(receiver.url):
            publish(filled, "after")
            events = receiver.wait_for(3)
    assert ids(events) == ["one", "while-nobody-told", "after"]


def test_what_was_taken_but_not_recorded_comes_again_with_the_same_id(filled, home):
    with receiving() as receiver, make_client(silence_s=5, connections=1) as client:
        subscriber = Subscriber(receiver.url, secret=SECRET, home=home)
        subscriber.note(0)

        class Crashing(Subscriber):
            def note(self, sequence):
                raise OSError(28, "no space left")

        stop = threading.Event()
        crashing = Crashing(receiver.url, secret=SECRET, home=home)
        with pytest.raises(OSError, match="no space"):
            Courier(crashing, filled, node="", client=client, stop=stop, poll_s=1).run()
        thread = threading.Thread(
            target=Courier(subscriber, filled, node="", client=client, stop=stop, poll_s=0.02).run
        )
        thread.start()
        events = receiver.wait_for(2)
        stop.set()
        thread.join(30)
    assert ids(events) == ["before", "before"]
    assert events[0]["id"] == events[1]["id"]


def test_a_feed_that_began_anew_is_told_as_such_once(filled, home, couriers):
    with receiving() as receiver:
        Subscriber(receiver.url, secret=SECRET, home=home).note(filled.sequence() + 1000)
        with couriers(receiver.url):
            (event,) = receiver.wait_for(1)
            newest = filled.sequence()
            publish(filled, "next")
            events = receiver.wait_for(2)
    assert (event["type"], event["data"]) == ("imagery-node.changes.reset", {"newest": newest})
    assert ids(events[1:]) == ["next"]


def test_an_answer_without_end_is_not_read(filled, couriers):
    """The receiver promises a gigabyte; who would read it would wait until the time is over."""
    with receiving((200, {"content-length": str(2**30)}, b"x" * 1000)) as receiver, couriers(receiver.url):
        publish(filled, "one")
        publish(filled, "two")
        assert ids(receiver.wait_for(2)) == ["one", "two"]


def test_what_is_kept_of_a_subscriber_does_not_hold_its_token(filled, home):
    subscriber = Subscriber("https://hooks.example.org/x?token=abc", secret=SECRET, home=home)
    subscriber.note(7)
    (file,) = (home / "webhooks").iterdir()
    assert (subscriber.sequence(), "abc" in file.read_text()) == (7, False)


@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example.org/", "ftp://127.0.0.1/", "https://", "https://user:word@hooks.example.org/", "hooks",
        "https://hooks.example.org/#x", "https://hooks.example.org/a b", "http://127.0.0.1.example.org/",
        "https://钩子.example.org/", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_nothing_is_posted_to_other_places(address):
    with pytest.raises(ValueError, match="must be"):
        check_address(address)


@pytest.mark.parametrize(
    "address", ["https://hooks.example.org:8443/a?b=c", "http://127.0.0.1:9000/", "http://[::1]/", "http://localhost/x"]
)
def test_https_and_this_machine_may_be_posted_to(address):
    assert check_address(address) == address
