"""What every answer carries: cross-origin permission and browser protection."""

from collections.abc import Iterable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CORS = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"Accept-Ranges, Content-Disposition, Content-Length, Content-Range, "
        b"ETag, Imagery-Before, Imagery-Complete, Imagery-Date, Imagery-Unreadable, Mosaic-Rule, "
        b"Pyramid-Lag, Retry-After, Server-Timing, X-Request-ID",
    ),
)
_EVERY_ANSWER = (
    *_CORS,
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)
_PREFLIGHT = (
    *_EVERY_ANSWER,
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, If-None-Match, Range"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
)

Header = tuple[bytes, bytes]


class AnswerHeadersMiddleware:
    """Adds the headers to every answer, whichever app, lane or error it comes from.

    The node is a public, read-only edition without credentials, so any origin may read.
    """

    def __init__(self, app: ASGIApp, *, picture_origins: Sequence[str] = ()) -> None:
        """`picture_origins`: the other hosts whose thumbnails pages show."""
        self.app = app
        self._page = _page_headers(picture_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer a preflight."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and _has(scope["headers"], b"access-control-request-method"):
            await send({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
            await send({"type": "http.response.body"})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[Header] = message["headers"]
                own = [header for header in headers if not header[0].startswith(b"access-control-")]
                page = self._page if any(n == b"content-type" and v.startswith(b"text/html") for n, v in own) else ()
                message["headers"] = [*own, *_EVERY_ANSWER, *page]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class HeadAsGet:
    """Answers HEAD, where the routes only know GET, by their headers."""

    def __init__(self, router: ASGIApp) -> None:
        """`router`: whose answers to GET are asked for."""
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""

        async def send_headers(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._router({**scope, "method": "GET", "path_params": {}}, receive, send_headers)


def _page_headers(picture_origins: Sequence[str]) -> tuple[Header, ...]:
    pictures = " ".join(["'self'", "data:", "blob:", *picture_origins])
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {pictures}; connect-src 'self'; "
        "font-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
    )
    return (
        (b"content-security-policy", policy.encode()),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    )


def _has(headers: Iterable[Header], name: bytes) -> bool:
    return any(key == name for key, _ in headers)
