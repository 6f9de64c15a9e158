"""Routes that FastAPI documents and does not handle: its machinery takes longer than most searches."""

from collections.abc import Callable
from urllib.parse import parse_qsl

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from stac_fastapi.types.search import APIRequest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.request_limits import check_parameters


def quick_answer(kind: type[APIRequest], answer: Callable[..., Response]) -> ASGIApp:
    """What answers a route in place of FastAPI, with the refusals of a `StrictRoute`.

    Args:
        kind: The route's parameters, in its path and in the query, none of which may be repeated.
        answer: Is called in a thread, with the request and the parameters.
    """
    adapter = TypeAdapter(kind)
    names = adapter.json_schema()["properties"].keys()

    async def answer_quickly(scope: Scope, receive: Receive, send: Send) -> None:
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        in_path = scope["path_params"]
        check_parameters([name for name, _ in given], dict.fromkeys(names - in_path.keys(), False))
        try:
            parameters = adapter.validate_python({**dict(given), **in_path})
        except ValidationError as error:
            mistakes = [{**mistake, "loc": ("query", *mistake["loc"])} for mistake in error.errors()]
            raise RequestValidationError(mistakes) from error
        response = await run_in_threadpool(answer, Request(scope, receive), **parameters.kwargs())
        await response(scope, receive, send)

    return answer_quickly
