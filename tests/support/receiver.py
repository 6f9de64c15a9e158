"""A webhook receiver on a real port: keeps what it is sent, and answers as it is told."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Received:
    """One request."""

    def __init__(self, handler, body):
        self.path, self.headers, self.body = handler.path, dict(handler.headers.items()), body
        self.event = json.loads(body)


class Receiver:
    """What it was sent; `answers` are given first, one after the other, then 204 for ever."""

    def __init__(self, answers):
        self._answers = list(answers)
        self._come = threading.Condition()
        self.requests = []

    def take(self, request):
        with self._come:
            self.requests.append(request)
            answer = self._answers.pop(0) if self._answers else (204, {}, b"")
            self._come.notify_all()
        return answer

    def wait_for(self, count):
        """The events of the first so many requests."""
        with self._come:
            assert self._come.wait_for(lambda: len(self.requests) >= count, 60), [r.event for r in self.requests]
            return [request.event for request in self.requests[:count]]


@contextmanager
def receiving(*answers):
    """Each answer is (status, headers, body); gives the receiver, its address in `url`."""
    receiver = Receiver(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            status, headers, body = receiver.take(Received(self, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook?token=abc"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(30)
