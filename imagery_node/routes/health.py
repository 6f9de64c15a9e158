"""Is the process alive, and may it get requests? Both answers use no worker thread."""

from fastapi import APIRouter

from imagery_node.scene_index import SceneIndex


def health_routes(index: SceneIndex) -> APIRouter:
    """The routes a supervisor asks."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Alive")
    async def alive() -> dict[str, str]:
        """The event loop answers."""
        return {"status": "alive"}

    @router.get("/readyz", summary="Ready", responses={503: {"description": "The catalogue cannot answer."}})
    async def ready() -> dict[str, str]:
        """The catalogue answers."""
        index.newest()
        return {"status": "ready"}

    return router
