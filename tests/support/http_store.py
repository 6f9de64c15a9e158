"""A store of files over HTTP that can be told to fail in every way that stores do; folders are buckets, if need be."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class HttpStore:
    """Serves the files of a folder by byte ranges; `fault` is how it fails the next `times` requests."""

    def __init__(self, folder: Path):
        self.folder, self.fault, self.times = folder, None, 0
        self.requests, self.etag = [], '"1"'
        self.busy = self.busiest = 0
        self.released = threading.Event()
        self._lock = threading.Lock()

    def fail(self, fault, times=10**9):
        """Fail so: an HTTP status, or the name of a method of the handler."""
        self.fault, self.times = fault, times

    @contextmanager
    def counted(self):
        """Notes how many requests are answered at a time."""
        with self._lock:
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        try:
            yield
        finally:
            with self._lock:
                self.busy -= 1

    def next_fault(self):
        with self._lock:
            if self.fault is None or self.times == 0:
                return None
            self.times -= 1
            return self.fault


@contextmanager
def http_store(folder):
    """The store with its `url`, while the block runs."""
    store = HttpStore(folder)

    class Handler(_Handler):
        files = store

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # clients that turned away from a bad answer
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 20
    files: HttpStore

    def log_message(self, *_):
        pass

    def do_GET(self):
        with self.files.counted():
            self._answer()

    def _answer(self):
        range_ = self.headers.get("range")
        self.files.requests.append((self.path, self.client_address, self.headers))
        fault = self.files.next_fault()
        path = self.files.folder / unquote(urlsplit(self.path).path).lstrip("/")
        if isinstance(fault, int):
            return self._send(fault, b"no")
        if not path.is_file():
            return self._send(404, b"no")
        data = path.read_bytes()
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", range_).groups())
        last = min(last, len(data) - 1)
        if first > last:
            return self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        part = data[first : last + 1]
        place = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        if fault is not None:
            return getattr(self, fault)(data, part, place)
        return self._send(206, part, place)

    def cut(self, _, part, place):
        """A body that ends in the middle, with the connection."""
        self._send(206, part, place, body=part[: len(part) // 2])
        self.close_connection = True

    def short(self, _, part, place):
        """Fewer bytes than were asked for, and a length that says so."""
        self._send(206, part[:-1], place)

    def shifted(self, data, part, place):
        """Other bytes than were asked for, and headers that say so."""
        self._send(206, part, {"Content-Range": f"bytes 1-{len(part)}/{len(data)}"})

    def whole(self, data, *_):
        """The whole file, as a server that knows no ranges."""
        self._send(200, data)

    def redirect(self, *_):
        """Somewhere else."""
        self._send(302, b"", {"Location": f"{self.files.url}/elsewhere.tif"})

    def packed(self, _, part, place):
        """Bytes that are said to be compressed."""
        self._send(206, part, place | {"Content-Encoding": "gzip"})

    def silent(self, _, part, place):
        """Headers, and then nothing for a long time."""
        self._send(206, part, place, body=b"")
        self.files.released.wait(60)
        self.close_connection = True

    def dripping(self, _, part, place):
        """A byte now and then, each before anyone would lose patience."""
        self._send(206, part, place, body=b"")
        for at in range(len(part)):
            if self.files.released.wait(0.05):
                break
            try:
                self.wfile.write(part[at : at + 1])
                self.wfile.flush()
            except OSError:
                break
        self.close_connection = True

    def _send(self, status, content, headers=None, *, body=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("ETag", self.files.etag)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if body is None else body)
        self.wfile.flush()
