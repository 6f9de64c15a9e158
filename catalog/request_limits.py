"""What a request may look like before anyone reads its meaning (limits L01, L02)."""

import json
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from fastapi._compat import ModelField, field_annotation_is_sequence
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.problem import RefusedRequestError, problem

MAX_REQUEST_LINE_BYTES = 8 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_QUERY_PARAMETERS = 64
MAX_BODY_BYTES = 1024 * 1024
MAX_BULK_BODY_BYTES = 10 * 1024 * 1024
MAX_JSON_DEPTH = 32
MAX_JSON_KEYS = 10_000
MAX_BULK_JSON_KEYS = 500_000
"""A body of bulk items holds as many documents as it has room for."""

_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


class RequestLimitsMiddleware:
    """Refuses requests whose line, headers, number of parameters or body are too large.

    The body is counted while it arrives, whatever its Content-Length says, and handed on whole.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            _check_head(scope)
            if scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
                receive = await _buffered(receive, self._max_body_bytes)
        except RefusedRequestError as error:
            await problem(scope, error.status_code, error.code, error.detail)(scope, receive, send)
            return
        await self.app(scope, receive, send)


class StrictRoute(APIRoute):
    """A route that refuses unknown or repeated query parameters, and JSON that `strict_json` refuses."""

    max_json_keys = MAX_JSON_KEYS

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler FastAPI makes, behind our checks."""
        handle = super().get_route_handler()
        known = {field.alias: field_annotation_is_sequence(field.field_info.annotation) for field in self._query()}

        async def handle_strictly(request: Request) -> Response:
            check_parameters([name for name, _ in request.query_params.multi_items()], known)
            strict = _StrictRequest(request.scope, request.receive)
            strict.max_json_keys = self.max_json_keys
            return await handle(strict)

        return handle_strictly

    def _query(self) -> list[ModelField]:
        return [field for field in get_flat_params(self.dependant) if isinstance(field.field_info, Query)]


def check_parameters(names: Sequence[str], known: Mapping[str, bool]) -> None:
    """Refuse query parameters that would be without effect.

    Args:
        names: As given, in order.
        known: What is read here; True for what may be repeated.

    Raises:
        RefusedRequestError: A name is unknown, or one that must not be is repeated.
    """
    if unknown := set(names) - known.keys():
        detail = f"Unknown parameter {min(unknown)[:64]!r}; known here: {', '.join(sorted(known)) or 'none'}"
        raise RefusedRequestError(400, "unknown_parameter", detail)
    if repeated := {name for name in names if names.count(name) > 1 and not known[name]}:
        raise RefusedRequestError(400, "repeated_parameter", f"Parameter {min(repeated)!r} is given more than once")


def strict_json(body: bytes, *, max_keys: int = MAX_JSON_KEYS) -> Any:
    """Parse JSON that has one meaning only.

    Raises:
        RefusedRequestError: It is not JSON, nests too deep, has too many keys or the same key twice, or holds
            NaN, Infinity or half a surrogate pair.
    """
    brackets = np.frombuffer(_JSON_STRING.sub(b"", body), dtype=np.uint8)
    opened = np.isin(brackets, list(b"[{")).astype(np.int32)
    closed = np.isin(brackets, list(b"]}")).astype(np.int32)
    if np.cumsum(opened - closed).max(initial=0) > MAX_JSON_DEPTH:
        raise RefusedRequestError(400, "limit.json", f"The JSON nests deeper than {MAX_JSON_DEPTH} levels")
    try:
        document = orjson.loads(body)
        json.loads(body, object_pairs_hook=_KeyCounter(max_keys))  # orjson keeps the last of two equal keys in silence
    except ValueError as error:
        raise RefusedRequestError(400, "limit.json", f"Not acceptable as JSON: {error}") from error
    return document


class _KeyCounter:
    def __init__(self, max_keys: int) -> None:
        self._count = 0
        self._max_keys = max_keys

    def __call__(self, pairs: list[tuple[str, object]]) -> None:
        self._count += len(pairs)
        if self._count > self._max_keys:
            raise ValueError(f"more than {self._max_keys} keys")
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key stands twice in one object")


class _StrictRequest(Request):
    max_json_keys = MAX_JSON_KEYS

    async def json(self) -> Any:
        return strict_json(await self.body(), max_keys=self.max_json_keys)


def _check_head(scope: Scope) -> None:
    query: bytes = scope["query_string"]
    if len(scope.get("raw_path") or b"") + len(query) > MAX_REQUEST_LINE_BYTES:
        raise RefusedRequestError(414, "limit.request_line", f"The address is longer than {MAX_REQUEST_LINE_BYTES} B")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        raise RefusedRequestError(431, "limit.headers", f"The headers are longer than {MAX_HEADER_BYTES} B")
    if query.count(b"&") >= MAX_QUERY_PARAMETERS:
        raise RefusedRequestError(400, "limit.parameters", f"More than {MAX_QUERY_PARAMETERS} query parameters")


async def _buffered(receive: Receive, max_bytes: int) -> Receive:
    """Read the whole body; gives a `receive` that hands it on and then listens for the disconnect."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > max_bytes:
            raise RefusedRequestError(413, "limit.body", f"The body is longer than {max_bytes} B")
    pending: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def receive_buffered() -> Message:
        return pending.pop() if pending else await receive()

    return receive_buffered
