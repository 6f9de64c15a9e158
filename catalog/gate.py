"""Bearer tokens at the door: who reads protected files, who writes; asked before anything of a request is read."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.access import Access, is_any_of
from catalog.problem import RefusedRequestError, problem

_CHALLENGE = 'Bearer realm="imagery-node"'


class ReaderMiddleware:
    """Recognises readers, refuses wrong tokens, and keeps what readers are given out of shared caches (T15).

    A token that opens nothing is refused rather than passed over: its bearer would take the public answer for theirs.
    Where no token opens anything the header is somebody else's, such as a proxy's, and is not looked at.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with what is known of its sender."""
        if scope["type"] != "http" or not self._access.knows_readers:
            await self.app(scope, receive, send)
            return
        token = _bearer_token(scope)
        if token is not None and not self._access.admits(token):
            await _refusal(scope)(scope, receive, send)
            return
        scope.setdefault("state", {})["reader"] = token is not None

        async def send_with_caching(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Authorization")
                if token is not None:
                    headers["cache-control"] = "private, no-store"
            await send(message)

        await self.app(scope, receive, send_with_caching)


class WriterMiddleware:
    """Lets nobody in but the bearer of the one token (T21); such a one may read everything too."""

    def __init__(self, app: ASGIApp, token: str, *, public_paths: frozenset[str] = frozenset()) -> None:
        self.app = app
        self._token = token
        self._public_paths = public_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in self._public_paths:
            token = _bearer_token(scope)
            if token is None or not is_any_of(token, (self._token,)):
                await _refusal(scope)(scope, receive, send)
                return
            scope.setdefault("state", {})["reader"] = True
        await self.app(scope, receive, send)


def is_reader(scope: Scope) -> bool:
    """Whether the sender of a request showed a token that opens protected files."""
    return bool(scope.get("state", {}).get("reader"))


def require_reader(scope: Scope, access: Access, collection: str) -> None:
    """See that the sender may have the pixels of a collection.

    Raises:
        RefusedRequestError: 401; it is protected, and the sender showed no token.
    """
    if collection in access.protected and not is_reader(scope):
        raise RefusedRequestError(
            401,
            "unauthorised",
            f"The files of collection {collection} are protected: send a token, or ask its owner for a signed link",
            headers={"WWW-Authenticate": _CHALLENGE},
        )


def _bearer_token(scope: Scope) -> str | None:
    """The token of the header; None where there is no header, or one of another scheme."""
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _refusal(scope: Scope) -> ASGIApp:
    headers = {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"', "Cache-Control": "no-store"}
    return problem(scope, 401, "unauthorised", "The token is missing or opens nothing here", headers=headers)
