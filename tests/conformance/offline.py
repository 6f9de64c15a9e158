"""Lets a judge that fetches schemas from the web find them on disk instead; nothing of what it judges is touched."""

import io
import urllib.request
from email.message import Message
from urllib.error import URLError
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import LocationValueError

from tests.support.schemas import SCHEMAS

_LOOPBACK = "127.0.0.1"


def answer_from_disk():
    """From now on, addresses that are not on this machine are answered from ../shared/schemas/HOST/PATH, or fail."""
    ask_network = urllib3.HTTPConnectionPool.urlopen

    def urlopen(pool, method, url, *args, preload_content=True, **options):
        if pool.host == _LOOPBACK:
            return ask_network(pool, method, url, *args, preload_content=preload_content, **options)
        try:
            body = _schema(pool.host, urlsplit(url).path)
        except OSError as error:
            raise LocationValueError(str(error)) from error
        headers = {"Content-Type": "application/json"}
        return urllib3.HTTPResponse(io.BytesIO(body), headers, 200, preload_content=preload_content)

    urllib3.HTTPConnectionPool.urlopen = urlopen
    urllib.request.install_opener(urllib.request.build_opener(_Shelf))


class _Shelf(urllib.request.BaseHandler):
    handler_order = 100  # before those that ask the network

    def http_open(self, request):
        if urlsplit(request.full_url).hostname == _LOOPBACK:
            return None
        return self.https_open(request)

    def https_open(self, request):
        address = urlsplit(request.full_url)
        try:
            body = _schema(address.hostname, address.path)
        except OSError as error:
            raise URLError(error) from error
        return urllib.request.addinfourl(io.BytesIO(body), Message(), request.full_url, 200)


def _schema(host, path):
    return (SCHEMAS / host / path.lstrip("/")).read_bytes()
