"""Is the process alive, and may it get requests? Both answers use no worker thread."""

import time

from fastapi import APIRouter

from catalog.errors import CatalogError
from catalog.search import ItemStore

_ANSWER_HOLDS_S = 1.0


def health_routes(store: ItemStore) -> APIRouter:
    """The routes a supervisor asks."""
    router = APIRouter(tags=["health"])
    asked_at, refusal = float("-inf"), None

    @router.get("/healthz", summary="Alive")
    async def alive() -> dict[str, str]:
        """The event loop answers."""
        return {"status": "alive"}

    @router.get("/readyz", summary="Ready", responses={503: {"description": "The catalogue cannot answer."}})
    async def ready() -> dict[str, str]:
        """The catalogue answers, or did a moment ago."""
        nonlocal asked_at, refusal
        if time.monotonic() - asked_at > _ANSWER_HOLDS_S:
            refusal = _refusal(store)
            asked_at = time.monotonic()
        if refusal is not None:
            raise refusal
        return {"status": "ready"}

    return router


def _refusal(store: ItemStore) -> CatalogError | None:
    """Why the catalogue cannot answer."""
    try:
        store.check()
    except CatalogError as error:
        return error
    return None
