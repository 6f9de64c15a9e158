"""Refusals as RFC 9457 problem documents, and the request id that ties an answer to the log.

The catalogue's web side and the imagery node answer every error through this file, so that a client meets
one shape: `type`, `title`, `status`, `code` (stable, to be tested by programs), `detail` and `request_id`.
"""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

OurError = TypeVar("OurError", bound=Exception)

_RETRY_AFTER_S = {429: "1", 503: "5"}
_SHOWN_MISTAKES = 5


class RefusedRequestError(HTTPException):
    """A request that is refused for its form, before anyone reads its meaning."""

    def __init__(self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.code = code


def problem(scope: Scope, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """One problem document as an answer; 429 and 503 say when to come back."""
    document = {
        "type": f"urn:imagery-node:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id(scope),
    }
    waiting = {"Retry-After": _RETRY_AFTER_S[status]} if status in _RETRY_AFTER_S else {}
    # Plain ASCII JSON: what a caller sent, even half a surrogate pair, can be quoted back.
    return Response(json.dumps(document), status, {**waiting, **(headers or {})}, "application/problem+json")


def request_id(scope: Scope) -> str:
    """The id of this request, the same for every app and middleware it passes."""
    state: dict[str, Any] = scope.setdefault("state", {})
    identity: str = state.setdefault("request_id", uuid.uuid4().hex)
    return identity


def add_problem_handlers(app: FastAPI, status_codes: Mapping[type[OurError], int]) -> None:
    """Answer our errors, refused parameters and unknown routes with problems.

    Each of our classes has a `code`. One with a true `transient` is a busy moment rather than a fault: it is logged
    in one line, without traceback.
    """

    async def answer_ours(request: Request, error: Exception) -> Response:
        status = next(status_codes[kind] for kind in type(error).__mro__ if kind in status_codes)
        detail = str(error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            transient = getattr(error, "transient", False)
            level, fault = (logging.WARNING, None) if transient else (logging.ERROR, error)
            logger.log(level, "request %s: %s", request_id(request.scope), error, exc_info=fault)
            detail = HTTPStatus(status).description
        return problem(request.scope, status, getattr(error, "code", "error"), detail)

    for kind in status_codes:
        app.add_exception_handler(kind, answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(StarletteHTTPException, _answer_http)


class ProblemMiddleware:
    """Gives each request its id and turns what nobody caught into a logged problem 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer for what it met."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = request_id(scope)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).setdefault("x-request-id", identity)
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            if started:
                raise
            logger.exception("request %s failed", identity)
            answer = problem(scope, 500, "internal_error", "The fault is ours; quote the request_id when reporting it.")
            await answer(scope, receive, send_with_id)


async def _answer_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, StarletteHTTPException):
        raise error
    code = getattr(error, "code", HTTPStatus(error.status_code).name.lower())
    return problem(request.scope, error.status_code, code, error.detail, headers=error.headers)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    mistakes = error.errors()
    detail = "; ".join(f"{_place(mistake['loc'])}: {_told(mistake)}" for mistake in mistakes[:_SHOWN_MISTAKES])
    return problem(request.scope, 400, _limit_code(mistakes[0]), detail)


def _limit_code(mistake: Mapping[str, Any]) -> str:
    if mistake["type"] == "extra_forbidden":
        return "unknown_parameter"
    return f"limit.{mistake['loc'][1]}" if len(mistake["loc"]) > 1 else "limit.body"


def _told(mistake: Mapping[str, Any]) -> str:
    if isinstance(mistake.get("input"), bytes):
        return "is not read as JSON without the header Content-Type: application/json"
    message: str = mistake["msg"]
    return message.removeprefix("Value error, ")


def _place(location: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in location)
